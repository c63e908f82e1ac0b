// Package hedge asks a second time when an answer is late, and takes the
// answer that comes first: for reads whose slowest calls are far slower than
// the others.
package hedge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"
)

// HedgeConfig configures a Hedge. Zero fields take their defaults.
type HedgeConfig struct {
	// Delay after which the second call is made (default 50*time.Millisecond).
	// With a Quantile this is only where it begins.
	Delay time.Duration
	// Quantile makes the delay follow that share of the call times, such as
	// 0.95, between MinDelay and MaxDelay (default: a fixed delay).
	Quantile           float64
	MinDelay, MaxDelay time.Duration // default Delay/10 and Delay*10
	// MaxShare is the most second calls per call, beyond a reserve of ten
	// (default 0.05).
	MaxShare float64
	// OnLatePanic is told the value of a panic in a call whose answer was no
	// longer awaited (default: it is dropped).
	OnLatePanic func(value any)
}

// Hedge makes hedged calls of one kind and learns how long they take. It is
// safe for concurrent use.
type Hedge struct {
	cfg    HedgeConfig
	delay  atomic.Int64
	tokens atomic.Int64 // in thousandths of a second call
}

const hedgeReserve = 10 * 1000 // in thousandths, as Hedge.tokens

// NewHedge returns a Hedge, or an error if cfg makes no sense.
func NewHedge(cfg HedgeConfig) (*Hedge, error) {
	cfg.Delay = cmp.Or(cfg.Delay, 50*time.Millisecond)
	cfg.MinDelay = cmp.Or(cfg.MinDelay, max(1, cfg.Delay/10))
	cfg.MaxDelay = cmp.Or(cfg.MaxDelay, 10*cfg.Delay)
	cfg.MaxShare = cmp.Or(cfg.MaxShare, 0.05)
	if cfg.MinDelay < 0 || cfg.Delay < cfg.MinDelay || cfg.MaxDelay < cfg.Delay {
		return nil, errors.New("hedge: want 0 <= MinDelay <= Delay <= MaxDelay")
	}
	if !(cfg.Quantile >= 0 && cfg.Quantile < 1) || !(cfg.MaxShare > 0 && cfg.MaxShare <= 1) {
		return nil, errors.New("hedge: Quantile or MaxShare is not between 0 and 1")
	}
	h := &Hedge{cfg: cfg}
	h.delay.Store(int64(cfg.Delay))
	h.tokens.Store(hedgeReserve)
	return h, nil
}

// Delay returns after what time a second call is made now.
func (h *Hedge) Delay() time.Duration { return time.Duration(h.delay.Load()) }

// adapt moves the delay by small steps to where just the wanted share of the
// calls is quicker. It needs no call times, only which side of it they are on.
func (h *Hedge) adapt(late bool) {
	if h.cfg.Quantile == 0 {
		return
	}
	step := 0.05 * (h.cfg.Quantile - 1)
	if late {
		step = 0.05 * h.cfg.Quantile
	}
	for {
		old := h.delay.Load()
		next := max(int64(h.cfg.MinDelay), min(int64(float64(old)*(1+step)), int64(h.cfg.MaxDelay)))
		if h.delay.CompareAndSwap(old, next) {
			return
		}
	}
}

// earn adds to the tokens, up to the reserve, or takes some if there are enough.
func (h *Hedge) earn(tokens int64) bool {
	for {
		old := h.tokens.Load()
		sum := min(old+tokens, hedgeReserve)
		if sum < 0 {
			return false
		}
		if h.tokens.CompareAndSwap(old, sum) {
			return true
		}
	}
}

type hedgeOutcome[T any] struct {
	result   T
	err      error
	returned bool // neither panicked nor exited
	panicked any
}

// hedgeRace is what a call shares with its two attempts.
type hedgeRace[T any] struct {
	outcomes chan hedgeOutcome[T]
	over     atomic.Bool
	onLate   func(any)
}

// CallHedge calls fn, and once more if there is no result after the delay. It
// returns the first success, or the errors of all calls made; a failure before
// the delay is not called again. A panic or runtime.Goexit in fn reaches the
// caller.
//
// fn runs in goroutines of its own, twice at the same time at most, so it must
// be safe to repeat. It must end with its context, which ends as soon as there
// is a result, and the result must be complete by then: read bodies inside fn.
func CallHedge[T any](ctx context.Context, h *Hedge, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, hedgeEnded(ctx)
	}
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	race := &hedgeRace[T]{outcomes: make(chan hedgeOutcome[T], 2), onLate: h.cfg.OnLatePanic} // never blocks
	defer race.finish()

	h.earn(int64(math.Round(h.cfg.MaxShare * 1000)))
	go race.attempt(callCtx, fn)
	timer := time.NewTimer(h.Delay())
	defer timer.Stop()
	late := false
	var failed error
	for running := 1; ; {
		select {
		case <-ctx.Done():
			return zero, hedgeEnded(ctx)
		case <-timer.C:
			late = true
			h.adapt(late)
			if h.earn(-1000) {
				running++
				go race.attempt(callCtx, fn)
			}
		case o := <-race.outcomes:
			switch running--; {
			case o.panicked != nil:
				panic(o.panicked)
			case !o.returned:
				runtime.Goexit()
			case o.err == nil:
				if !late {
					h.adapt(late)
				}
				return o.result, nil
			case failed == nil:
				failed = o.err
			default:
				failed = errors.Join(failed, o.err)
			}
			if running == 0 {
				return o.result, failed
			}
		}
	}
}

func (r *hedgeRace[T]) attempt(ctx context.Context, fn func(context.Context) (T, error)) {
	var o hedgeOutcome[T]
	defer func() {
		if !o.returned {
			o.panicked = recover()
		}
		r.outcomes <- o
		if r.over.Load() {
			r.finish()
		}
	}()
	o.result, o.err = fn(ctx)
	o.returned = true
}

// finish reports panics that nobody waits for any more. It is called by the
// caller when the race is over, and by attempts that end after that.
func (r *hedgeRace[T]) finish() {
	r.over.Store(true)
	for {
		select {
		case o := <-r.outcomes:
			if o.panicked != nil && r.onLate != nil {
				r.onLate(o.panicked)
			}
		default:
			return
		}
	}
}

// hedgeEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func hedgeEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
