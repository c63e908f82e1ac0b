package idempotency

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

// Rules; nearly all need the server:
//
//	ID-1  effect and key are stored together, or neither is
//	ID-2  a repeat returns the stored result without doing anything
//	ID-3  of concurrent repeats one works; the others get ErrKeyInProgress without waiting, and the result later
//	ID-4  a known key with another request is ErrKeyReused
//	ID-5  scopes are apart, without a separator that could be forged
//	ID-6  an error of do comes back unchanged and nothing is remembered, even if the caller commits
//	ID-7  a panic of do, rolled back, leaves the key free
//	ID-8  a connection that dies during the work leaves the key free
//	ID-9  purging takes old keys only, at most limit
//	ID-10 keys that are empty, too long or no text that can be stored are ErrKeyInvalid
//	ID-11 the request itself is not stored
//	ID-12 ctx reaches every statement
//	ID-13 a repeat whose snapshot is older than the first's commit is ErrKeyInProgress

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newInbox returns a database with the table of the doc comment and a place for effects.
func newInbox(t *testing.T) (context.Context, *sql.DB) {
	db := servertest.Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for _, statement := range []string{
		`CREATE TABLE inbox (
			scope   text NOT NULL,
			key     text NOT NULL,
			request bytea NOT NULL,
			result  bytea NOT NULL,
			done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			PRIMARY KEY (scope, key)
		)`,
		`CREATE INDEX ON inbox (done_at)`,
		`CREATE TABLE payments (cents int NOT NULL)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	return ctx, db
}

var key = IdempotencyKey{Scope: "payments", Key: "k1"}

// pay does the work once in a transaction of its own and ends it as told.
func pay(ctx context.Context, db *sql.DB, id IdempotencyKey, request string, commit bool, within func(tx *sql.Tx) error) (string, bool, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", false, err
	}
	defer tx.Rollback()
	result, replayed, onceErr := Once(ctx, tx, id, []byte(request), func(ctx context.Context) ([]byte, error) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO payments VALUES (100)`); err != nil {
			return nil, err
		}
		if within != nil {
			if err := within(tx); err != nil {
				return nil, err
			}
		}
		return []byte("receipt for " + request), nil
	})
	if commit {
		if err := tx.Commit(); err != nil && onceErr == nil {
			return "", false, err
		}
	}
	return string(result), replayed, onceErr
}

func count(ctx context.Context, t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOnce(t *testing.T) {
	ctx, db := newInbox(t)
	for _, step := range []struct {
		id       IdempotencyKey
		request  string
		commit   bool
		result   string
		replayed bool
		err      error
		payments int
	}{
		{key, "a", false, "receipt for a", false, nil, 0}, // ID-1: rolled back, forgotten
		{key, "a", true, "receipt for a", false, nil, 1},
		{key, "a", true, "receipt for a", true, nil, 1}, // ID-2
		{key, "b", true, "", false, ErrKeyReused, 1},    // ID-4
		{IdempotencyKey{"payments", "k2"}, "b", true, "receipt for b", false, nil, 2},
		{IdempotencyKey{"refunds", "k1"}, "b", true, "receipt for b", false, nil, 3}, // ID-5
		{IdempotencyKey{"paymentsk", "1"}, "b", true, "receipt for b", false, nil, 4},
		{IdempotencyKey{"payment", "sk1"}, "b", true, "receipt for b", false, nil, 5},
	} {
		result, replayed, err := pay(ctx, db, step.id, step.request, step.commit, nil)
		if result != step.result || replayed != step.replayed || !errors.Is(err, step.err) {
			t.Errorf("%+v: got %q, %v, %v", step, result, replayed, err)
		}
		if n := count(ctx, t, db, "payments"); n != step.payments || step.commit && err == nil && n != count(ctx, t, db, "inbox") { // ID-1
			t.Errorf("%+v: %d payments", step, n)
		}
	}
	var stored string
	err := db.QueryRowContext(ctx, `SELECT string_agg(encode(request, 'escape'), '') FROM inbox`).Scan(&stored)
	if err != nil || strings.HasPrefix(stored, "a") || len(stored) < 32 { // ID-11
		t.Errorf("stored %q, %v", stored, err)
	}
}

func TestEmptyResult(t *testing.T) {
	ctx, db := newInbox(t)
	for i := range 2 {
		result, replayed, err := Once(ctx, db, key, nil, func(context.Context) ([]byte, error) { return nil, nil })
		if result == nil || len(result) != 0 || replayed != (i == 1) || err != nil { // ID-2
			t.Errorf("got %v, %v, %v", result, replayed, err)
		}
	}
}

func TestConcurrentRepeats(t *testing.T) {
	ctx, db := newInbox(t)
	working, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, _, err := pay(ctx, db, key, "a", true, func(*sql.Tx) error {
			close(working)
			<-release
			return nil
		})
		first <- err
	}()
	<-working
	if _, _, err := pay(ctx, db, key, "a", true, nil); !errors.Is(err, ErrKeyInProgress) { // ID-3: would wait for ever
		t.Errorf("got %v", err)
	}
	if _, _, err := pay(ctx, db, IdempotencyKey{"payments", "other"}, "a", true, nil); err != nil { // ID-3
		t.Errorf("got %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if result, replayed, err := pay(ctx, db, key, "a", true, nil); !replayed || result != "receipt for a" || err != nil { // ID-3
		t.Errorf("got %q, %v, %v", result, replayed, err)
	}

	var done atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				result, replayed, err := pay(ctx, db, IdempotencyKey{"payments", "raced"}, "r", true, nil)
				switch {
				case errors.Is(err, ErrKeyInProgress):
					continue
				case err != nil || result != "receipt for r":
					t.Errorf("got %q, %v", result, err)
				case !replayed:
					done.Add(1)
				}
				return
			}
		})
	}
	wg.Wait()
	if n := count(ctx, t, db, "payments"); done.Load() != 1 || n != 3 { // ID-3
		t.Errorf("done %d times, %d payments in all", done.Load(), n)
	}
}

