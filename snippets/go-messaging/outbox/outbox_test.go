package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

// Rules; nearly all need the server:
//
//	OB-1  a message is published if and only if its transaction commits
//	OB-2  a relay that dies after publishing and before settling repeats the message under the same ID
//	OB-3  relays share the work; a claimed message is nobody else's for the length of the lease
//	OB-4  a message that commits after one with a higher id is not passed over
//	OB-5  the order within a topic and key holds across failures and relays; other keys and topics do not wait for it
//	OB-6  a failure stores error and attempt and delays that message, doubling up to MaxDelay; the rest of the batch goes on
//	OB-7  ErrUndeliverable at once, other errors after MaxAttempts: dead, reported, out of its key's way; RequeueOutbox
//	      brings it back, RequeueDeadOutbox many; an id that is not there is an error
//	OB-8  what a crashed relay had claimed is published when the lease has ended
//	OB-9  Publish runs outside any transaction, for PublishTimeout at most, and never beyond the lease
//	OB-10 on shutdown the message in hand is settled, the rest given back at once, and Run returns nil
//	OB-11 Wake ends the wait
//	OB-12 database errors are reported and survived
//	OB-13 a panic of Publish is a failure of that message alone
//	OB-14 the statistics count pending, retrying and dead, and tell the age of the oldest
//	OB-15 payload, headers, topic, key and id arrive as they were written
//	OB-16 a wrong configuration is refused
//	OB-17 a topic that refuses or hangs costs the others three attempts, then one per rest; it comes back by itself
//	OB-18 no text of an error or a row keeps a message from its next state: what cannot be stored is written in ASCII and cut
//	OB-19 a message over MaxAttempts at the claim is dead before Publish; what was claimed beside it is not counted down
//	OB-20 looking for messages costs the same at 1,000 and at 100,000 pending ones, whatever holds them up
//	OB-21 every key has its turn, however many others are held up before it
//	OB-22 the page says what the defaults do

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker records what is published and can be told to fail.
type broker struct {
	mu        sync.Mutex
	published []OutboxMessage
	fail      func(m OutboxMessage) error
	arrived   chan string
}

func newBroker() *broker { return &broker{arrived: make(chan string, 10_000)} }

func (b *broker) publish(_ context.Context, m OutboxMessage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(m); err != nil {
			return err
		}
	}
	b.published = append(b.published, m)
	b.arrived <- m.ID
	return nil
}

func (b *broker) ids() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.published {
		ids = append(ids, m.ID)
	}
	return ids
}

type fixture struct {
	ctx    context.Context
	db     *sql.DB
	broker *broker
	relay  OutboxRelay

	mu       sync.Mutex
	reported []string
}

// newOutbox returns a database with the table of the doc comment and a relay on it.
func newOutbox(t testing.TB) *fixture {
	db := servertest.PostgresWith(t, "outbox.go")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	f := &fixture{ctx: ctx, db: db, broker: newBroker()}
	relay, err := OutboxRelay{
		DB: db, Publish: f.broker.publish, Poll: 10 * time.Millisecond,
		Report: func(err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.reported = append(f.reported, err.Error())
		},
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f.relay = relay
	return f
}

func (f *fixture) add(t *testing.T, tx OutboxTx, key string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := AddToOutbox(f.ctx, tx, OutboxMessage{ID: id, Topic: "orders", Key: key}); err != nil {
			t.Fatal(err)
		}
	}
}

// round lets the relay do one batch.
func (f *fixture) round(t *testing.T) (more bool, err error) {
	t.Helper()
	return f.relay.relay(f.ctx)
}

