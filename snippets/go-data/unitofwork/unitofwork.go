// Package unitofwork runs several statements as one transaction: all of them
// or none, whatever the function does, with retries where they are safe.
package unitofwork

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

var (
	// ErrCommitUnknown marks a commit whose answer was lost: the work may or may not be done.
	// Look before trying again, or make the work idempotent.
	ErrCommitUnknown = errors.New("commit outcome unknown")
	// ErrTxAborted refuses to commit after an error that fn kept to itself: the server has
	// given the transaction up, or a savepoint could not be undone. Everything is rolled back.
	ErrTxAborted = errors.New("transaction aborted by an error that was not returned")
	// ErrNestedTx refuses a second transaction inside the first: it would not be
	// atomic with it and can starve the pool. Pass the Tx on, or use InSavepoint.
	ErrNestedTx = errors.New("already in a transaction of this database")
)

// Tx is what InTx gives its function: the statements of one transaction without
// the power to end it. *sql.DB satisfies it too. It is not safe for concurrent use.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// TxOptions says how InTx runs a transaction. The zero value is ready to use.
type TxOptions struct {
	Isolation  sql.IsolationLevel
	ReadOnly   bool
	Attempts   int           // in all, when the database aborts for serialization or deadlock; 3 if zero, 1 means no retry
	BaseDelay  time.Duration // 10 ms if zero
	MaxDelay   time.Duration // 1 s if zero
	EndTimeout time.Duration // limit on COMMIT and on ROLLBACK, where the driver can be interrupted; 5 s if zero

	Sleep  func(ctx context.Context, d time.Duration) error // a timer if nil
	Jitter func(limit time.Duration) time.Duration          // uniform in [0, limit) if nil
}

// InTx calls fn inside a transaction and commits when fn returns nil. An error,
// a panic, runtime.Goexit or a cancelled ctx rolls back. After a serialization
// failure or a deadlock fn is called again, so it must set its results afresh
// and act on nothing but tx.
func InTx(ctx context.Context, db *sql.DB, opts TxOptions, fn func(ctx context.Context, tx Tx) error) error {
	if ctx.Value(txKey{db}) != nil {
		return ErrNestedTx
	}
	opts = opts.withDefaults()
	for attempt := 1; ; attempt++ {
		retry, err := runTx(ctx, db, opts, fn)
		switch {
		case !retry:
			return err
		case attempt >= opts.Attempts:
			return fmt.Errorf("transaction aborted %d times: %w", attempt, err)
		}
		if sleepErr := opts.Sleep(ctx, opts.Jitter(opts.backoff(attempt))); sleepErr != nil {
			return errors.Join(sleepErr, err)
		}
	}
}

type txKey struct{ db *sql.DB }

func runTx(ctx context.Context, db *sql.DB, opts TxOptions, fn func(context.Context, Tx) error) (retry bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	// ctx bounds the wait for a connection and every statement, but not the end of
	// the transaction: cut off there, a COMMIT leaves its outcome unknown and a
	// ROLLBACK costs the connection.
	txCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	detach := context.AfterFunc(ctx, cancel)
	tx, err := db.BeginTx(txCtx, &sql.TxOptions{Isolation: opts.Isolation, ReadOnly: opts.ReadOnly})
	detached := detach()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return false, fmt.Errorf("begin: %w", err)
	}

	defer func() { // runs on panic and runtime.Goexit too, and lets both go on; after COMMIT it does nothing
		defer time.AfterFunc(opts.EndTimeout, cancel).Stop()
		if rollbackErr := tx.Rollback(); rollbackErr != nil && !errors.Is(rollbackErr, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("rollback: %w", rollbackErr))
		}
	}()
	if !detached {
		return false, context.Cause(ctx)
	}
	open := &openTx{tx: tx, endTimeout: opts.EndTimeout}
	if err := fn(context.WithValue(ctx, txKey{db}, true), open); err != nil {
		return abortedBySerialization(err), err
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx) // nobody waits for this work any more
	}
	if err := errors.Join(open.refused, open.undo); err != nil {
		return abortedBySerialization(err), fmt.Errorf("%w: %w", ErrTxAborted, err)
	}
	defer time.AfterFunc(opts.EndTimeout, cancel).Stop()
	if err := tx.Commit(); err != nil {
		if commitUnanswered(err) {
			return false, fmt.Errorf("%w: %w", ErrCommitUnknown, err)
		}
		return abortedBySerialization(err), fmt.Errorf("commit: %w", err)
	}
	return false, nil
}

