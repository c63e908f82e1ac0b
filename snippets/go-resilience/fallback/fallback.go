// Package fallback answers with something older or simpler when the real
// answer cannot be had, and says that it did.
package fallback

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFallbackStale is the error of LastGood if it has no value that is fresh enough.
var ErrFallbackStale = errors.New("no answer that is recent enough")

// FallbackStep is a way to an answer when those before it have failed.
type FallbackStep[T any] struct {
	Name string // shown as the answer's source
	// Call is told why the step before it failed. It must not depend on
	// what has failed.
	Call func(ctx context.Context, failed error) (T, error)
}

// FallbackPolicy says what to do when a call fails.
type FallbackPolicy[T any] struct {
	Steps []FallbackStep[T] // tried in order until one succeeds
	// StepTimeout ends the context of each step (default: none).
	StepTimeout time.Duration
	// Reserve of the caller's time is kept from the real call, for the steps.
	Reserve time.Duration
	// Degrade judges the errors of the real call (default: all). Those that
	// are answers, such as "not found", must be excluded.
	Degrade func(error) bool
	// OnDegraded is told each time that a step was needed, whether it had an
	// answer or not: source is empty then.
	OnDegraded func(source string, failed error)
}

// FallbackResult is an answer and where it is from.
type FallbackResult[T any] struct {
	Value  T
	Source string // name of the step; empty for the real answer
	Failed error  // why there is no real answer
}

// Degraded reports whether this is not the real answer.
func (r FallbackResult[T]) Degraded() bool { return r.Failed != nil }

// CallWithFallback calls fn, and the steps of policy if fn fails. If they all
// fail, the error matches the errors of fn and of each step. No step is tried
// when the caller has gone. Panics pass through.
func CallWithFallback[T any](ctx context.Context, policy FallbackPolicy[T], fn func(context.Context) (T, error)) (FallbackResult[T], error) {
	if ctx.Err() != nil {
		return FallbackResult[T]{}, fallbackEnded(ctx)
	}
	value, err := callWithReserve(ctx, policy.Reserve, fn)
	if err == nil || ctx.Err() != nil || len(policy.Steps) == 0 || policy.Degrade != nil && !policy.Degrade(err) {
		return FallbackResult[T]{Value: value}, err
	}
	failures := []error{err}
	for _, step := range policy.Steps {
		value, stepErr := callFallbackStep(ctx, policy.StepTimeout, step, failures[len(failures)-1])
		if stepErr == nil {
			policy.tell(step.Name, err)
			return FallbackResult[T]{value, step.Name, err}, nil
		}
		failures = append(failures, fmt.Errorf("fallback %s: %w", step.Name, stepErr))
		if ctx.Err() != nil {
			break
		}
	}
	policy.tell("", err)
	return FallbackResult[T]{}, errors.Join(failures...)
}

func (p FallbackPolicy[T]) tell(source string, failed error) {
	if p.OnDegraded != nil {
		p.OnDegraded(source, failed)
	}
}

func callWithReserve[T any](ctx context.Context, reserve time.Duration, fn func(context.Context) (T, error)) (T, error) {
	if deadline, ok := ctx.Deadline(); ok && reserve > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	return fn(ctx)
}

func callFallbackStep[T any](ctx context.Context, timeout time.Duration, step FallbackStep[T], failed error) (T, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return step.Call(ctx, failed)
}

// LastGood remembers the last real answer, to serve it while there is no new
// one. It is for a single value, such as a configuration or a list that all
// callers share; for a value per key use a cache. It is safe for concurrent use.
type LastGood[T any] struct {
	maxAge time.Duration
	now    func() time.Time

	mu    sync.RWMutex
	value T
	at    time.Time
	known bool
}

// NewLastGood returns a LastGood that serves values up to maxAge old. now may
// be nil for time.Now.
func NewLastGood[T any](maxAge time.Duration, now func() time.Time) (*LastGood[T], error) {
	if maxAge <= 0 {
		return nil, fmt.Errorf("last good value: age %v is not positive", maxAge)
	}
	if now == nil {
		now = time.Now
	}
	return &LastGood[T]{maxAge: maxAge, now: now}, nil
}

// Remember returns fn, made to store each value that it returns without error.
// The value is shared from then on: it must not be changed.
func (l *LastGood[T]) Remember(fn func(context.Context) (T, error)) func(context.Context) (T, error) {
	return func(ctx context.Context) (T, error) {
		began := l.now() // the value is at least as old as the question
		value, err := fn(ctx)
		if err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.known || began.After(l.at) { // not an answer that was overtaken
				l.value, l.at, l.known = value, began, true
			}
		}
		return value, err
	}
}

// Step returns a fallback that serves the last good value.
func (l *LastGood[T]) Step(name string) FallbackStep[T] {
	return FallbackStep[T]{name, func(context.Context, error) (T, error) {
		l.mu.RLock()
		defer l.mu.RUnlock()
		if !l.known || l.now().Sub(l.at) > l.maxAge {
			var zero T
			return zero, ErrFallbackStale
		}
		return l.value, nil
	}}
}

// fallbackEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func fallbackEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
