// Package outbox publishes messages that were written in the transaction of the
// change they tell of: none is lost, none tells of a change that did not happen.
package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrUndeliverable, when Publish returns it, says that trying again is useless.
	ErrUndeliverable = errors.New("message cannot be delivered")
	// ErrOutboxUnknown says that the outbox has no such message: it was published, or never written.
	ErrOutboxUnknown = errors.New("no such message in the outbox")
)

// OutboxMessage is a row of the outbox.
type OutboxMessage struct {
	ID      string // the same at every attempt: give it to the broker and let consumers drop repeats; a random UUID if empty
	Topic   string
	Key     string // messages of one topic and key keep their order; empty means no order
	Payload []byte
	Headers map[string]string

	Attempt   int       // 1 at the first; set by the relay
	CreatedAt time.Time // set by the database
	row       int64
	unread    error // why Headers could not be read
}

// OutboxTx is the part of *sql.Tx that AddToOutbox needs.
type OutboxTx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// AddToOutbox writes a message in the transaction of the change. For order
// within a key, that transaction locks what the key stands for beforehand.
//
//	CREATE TABLE outbox (
//		id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//		message_id      text NOT NULL UNIQUE,
//		topic           text NOT NULL,
//		key             text CHECK (key <> ''),
//		payload         bytea NOT NULL,
//		headers         jsonb NOT NULL,
//		created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
//		attempts        int NOT NULL DEFAULT 0,
//		next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
//		last_error      text,
//		dead_at         timestamptz
//	);
//	CREATE INDEX ON outbox (topic, key, id) WHERE dead_at IS NULL;
//	CREATE INDEX ON outbox (topic, next_attempt_at) WHERE dead_at IS NULL AND key IS NULL AND attempts = 0;
//	CREATE INDEX ON outbox (topic, next_attempt_at) WHERE dead_at IS NULL AND key IS NULL AND attempts > 0;
func AddToOutbox(ctx context.Context, tx OutboxTx, m OutboxMessage) error {
	if m.Payload == nil {
		m.Payload = []byte{}
	}
	headers, err := json.Marshal(m.Headers)
	if err != nil {
		return fmt.Errorf("outbox headers: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO outbox (message_id, topic, key, payload, headers)
		VALUES (coalesce(nullif($1, ''), gen_random_uuid()::text), $2, nullif($3, ''), $4, $5)`, m.ID, m.Topic, m.Key, m.Payload, string(headers))
	if err != nil {
		return fmt.Errorf("add to outbox: %w", err)
	}
	return nil
}

// OutboxRelay publishes what is in the outbox. Any number of them may run.
type OutboxRelay struct {
	DB *sql.DB
	// Publish returns nil once the broker has the message for good. It is called
	// outside of any transaction, possibly again for the same message.
	Publish func(ctx context.Context, m OutboxMessage) error
	// Report hears of failures, which are all tried again except dead messages.
	Report func(err error)

	Batch          int           // 100 if zero
	PublishTimeout time.Duration // of one message; 5 s if zero
	Lease          time.Duration // after a crash others wait so long; 30 s if zero
	Poll           time.Duration // between looks at an empty outbox; 1 s if zero
	MaxDelay       time.Duration // between attempts, which start at Poll and double; 5 min if zero
	MaxAttempts    int           // then the message is dead; 100 if zero, which is about 6 hours

	Wake <-chan struct{} // optional: a value means look now, for instance after a commit

	topics map[string]*outboxTopic
}

// outboxTopic is what a relay remembers of a topic.
type outboxTopic struct {
	after    string    // the key with which the next look goes on
	failures int       // in a row
	until    time.Time // a topic that fails rests
}

// Run relays until ctx ends. The message in hand is finished; what was claimed
// beyond it is given back.
func (r OutboxRelay) Run(ctx context.Context) error {
	r, err := r.withDefaults()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		more, err := r.relay(ctx)
		if err != nil && ctx.Err() == nil {
			r.Report(err)
		}
		if more {
			continue
		}
		wait := time.NewTimer(r.Poll/2 + rand.N(r.Poll/2+1))
		select {
		case <-wait.C:
		case <-r.Wake:
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return nil
}

func (r OutboxRelay) withDefaults() (OutboxRelay, error) {
	r.Batch = cmp.Or(r.Batch, 100)
	r.PublishTimeout = cmp.Or(r.PublishTimeout, 5*time.Second)
	r.Lease = cmp.Or(r.Lease, 30*time.Second)
	r.Poll = cmp.Or(r.Poll, time.Second)
	r.MaxDelay = cmp.Or(r.MaxDelay, 5*time.Minute)
	r.MaxAttempts = cmp.Or(r.MaxAttempts, 100)
	r.topics = map[string]*outboxTopic{}
	if r.DB == nil || r.Publish == nil || r.Report == nil {
		return r, errors.New("outbox relay: DB, Publish and Report are required")
	}
	if min(r.Batch, r.MaxAttempts) < 0 || min(r.PublishTimeout, r.Poll, r.MaxDelay) < 0 || r.Lease < 2*r.PublishTimeout {
		return r, errors.New("outbox relay: limits must be positive, Lease at least twice PublishTimeout")
	}
	if r.MaxAttempts == 1 {
		r.Batch = 1 // a crash counts for all that were claimed together
	}
	return r, nil
}

// relay publishes one batch. more says that the outbox may hold messages which could go at once.
func (r OutboxRelay) relay(ctx context.Context) (more bool, err error) {
	leaseEnds := time.Now().Add(r.Lease) // before the database says so
	messages, err := r.claim(ctx)
	if err != nil {
		return false, fmt.Errorf("claim outbox messages: %w", err)
	}
	// What was published is settled even when ctx has ended.
	settleCtx, cancel := context.WithDeadline(context.WithoutCancel(ctx), leaseEnds)
	defer cancel()
	var published, untried []int64
	settle := func() {
		if len(published) > 0 {
			err = errors.Join(err, r.exec(settleCtx, `DELETE FROM outbox WHERE id = ANY ($1::bigint[])`, outboxArray(published)))
			published, more = nil, true
		}
	}
	for _, m := range messages {
		topic := r.topic(m.Topic)
		if ctx.Err() != nil || time.Until(leaseEnds) < r.PublishTimeout || time.Now().Before(topic.until) {
			untried = append(untried, m.row)
			continue
		}
		if m.Attempt > 1 {
			settle() // this one may have ended a process: the others must not suffer for it
		}
		switch publishErr := r.publish(settleCtx, m); {
		case publishErr == nil:
			published = append(published, m.row)
			topic.failures = 0
		default:
			if !errors.Is(publishErr, ErrUndeliverable) {
				topic.failed(r)
			}
			err = errors.Join(err, r.fail(settleCtx, m, publishErr))
		}
	}
	settle()
	if len(untried) > 0 {
		err = errors.Join(err, r.exec(settleCtx, `UPDATE outbox SET attempts = attempts - 1, next_attempt_at = clock_timestamp()
			WHERE id = ANY ($1::bigint[])`, outboxArray(untried)))
	}
	return more, err
}

func (r OutboxRelay) topic(name string) *outboxTopic {
	if r.topics[name] == nil {
		r.topics[name] = &outboxTopic{}
	}
	return r.topics[name]
}

// failed lets a topic rest after three failures in a row, so that it does not
// cost the others a timeout per message; one message tries it after that.
func (t *outboxTopic) failed(r OutboxRelay) {
	if t.failures++; t.failures >= 3 {
		t.until = time.Now().Add(r.delay(t.failures-2, r.MaxDelay/10))
	}
}

// outboxLook finds up to $1 messages that were never tried and one that was,
// all due, none of the topics $2 nor the rows $3, and of each topic and key the
// oldest only. It goes from key to key by the index, at most 10,000 per topic,
// and returns with which key of a topic to go on; $4 are those of the last time.
const outboxLook = `
	WITH RECURSIVE topics AS (
		SELECT min(topic) AS topic FROM outbox WHERE dead_at IS NULL
		UNION ALL
		SELECT (SELECT min(topic) FROM outbox WHERE dead_at IS NULL AND topic > t.topic)
		FROM topics t WHERE t.topic IS NOT NULL
	), open AS (
		SELECT topic FROM topics WHERE topic IS NOT NULL AND NOT $2::jsonb ? topic
	), heads AS (
		SELECT head.*, 1 AS steps, (attempts = 0 AND next_attempt_at <= statement_timestamp())::int AS found FROM open, LATERAL (
			SELECT id, topic, key, attempts, next_attempt_at FROM outbox o
			WHERE o.topic = open.topic AND o.key > coalesce($4::jsonb ->> open.topic, '') AND dead_at IS NULL
			ORDER BY key, id LIMIT 1) head
		UNION ALL
		SELECT head.*, steps + 1, found + (head.attempts = 0 AND head.next_attempt_at <= statement_timestamp())::int
		FROM heads, LATERAL (
			SELECT id, topic, key, attempts, next_attempt_at FROM outbox o
			WHERE o.topic = heads.topic AND o.key > heads.key AND dead_at IS NULL
			ORDER BY key, id LIMIT 1) head
		WHERE steps < 10000 AND found < $1
	), due AS (
		SELECT id, attempts, next_attempt_at FROM heads
		WHERE next_attempt_at <= statement_timestamp() AND id <> ALL ($3::bigint[])
		UNION ALL
		SELECT fresh.* FROM open, LATERAL (
			SELECT id, attempts, next_attempt_at FROM outbox o
			WHERE o.topic = open.topic AND key IS NULL AND attempts = 0 AND dead_at IS NULL
			AND next_attempt_at <= statement_timestamp() AND id <> ALL ($3::bigint[])
			ORDER BY next_attempt_at LIMIT $1) fresh
		UNION ALL
		SELECT tried.* FROM open, LATERAL (
			SELECT id, attempts, next_attempt_at FROM outbox o
			WHERE o.topic = open.topic AND key IS NULL AND attempts > 0 AND dead_at IS NULL
			AND next_attempt_at <= statement_timestamp() AND id <> ALL ($3::bigint[])
			ORDER BY next_attempt_at LIMIT 1) tried
	)
	(SELECT id, '' AS topic, '' AS key FROM due WHERE attempts = 0 ORDER BY next_attempt_at LIMIT $1)
	UNION ALL
	(SELECT id, '', '' FROM due WHERE attempts > 0 ORDER BY next_attempt_at LIMIT 1)
	UNION ALL
	SELECT 0, topic, key FROM heads WHERE steps = 10000 OR found = $1`

// claim takes messages for the length of the lease, the one that was tried
// before last. What ended its process at every attempt is dead instead.
func (r OutboxRelay) claim(ctx context.Context) (messages []OutboxMessage, err error) {
	var taken []int64 // by another relay, at this moment
	for range 3 {
		rows, again, err := r.look(ctx, taken)
		if err != nil || len(rows) == 0 && !again {
			return nil, err
		}
		if messages, err = r.lease(ctx, rows); err != nil || len(messages) > 0 {
			return messages, err
		}
		taken = append(taken, rows...)
	}
	return nil, nil
}

// look returns rows that could go now. again says that it did not begin with the first key.
func (r OutboxRelay) look(ctx context.Context, taken []int64) (found []int64, again bool, err error) {
	after, resting := map[string]string{}, map[string]bool{}
	for name, topic := range r.topics {
		if topic.after != "" {
			after[name], again = topic.after, true
		}
		if time.Now().Before(topic.until) {
			resting[name] = true
		}
		if topic.after = ""; topic.failures == 0 {
			delete(r.topics, name)
		}
	}
	rows, err := r.DB.QueryContext(ctx, outboxLook, r.Batch, outboxJSON(resting), outboxArray(taken), outboxJSON(after))
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var row int64
		var topic, key string
		if err := rows.Scan(&row, &topic, &key); err != nil {
			return nil, false, err
		}
		if row == 0 {
			r.topic(topic).after = key
		} else {
			found = append(found, row)
		}
	}
	return found, again, rows.Err()
}

func (r OutboxRelay) lease(ctx context.Context, found []int64) (messages []OutboxMessage, err error) {
	rows, err := r.DB.QueryContext(ctx, `
		UPDATE outbox o SET attempts = o.attempts + (o.attempts < $3)::int,
			next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond',
			dead_at = CASE WHEN o.attempts >= $3 THEN clock_timestamp() END,
			last_error = CASE WHEN o.attempts >= $3 THEN 'the last attempt had no outcome' ELSE last_error END
		FROM (SELECT id FROM outbox WHERE id = ANY ($1::bigint[]) AND dead_at IS NULL
			AND next_attempt_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) free
		WHERE o.id = free.id
		RETURNING o.id, message_id, topic, coalesce(key, ''), payload, headers, attempts,
			CASE WHEN isfinite(created_at) THEN created_at ELSE clock_timestamp() END, dead_at IS NOT NULL`,
		outboxArray(found), r.Lease.Milliseconds(), r.MaxAttempts)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m OutboxMessage
		var headers []byte
		var dead bool
		if err := rows.Scan(&m.row, &m.ID, &m.Topic, &m.Key, &m.Payload, &headers, &m.Attempt, &m.CreatedAt, &dead); err != nil {
			return nil, err
		}
		if dead {
			r.Report(fmt.Errorf("outbox message %s is dead after %d attempts: the last one had no outcome", m.ID, m.Attempt))
			continue
		}
		m.unread = json.Unmarshal(headers, &m.Headers)
		messages = append(messages, m)
	}
	slices.SortFunc(messages, func(a, b OutboxMessage) int {
		return cmp.Or(cmp.Compare(min(a.Attempt, 2), min(b.Attempt, 2)), cmp.Compare(a.row, b.row))
	})
	return messages, rows.Err()
}

// publish bounds Publish in time and turns its panic into an error, so that one message cannot stop all.
func (r OutboxRelay) publish(ctx context.Context, m OutboxMessage) (err error) {
	if m.unread != nil {
		return fmt.Errorf("read headers: %w: %w", ErrUndeliverable, m.unread)
	}
	ctx, cancel := context.WithTimeout(ctx, r.PublishTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("publish panicked: %v", v)
		}
	}()
	return r.Publish(ctx, m)
}

// fail decides what becomes of a message that was not published, and says so.
func (r OutboxRelay) fail(ctx context.Context, m OutboxMessage, cause error) error {
	if errors.Is(cause, ErrUndeliverable) || m.Attempt >= r.MaxAttempts {
		return errors.Join(
			fmt.Errorf("outbox message %s is dead after %d attempts: %w", m.ID, m.Attempt, cause),
			r.exec(ctx, `UPDATE outbox SET dead_at = clock_timestamp(), last_error = $2 WHERE id = $1`, m.row, outboxNote(cause)))
	}
	return errors.Join(
		fmt.Errorf("publish outbox message %s, attempt %d: %w", m.ID, m.Attempt, cause),
		r.exec(ctx, `UPDATE outbox SET next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond', last_error = $3
			WHERE id = $1`, m.row, r.delay(m.Attempt, r.MaxDelay).Milliseconds(), outboxNote(cause)))
}

// delay doubles with each attempt up to most; half of it is random, so that a batch does not come back as one.
func (r OutboxRelay) delay(attempt int, most time.Duration) time.Duration {
	delay := r.Poll
	for i := 1; i < attempt && delay < most; i++ {
		delay *= 2
	}
	delay = min(delay, most)
	return delay/2 + rand.N(delay/2+1)
}

func (r OutboxRelay) exec(ctx context.Context, statement string, args ...any) error {
	if _, err := r.DB.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("settle outbox messages: %w", err) // the lease ends, and they are tried again
	}
	return nil
}

// outboxNote returns the first 1,000 characters of an error in ASCII, which
// every database can store. fmt survives an Error method that panics.
func outboxNote(err error) string {
	return strings.Trim(fmt.Sprintf("%+.1000q", err), `"`)
}

// outboxArray writes a PostgreSQL array, which every driver can pass as text.
func outboxArray(rows []int64) string {
	text := make([]string, len(rows))
	for i, row := range rows {
		text[i] = strconv.FormatInt(row, 10)
	}
	return "{" + strings.Join(text, ",") + "}"
}

func outboxJSON[V string | bool](topics map[string]V) string {
	text, _ := json.Marshal(topics) // cannot fail
	return string(text)
}

// OutboxStats is what to watch.
type OutboxStats struct {
	Pending  int64
	Retrying int64         // of these, failed at least once
	Oldest   time.Duration // age of the oldest pending message
	Dead     int64
}

// ReadOutboxStats counts the outbox, row by row: once a minute is enough.
func ReadOutboxStats(ctx context.Context, db *sql.DB) (s OutboxStats, err error) {
	var seconds float64
	err = db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE dead_at IS NULL),
		count(*) FILTER (WHERE dead_at IS NULL AND attempts > 0 AND last_error IS NOT NULL), count(dead_at),
		coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE dead_at IS NULL AND isfinite(created_at))), 0)
		FROM outbox`).Scan(&s.Pending, &s.Retrying, &s.Dead, &seconds)
	s.Oldest = time.Duration(seconds * float64(time.Second))
	return s, err
}

// RequeueOutbox brings a dead message back, as new. A pending one stays as it
// is; one that is not there is ErrOutboxUnknown.
func RequeueOutbox(ctx context.Context, db *sql.DB, messageID string) error {
	result, err := db.ExecContext(ctx, `UPDATE outbox SET dead_at = NULL,
		attempts = CASE WHEN dead_at IS NULL THEN attempts ELSE 0 END,
		next_attempt_at = CASE WHEN dead_at IS NULL THEN next_attempt_at ELSE clock_timestamp() END
		WHERE message_id = $1`, messageID)
	if err != nil {
		return fmt.Errorf("requeue outbox message: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return fmt.Errorf("requeue %q: %w", messageID, ErrOutboxUnknown)
}

// RequeueDeadOutbox brings up to limit dead messages of a topic back, the oldest
// first, and returns how many: call it until it returns less than limit.
func RequeueDeadOutbox(ctx context.Context, db *sql.DB, topic string, limit int) (int64, error) {
	result, err := db.ExecContext(ctx, `UPDATE outbox SET dead_at = NULL, attempts = 0, next_attempt_at = clock_timestamp()
		WHERE id IN (SELECT id FROM outbox WHERE dead_at IS NOT NULL AND topic = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)`, topic, limit)
	if err != nil {
		return 0, fmt.Errorf("requeue dead outbox messages: %w", err)
	}
	return result.RowsAffected()
}
