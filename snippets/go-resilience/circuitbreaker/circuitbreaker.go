// Package circuitbreaker stops calling a dependency that keeps failing and
// probes it until it answers again.
package circuitbreaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrBreakerOpen matches every call that was rejected without being made.
	ErrBreakerOpen = errors.New("breaker is open")
	// ErrBreakerProbing matches the calls that were rejected because the
	// allowed probes are in flight. They match ErrBreakerOpen too.
	ErrBreakerProbing = errors.New("breaker is half-open and its probes are in flight")
)

// BreakerError is the error of a rejected call. It is made once per change of
// state, so rejecting does not allocate.
type BreakerError struct {
	cause   error
	retryAt time.Time
	now     func() time.Time
}

// Error implements error.
func (e *BreakerError) Error() string { return e.cause.Error() }

// Is matches ErrBreakerOpen and, while probes are in flight, ErrBreakerProbing.
func (e *BreakerError) Is(target error) bool { return target == ErrBreakerOpen || target == e.cause }

// RetryAfter returns how long the breaker still rejects at most; never negative.
func (e *BreakerError) RetryAfter() time.Duration { return max(0, e.retryAt.Sub(e.now())) }

// BreakerState is what the breaker does with calls.
type BreakerState int

// The states: all calls pass, none pass, or only a few probes pass.
const (
	BreakerClosed BreakerState = iota
	BreakerOpen
	BreakerHalfOpen
)

// String implements fmt.Stringer.
func (s BreakerState) String() string {
	switch s {
	case BreakerClosed:
		return "closed"
	case BreakerOpen:
		return "open"
	case BreakerHalfOpen:
		return "half-open"
	}
	return "unknown"
}

// BreakerConfig configures a Breaker. Two rules open it, whichever holds
// first; when neither is set, both take their defaults.
type BreakerConfig struct {
	// ConsecutiveFailures opens after that many failures in a row (default 5).
	ConsecutiveFailures int
	// FailureRatio opens when this share of the calls within Window failed
	// (default 0.5), once there were at least MinCalls.
	FailureRatio float64
	MinCalls     int           // default 20
	Window       time.Duration // default 10*time.Second

	OpenFor      time.Duration // time without any call (default 5*time.Second)
	MaxOpenFor   time.Duration // if above OpenFor, failed probes double the time up to this, less a jitter of at most a fifth
	Probes       int           // calls at once while half-open (default 1)
	CloseAfter   int           // successful probes that close it (default 2)
	ProbeTimeout time.Duration // when probes that have not returned are given up (default OpenFor)

	// IsFailure judges errors that are not nil (default: all are failures).
	// An error that is none, such as "not found", is an answer: a success.
	IsFailure func(error) bool
	// IsExcluded names the errors that count for nothing, because they were
	// made on this side and say nothing about the dependency: a request that
	// was not sent, a limiter's or bulkhead's rejection (default: none).
	IsExcluded func(error) bool
	// IgnoreDeadline makes the end of the caller's deadline count for nothing.
	// By default it is a failure: being too slow is one. A caller who cancels
	// never counts.
	IgnoreDeadline bool
	// OnStateChange is told each change, in order and without a lock held, by
	// one of the calls, which waits for it.
	OnStateChange func(from, to BreakerState)

	Now  func() time.Time    // default time.Now
	Rand func(n int64) int64 // a number in [0,n), default rand.Int64N
}

// Breaker is a circuit breaker. It is safe for concurrent use, starts no
// goroutine and holds no lock while a call is made.
type Breaker struct {
	cfg   BreakerConfig
	epoch atomic.Pointer[breakerEpoch] // stored with mu held

	mu        sync.Mutex // guards the rest and the counters of the epoch
	openFor   time.Duration
	changes   [][2]BreakerState // not yet told to OnStateChange
	notifying bool
}

// breakerEpoch lasts from one change of state to the next. A call settles in
// the epoch that admitted it, so a late result cannot move a later state.
type breakerEpoch struct {
	state     BreakerState
	rejection *BreakerError // open: fixed; half-open: renewed with each probe

	inARow            int // closed: failures since the last success
	windowStart       time.Time
	current, previous breakerCounts

	probing, succeeded int // half-open
}

type breakerCounts struct{ calls, failures float64 }

type breakerOutcome int

const (
	breakerNeutral breakerOutcome = iota
	breakerSuccess
	breakerFailure
)