// drain lets the relay go on until nothing is due.
func (f *fixture) drain(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = f.round(t); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *fixture) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := f.db.ExecContext(f.ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// retryNow lets every delay and lease be over.
func (f *fixture) retryNow(t *testing.T) {
	t.Helper()
	f.exec(t, `UPDATE outbox SET next_attempt_at = clock_timestamp() - interval '1 second'`)
}

// wakeTopics ends the rest of topics that failed.
func (f *fixture) wakeTopics() { clear(f.relay.topics) }

// rows returns "id attempts" of what is left, dead ones marked.
func (f *fixture) rows(t *testing.T) (rows []string) {
	t.Helper()
	result, err := f.db.QueryContext(f.ctx, `SELECT message_id || ' ' || attempts || CASE WHEN dead_at IS NULL THEN '' ELSE ' dead' END
		FROM outbox ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	for result.Next() {
		var row string
		if err := result.Scan(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestSharesTheTransactionsFate(t *testing.T) {
	f := newOutbox(t)
	for _, commit := range []bool{false, true} {
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.add(t, tx, "", fmt.Sprint("commit-", commit))
		if _, err := f.round(t); err != nil {
			t.Error(err)
		}
		expect(t, "before the end", f.broker.ids()) // OB-1
		end := tx.Rollback
		if commit {
			end = tx.Commit
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	if more, err := f.round(t); !more || err != nil {
		t.Errorf("more %v, %v", more, err)
	}
	if more, err := f.round(t); more || err != nil {
		t.Errorf("more %v, %v", more, err)
	}
	expect(t, "published", f.broker.ids(), "commit-true") // OB-1
	expect(t, "left", f.rows(t))
}

func TestRoundTrip(t *testing.T) {
	f := newOutbox(t)
	want := OutboxMessage{
		ID: "id'$1", Topic: "orders", Key: "k", Payload: []byte{0, 1, 0xff, '\''},
		Headers: map[string]string{"traceparent": "00-ab", "ż": "\"$2\""},
	}
	for _, m := range []OutboxMessage{want, {Topic: "t"}, {Topic: "t"}} {
		if err := AddToOutbox(f.ctx, f.db, m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.round(t); err != nil {
		t.Fatal(err)
	}
	got := f.broker.published
	if len(got) != 3 || got[0].ID != want.ID || got[0].Topic != want.Topic || got[0].Key != want.Key ||
		!slices.Equal(got[0].Payload, want.Payload) || !maps.Equal(got[0].Headers, want.Headers) || got[0].Attempt != 1 { // OB-15
		t.Errorf("got %+v", got)
	}
	if age := time.Since(got[0].CreatedAt); age < -time.Minute || age > time.Minute {
		t.Errorf("created %v ago", age)
	}
	if got[1].ID == got[2].ID || len(got[1].ID) != 36 || len(got[1].Payload) != 0 { // OB-15
		t.Errorf("ids %q and %q", got[1].ID, got[2].ID)
	}
	if err := AddToOutbox(f.ctx, f.db, want); err != nil {
		t.Fatal(err)
	}
	if err := AddToOutbox(f.ctx, f.db, want); err == nil {
		t.Error("the same id was added twice")
	}
}

func TestRelayDiesBeforeSettling(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "a", "b")
	// The database goes away between publishing and settling.
	f.broker.fail = func(m OutboxMessage) error {
		if m.ID == "b" {
			f.exec(t, `ALTER TABLE outbox RENAME TO gone`)
		}
		return nil
	}
	if more, err := f.round(t); err == nil { // OB-12
		t.Errorf("more %v, no error", more)
	}
	f.broker.fail = nil
	f.exec(t, `ALTER TABLE gone RENAME TO outbox`)
	if _, err := f.round(t); err != nil {
		t.Error(err)
	}
	expect(t, "within the lease", f.broker.ids(), "a", "b") // OB-3
	f.retryNow(t)
	f.drain(t)
	expect(t, "after the lease", f.broker.ids(), "a", "b", "a", "b") // OB-2
	expect(t, "left", f.rows(t))
}

func TestClaimIsExclusiveForTheLease(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "a", "b")
	f.relay.Batch = 1
	claimed, err := f.relay.claim(f.ctx) // this relay crashes here
	if err != nil || len(claimed) != 1 || claimed[0].ID != "a" {
		t.Fatalf("claimed %v, %v", claimed, err)
	}
	var lease float64
	err = f.db.QueryRowContext(f.ctx, `SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM outbox WHERE message_id = 'a'`).Scan(&lease)
	if err != nil || lease < 20 || lease > 30 { // OB-3
		t.Errorf("lease of %v s, %v", lease, err)
	}
	if err := RequeueOutbox(f.ctx, f.db, "a"); err != nil { // OB-7: not dead, so nothing changes
		t.Error(err)
	}
	for range 3 {
		if _, err := f.round(t); err != nil {
			t.Error(err)
		}
	}
	expect(t, "by the other relay", f.broker.ids(), "b") // OB-3
	f.retryNow(t)
	if _, err := f.round(t); err != nil {
		t.Error(err)
	}
	expect(t, "after the lease", f.broker.ids(), "b", "a") // OB-8
	if got := f.broker.published[1].Attempt; got != 2 {    // OB-6: a crash counts
		t.Errorf("attempt %d", got)
	}
}

func TestClaimSkipsLockedRows(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "a", "b")
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(f.ctx, `SELECT 1 FROM outbox WHERE message_id = 'a' FOR UPDATE`); err != nil { // another relay, claiming
		t.Fatal(err)
	}
	if _, err := f.round(t); err != nil { // OB-3: would wait for the lock
		t.Fatal(err)
	}
	expect(t, "published", f.broker.ids(), "b")
}

func TestLateCommitIsNotPassedOver(t *testing.T) {
	f := newOutbox(t)
	slow, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.add(t, slow, "", "slow")
	f.add(t, f.db, "", "fast")
	if _, err := f.round(t); err != nil {
		t.Error(err)
	}
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.round(t); err != nil {
		t.Error(err)
	}
	expect(t, "published", f.broker.ids(), "fast", "slow") // OB-4
}

func TestOrderWithinKey(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "k", "k1", "k2", "k3")
	f.add(t, f.db, "l", "l1")
	failing := true
	f.broker.fail = func(m OutboxMessage) error {
		if m.ID == "k1" && failing {
			return errors.New("timeout")
		}
		return nil
	}
	for range 4 {
		_, _ = f.round(t)
	}
	expect(t, "while the first fails", f.broker.ids(), "l1") // OB-5
	failing = false
	f.retryNow(t)
	for more := true; more; {
		var err error
		if more, err = f.round(t); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "afterwards", f.broker.ids(), "l1", "k1", "k2", "k3") // OB-5
}

func TestFailure(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "a", "bad", "c", "d")
	f.relay.Poll, f.relay.MaxDelay = 8*time.Second, 20*time.Second
	f.broker.fail = func(m OutboxMessage) error {
		if m.ID == "bad" {
			return errors.New("broker is down")
		}
		return nil
	}
	more, err := f.round(t)
	if !more || err == nil || !strings.Contains(err.Error(), "bad, attempt 1: broker is down") {
		t.Errorf("more %v, %v", more, err)
	}
	expect(t, "published", f.broker.ids(), "a", "c", "d") // OB-6
	expect(t, "left", f.rows(t), "bad 1")
	if _, err := f.round(t); err != nil { // OB-6: bad is not due yet
		t.Error(err)
	}
	for attempt, longest := range []float64{8, 16, 20, 20} {
		f.wakeTopics()
		var delay float64
		var lastError string
		err := f.db.QueryRowContext(f.ctx, `SELECT extract(epoch FROM next_attempt_at - clock_timestamp()), last_error FROM outbox`).Scan(&delay, &lastError)
		if err != nil || delay > longest || delay < longest/2-3 || lastError != "broker is down" { // OB-6
			t.Errorf("attempt %d: next in %v s, %q, %v", attempt+1, delay, lastError, err)
		}
		f.retryNow(t)
		_, _ = f.round(t)
	}
	f.exec(t, `UPDATE outbox SET attempts = 90, next_attempt_at = clock_timestamp()`)
	f.wakeTopics()
	_, _ = f.round(t)
	var delay float64
	err = f.db.QueryRowContext(f.ctx, `SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM outbox`).Scan(&delay)
	if err != nil || delay > 20 || delay < 5 { // OB-6: no overflow
		t.Errorf("next in %v s, %v", delay, err)
	}
}

func TestDead(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "k", "poison", "k2")
	f.add(t, f.db, "", "tired")
	f.relay.MaxAttempts = 2
	failing := true
	f.broker.fail = func(m OutboxMessage) error {
		switch {
		case m.ID == "poison" && failing:
			return fmt.Errorf("encode: %w", ErrUndeliverable)
		case m.ID == "tired" && failing:
			return errors.New("timeout")
		}
		return nil
	}
	_, err := f.round(t)
	if !errors.Is(err, ErrUndeliverable) || !strings.Contains(err.Error(), "poison is dead after 1 attempts") { // OB-7
		t.Errorf("got %v", err)
	}
	f.retryNow(t)
	_, err = f.round(t)
	if err == nil || !strings.Contains(err.Error(), "tired is dead after 2 attempts") { // OB-7
		t.Errorf("got %v", err)
	}
	expect(t, "published", f.broker.ids(), "k2") // OB-7: the key goes on
	f.retryNow(t)
	if _, err := f.round(t); err != nil {
		t.Error(err)
	}
	expect(t, "left", f.rows(t), "poison 1 dead", "tired 2 dead")
	f.add(t, f.db, "", "waiting")
	f.exec(t, `UPDATE outbox SET created_at = created_at - CASE WHEN dead_at IS NULL THEN interval '1 hour' ELSE interval '3 hours' END`)
	stats, err := ReadOutboxStats(f.ctx, f.db)
	if err != nil || stats.Pending != 1 || stats.Retrying != 0 || stats.Dead != 2 || stats.Oldest < time.Hour || stats.Oldest > 2*time.Hour { // OB-14
		t.Errorf("got %+v, %v", stats, err)
	}
	failing = false
	if err := RequeueOutbox(f.ctx, f.db, "no such"); !errors.Is(err, ErrOutboxUnknown) { // OB-7
		t.Errorf("got %v", err)
	}
	for _, id := range []string{"poison", "waiting"} { // the second is not dead
		if err := RequeueOutbox(f.ctx, f.db, id); err != nil {
			t.Error(err)
		}
	}
	if _, err := f.round(t); err != nil {
		t.Error(err)
	}
	expect(t, "requeued", f.broker.ids(), "k2", "poison", "waiting") // OB-7
	if got := f.broker.published[1].Attempt; got != 1 {
		t.Errorf("attempt %d", got)
	}
	f.exec(t, `DELETE FROM outbox`)
	if stats, err := ReadOutboxStats(f.ctx, f.db); stats != (OutboxStats{}) || err != nil { // OB-14
		t.Errorf("got %+v, %v", stats, err)
	}
}

func TestRequeueMany(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "a", "b", "c")
	f.exec(t, `UPDATE outbox SET dead_at = clock_timestamp(), attempts = 100`)
	f.exec(t, `INSERT INTO outbox (message_id, topic, payload, headers, dead_at) VALUES ('other', 'other', '', 'null', clock_timestamp())`)
	for _, want := range []int64{2, 1, 0} {
		if n, err := RequeueDeadOutbox(f.ctx, f.db, "orders", 2); n != want || err != nil { // OB-7
			t.Errorf("requeued %d of %d, %v", n, want, err)
		}
	}
	f.drain(t)
	expect(t, "published", f.broker.ids(), "a", "b", "c")
}

func TestPublishIsBounded(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "slow", "next")
	f.relay.PublishTimeout = 300 * time.Millisecond
	f.relay.Publish = func(ctx context.Context, m OutboxMessage) error {
		if n := f.db.Stats().InUse; n != 0 { // OB-9: an open transaction would hold a connection
			t.Errorf("%d connections in use", n)
		}
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := f.round(t); !errors.Is(err, context.DeadlineExceeded) { // OB-9: would hang
		t.Errorf("got %v", err)
	}
	expect(t, "left", f.rows(t), "slow 1", "next 1")

	f.retryNow(t)
	f.relay.Lease = 2 * f.relay.PublishTimeout // less than two tries and the rest
	calls := 0
	f.relay.Publish = func(ctx context.Context, m OutboxMessage) error {
		calls++
		<-ctx.Done() // the broker took it, but late
		return nil
	}
	f.exec(t, `UPDATE outbox SET attempts = 0`)
	if _, err := f.round(t); err != nil || calls != 1 { // OB-9: no time left for the second
		t.Errorf("%d calls, %v", calls, err)
	}
	expect(t, "left", f.rows(t), "next 0") // OB-9: given back, not counted
}

func TestPanicIsAFailure(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "bad", "good")
	f.broker.fail = func(m OutboxMessage) error {
		if m.ID == "bad" {
			panic("boom")
		}
		return nil
	}
	if _, err := f.round(t); err == nil || !strings.Contains(err.Error(), "boom") { // OB-13
		t.Errorf("got %v", err)
	}
	expect(t, "published", f.broker.ids(), "good")
}

func TestShutdown(t *testing.T) {
	f := newOutbox(t)
	f.add(t, f.db, "", "a", "b", "c")
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	f.broker.fail = func(m OutboxMessage) error {
		if m.ID == "b" {
			cancel() // while b is in hand
		}
		return nil
	}
	if err := f.relay.Run(ctx); err != nil { // OB-10
		t.Error(err)
	}
	expect(t, "published", f.broker.ids(), "a", "b") // OB-10
	expect(t, "left", f.rows(t), "c 0")
	if len(f.reported) != 0 {
		t.Errorf("reported %q", f.reported)
	}
	if _, err := f.round(t); err != nil { // OB-10: at once, not after the lease
		t.Error(err)
	}
	expect(t, "by the next relay", f.broker.ids(), "a", "b", "c")
}

func TestManyRelays(t *testing.T) {
	f := newOutbox(t)
	const keys, each = 10, 20
	ctx, stop := context.WithCancel(f.ctx)
	defer stop()
	f.relay.Batch = 3
	f.relay.Lease = time.Minute
	f.relay.PublishTimeout = 20 * time.Second
	var relays, writers sync.WaitGroup
	for range 4 {
		relays.Go(func() {
			if err := f.relay.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for k := range keys {
		writers.Go(func() {
			for i := range each {
				f.add(t, f.db, fmt.Sprint("key", k), fmt.Sprintf("%d/%02d", k, i))
			}
		})
	}
	writers.Wait()
	for range keys * each {
		select {
		case <-f.broker.arrived:
		case <-ctx.Done():
			t.Fatalf("%d of %d published, reported %q", len(f.broker.ids()), keys*each, f.reported)
		}
	}
	stop()
	relays.Wait()
	ids := f.broker.ids()
	if unique := len(slices.Compact(slices.Sorted(slices.Values(ids)))); len(ids) != keys*each || unique != keys*each { // OB-2, OB-3
		t.Errorf("%d published, %d different", len(ids), unique)
	}
	last := map[byte]string{}
	for _, id := range ids {
		if id <= last[id[0]] { // OB-5
			t.Errorf("%s came after %s", id, last[id[0]])
		}
		last[id[0]] = id
	}
	expect(t, "left", f.rows(t))
}

func TestWakeAndDatabaseErrors(t *testing.T) {
	f := newOutbox(t)
	wake := make(chan struct{})
	reports := make(chan error, 1)
	f.relay.Poll, f.relay.Wake = time.Hour, wake
	f.relay.Report = func(err error) { reports <- err }
	ctx, stop := context.WithCancel(f.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.relay.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer stop()
	f.add(t, f.db, "", "a")
	wake <- struct{}{} // OB-11: received only while waiting
	if got := <-f.broker.arrived; got != "a" {
		t.Errorf("got %s", got)
	}
	wake <- struct{}{}
	f.exec(t, `ALTER TABLE outbox RENAME TO gone`)
	wake <- struct{}{}
	if err := <-reports; err == nil || !strings.Contains(err.Error(), "claim") { // OB-12
		t.Errorf("got %v", err)
	}
	f.exec(t, `ALTER TABLE gone RENAME TO outbox`)
	f.add(t, f.db, "", "b")
	wake <- struct{}{}
	if got := <-f.broker.arrived; got != "b" { // OB-12
		t.Errorf("got %s", got)
	}
}

func TestConfig(t *testing.T) {
	publish := func(context.Context, OutboxMessage) error { return nil }
	report := func(error) {}
	db := &sql.DB{}
	for _, r := range []OutboxRelay{
		{Publish: publish, Report: report}, {DB: db, Report: report}, {DB: db, Publish: publish},
		{DB: db, Publish: publish, Report: report, Batch: -1},
		{DB: db, Publish: publish, Report: report, MaxAttempts: -1},
		{DB: db, Publish: publish, Report: report, Poll: -1},
		{DB: db, Publish: publish, Report: report, MaxDelay: -1},
		{DB: db, Publish: publish, Report: report, PublishTimeout: -1},
		{DB: db, Publish: publish, Report: report, PublishTimeout: 20 * time.Second},
	} {
		if err := r.Run(context.Background()); err == nil { // OB-16
			t.Errorf("%+v was accepted", r)
		}
	}
}
