package leaderelection

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newLeases returns a database with the table of the doc comment and a resource to write to.
func newLeases(t *testing.T) (context.Context, *sql.DB, SQLLeaseStore) {
	db := servertest.Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for _, statement := range []string{
		`CREATE TABLE leases (
			name       text PRIMARY KEY,
			holder     text NOT NULL,
			token      bigint NOT NULL,
			expires_at timestamptz NOT NULL,
			UNIQUE (name, token)
		)`,
		`CREATE TABLE ledger (id bigint GENERATED ALWAYS AS IDENTITY, token bigint NOT NULL)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	return ctx, db, SQLLeaseStore{db}
}

// endLease lets the time of the lease be over, as it is after a crash.
func endLease(ctx context.Context, t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := db.ExecContext(ctx, `UPDATE leases SET expires_at = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
}

func acquire(ctx context.Context, t *testing.T, s SQLLeaseStore, holder string) int64 {
	t.Helper()
	token, err := s.Acquire(ctx, "billing", holder, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestPostgresLease(t *testing.T) {
	ctx, db, s := newLeases(t)
	if token := acquire(ctx, t, s, "a"); token != 1 {
		t.Errorf("token %d", token)
	}
	for _, holder := range []string{"a", "b"} {
		if _, err := s.Acquire(ctx, "billing", holder, time.Hour); !errors.Is(err, ErrLeaseHeld) { // LE-3
			t.Errorf("%s: %v", holder, err)
		}
	}
	if other, err := s.Acquire(ctx, "mailing", "b", time.Hour); other != 1 || err != nil { // leases are independent
		t.Errorf("got %d, %v", other, err)
	}
	endLease(ctx, t, db)
	if err := s.Renew(ctx, "billing", 1, time.Hour); err != nil { // ended, but nobody took it
		t.Error(err)
	}
	if _, err := s.Acquire(ctx, "billing", "b", time.Hour); !errors.Is(err, ErrLeaseHeld) { // LE-3
		t.Errorf("got %v", err)
	}
	endLease(ctx, t, db)
	if token := acquire(ctx, t, s, "b"); token != 2 { // LE-2
		t.Errorf("token %d", token)
	}
	if err := s.Renew(ctx, "billing", 1, time.Hour); !errors.Is(err, ErrLeaseLost) { // LE-4
		t.Errorf("got %v", err)
	}
	if err := s.Release(ctx, "billing", 1); err != nil {
		t.Error(err)
	}
	if _, err := s.Acquire(ctx, "billing", "a", time.Hour); !errors.Is(err, ErrLeaseHeld) { // LE-8
		t.Errorf("got %v", err)
	}
	if err := s.Release(ctx, "billing", 2); err != nil {
		t.Error(err)
	}
	if token := acquire(ctx, t, s, "b"); token != 3 { // LE-2: the same holder too
		t.Errorf("token %d", token)
	}
}

func TestPostgresTTL(t *testing.T) {
	ctx, db, s := newLeases(t)
	if _, err := s.Acquire(ctx, "billing", "a", 90*time.Second); err != nil {
		t.Fatal(err)
	}
	check := func(want time.Duration) {
		t.Helper()
		var seconds float64
		err := db.QueryRowContext(ctx, `SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM leases`).Scan(&seconds)
		if left := time.Duration(seconds * float64(time.Second)); err != nil || left > want || left < want-30*time.Second { // LE-3
			t.Errorf("%v left, %v", left, err)
		}
	}
	check(90 * time.Second)
	if err := s.Renew(ctx, "billing", 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	check(time.Hour)
}

func TestPostgresRaceForALease(t *testing.T) {
	ctx, db, s := newLeases(t)
	for round := range 20 {
		tokens := make(chan int64, 8)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				switch token, err := s.Acquire(ctx, "billing", "x", time.Hour); {
				case err == nil:
					tokens <- token
				case !errors.Is(err, ErrLeaseHeld):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(tokens) != 1 || <-tokens != int64(round+1) { // LE-1, LE-2
			t.Fatalf("round %d: %d winners", round, len(tokens)+1)
		}
		endLease(ctx, t, db)
	}
}

func TestPostgresHandOver(t *testing.T) {
	ctx, _, s := newLeases(t)
	elected := make(chan string)
	run := func(holder string) (stop func() error) {
		e := Election{Store: s, Name: "billing", Holder: holder, TTL: 3 * time.Second, Report: func(err error) { t.Error(err) }}
		runCtx, cancel := context.WithCancel(ctx)
		result := make(chan error, 1)
		go func() {
			result <- e.Run(runCtx, func(leadCtx context.Context, token int64) error {
				elected <- fmt.Sprint(holder, token)
				<-leadCtx.Done()
				return nil
			})
		}()
		return func() error { cancel(); return <-result }
	}
	stopA := run("a")
	if got := <-elected; got != "a1" {
		t.Errorf("elected %s", got)
	}
	stopB := run("b")
	if err := stopA(); err != nil {
		t.Error(err)
	}
	if got := <-elected; got != "b2" { // LE-7, LE-1
		t.Errorf("elected %s", got)
	}
	if err := stopB(); err != nil {
		t.Error(err)
	}
}

func TestPostgresFence(t *testing.T) {
	ctx, db, s := newLeases(t)
	write := func(token int64) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := Fence(ctx, tx, "billing", token); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO ledger (token) VALUES ($1)`, token); err != nil {
			return err
		}
		return tx.Commit()
	}
	old := acquire(ctx, t, s, "a")
	if err := write(old); err != nil {
		t.Fatal(err)
	}
	endLease(ctx, t, db) // a is paused and does not know
	current := acquire(ctx, t, s, "b")
	if err := write(old); !errors.Is(err, ErrFenced) { // LE-10
		t.Errorf("got %v", err)
	}
	if err := write(current); err != nil {
		t.Error(err)
	}
	if err := write(99); !errors.Is(err, ErrFenced) {
		t.Errorf("got %v", err)
	}
}

func TestPostgresFenceHoldsOffTakeover(t *testing.T) {
	ctx, db, s := newLeases(t)
	token := acquire(ctx, t, s, "a")
	endLease(ctx, t, db) // but nobody has taken over yet
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := Fence(ctx, tx, "billing", token); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO ledger (token) VALUES ($1)`, token); err != nil {
		t.Fatal(err)
	}
	pid := servertest.BackendID(t, tx)
	type result struct {
		token int64
		err   error
	}
	takeover := make(chan result, 1)
	go func() {
		other, err := s.Acquire(ctx, "billing", "b", time.Hour)
		takeover <- result{other, err}
	}()
	servertest.WaitBlocked(t, db, pid) // LE-10
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := <-takeover; got.err != nil || got.token != token+1 { // LE-10
		t.Errorf("got %+v", got)
	}
}

func TestPostgresFenceLetsRenewalsPass(t *testing.T) {
	ctx, db, s := newLeases(t)
	token := acquire(ctx, t, s, "a")
	for range 2 { // as several workers of one leader have them open, one or the other all the time
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if err := Fence(ctx, tx, "billing", token); err != nil {
			t.Fatal(err)
		}
	}
	renewCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.Renew(renewCtx, "billing", token, time.Hour); err != nil { // LE-15
		t.Errorf("renew: %v", err)
	}
	if err := s.Release(renewCtx, "billing", token); err != nil { // LE-15
		t.Errorf("release: %v", err)
	}
}