// NewBreaker returns a closed Breaker. Zero fields take their defaults;
// negative ones and a ratio above 1 are errors.
func NewBreaker(cfg BreakerConfig) (*Breaker, error) {
	if min(cfg.ConsecutiveFailures, cfg.MinCalls, cfg.Probes, cfg.CloseAfter) < 0 ||
		min(cfg.Window, cfg.OpenFor, cfg.MaxOpenFor, cfg.ProbeTimeout) < 0 {
		return nil, errors.New("breaker: negative setting")
	}
	if !(cfg.FailureRatio >= 0 && cfg.FailureRatio <= 1) {
		return nil, errors.New("breaker: FailureRatio is not between 0 and 1")
	}
	if cfg.ConsecutiveFailures == 0 && cfg.FailureRatio == 0 {
		cfg.ConsecutiveFailures, cfg.FailureRatio = 5, 0.5
	}
	cfg.MinCalls = cmp.Or(cfg.MinCalls, 20)
	cfg.Window = cmp.Or(cfg.Window, 10*time.Second)
	cfg.OpenFor = cmp.Or(cfg.OpenFor, 5*time.Second)
	cfg.MaxOpenFor = max(cfg.MaxOpenFor, cfg.OpenFor)
	cfg.Probes = cmp.Or(cfg.Probes, 1)
	cfg.CloseAfter = cmp.Or(cfg.CloseAfter, 2)
	cfg.ProbeTimeout = cmp.Or(cfg.ProbeTimeout, cfg.OpenFor)
	if cfg.IsFailure == nil {
		cfg.IsFailure = func(error) bool { return true }
	}
	if cfg.IsExcluded == nil {
		cfg.IsExcluded = func(error) bool { return false }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Int64N
	}
	b := &Breaker{cfg: cfg}
	b.epoch.Store(&breakerEpoch{state: BreakerClosed, windowStart: cfg.Now()})
	return b, nil
}

// CallBreaker calls fn unless b rejects the call, and returns what fn returns.
// A panic or runtime.Goexit in fn passes through and counts as a failure.
func CallBreaker[T any](ctx context.Context, b *Breaker, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, breakerEnded(ctx)
	}
	epoch, err := b.admit()
	if err != nil {
		return zero, err
	}
	outcome := breakerNeutral
	defer func() { b.settle(epoch, outcome) }()
	if epoch.state == BreakerHalfOpen {
		b.notify()
	}
	outcome = breakerFailure // stands if fn does not return
	result, err := fn(ctx)
	outcome = b.judge(ctx, err)
	return result, err
}

// State returns the current state; an open breaker whose time is over is
// half-open, even before the next call.
func (b *Breaker) State() BreakerState {
	epoch := b.epoch.Load()
	if epoch.state == BreakerOpen && !b.cfg.Now().Before(epoch.rejection.retryAt) {
		return BreakerHalfOpen
	}
	return epoch.state
}

// BreakerSnapshot is what a breaker knows at one moment, for a dashboard.
type BreakerSnapshot struct {
	State           BreakerState
	Calls, Failures int       // within the window while closed, estimated
	InARow          int       // failures since the last success while closed
	RetryAt         time.Time // when the next probe may come; zero while closed
}

// Snapshot returns what b knows now.
func (b *Breaker) Snapshot() BreakerSnapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	epoch, now := b.epoch.Load(), b.cfg.Now()
	s := BreakerSnapshot{State: b.State()}
	if epoch.state == BreakerClosed {
		calls, failures := epoch.seen(epoch.slide(now, b.cfg.Window), b.cfg.Window)
		s.Calls, s.Failures, s.InARow = int(math.Round(calls)), int(math.Round(failures)), epoch.inARow
	} else if epoch.rejection != nil {
		s.RetryAt = epoch.rejection.retryAt
	}
	return s
}

// Trip opens b for d, or until Reset: for a dependency that is known to be
// down, such as during its maintenance. After d it is probed as ever.
func (b *Breaker) Trip(d time.Duration) {
	b.force(BreakerOpen, max(0, d))
}

// Reset closes b and forgets what it has counted.
func (b *Breaker) Reset() { b.force(BreakerClosed, 0) }

func (b *Breaker) force(state BreakerState, wait time.Duration) {
	now := b.cfg.Now()
	b.mu.Lock()
	b.openFor = b.cfg.OpenFor
	b.begin(state, now, wait)
	b.mu.Unlock()
	b.notify()
}

// breakerEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func breakerEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}