// openTx is a transaction that knows why it must not be committed.
type openTx struct {
	tx         *sql.Tx
	endTimeout time.Duration
	refused    error // a statement that the server refused, unless another has succeeded since
	undo       error // of a savepoint, so that what it did is still there
}

func (t *openTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := t.tx.ExecContext(ctx, query, args...)
	t.note(err)
	return result, err
}

func (t *openTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := t.tx.QueryContext(ctx, query, args...)
	t.note(err)
	return rows, err
}

func (t *openTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	row := t.tx.QueryRowContext(ctx, query, args...)
	t.note(row.Err())
	return row
}

func (t *openTx) note(err error) {
	if err == nil || txState(err) != "" {
		t.refused = err
	}
}

// InSavepoint calls fn inside a savepoint of tx: when fn fails or its ctx ends,
// only what fn did is undone, and the caller may go on with tx. Savepoints nest.
func InSavepoint(ctx context.Context, tx Tx, fn func(ctx context.Context, tx Tx) error) (err error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT nested"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	released := false
	defer func() { // on panic and runtime.Goexit too
		if !released {
			err = errors.Join(err, undoSavepoint(ctx, tx))
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT nested"); err != nil {
		return fmt.Errorf("release savepoint: %w", err)
	}
	released = true
	return nil
}

// undoSavepoint also works when the ctx of the savepoint has ended; that of the transaction may go on.
func undoSavepoint(ctx context.Context, tx Tx) error {
	timeout := TxOptions{}.withDefaults().EndTimeout
	open, ok := tx.(*openTx)
	if ok {
		timeout = open.endTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	for _, statement := range []string{"ROLLBACK TO SAVEPOINT nested", "RELEASE SAVEPOINT nested"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			err = fmt.Errorf("undo savepoint: %w", err)
			if ok {
				open.undo = err
			}
			return err
		}
	}
	return nil
}

// txState returns the SQLSTATE in err, "" when the server gave none. pgx and lib/pq errors have the method.
func txState(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	return ""
}

func abortedBySerialization(err error) bool {
	state := txState(err)
	return state == "40001" || state == "40P01" // serialization failure, deadlock
}

// commitUnanswered tells a lost answer from a refusal, after which nothing was committed.
func commitUnanswered(err error) bool {
	state := txState(err)
	if len(state) != 5 || state == "40003" { // 40003: statement completion unknown
		return true
	}
	switch state[:2] {
	case "08", "57", "58", "XX": // connection, operator intervention, system, internal
		return true
	}
	return false
}

// backoff returns the longest wait after the given attempt: BaseDelay doubled each time, up to MaxDelay.
func (o TxOptions) backoff(attempt int) time.Duration {
	delay := o.BaseDelay
	for ; attempt > 1; attempt-- {
		if delay > o.MaxDelay/2 {
			return o.MaxDelay
		}
		delay *= 2
	}
	return min(delay, o.MaxDelay)
}

func (o TxOptions) withDefaults() TxOptions {
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.BaseDelay <= 0 {
		o.BaseDelay = 10 * time.Millisecond
	}
	if o.MaxDelay <= 0 {
		o.MaxDelay = time.Second
	}
	if o.EndTimeout <= 0 {
		o.EndTimeout = 5 * time.Second
	}
	if o.Sleep == nil {
		o.Sleep = sleepBetweenTx
	}
	if o.Jitter == nil {
		o.Jitter = rand.N[time.Duration]
	}
	return o
}

func sleepBetweenTx(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
