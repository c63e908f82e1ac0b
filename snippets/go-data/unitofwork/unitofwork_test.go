package unitofwork

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Rules. Those marked (server) are held against PostgreSQL in postgres_test.go.
//
//	UW-1  success: begin, the statements, then one COMMIT as the last thing
//	UW-2  an error of fn rolls back and comes back unchanged
//	UW-3  a panic rolls back, never commits, and goes on with its value
//	UW-4  runtime.Goexit rolls back and goes on
//	UW-5  a failed ROLLBACK is joined to the error; sql.ErrTxDone is not
//	UW-6  a ctx that is done before the start: no BEGIN, fn not called, context.Cause
//	UW-7  the wait for a connection ends with ctx
//	UW-8  ctx cancelled while fn runs: rolled back even if fn returns nil, and the connection survives
//	UW-9  ctx cancelled during COMMIT does not tear it
//	UW-10 COMMIT and ROLLBACK end after EndTimeout
//	UW-11 40001 and 40P01 are retried, from fn and from COMMIT, at most Attempts calls; nothing else is
//	UW-12 waits: full jitter below min(MaxDelay, BaseDelay doubled), none after the last attempt, no overflow
//	UW-13 ctx ends the wait; the error is both its cause and the last failure
//	UW-14 a COMMIT without an answer is ErrCommitUnknown and never retried
//	UW-15 a COMMIT that the server refuses is not ErrCommitUnknown
//	UW-16 InTx inside InTx on the same database is refused; on another one it is not
//	UW-17 InSavepoint undoes only its own part, on error and on panic, and nests (also server)
//	UW-18 no path keeps a connection
//	UW-19 isolation and read-only reach the driver
//	UW-20 an outbox row written in the transaction shares its fate (server)
//	UW-21 concurrent serializable increments lose nothing (server)
//	UW-22 a savepoint whose own ctx has ended is undone, whatever fn returns (server)
//	UW-23 a savepoint that cannot be undone, and a refused statement that fn keeps to itself, is ErrTxAborted and
//	      no ErrCommitUnknown; what is undone to a savepoint does not count (also server)

func TestCommitIsLast(t *testing.T) {
	d, db := newFakeDB(t)
	err := InTx(context.Background(), db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		_, err := tx.ExecContext(ctx, "insert")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.expect(t, "begin", "insert", "commit") // UW-1
}

func TestErrorRollsBack(t *testing.T) {
	d, db := newFakeDB(t)
	want := errors.New("out of stock")
	err := InTx(context.Background(), db, TxOptions{}, func(context.Context, Tx) error { return want })
	if err != want { // UW-2: not even wrapped
		t.Fatalf("got %v", err)
	}
	d.expect(t, "begin", "rollback")
}

func TestPanicRollsBack(t *testing.T) {
	d, db := newFakeDB(t)
	func() {
		defer func() {
			if v := recover(); v != "boom" { // UW-3
				t.Errorf("recovered %v", v)
			}
		}()
		_ = InTx(context.Background(), db, TxOptions{}, func(context.Context, Tx) error { panic("boom") })
	}()
	d.expect(t, "begin", "rollback")
}

func TestGoexitRollsBack(t *testing.T) {
	d, db := newFakeDB(t)
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = InTx(context.Background(), db, TxOptions{}, func(context.Context, Tx) error {
			runtime.Goexit()
			return nil
		})
		returned = true
	})
	wg.Wait()
	if returned { // UW-4
		t.Fatal("InTx swallowed Goexit")
	}
	d.expect(t, "begin", "rollback")
}

func TestRollbackError(t *testing.T) {
	want, lost := errors.New("out of stock"), errors.New("connection reset")
	for _, tc := range []struct {
		rollback error
		joined   bool
	}{{lost, true}, {sql.ErrTxDone, false}} {
		d, db := newFakeDB(t)
		d.onRollback = func(context.Context) error { return tc.rollback }
		err := InTx(context.Background(), db, TxOptions{}, func(context.Context, Tx) error { return want })
		if !errors.Is(err, want) || errors.Is(err, tc.rollback) != tc.joined { // UW-5
			t.Errorf("rollback %v: got %v", tc.rollback, err)
		}
	}
}

func TestDoneContextStartsNothing(t *testing.T) {
	d, db := newFakeDB(t)
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	err := InTx(ctx, db, TxOptions{}, func(context.Context, Tx) error {
		t.Error("fn was called")
		return nil
	})
	if !errors.Is(err, cause) { // UW-6
		t.Errorf("got %v", err)
	}
	d.expect(t)
}

func TestWaitForConnectionEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db := newFakeDB(t)
		db.SetMaxOpenConns(1)
		only, err := db.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer only.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		err = InTx(ctx, db, TxOptions{}, func(context.Context, Tx) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second { // UW-7
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestCancelWhileRunning(t *testing.T) {
	d, db := newFakeDB(t)
	cause := errors.New("client went away")
	d.onRollback = context.Cause // as a driver does that passes its context on
	ctx, cancel := context.WithCancelCause(context.Background())
	err := InTx(ctx, db, TxOptions{}, func(_ context.Context, tx Tx) error {
		cancel(cause)
		return nil
	})
	if err != cause { // UW-8: the rollback itself saw a live context
		t.Fatalf("got %v", err)
	}
	d.expect(t, "begin", "rollback")
	if d.closed != 0 {
		t.Error("the connection was thrown away")
	}
}

func TestCancelDuringBeginRollsBack(t *testing.T) {
	d, db := newFakeDB(t)
	ctx, cancel := context.WithCancel(context.Background())
	d.onBegin = func(context.Context) error { cancel(); return nil }
	err := InTx(ctx, db, TxOptions{}, func(context.Context, Tx) error {
		t.Error("fn was called")
		return nil
	})
	if !errors.Is(err, context.Canceled) { // UW-6
		t.Errorf("got %v", err)
	}
	d.waitIdle(t, db)
	d.expect(t, "begin", "rollback")
}

func TestCommitIsNotTornByCancel(t *testing.T) {
	d, db := newFakeDB(t)
	ctx, cancel := context.WithCancel(context.Background())
	d.onCommit = func(driverCtx context.Context) error {
		cancel()
		return driverCtx.Err()
	}
	if err := InTx(ctx, db, TxOptions{}, func(context.Context, Tx) error { return nil }); err != nil { // UW-9
		t.Fatal(err)
	}
	d.expect(t, "begin", "commit")
}

func TestEndIsBounded(t *testing.T) {
	untilCancelled := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	failed := errors.New("out of stock")
	for _, result := range []error{nil, failed} { // COMMIT, ROLLBACK
		synctest.Test(t, func(t *testing.T) {
			d, db := newFakeDB(t)
			d.onCommit, d.onRollback = untilCancelled, untilCancelled
			start := time.Now()
			err := InTx(context.Background(), db, TxOptions{EndTimeout: 2 * time.Second},
				func(context.Context, Tx) error { return result })
			if took := time.Since(start); took != 2*time.Second { // UW-10
				t.Errorf("took %v", took)
			}
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrCommitUnknown) != (result == nil) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRetry(t *testing.T) {
	for _, tc := range []struct {
		state string
		calls int
	}{{"40001", 4}, {"40P01", 4}, {"23505", 1}, {"40002", 1}, {"08006", 1}, {"", 1}} {
		for _, atCommit := range []bool{false, true} {
			d, db := newFakeDB(t)
			failure := stateError(tc.state)
			if atCommit {
				d.onCommit = func(context.Context) error { return failure }
			}
			calls, waits := 0, []time.Duration{}
			err := InTx(context.Background(), db, TxOptions{
				Attempts:  4,
				BaseDelay: 10 * time.Millisecond,
				MaxDelay:  25 * time.Millisecond,
				Jitter:    func(limit time.Duration) time.Duration { return limit },
				Sleep:     func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
			}, func(context.Context, Tx) error {
				calls++
				if atCommit {
					return nil
				}
				return fmt.Errorf("save: %w", failure)
			})
			if calls != tc.calls || !errors.Is(err, failure) { // UW-11
				t.Errorf("%q at commit %v: %d calls, %v", tc.state, atCommit, calls, err)
			}
			want := []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 25 * time.Millisecond}
			if !slices.Equal(waits, want[:calls-1]) { // UW-12
				t.Errorf("%q: waits %v", tc.state, waits)
			}
		}
	}
}

func TestRetrySucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, db := newFakeDB(t)
		calls := 0
		start := time.Now()
		err := InTx(context.Background(), db, TxOptions{}, func(context.Context, Tx) error {
			if calls++; calls < 3 {
				return stateError("40001")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d.expect(t, "begin", "rollback", "begin", "rollback", "begin", "commit") // UW-11
		if took := time.Since(start); took >= 30*time.Millisecond {              // UW-12: the defaults, 10 and 20 ms, jittered
			t.Errorf("took %v", took)
		}
	})
}

func TestBackoffDoesNotOverflow(t *testing.T) {
	o := TxOptions{BaseDelay: time.Hour, MaxDelay: math.MaxInt64}.withDefaults()
	for attempt := 1; attempt < 200; attempt++ {
		if d := o.backoff(attempt); d < time.Hour { // UW-12
			t.Fatalf("attempt %d: %v", attempt, d)
		}
		if d := o.Jitter(o.backoff(attempt)); d < 0 {
			t.Fatalf("attempt %d: jitter %v", attempt, d)
		}
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, db := newFakeDB(t)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		failure := stateError("40P01")
		start := time.Now()
		err := InTx(ctx, db, TxOptions{
			BaseDelay: time.Hour, MaxDelay: time.Hour,
			Jitter: func(limit time.Duration) time.Duration { return limit },
		}, func(context.Context, Tx) error { return failure })
		if time.Since(start) != time.Second { // UW-13
			t.Errorf("took %v", time.Since(start))
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCommitOutcome(t *testing.T) {
	for _, tc := range []struct {
		err     error
		unknown bool
	}{
		{driver.ErrBadConn, true},
		{errors.New("unexpected EOF"), true},
		{stateError("08006"), true},
		{stateError("57P01"), true},
		{stateError("40003"), true},
		{stateError("23503"), false}, // a deferred constraint
		{stateError("P0001"), false}, // a deferred trigger
	} {
		d, db := newFakeDB(t)
		d.onCommit = func(context.Context) error { return tc.err }
		calls := 0
		err := InTx(context.Background(), db, TxOptions{}, func(context.Context, Tx) error { calls++; return nil })
		if calls != 1 || !errors.Is(err, tc.err) || errors.Is(err, ErrCommitUnknown) != tc.unknown { // UW-14, UW-15
			t.Errorf("%v: %d calls, got %v", tc.err, calls, err)
		}
	}
}

func TestNestedTx(t *testing.T) {
	d, db := newFakeDB(t)
	other, otherDB := newFakeDB(t)
	noop := func(context.Context, Tx) error { return nil }
	err := InTx(context.Background(), db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		if err := InTx(ctx, db, TxOptions{}, noop); !errors.Is(err, ErrNestedTx) { // UW-16
			t.Errorf("same database: %v", err)
		}
		return InTx(ctx, otherDB, TxOptions{}, noop)
	})
	if err != nil {
		t.Fatal(err)
	}
	d.expect(t, "begin", "commit")
	other.expect(t, "begin", "commit")
}

func TestSavepoint(t *testing.T) {
	d, db := newFakeDB(t)
	exec := func(ctx context.Context, tx Tx, statement string) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			t.Error(err)
		}
	}
	err := InTx(context.Background(), db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		exec(ctx, tx, "outer")
		_ = InSavepoint(ctx, tx, func(ctx context.Context, tx Tx) error {
			exec(ctx, tx, "inner")
			return errors.New("out of stock")
		})
		func() {
			defer func() { recover() }()
			_ = InSavepoint(ctx, tx, func(context.Context, Tx) error { panic("boom") })
		}()
		return InSavepoint(ctx, tx, func(ctx context.Context, tx Tx) error { return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	undo := []string{"ROLLBACK TO SAVEPOINT nested", "RELEASE SAVEPOINT nested"}
	d.expect(t, slices.Concat( // UW-17
		[]string{"begin", "outer", "SAVEPOINT nested", "inner"}, undo,
		[]string{"SAVEPOINT nested"}, undo,
		[]string{"SAVEPOINT nested", "RELEASE SAVEPOINT nested", "commit"})...)
}

func TestSavepointErrors(t *testing.T) {
	for _, tc := range []struct {
		fails  string
		result error
	}{
		{fails: "SAVEPOINT nested"},
		{fails: "RELEASE SAVEPOINT nested"},
		{fails: "ROLLBACK TO SAVEPOINT nested", result: errors.New("out of stock")},
	} {
		d, db := newFakeDB(t)
		lost := errors.New("connection reset")
		d.onExec = func(statement string) error {
			if statement == tc.fails {
				return lost
			}
			return nil
		}
		err := InTx(context.Background(), db, TxOptions{}, func(ctx context.Context, tx Tx) error {
			return InSavepoint(ctx, tx, func(context.Context, Tx) error { return tc.result })
		})
		if !errors.Is(err, lost) || (tc.result != nil && !errors.Is(err, tc.result)) { // UW-17
			t.Errorf("%s: got %v", tc.fails, err)
		}
		if last := d.log()[len(d.log())-1]; last != "rollback" {
			t.Errorf("%s: ended with %s", tc.fails, last)
		}
	}
}

func TestSavepointThatStaysIsNotCommitted(t *testing.T) {
	d, db := newFakeDB(t)
	lost := errors.New("no answer")
	d.onExec = func(statement string) error {
		if statement == "ROLLBACK TO SAVEPOINT nested" {
			return lost
		}
		return nil
	}
	err := InTx(context.Background(), db, TxOptions{}, func(ctx context.Context, tx Tx) error {
		_ = InSavepoint(ctx, tx, func(context.Context, Tx) error { return errors.New("out of stock") })
		_, err := tx.ExecContext(ctx, "goes on")
		return err
	})
	if !errors.Is(err, ErrTxAborted) || !errors.Is(err, lost) { // UW-23
		t.Errorf("got %v", err)
	}
	if last := d.log()[len(d.log())-1]; last != "rollback" {
		t.Errorf("ended with %s", last)
	}
}

func TestOptionsReachTheDriver(t *testing.T) {
	d, db := newFakeDB(t)
	opts := TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true}
	if err := InTx(context.Background(), db, opts, func(context.Context, Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if want := (driver.TxOptions{Isolation: driver.IsolationLevel(sql.LevelSerializable), ReadOnly: true}); d.options != want { // UW-19
		t.Errorf("got %+v", d.options)
	}
}

// stateError is a server's error as pgx and lib/pq show it: an SQLSTATE.
type stateError string

func (e stateError) Error() string    { return "server: " + string(e) }
func (e stateError) SQLState() string { return string(e) }

// fakeDriver records what reaches the connection and answers as told.
type fakeDriver struct {
	mu       sync.Mutex
	events   []string
	closed   int
	options  driver.TxOptions
	onBegin  func(context.Context) error
	onExec   func(statement string) error
	onCommit func(context.Context) error

	onRollback func(context.Context) error
}

// newFakeDB returns a pool on a fake driver. When the test ends, no connection may be in use (UW-18).
func newFakeDB(t *testing.T) (*fakeDriver, *sql.DB) {
	d := &fakeDriver{}
	db := sql.OpenDB(d)
	t.Cleanup(func() {
		d.waitIdle(t, db)
		db.Close()
	})
	return d, db
}

// waitIdle takes and returns every connection of the pool, which waits for a rollback that database/sql does aside.
func (d *fakeDriver) waitIdle(t *testing.T, db *sql.DB) {
	t.Helper()
	db.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatalf("a connection is still in use: %v", err)
	}
	conn.Close()
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
}

func (d *fakeDriver) record(event string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, event)
}

func (d *fakeDriver) log() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

func (d *fakeDriver) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := d.log(); !slices.Equal(got, want) {
		t.Errorf("the driver saw\n\t%s\nwant\n\t%s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func (d *fakeDriver) Connect(context.Context) (driver.Conn, error) { return &fakeConn{d: d}, nil }
func (d *fakeDriver) Driver() driver.Driver                        { return nil }

type fakeConn struct{ d *fakeDriver }

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("needs BeginTx") }
func (c *fakeConn) ResetSession(context.Context) error  { return nil }
func (c *fakeConn) IsValid() bool                       { return true }
func (c *fakeConn) Close() error                        { c.d.closed++; return nil }

func call(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (c *fakeConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.d.record("begin")
	c.d.options = opts
	return &fakeTx{ctx: ctx, d: c.d}, call(ctx, c.d.onBegin)
}

func (c *fakeConn) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	c.d.record(statement)
	if c.d.onExec != nil {
		if err := c.d.onExec(statement); err != nil {
			return nil, err
		}
	}
	return driver.ResultNoRows, nil
}

// fakeTx ends with the context that it was begun with, as pgx does.
type fakeTx struct {
	ctx context.Context
	d   *fakeDriver
}

func (tx *fakeTx) Commit() error {
	tx.d.record("commit")
	return call(tx.ctx, tx.d.onCommit)
}

func (tx *fakeTx) Rollback() error {
	tx.d.record("rollback")
	return call(tx.ctx, tx.d.onRollback)
}
