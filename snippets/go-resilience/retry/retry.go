// Package retry repeats a call that failed, with growing random pauses, until
// it succeeds or is not worth another attempt.
package retry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The reasons why Retry gave up; a RetryError matches one of them, or the
// cause with which its context ended.
var (
	ErrRetryPermanent = errors.New("not worth another attempt")
	ErrRetryExhausted = errors.New("no attempts left")
	ErrRetryDeadline  = errors.New("no time left for another attempt")
	ErrRetryBudget    = errors.New("retry budget spent")
)

// RetryError is the error of a call that Retry gave up. It matches, for
// errors.Is and errors.As, both its Reason and the error of the last attempt.
type RetryError struct {
	Attempts int
	Elapsed  time.Duration // since the first attempt began
	Reason   error
	Last     error
}

// Error implements error.
func (e *RetryError) Error() string {
	return fmt.Sprintf("%v (attempts: %d, %v)", e.Last, e.Attempts, e.Reason)
}

// Unwrap returns the reason and the last error.
func (e *RetryError) Unwrap() []error { return []error{e.Reason, e.Last} }

// Permanent marks err as not worth another attempt. The mark is found through
// further wrapping and does not show in the message. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return retryPermanentError{err}
}

type retryPermanentError struct{ error }

func (e retryPermanentError) Unwrap() error { return e.error }

// RetryPolicy says how often and how long to try. It is a value that is never
// changed: any number of calls may share it. Zero and negative fields take
// their defaults.
type RetryPolicy struct {
	Attempts int           // calls in all, the first included (default 3)
	Base     time.Duration // longest pause before the second attempt, doubled for each further one (default 100 * time.Millisecond)
	Cap      time.Duration // longest random pause, and longest hint that is followed (default 2 * time.Second); never below Base

	// AttemptTimeout ends the context of a single attempt (default: none).
	AttemptTimeout time.Duration
	// MaxElapsed is the time from the start after which no attempt begins
	// (default: none). An attempt that is running is not cut short by it.
	MaxElapsed time.Duration
	// Budget limits the retries of all calls that share it (default: none).
	Budget *RetryBudget
	// IsRetryable judges the errors that are not marked with Permanent
	// (default: all are worth another attempt).
	IsRetryable func(error) bool
	// OnRetry is told of each failed attempt that another one will follow.
	OnRetry func(attempt int, delay time.Duration, err error)

	Now   func() time.Time                           // default time.Now
	Sleep func(context.Context, time.Duration) error // returns early with the context's cause
	Rand  func(n int64) int64                        // a number in [0,n), default rand.Int64N
}

// Retry calls fn until it succeeds, and returns its result. It gives up with
// a *RetryError and the last result. A call must be safe to repeat. fn must
// be done with its context when it returns.
//
// An error with a method RetryAfter() time.Duration, found by errors.As, asks
// for a pause of at least that long; Retry adds the random pause to it, and
// gives up if the hint is above Cap.
func Retry[T any](ctx context.Context, policy RetryPolicy, fn func(context.Context) (T, error)) (T, error) {
	if ctx.Err() != nil {
		var zero T
		return zero, retryEnded(ctx)
	}
	policy.Budget.deposit()
	now := policy.Now
	if now == nil {
		now = time.Now
	}
	started := now()
	for attempt := 1; ; attempt++ {
		var result T
		var err error
		if policy.AttemptTimeout > 0 {
			result, err = retryWithin(ctx, policy.AttemptTimeout, fn)
		} else {
			result, err = fn(ctx)
		}
		if err == nil {
			return result, nil
		}
		if attempt == 1 { // not earlier: most calls do not fail
			policy = policy.withDefaults()
		}
		delay, reason := policy.next(ctx, started, attempt, err)
		if reason == nil {
			if policy.OnRetry != nil {
				policy.OnRetry(attempt, delay, err)
			}
			reason = policy.Sleep(ctx, delay)
		}
		if reason != nil {
			return result, &RetryError{attempt, now().Sub(started), reason, err}
		}
	}
}

