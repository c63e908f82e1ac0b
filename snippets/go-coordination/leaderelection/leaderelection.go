// Package leaderelection lets one of several instances lead, by a lease in the
// database, and gives it a token by which a deposed leader is turned away.
package leaderelection

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

var (
	// ErrLeaseHeld says that another holder has the lease.
	ErrLeaseHeld = errors.New("lease is held by another")
	// ErrLeaseLost says that the lease was given to another; it is the cause of the leader's cancelled context.
	ErrLeaseLost = errors.New("lease lost")
	// ErrFenced refuses work under an old token.
	ErrFenced = errors.New("fenced off: a newer leader exists")
)

// LeaseStore keeps leases. One clock, the store's, decides when they end.
type LeaseStore interface {
	// Acquire returns a token greater than every one before, or ErrLeaseHeld.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (token int64, err error)
	// Renew extends the lease by ttl from now, or returns ErrLeaseLost.
	Renew(ctx context.Context, name string, token int64, ttl time.Duration) error
	// Release ends the lease if token still has it.
	Release(ctx context.Context, name string, token int64) error
}

// Election campaigns for one lease. Its fields must not change while Run runs.
type Election struct {
	Store  LeaseStore
	Name   string          // of the lease
	Holder string          // of this instance, for people who look into the store
	TTL    time.Duration   // 15 s if zero: how long others wait after a crash
	Report func(err error) // hears of errors that do not end Run, from several goroutines
}

// Run campaigns until ctx ends. While this instance leads, it calls lead, whose
// ctx is cancelled when ctx ends or a tenth of TTL before the lease might: lead
// must then stop. Whoever it writes to must check token, since a paused process
// learns of its loss too late. Run returns lead's error when lead returns by
// itself, and campaigns again when it was deposed.
func (e Election) Run(ctx context.Context, lead func(ctx context.Context, token int64) error) error {
	if e.TTL == 0 {
		e.TTL = 15 * time.Second
	}
	if e.Store == nil || e.Name == "" || e.Holder == "" || e.TTL < 30*time.Millisecond {
		return errors.New("election: Store, Name, Holder and a TTL of 30 ms or more are required")
	}
	if e.Report == nil {
		e.Report = func(error) {}
	}
	for ctx.Err() == nil {
		asked := time.Now() // the lease cannot have begun before the question
		token, err := e.acquire(ctx)
		if err == nil {
			deposed, err := e.hold(ctx, token, asked, lead)
			if !deposed {
				return err
			}
			if err != nil {
				e.Report(fmt.Errorf("deposed leader of %s: %w", e.Name, err))
			}
			continue
		}
		if !errors.Is(err, ErrLeaseHeld) && ctx.Err() == nil {
			e.Report(fmt.Errorf("acquire lease %s: %w", e.Name, err))
		}
		wait := time.NewTimer(e.TTL/6 + rand.N(e.TTL/6)) // so that the candidates do not ask in step
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return context.Cause(ctx)
}

func (e Election) acquire(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, e.TTL/3)
	defer cancel()
	return e.Store.Acquire(ctx, e.Name, e.Holder, e.TTL)
}

func (e Election) hold(ctx context.Context, token int64, asked time.Time, lead func(context.Context, int64) error) (deposed bool, err error) {
	leadCtx, depose := context.WithCancelCause(ctx)
	expire := time.AfterFunc(e.safeFor(asked), func() { depose(ErrLeaseLost) })
	// Renewals outlast ctx, so that nobody else leads while lead is still stopping.
	renewCtx, stopRenewing := context.WithCancel(context.WithoutCancel(ctx))
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		e.renew(renewCtx, leadCtx, token, expire, depose)
	}()
	defer func() { // on panic and runtime.Goexit too
		stopRenewing()
		<-renewing
		expire.Stop()
		depose(nil)
		releaseCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.TTL/3)
		defer cancel()
		if releaseErr := e.Store.Release(releaseCtx, e.Name, token); releaseErr != nil {
			e.Report(fmt.Errorf("release lease %s: %w", e.Name, releaseErr)) // it ends by itself
		}
	}()
	err = lead(leadCtx, token)
	return context.Cause(leadCtx) == ErrLeaseLost, err
}

