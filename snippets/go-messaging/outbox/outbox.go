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

// ErrUndeliverable, when Publish returns it, says that trying again is useless.
var ErrUndeliverable = errors.New("message cannot be delivered")

// OutboxMessage is a row of the outbox.
type OutboxMessage struct {
	ID      string // the same at every attempt: give it to the broker and let consumers drop repeats; a random UUID if empty
	Topic   string
	Key     string // messages of one key keep their order; empty means no order
	Payload []byte
	Headers map[string]string

	Attempt   int       // 1 at the first; set by the relay
	CreatedAt time.Time // set by the database
	row       int64
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
//		key             text,
//		payload         bytea NOT NULL,
//		headers         jsonb NOT NULL,
//		created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
//		attempts        int NOT NULL DEFAULT 0,
//		next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
//		last_error      text,
//		dead_at         timestamptz
//	);
//	CREATE INDEX ON outbox (id) WHERE dead_at IS NULL;
//	CREATE INDEX ON outbox (key, id) WHERE dead_at IS NULL;
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
	MaxAttempts    int           // then the message is dead; 100 if zero, which is about 8 hours

	Wake <-chan struct{} // optional: a value means look now, for instance after a commit
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
	if r.DB == nil || r.Publish == nil || r.Report == nil {
		return r, errors.New("outbox relay: DB, Publish and Report are required")
	}
	if min(r.Batch, r.MaxAttempts) < 0 || min(r.PublishTimeout, r.Poll, r.MaxDelay) < 0 || r.Lease < 2*r.PublishTimeout {
		return r, errors.New("outbox relay: limits must be positive, Lease at least twice PublishTimeout")
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
	for i, m := range messages {
		if ctx.Err() != nil || time.Until(leaseEnds) < r.PublishTimeout {
			untried = outboxRows(messages[i:])
			break
		}
		publishErr := r.publish(settleCtx, m)
		if publishErr == nil {
			published = append(published, m.row)
			continue
		}
		err = errors.Join(err, r.fail(settleCtx, m, publishErr))
		if !errors.Is(publishErr, ErrUndeliverable) { // the broker is in trouble: the others need not find out one by one
			untried = outboxRows(messages[i+1:])
			break
		}
	}
	if len(published) > 0 {
		err = errors.Join(err, r.exec(settleCtx, `DELETE FROM outbox WHERE id = ANY ($1::bigint[])`, outboxArray(published)))
	}
	if len(untried) > 0 {
		err = errors.Join(err, r.exec(settleCtx, `UPDATE outbox SET attempts = attempts - 1, next_attempt_at = clock_timestamp()
			WHERE id = ANY ($1::bigint[])`, outboxArray(untried)))
	}
	return len(published) > 0 && len(untried) == 0, err
}

// claim takes messages for the length of the lease: the oldest, one per key, none that another relay holds.
func (r OutboxRelay) claim(ctx context.Context) (messages []OutboxMessage, err error) {
	rows, err := r.DB.QueryContext(ctx, `
		WITH claimable AS (
			SELECT id FROM outbox o
			WHERE dead_at IS NULL AND next_attempt_at <= clock_timestamp() AND NOT EXISTS (
				SELECT 1 FROM outbox earlier
				WHERE earlier.key = o.key AND earlier.id < o.id AND earlier.dead_at IS NULL)
			ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
		UPDATE outbox SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
		FROM claimable WHERE outbox.id = claimable.id
		RETURNING outbox.id, message_id, topic, coalesce(key, ''), payload, headers, attempts, created_at`,
		r.Batch, r.Lease.Milliseconds())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m OutboxMessage
		var headers []byte
		if err := rows.Scan(&m.row, &m.ID, &m.Topic, &m.Key, &m.Payload, &headers, &m.Attempt, &m.CreatedAt); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(headers, &m.Headers); err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	slices.SortFunc(messages, func(a, b OutboxMessage) int { return cmp.Compare(a.row, b.row) })
	return messages, rows.Err()
}

// publish bounds Publish in time and turns its panic into an error, so that one message cannot stop all.
func (r OutboxRelay) publish(ctx context.Context, m OutboxMessage) (err error) {
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
			r.exec(ctx, `UPDATE outbox SET dead_at = clock_timestamp(), last_error = $2 WHERE id = $1`, m.row, cause.Error()))
	}
	delay := r.Poll
	for i := 1; i < m.Attempt && delay < r.MaxDelay; i++ {
		delay *= 2
	}
	delay = min(delay, r.MaxDelay)
	delay = delay/2 + rand.N(delay/2+1)
	return errors.Join(
		fmt.Errorf("publish outbox message %s, attempt %d: %w", m.ID, m.Attempt, cause),
		r.exec(ctx, `UPDATE outbox SET next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond', last_error = $3
			WHERE id = $1`, m.row, delay.Milliseconds(), cause.Error()))
}

func (r OutboxRelay) exec(ctx context.Context, statement string, args ...any) error {
	if _, err := r.DB.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("settle outbox messages: %w", err) // the lease ends, and they are tried again
	}
	return nil
}

func outboxRows(messages []OutboxMessage) (rows []int64) {
	for _, m := range messages {
		rows = append(rows, m.row)
	}
	return rows
}

// outboxArray writes a PostgreSQL array, which every driver can pass as text.
func outboxArray(rows []int64) string {
	text := make([]string, len(rows))
	for i, row := range rows {
		text[i] = strconv.FormatInt(row, 10)
	}
	return "{" + strings.Join(text, ",") + "}"
}

// OutboxStats is what to watch.
type OutboxStats struct {
	Pending, Dead int64
	Oldest        time.Duration // age of the oldest pending message
}

// ReadOutboxStats counts the outbox.
func ReadOutboxStats(ctx context.Context, db *sql.DB) (s OutboxStats, err error) {
	var seconds float64
	err = db.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE dead_at IS NULL), count(dead_at),
		coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE dead_at IS NULL)), 0)
		FROM outbox`).Scan(&s.Pending, &s.Dead, &seconds)
	s.Oldest = time.Duration(seconds * float64(time.Second))
	return s, err
}

// RequeueOutbox brings a dead message back, as new.
func RequeueOutbox(ctx context.Context, db *sql.DB, messageID string) error {
	_, err := db.ExecContext(ctx, `UPDATE outbox SET dead_at = NULL, attempts = 0, next_attempt_at = clock_timestamp()
		WHERE message_id = $1 AND dead_at IS NOT NULL`, messageID)
	return err
}
