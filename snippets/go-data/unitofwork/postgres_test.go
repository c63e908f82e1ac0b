package unitofwork

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAccounts(t *testing.T) (context.Context, *sql.DB) {
	db := servertest.Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for _, statement := range []string{
		`CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL)`,
		`INSERT INTO accounts VALUES (1, 0), (2, 0)`,
		`CREATE TABLE outbox (event text)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	return ctx, db
}

func scalar[T any](ctx context.Context, t *testing.T, q Tx, query string) (value T) {
	t.Helper()
	if err := q.QueryRowContext(ctx, query).Scan(&value); err != nil {
		t.Error(err)
	}
	return value
}

func exec(ctx context.Context, tx Tx, statements ...string) error {
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func TestPostgresOutboxSharesFate(t *testing.T) {
	ctx, db := newAccounts(t)
	for _, result := range []error{errors.New("refused"), nil} {
		err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
			if err := exec(ctx, tx, `UPDATE accounts SET balance = 5 WHERE id = 1`, `INSERT INTO outbox VALUES ('deposited')`); err != nil {
				return err
			}
			return result
		})
		if err != result {
			t.Fatal(err)
		}
		balance := scalar[int](ctx, t, db, `SELECT balance FROM accounts WHERE id = 1`)
		events := scalar[int](ctx, t, db, `SELECT count(*) FROM outbox`)
		if result != nil && (balance != 0 || events != 0) || result == nil && (balance != 5 || events != 1) { // UW-20
			t.Errorf("result %v: balance %d, %d events", result, balance, events)
		}
	}
}

func TestPostgresSerializableIncrements(t *testing.T) {
	ctx, db := newAccounts(t)
	const workers, each = 4, 10
	calls := make(chan struct{}, 10_000)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				opts := TxOptions{Isolation: sql.LevelSerializable, Attempts: 100, MaxDelay: 50 * time.Millisecond}
				err := InTx(ctx, db, opts, func(ctx context.Context, tx Tx) error {
					calls <- struct{}{}
					var balance int
					if err := tx.QueryRowContext(ctx, `SELECT balance FROM accounts WHERE id = 1`).Scan(&balance); err != nil {
						return err
					}
					_, err := tx.ExecContext(ctx, `UPDATE accounts SET balance = $1 WHERE id = 1`, balance+1)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := scalar[int](ctx, t, db, `SELECT balance FROM accounts WHERE id = 1`); got != workers*each { // UW-21
		t.Errorf("balance %d after %d increments", got, workers*each)
	}
	t.Logf("%d calls for %d increments", len(calls), workers*each)
}

func TestPostgresDeadlockIsRetried(t *testing.T) {
	ctx, db := newAccounts(t)
	var both sync.WaitGroup // holds each transaction until the other has its first row
	both.Add(2)
	calls := make(chan struct{}, 100)
	transfer := func(first, second string) error {
		once := sync.OnceFunc(func() { both.Done(); both.Wait() })
		return InTx(ctx, db, TxOptions{Attempts: 10}, func(ctx context.Context, tx Tx) error {
			calls <- struct{}{}
			if err := exec(ctx, tx, `UPDATE accounts SET balance = balance + 1 WHERE id = `+first); err != nil {
				return err
			}
			once()
			return exec(ctx, tx, `UPDATE accounts SET balance = balance + 1 WHERE id = `+second)
		})
	}
	var wg sync.WaitGroup
	for _, rows := range [][2]string{{"1", "2"}, {"2", "1"}} {
		wg.Go(func() {
			if err := transfer(rows[0], rows[1]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := scalar[int](ctx, t, db, `SELECT sum(balance)::int FROM accounts`); got != 4 || len(calls) < 3 { // UW-11
		t.Errorf("sum %d after %d calls", got, len(calls))
	}
}

func TestPostgresSavepoints(t *testing.T) {
	ctx, db := newAccounts(t)
	err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		if err := exec(ctx, tx, `INSERT INTO outbox VALUES ('outer')`); err != nil {
			return err
		}
		if err := InSavepoint(ctx, tx, func(ctx context.Context, tx Tx) error {
			return exec(ctx, tx, `INSERT INTO outbox VALUES ('lost')`, `INSERT INTO accounts VALUES (1, 0)`)
		}); txState(err) != "23505" {
			t.Errorf("got %v", err)
		}
		return InSavepoint(ctx, tx, func(ctx context.Context, tx Tx) error {
			if err := InSavepoint(ctx, tx, func(ctx context.Context, tx Tx) error {
				return errors.Join(exec(ctx, tx, `INSERT INTO outbox VALUES ('lost')`), errors.New("refused"))
			}); err == nil {
				t.Error("no error")
			}
			return exec(ctx, tx, `INSERT INTO outbox VALUES ('inner')`)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := scalar[string](ctx, t, db, `SELECT string_agg(event, ' ' ORDER BY event) FROM outbox`); got != "inner outer" { // UW-17
		t.Errorf("kept %q", got)
	}
}

func TestPostgresCommitRefused(t *testing.T) {
	ctx, db := newAccounts(t)
	if err := exec(ctx, db, `ALTER TABLE outbox ADD account bigint REFERENCES accounts DEFERRABLE INITIALLY DEFERRED`); err != nil {
		t.Fatal(err)
	}
	err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		return exec(ctx, tx, `INSERT INTO outbox VALUES ('orphan', 99)`)
	})
	if txState(err) != "23503" || errors.Is(err, ErrCommitUnknown) { // UW-15
		t.Errorf("got %v", err)
	}
}

func TestPostgresBackendLostAtCommit(t *testing.T) {
	ctx, db := newAccounts(t)
	err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		pid := scalar[int](ctx, t, tx, `SELECT pg_backend_pid()`)
		_, err := db.ExecContext(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid)
		return err
	})
	if !errors.Is(err, ErrCommitUnknown) { // UW-14
		t.Errorf("got %v", err)
	}
}

func TestPostgresCancelKeepsConnection(t *testing.T) {
	ctx, db := newAccounts(t)
	db.SetMaxOpenConns(1)
	before := scalar[int](ctx, t, db, `SELECT pg_backend_pid()`)
	txCtx, cancel := context.WithCancel(ctx)
	err := InTx(txCtx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		err := exec(ctx, tx, `UPDATE accounts SET balance = 9`)
		cancel()
		return err
	})
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
	if after := scalar[int](ctx, t, db, `SELECT pg_backend_pid()`); after != before { // UW-8
		t.Error("the cancelled transaction cost the connection")
	}
	if got := scalar[int](ctx, t, db, `SELECT sum(balance)::int FROM accounts`); got != 0 {
		t.Errorf("sum %d after a rollback", got)
	}
}

func TestPostgresCancelDuringStatement(t *testing.T) {
	ctx, db := newAccounts(t)
	txCtx, cancel := context.WithCancel(ctx)
	locked := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		<-locked
		// Ends once the statement below is seen waiting, so the cancel hits a running statement.
		for scalar[int](ctx, t, db, `SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND pid <> pg_backend_pid()`) == 0 {
			if ctx.Err() != nil {
				return
			}
		}
		cancel()
	})
	err := InTx(txCtx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		close(locked)
		return exec(ctx, tx, `SELECT pg_sleep(60)`)
	})
	wg.Wait()
	if !errors.Is(err, context.Canceled) || ctx.Err() != nil { // UW-8
		t.Errorf("got %v", err)
	}
	t.Log(err)
}

func TestPostgresSavepointOutlivesItsDeadline(t *testing.T) {
	ctx, db := newAccounts(t)
	for _, result := range []error{errors.New("refused"), nil} {
		err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
			optional, cancel := context.WithCancel(ctx)
			err := InSavepoint(optional, tx, func(ctx context.Context, tx Tx) error {
				err := exec(ctx, tx, `UPDATE accounts SET balance = 999 WHERE id = 2`)
				cancel()
				return errors.Join(err, result)
			})
			if err == nil {
				t.Error("no error")
			}
			return exec(ctx, tx, `UPDATE accounts SET balance = 5 WHERE id = 1`)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := scalar[int](ctx, t, db, `SELECT sum(balance)::int FROM accounts`); got != 5 { // UW-22
			t.Errorf("result %v: sum %d", result, got)
		}
	}
}

func TestPostgresSwallowedError(t *testing.T) {
	ctx, db := newAccounts(t)
	duplicate := `INSERT INTO accounts VALUES (1, 0)`
	for name, statement := range map[string]func(ctx context.Context, tx Tx) error{
		"exec": func(ctx context.Context, tx Tx) error { return exec(ctx, tx, duplicate) },
		"row": func(ctx context.Context, tx Tx) error {
			return tx.QueryRowContext(ctx, duplicate+` RETURNING id`).Err()
		},
		"query": func(ctx context.Context, tx Tx) error { _, err := tx.QueryContext(ctx, `SELECT 1/0`); return err },
	} {
		err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
			if err := statement(ctx, tx); err == nil {
				t.Errorf("%s: no error", name)
			}
			return nil
		})
		if !errors.Is(err, ErrTxAborted) || errors.Is(err, ErrCommitUnknown) || txState(err) == "" { // UW-23
			t.Errorf("%s: got %v", name, err)
		}
	}
	err := InTx(ctx, db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		_ = InSavepoint(ctx, tx, func(ctx context.Context, tx Tx) error { return exec(ctx, tx, duplicate) })
		return nil
	})
	if err != nil { // UW-23: undone
		t.Errorf("got %v", err)
	}
}