func retryWithin[T any](ctx context.Context, timeout time.Duration, fn func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return fn(ctx)
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.Attempts <= 0 {
		p.Attempts = 3
	}
	if p.Base <= 0 {
		p.Base = 100 * time.Millisecond
	}
	if p.Cap <= 0 {
		p.Cap = 2 * time.Second
	}
	p.Cap = min(max(p.Cap, p.Base), math.MaxInt64-1) // Rand is asked for one more
	p.Base = min(p.Base, p.Cap)
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Sleep == nil {
		p.Sleep = retrySleep
	}
	if p.Rand == nil {
		p.Rand = rand.Int64N
	}
	return p
}

// next returns the pause before another attempt, or why there will be none.
func (p RetryPolicy) next(ctx context.Context, started time.Time, attempt int, err error) (time.Duration, error) {
	var permanent retryPermanentError
	switch {
	case ctx.Err() != nil:
		return 0, retryEnded(ctx)
	case errors.As(err, &permanent), p.IsRetryable != nil && !p.IsRetryable(err):
		return 0, ErrRetryPermanent
	case attempt >= p.Attempts:
		return 0, ErrRetryExhausted
	}
	delay := p.backoff(attempt)
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		wait := max(0, asks.RetryAfter())
		if wait > p.Cap {
			return 0, ErrRetryDeadline // coming back early would only be rejected again
		}
		delay = wait + min(delay, math.MaxInt64-wait) // random even at the cap: those told the same must not return together
	}
	now := p.Now()
	if deadline, ok := ctx.Deadline(); ok && delay >= deadline.Sub(now) {
		return 0, ErrRetryDeadline
	}
	if p.MaxElapsed > 0 && delay > p.MaxElapsed-max(0, now.Sub(started)) {
		return 0, ErrRetryDeadline
	}
	if !p.Budget.withdraw() {
		return 0, ErrRetryBudget
	}
	return delay, nil
}

// backoff returns a random pause up to Base*2^(attempt-1) or Cap ("full
// jitter"), so that callers that failed together do not return together.
func (p RetryPolicy) backoff(attempt int) time.Duration {
	longest := p.Base
	for i := 1; i < attempt && longest < p.Cap; i++ {
		if longest > p.Cap/2 {
			longest = p.Cap
		} else {
			longest *= 2
		}
	}
	return time.Duration(p.Rand(int64(longest) + 1))
}

func retrySleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return retryEnded(ctx) // also if both were ready
	}
	return nil
}

// RetryBudget keeps retries to a share of the calls, so that they cannot
// multiply the load of an outage. Each call earns a part of a retry, up to a
// reserve; each retry costs a whole one. It is safe for concurrent use.
type RetryBudget struct {
	balance        atomic.Int64 // in thousandths of a retry
	perCall, limit int64
}

// NewRetryBudget returns a budget of ratio retries per call (0.2 for a fifth)
// and a reserve, full at the start, of up to a million retries.
func NewRetryBudget(ratio float64, reserve int) (*RetryBudget, error) {
	if !(ratio >= 0 && ratio <= 1) || reserve < 1 || reserve > 1_000_000 {
		return nil, fmt.Errorf("retry budget: ratio %v is not within 0 and 1 or reserve %d not within 1 and 1000000", ratio, reserve)
	}
	b := &RetryBudget{perCall: int64(math.Round(ratio * 1000)), limit: int64(reserve) * 1000}
	b.balance.Store(b.limit)
	return b, nil
}

func (b *RetryBudget) deposit() {
	if b != nil {
		b.add(b.perCall)
	}
}

func (b *RetryBudget) withdraw() bool { return b == nil || b.add(-1000) }

func (b *RetryBudget) add(n int64) bool {
	for {
		old := b.balance.Load()
		sum := min(old+n, b.limit)
		if sum < 0 {
			return false
		}
		if sum == old || b.balance.CompareAndSwap(old, sum) {
			return true
		}
	}
}

// ParseRetryAfter reads the header Retry-After, which holds seconds or a date,
// and reports whether it is valid. The result is between zero and a day.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	const longest = 24 * time.Hour
	value = strings.TrimSpace(value)
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // then seconds is the nearest number
		return time.Duration(max(0, min(seconds, int64(longest/time.Second)))) * time.Second, seconds >= 0
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, min(date.Sub(now), longest)), true
}

// retryEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func retryEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