func (e Election) renew(ctx, leadCtx context.Context, token int64, expire *time.Timer, depose context.CancelCauseFunc) {
	ticker := time.NewTicker(e.TTL / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if context.Cause(leadCtx) == ErrLeaseLost {
			return // a leader that does not stop must not keep the others out
		}
		asked := time.Now()
		attemptCtx, cancel := context.WithTimeout(ctx, e.TTL/3)
		err := e.Store.Renew(attemptCtx, e.Name, token, e.TTL)
		cancel()
		switch {
		case err == nil:
			expire.Reset(e.safeFor(asked))
		case errors.Is(err, ErrLeaseLost):
			depose(ErrLeaseLost)
			return
		case ctx.Err() == nil:
			e.Report(fmt.Errorf("renew lease %s: %w", e.Name, err)) // another try comes before expire
		}
	}
}

// safeFor returns how long a lease asked for at that time is certain to last, less a tenth to stop in.
func (e Election) safeFor(asked time.Time) time.Duration {
	return e.TTL*9/10 - time.Since(asked)
}

// SQLLeaseStore is a LeaseStore in PostgreSQL:
//
//	CREATE TABLE leases (
//		name       text PRIMARY KEY,
//		holder     text NOT NULL,
//		token      bigint NOT NULL,
//		expires_at timestamptz NOT NULL,
//		UNIQUE (name, token)
//	);
//
// With token in a unique key a takeover, which changes it, waits for fenced
// transactions, and a renewal does not. Rows are never deleted: the token in
// them has to go on growing.
type SQLLeaseStore struct {
	DB *sql.DB
}

var _ LeaseStore = SQLLeaseStore{}

// Acquire implements LeaseStore.
func (s SQLLeaseStore) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (token int64, err error) {
	err = s.DB.QueryRowContext(ctx, `
		INSERT INTO leases AS l (name, holder, token, expires_at)
		VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
		ON CONFLICT (name) DO UPDATE SET holder = $2, token = l.token + 1, expires_at = excluded.expires_at
		WHERE l.expires_at <= clock_timestamp()
		RETURNING token`,
		name, holder, ttl.Milliseconds()).Scan(&token)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrLeaseHeld
	}
	return token, err
}

// Renew implements LeaseStore.
func (s SQLLeaseStore) Renew(ctx context.Context, name string, token int64, ttl time.Duration) error {
	return s.update(ctx, `UPDATE leases SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
		WHERE name = $1 AND token = $2`, name, token, ttl.Milliseconds())
}

// Release implements LeaseStore.
func (s SQLLeaseStore) Release(ctx context.Context, name string, token int64) error {
	err := s.update(ctx, `UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND token = $2`, name, token)
	if errors.Is(err, ErrLeaseLost) {
		return nil
	}
	return err
}

func (s SQLLeaseStore) update(ctx context.Context, statement string, args ...any) error {
	result, err := s.DB.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrLeaseLost
}

// Fence checks, first thing in a transaction that writes to the same database,
// that token is still the newest; no other instance can take over before that
// transaction ends. Any other resource must itself remember the greatest token
// it has seen and refuse smaller ones.
func Fence(ctx context.Context, tx *sql.Tx, name string, token int64) error {
	var newest int64
	err := tx.QueryRowContext(ctx, `SELECT token FROM leases WHERE name = $1 FOR KEY SHARE`, name).Scan(&newest)
	if err != nil {
		return fmt.Errorf("check lease %s: %w", name, err)
	}
	if newest != token {
		return fmt.Errorf("lease %s, token %d: %w", name, token, ErrFenced)
	}
	return nil
}
