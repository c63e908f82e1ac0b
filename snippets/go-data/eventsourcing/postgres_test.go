package eventsourcing

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newEvents returns a database with the table of the doc comment.
func newEvents(t *testing.T) (context.Context, *sql.DB) {
	db := servertest.Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for _, statement := range []string{
		`CREATE TABLE events (
			stream         text NOT NULL,
			version        bigint NOT NULL,
			type           text NOT NULL,
			data           jsonb NOT NULL,
			recorded_at    timestamptz NOT NULL DEFAULT now(),
			transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
			position       bigint GENERATED ALWAYS AS IDENTITY,
			PRIMARY KEY (stream, version)
		)`,
		`CREATE INDEX ON events (transaction_id, position)`,
		`CREATE TABLE totals (cents bigint NOT NULL, transaction_id bigint NOT NULL, position bigint NOT NULL)`,
		`INSERT INTO totals VALUES (0, 0, 0)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	return ctx, db
}

func cents(n int) RecordedEvent {
	return RecordedEvent{Type: "moved.v2", Data: json.RawMessage(fmt.Sprintf(`{"Cents": %d}`, n))}
}

func read(ctx context.Context, t *testing.T, db EventDB, stream string) (events []RecordedEvent) {
	t.Helper()
	err := NewEventStore(db).Read(ctx, stream, 0, func(e RecordedEvent) error {
		events = append(events, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestPostgresExpectedVersion(t *testing.T) {
	ctx, db := newEvents(t)
	store := NewEventStore(db)
	for _, step := range []struct {
		expected int64
		events   []RecordedEvent
		err      error
	}{
		{1, []RecordedEvent{cents(1)}, ErrStreamConflict}, // ahead: would leave a gap
		{0, []RecordedEvent{cents(1), cents(2)}, nil},
		{0, []RecordedEvent{cents(3)}, ErrStreamConflict},
		{1, []RecordedEvent{cents(3), cents(4)}, ErrStreamConflict},
		{2, []RecordedEvent{cents(3)}, nil},
	} {
		if err := store.Append(ctx, "a", step.expected, step.events); !errors.Is(err, step.err) { // ES-2
			t.Errorf("expected %d: %v", step.expected, err)
		}
	}
	if err := store.Append(ctx, "b", 0, []RecordedEvent{cents(9)}); err != nil { // streams are independent
		t.Error(err)
	}
	if events := read(ctx, t, db, "a"); len(events) != 3 || events[2].Version != 3 { // ES-4
		t.Errorf("got %v", events)
	}
}

func TestPostgresRaceForAVersion(t *testing.T) {
	ctx, db := newEvents(t)
	first, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	pid := servertest.BackendID(t, first)
	if err := NewEventStore(first).Append(ctx, "a", 0, []RecordedEvent{cents(1)}); err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() { second <- NewEventStore(db).Append(ctx, "a", 0, []RecordedEvent{cents(2), cents(3)}) }()
	servertest.WaitBlocked(t, db, pid) // by the row that the first has not committed
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; !errors.Is(err, ErrStreamConflict) { // ES-2: found by the primary key
		t.Errorf("got %v", err)
	}
	if events := read(ctx, t, db, "a"); len(events) != 1 { // ES-4
		t.Errorf("got %v", events)
	}
}

func TestPostgresConcurrentCommands(t *testing.T) {
	ctx, db := newEvents(t)
	accounts := newAccounts(NewEventStore(db))
	accounts.Attempts = 1000
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if _, _, err := accounts.Execute(ctx, "a", move{3}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	state, version, err := accounts.Load(ctx, "a", account{}, 0)
	if err != nil || state != (account{240, 80}) || version != 80 { // ES-3; Load fails on a gap
		t.Errorf("got %+v at %d, %v", state, version, err)
	}
}

func TestPostgresData(t *testing.T) {
	ctx, db := newEvents(t)
	want := `{"text": "it's $1 \"ż\" \\ \n", "big": 9007199254740993, "list": [1, null]}`
	if err := NewEventStore(db).Append(ctx, "a'; --", 0, []RecordedEvent{{Type: "t'$2", Data: json.RawMessage(want)}}); err != nil {
		t.Fatal(err)
	}
	got := read(ctx, t, db, "a'; --")
	var same bool
	if err := db.QueryRowContext(ctx, `SELECT $1::jsonb = $2::jsonb`, string(got[0].Data), want).Scan(&same); err != nil || !same { // ES-10
		t.Errorf("got %s, %v", got[0].Data, err)
	}
	if got[0].Type != "t'$2" || got[0].At.Location() != time.UTC || time.Since(got[0].At).Abs() > time.Hour {
		t.Errorf("got %+v", got[0])
	}
}

func TestPostgresSincePassesOverNothing(t *testing.T) {
	ctx, db := newEvents(t)
	store := NewEventStore(db)
	slow, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := NewEventStore(slow).Append(ctx, "slow", 0, []RecordedEvent{cents(1)}); err != nil { // the lower position
		t.Fatal(err)
	}
	if err := store.Append(ctx, "fast", 0, []RecordedEvent{cents(2)}); err != nil { // commits first
		t.Fatal(err)
	}
	events, cursor, err := store.Since(ctx, EventCursor{}, 10)
	if err != nil || len(events) != 0 || cursor != (EventCursor{}) { // ES-11
		t.Fatalf("got %v, %v, %v", events, cursor, err)
	}
	if err := slow.Commit(); err != nil {
		t.Fatal(err)
	}
	waitUntilFeedCaughtUp(t, db)
	var streams []string
	for range 3 { // one event per page
		events, next, err := store.Since(ctx, cursor, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			streams = append(streams, e.Stream)
		}
		cursor = next
	}
	if !slices.Equal(streams, []string{"slow", "fast"}) { // ES-11
		t.Errorf("got %v", streams)
	}
}

// waitUntilFeedCaughtUp returns once no older transaction on the server, of whatever test, holds the events back.
func waitUntilFeedCaughtUp(t *testing.T, db *sql.DB) {
	t.Helper()
	servertest.WaitFor(t, db, `SELECT max(transaction_id) < pg_snapshot_xmin(pg_current_snapshot()) FROM events`)
}

func TestPostgresSinceIsBounded(t *testing.T) {
	ctx, db := newEvents(t)
	batch := make([]RecordedEvent, 1100)
	for i := range batch {
		batch[i] = cents(i)
	}
	if err := NewEventStore(db).Append(ctx, "a", 0, batch); err != nil {
		t.Fatal(err)
	}
	waitUntilFeedCaughtUp(t, db)
	for limit, want := range map[int]int{-1: 1, 0: 1, 7: 7, 1 << 40: 1000} {
		if events, _, err := NewEventStore(db).Since(ctx, EventCursor{}, limit); err != nil || len(events) != want { // ES-11
			t.Errorf("limit %d: %d events, %v", limit, len(events), err)
		}
	}
}

// project adds up all events in one transaction with its cursor, and fails before the commit if told to.
func project(ctx context.Context, db *sql.DB, failure error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var cursor EventCursor
	err = tx.QueryRowContext(ctx, `SELECT transaction_id, position FROM totals FOR UPDATE`).Scan(&cursor.TransactionID, &cursor.Position)
	if err != nil {
		return err
	}
	events, cursor, err := NewEventStore(tx).Since(ctx, cursor, 2)
	if err != nil {
		return err
	}
	for _, event := range events {
		if _, err := tx.ExecContext(ctx, `UPDATE totals SET cents = cents + ($1::jsonb->>'Cents')::bigint`, string(event.Data)); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE totals SET transaction_id = $1, position = $2`, cursor.TransactionID, cursor.Position); err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	return tx.Commit()
}