func TestFailureIsForgotten(t *testing.T) {
	ctx, db := newInbox(t)
	declined := errors.New("bank is closed")
	for range 2 {
		_, replayed, err := pay(ctx, db, key, "a", true, func(*sql.Tx) error { return declined })
		if err != declined || replayed || count(ctx, t, db, "inbox") != 0 { // ID-6
			t.Errorf("got %v, replayed %v", err, replayed)
		}
	}
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic was swallowed")
			}
		}()
		_, _, _ = pay(ctx, db, key, "a", true, func(*sql.Tx) error { panic("boom") })
	}()
	if _, replayed, err := pay(ctx, db, key, "a", true, nil); err != nil || replayed { // ID-7
		t.Errorf("got %v, %v", replayed, err)
	}
}

func TestLostConnection(t *testing.T) {
	ctx, db := newInbox(t)
	_, _, err := pay(ctx, db, key, "a", true, func(tx *sql.Tx) error {
		_, err := db.ExecContext(ctx, `SELECT pg_terminate_backend($1, 10000)`, servertest.BackendID(t, tx))
		return err
	})
	if err == nil {
		t.Error("no error")
	}
	if _, replayed, err := pay(ctx, db, key, "a", true, nil); err != nil || replayed || count(ctx, t, db, "payments") != 1 { // ID-8
		t.Errorf("got %v, %v", replayed, err)
	}
}

func TestPurge(t *testing.T) {
	ctx, db := newInbox(t)
	for i := range 6 {
		if _, _, err := pay(ctx, db, IdempotencyKey{"s", fmt.Sprint(i)}, "a", true, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(ctx, `UPDATE inbox SET done_at = done_at - interval '8 days' WHERE key <> '5'`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{3, 2, 0} {
		if n, err := PurgeInbox(ctx, db, 7*24*time.Hour, 3); n != want || err != nil { // ID-9
			t.Errorf("purged %d, %v, want %d", n, err, want)
		}
	}
	if _, replayed, err := pay(ctx, db, IdempotencyKey{"s", "5"}, "a", true, nil); !replayed || err != nil { // ID-9
		t.Errorf("got %v, %v", replayed, err)
	}
}

func TestWrongKeys(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, id := range []IdempotencyKey{{}, {"s", ""}, {"", "k"}, {"s", long}, {long, "k"}} {
		_, _, err := Once(context.Background(), nil, id, nil, nil) // ID-10: touches nothing
		if err == nil {
			t.Errorf("%d and %d bytes were accepted", len(id.Scope), len(id.Key))
		}
	}
}

func TestContext(t *testing.T) {
	ctx, db := newInbox(t)
	cancelled, cancel := context.WithCancel(ctx)
	_, _, err := Once(cancelled, db, key, nil, func(context.Context) ([]byte, error) {
		cancel()
		return nil, nil
	})
	if !errors.Is(err, context.Canceled) || count(ctx, t, db, "inbox") != 0 { // ID-12
		t.Errorf("got %v", err)
	}
	if _, _, err := Once(cancelled, db, key, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := PurgeInbox(cancelled, db, time.Hour, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestKeyThatCannotBeStored(t *testing.T) {
	ctx, db := newInbox(t)
	for _, text := range []string{"\xff\xfe", "a\x00b"} {
		for _, id := range []IdempotencyKey{{"s", text}, {text, "k"}} {
			if _, _, err := pay(ctx, db, id, "r", true, nil); !errors.Is(err, ErrKeyInvalid) { // ID-10
				t.Errorf("%q: got %v", id, err)
			}
		}
	}
}

func TestSnapshotBeforeTheFirst(t *testing.T) {
	ctx, db := newInbox(t)
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `SELECT FROM payments`); err != nil { // takes the snapshot
		t.Fatal(err)
	}
	if _, _, err := pay(ctx, db, key, "a", true, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = Once(ctx, tx, key, []byte("a"), func(context.Context) ([]byte, error) { return nil, nil })
	if !errors.Is(err, ErrKeyInProgress) { // ID-13
		t.Errorf("got %v", err)
	}
}
