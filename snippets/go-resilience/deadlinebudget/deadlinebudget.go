// Package deadlinebudget gives each call a part of the time that the caller
// has left, and passes the rest of it on to the next service.
package deadlinebudget

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

var (
	// ErrDeadlineSpent is the error of a call that was not made because too
	// little time was left. It matches context.DeadlineExceeded too.
	ErrDeadlineSpent = fmt.Errorf("too little time left to begin: %w", context.DeadlineExceeded)
	// ErrDeadlineBudget is the cause with which a budget ends the context of
	// its call, and matches the error of such a call. It matches
	// context.DeadlineExceeded too.
	ErrDeadlineBudget = fmt.Errorf("call has used up its part of the deadline: %w", context.DeadlineExceeded)
)

// DeadlineBudget says how much time a call gets: the least of Timeout and the
// part of the caller's remaining time. It never gives more than the caller
// has. Zero and negative fields take their defaults.
type DeadlineBudget struct {
	Timeout time.Duration // longest time of the call (default: as the caller's deadline allows)
	Reserve time.Duration // of the caller's time, kept for what comes after the call, such as answering (default 0)
	Share   float64       // of what remains after Reserve, for the calls still to come (default 1, all of it)
	Min     time.Duration // with less than this the call is not worth beginning (default: any time at all)
}

// Context returns ctx with the deadline of a call that begins now, and a
// function that must be called after it. If too little time is left the error
// is ErrDeadlineSpent.
func (b DeadlineBudget) Context(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if ctx.Err() != nil {
		return nil, nil, deadlineEnded(ctx)
	}
	allowed := b.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		remaining := time.Until(deadline)
		left := remaining - max(0, b.Reserve)
		if b.Share > 0 && b.Share < 1 {
			left = time.Duration(b.Share * float64(left))
		}
		if left <= 0 || left < b.Min {
			return nil, nil, ErrDeadlineSpent
		}
		if left == remaining && (allowed <= 0 || allowed >= left) {
			allowed = 0 // the caller's own deadline ends the call, with its own cause
		} else if allowed <= 0 || left < allowed {
			allowed = left
		}
	}
	if allowed <= 0 {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, allowed, ErrDeadlineBudget)
	return ctx, cancel, nil
}

// CallWithDeadline calls fn within budget and returns what fn returns; if the
// budget was used up before the caller's own time, the error matches
// ErrDeadlineBudget as well. fn must end with its context, and be done with it
// when it returns.
func CallWithDeadline[T any](ctx context.Context, budget DeadlineBudget, fn func(context.Context) (T, error)) (T, error) {
	callCtx, cancel, err := budget.Context(ctx)
	if err != nil {
		var zero T
		return zero, err
	}
	defer cancel()
	result, err := fn(callCtx)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(callCtx), ErrDeadlineBudget) {
		err = fmt.Errorf("%w: %w", ErrDeadlineBudget, err)
	}
	return result, err
}

// CleanupContext returns a context for what must be done even if ctx has
// ended, such as a rollback. It keeps the values of ctx and lasts for timeout.
func CleanupContext(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), timeout)
}

// deadlineHeader carries the time left in milliseconds: a duration, because
// the clocks of two machines differ.
const deadlineHeader = "X-Request-Timeout-Ms"

// SendDeadline tells the next service how much time is left for r, less the
// reserve for the way there and back.
func SendDeadline(r *http.Request, reserve time.Duration) {
	r.Header.Del(deadlineHeader)
	if deadline, ok := r.Context().Deadline(); ok {
		left := max(0, time.Until(deadline)-reserve)
		r.Header.Set(deadlineHeader, strconv.FormatInt(left.Milliseconds(), 10))
	}
}

// ReceiveDeadline ends the context of each request after the time that the
// client gave, but at most after longest. A request without any time left is
// answered with 504 at once.
func ReceiveDeadline(longest time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timeout := longest
		ms, err := strconv.ParseInt(r.Header.Get(deadlineHeader), 10, 64)
		if err == nil && ms <= 0 {
			http.Error(w, http.StatusText(http.StatusGatewayTimeout), http.StatusGatewayTimeout)
			return
		}
		if err == nil && ms < longest.Milliseconds() {
			timeout = time.Duration(ms) * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// deadlineEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func deadlineEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