func TestPostgresProjection(t *testing.T) {
	ctx, db := newEvents(t)
	for i := range 5 {
		if err := NewEventStore(db).Append(ctx, fmt.Sprint("s", i), 0, []RecordedEvent{cents(1 << i)}); err != nil {
			t.Fatal(err)
		}
	}
	waitUntilFeedCaughtUp(t, db)
	crash := errors.New("crash")
	for i := range 8 { // every other run dies before its commit, and the runs overlap
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				failure := crash
				if i%2 == 1 {
					failure = nil
				}
				if err := project(ctx, db, failure); err != failure {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	var total int
	if err := db.QueryRowContext(ctx, `SELECT cents FROM totals`).Scan(&total); err != nil || total != 31 { // ES-12
		t.Errorf("total %d, %v", total, err)
	}
}

// breakingDB lets the server fail in the middle of a result.
type breakingDB struct{ *sql.DB }

func (db breakingDB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return db.DB.QueryContext(ctx, strings.Replace(query, "SELECT stream", "SELECT stream || 1 / (3 - version)", 1), args...)
}

func TestPostgresBrokenRead(t *testing.T) {
	ctx, db := newEvents(t)
	store := NewEventStore(breakingDB{db})
	if err := store.Append(ctx, "a", 0, []RecordedEvent{cents(1), cents(2), cents(3), cents(4)}); err != nil {
		t.Fatal(err)
	}
	waitUntilFeedCaughtUp(t, db)
	seen := 0
	if err := store.Read(ctx, "a", 0, func(RecordedEvent) error { seen++; return nil }); err == nil || seen != 2 { // ES-13
		t.Errorf("%d events, %v", seen, err)
	}
	if events, cursor, err := store.Since(ctx, EventCursor{}, 10); err == nil || events != nil || cursor != (EventCursor{}) {
		t.Errorf("got %v, %v, %v", events, cursor, err)
	}
	stop := errors.New("stop")
	if err := NewEventStore(db).Read(ctx, "a", 0, func(RecordedEvent) error { return stop }); err != stop || db.Stats().InUse != 0 { // ES-13
		t.Errorf("%d connections in use, %v", db.Stats().InUse, err)
	}
	var rest []int64
	err := NewEventStore(db).Read(ctx, "a", 2, func(e RecordedEvent) error { rest = append(rest, e.Version); return nil })
	if err != nil || !slices.Equal(rest, []int64{3, 4}) { // ES-9
		t.Errorf("got %v, %v", rest, err)
	}
}

func TestPostgresContext(t *testing.T) {
	ctx, db := newEvents(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	store := NewEventStore(db)
	_, _, sinceErr := store.Since(cancelled, EventCursor{}, 1)
	for _, err := range []error{
		store.Append(cancelled, "a", 0, []RecordedEvent{cents(1)}),
		store.Read(cancelled, "a", 0, func(RecordedEvent) error { return nil }),
		sinceErr,
	} {
		if !errors.Is(err, context.Canceled) { // ES-13
			t.Errorf("got %v", err)
		}
	}
}

func TestPostgresFeedKeepsTheOrderOfAStream(t *testing.T) {
	ctx, db := newEvents(t)
	older, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer older.Rollback()
	if _, err := older.ExecContext(ctx, `UPDATE totals SET cents = 1`); err != nil { // it has its id from here on
		t.Fatal(err)
	}
	if err := NewEventStore(db).Append(ctx, "a", 0, []RecordedEvent{cents(1)}); err != nil {
		t.Fatal(err)
	}
	if err := NewEventStore(older).Append(ctx, "a", 1, []RecordedEvent{cents(2)}); err != nil {
		t.Fatal(err)
	}
	if events, _, err := NewEventStore(db).Since(ctx, EventCursor{}, 10); len(events) != 0 || err != nil { // held back
		t.Errorf("%d events, %v", len(events), err)
	}
	if err := older.Commit(); err != nil {
		t.Fatal(err)
	}
	waitUntilFeedCaughtUp(t, db)
	var cursor EventCursor
	for version := int64(1); version <= 2; version++ {
		events, next, err := NewEventStore(db).Since(ctx, cursor, 1)
		if err != nil || len(events) != 1 || events[0].Version != version { // ES-14
			t.Fatalf("got %+v, %v", events, err)
		}
		cursor = next
	}
}

func TestPostgresRestoredIntoAnotherServer(t *testing.T) {
	ctx, db := newEvents(t)
	store := NewEventStore(db)
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO events (stream, version, type, data, transaction_id) VALUES ('a', 1, 'moved.v2', '{"Cents":1}', '9000000000')`)
	restored := EventCursor{TransactionID: 9_000_000_000, Position: 1}
	if err := store.Append(ctx, "a", 1, []RecordedEvent{cents(2)}); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(ctx, "b", 0, []RecordedEvent{cents(3)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Since(ctx, restored, 10); !errors.Is(err, ErrEventsRestored) { // ES-15
		t.Errorf("old cursor: %v", err)
	}
	var err error
	for cursor := (EventCursor{}); err == nil; { // transactions of other tests may hold some events back
		_, cursor, err = store.Since(ctx, cursor, 10)
	}
	if !errors.Is(err, ErrEventsRestored) { // ES-15
		t.Errorf("new cursor: %v", err)
	}
	exec(`UPDATE events SET transaction_id = pg_current_xact_id()`)
	waitUntilFeedCaughtUp(t, db)
	events, next, err := store.Since(ctx, EventCursor{}, 10)
	if err != nil || len(events) != 3 || events[0].Stream != "a" || events[0].Version != 1 || events[1].Version != 2 { // ES-15
		t.Errorf("repaired: %+v, %v", events, err)
	}
	if events, _, err := store.Since(ctx, next, 10); len(events) != 0 || err != nil {
		t.Errorf("at the end: %+v, %v", events, err)
	}
}

func TestPostgresFeedInsideAWritingTransaction(t *testing.T) {
	ctx, db := newEvents(t)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := NewEventStore(tx).Append(ctx, "a", 0, []RecordedEvent{cents(1)}); err != nil {
		t.Fatal(err)
	}
	if events, _, err := NewEventStore(tx).Since(ctx, EventCursor{}, 10); len(events) != 0 || err != nil { // ES-15: its own
		t.Errorf("%+v, %v", events, err)
	}
}