func (b *Breaker) admit() (*breakerEpoch, error) {
	epoch := b.epoch.Load()
	if epoch.state == BreakerClosed {
		return epoch, nil
	}
	now := b.cfg.Now()
	if epoch.state == BreakerOpen && now.Before(epoch.rejection.retryAt) {
		return nil, epoch.rejection
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	epoch = b.epoch.Load()
	if epoch.state == BreakerClosed {
		return epoch, nil
	}
	if epoch.state == BreakerOpen || epoch.probing >= b.cfg.Probes {
		if now.Before(epoch.rejection.retryAt) {
			return nil, epoch.rejection
		}
		epoch = b.enter(BreakerHalfOpen, now) // also when all probes are stuck
	}
	epoch.probing++
	epoch.rejection = &BreakerError{ErrBreakerProbing, now.Add(b.cfg.ProbeTimeout), b.cfg.Now}
	return epoch, nil
}

func (b *Breaker) judge(ctx context.Context, err error) breakerOutcome {
	switch {
	case err == nil:
		return breakerSuccess
	case ctx.Err() != nil && (b.cfg.IgnoreDeadline || errors.Is(ctx.Err(), context.Canceled)), b.cfg.IsExcluded(err):
		return breakerNeutral
	case b.cfg.IsFailure(err):
		return breakerFailure
	}
	return breakerSuccess
}

func (b *Breaker) settle(epoch *breakerEpoch, outcome breakerOutcome) {
	if b.record(epoch, outcome, b.cfg.Now()) {
		b.notify()
	}
}

// record counts outcome and reports whether it has changed the state.
func (b *Breaker) record(epoch *breakerEpoch, outcome breakerOutcome, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch.Load() != epoch {
		return false
	}
	if epoch.state == BreakerHalfOpen {
		epoch.probing--
	}
	switch {
	case outcome == breakerFailure && epoch.fails(now, &b.cfg):
		b.enter(BreakerOpen, now)
	case outcome == breakerSuccess && epoch.succeeds(now, &b.cfg):
		b.enter(BreakerClosed, now)
	}
	return b.epoch.Load() != epoch
}

// succeeds counts a success and reports whether it closes the breaker.
func (e *breakerEpoch) succeeds(now time.Time, cfg *BreakerConfig) bool {
	if e.state == BreakerHalfOpen {
		e.succeeded++
		return e.succeeded >= cfg.CloseAfter
	}
	e.slide(now, cfg.Window)
	e.current.calls++
	e.inARow = 0
	return false
}

// fails counts a failure and reports whether it opens the breaker.
func (e *breakerEpoch) fails(now time.Time, cfg *BreakerConfig) bool {
	if e.state == BreakerHalfOpen {
		return true
	}
	age := e.slide(now, cfg.Window)
	e.current.calls++
	e.current.failures++
	e.inARow++
	if cfg.ConsecutiveFailures > 0 && e.inARow >= cfg.ConsecutiveFailures {
		return true
	}
	calls, failures := e.seen(age, cfg.Window)
	return cfg.FailureRatio > 0 && calls >= float64(cfg.MinCalls) && failures/calls >= cfg.FailureRatio
}

// seen estimates the counts of the last window: of the previous one the part
// that is still in sight.
func (e *breakerEpoch) seen(age, window time.Duration) (calls, failures float64) {
	weight := 1 - float64(age)/float64(window)
	return e.current.calls + weight*e.previous.calls, e.current.failures + weight*e.previous.failures
}

// slide moves the window on to now and returns the age of the current half.
func (e *breakerEpoch) slide(now time.Time, window time.Duration) time.Duration {
	age := max(0, now.Sub(e.windowStart))
	if age < window {
		return age
	}
	e.previous, e.current = e.current, breakerCounts{}
	if age >= 2*window {
		e.previous = breakerCounts{}
	}
	age %= window
	e.windowStart = now.Add(-age)
	return age
}

// enter begins a new epoch after a result or a probe; mu is held.
func (b *Breaker) enter(state BreakerState, now time.Time) *breakerEpoch {
	if state != BreakerOpen {
		return b.begin(state, now, 0)
	}
	wait := b.cfg.OpenFor
	if b.epoch.Load().state == BreakerHalfOpen && b.cfg.MaxOpenFor > b.cfg.OpenFor {
		b.openFor = min(b.openFor, math.MaxInt64/2) * 2
		b.openFor = min(b.openFor, b.cfg.MaxOpenFor)
		wait = b.openFor - time.Duration(b.cfg.Rand(int64(b.openFor/5)+1))
	} else {
		b.openFor = wait
	}
	return b.begin(state, now, wait)
}

// begin begins a new epoch, open for wait if it is open; mu is held.
func (b *Breaker) begin(state BreakerState, now time.Time, wait time.Duration) *breakerEpoch {
	from := b.epoch.Load().state
	epoch := &breakerEpoch{state: state, windowStart: now}
	if state == BreakerOpen {
		epoch.rejection = &BreakerError{ErrBreakerOpen, now.Add(wait), b.cfg.Now}
	}
	b.epoch.Store(epoch)
	if from != state && b.cfg.OnStateChange != nil {
		b.changes = append(b.changes, [2]BreakerState{from, state})
	}
	return epoch
}

// notify tells the hook what has changed, from one goroutine at a time.
func (b *Breaker) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notifying {
		return // whoever is notifying goes on with what was added
	}
	b.notifying = true
	defer func() { b.notifying = false }()
	for len(b.changes) > 0 {
		change := b.changes[0]
		b.changes = b.changes[1:]
		func() {
			b.mu.Unlock()
			defer b.mu.Lock() // also if the hook panics
			b.cfg.OnStateChange(change[0], change[1])
		}()
	}
}
