// Package bulkhead limits how many calls run at once, so that one slow
// dependency cannot take all goroutines, connections and memory with it.
package bulkhead

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	// ErrBulkheadFull matches every call that found no place.
	ErrBulkheadFull = errors.New("bulkhead is full")
	// ErrBulkheadWait is the error of a call that waited MaxWait in vain. It
	// matches ErrBulkheadFull too.
	ErrBulkheadWait = fmt.Errorf("no place within the longest wait: %w", ErrBulkheadFull)
	// ErrBulkheadTimeout is the cause with which CallTimeout ends a context. It
	// matches the error of such a call, and context.DeadlineExceeded.
	ErrBulkheadTimeout = fmt.Errorf("call took longer than the bulkhead allows: %w", context.DeadlineExceeded)
)

// BulkheadConfig configures a Bulkhead.
type BulkheadConfig struct {
	Limit       int           // calls at once; at least 1
	MaxWait     time.Duration // longest wait for a place (default: none, fail at once)
	MaxQueue    int           // calls that may wait (default Limit if MaxWait is set)
	CallTimeout time.Duration // ends the context of a call (default: none)
	// OnReject is told of each call that found no place, with its error.
	OnReject func(error)
}

// Bulkhead admits a limited number of calls at once; others may wait in
// order of arrival. It is safe for concurrent use and starts no goroutine.
type Bulkhead struct {
	cfg BulkheadConfig

	mu       sync.Mutex
	inFlight int
	queue    list.List // of chan struct{}, closed to hand over a place
}

// NewBulkhead returns a Bulkhead, or an error if cfg is inconsistent.
func NewBulkhead(cfg BulkheadConfig) (*Bulkhead, error) {
	if cfg.Limit < 1 {
		return nil, fmt.Errorf("bulkhead: limit %d is below 1", cfg.Limit)
	}
	if min(cfg.MaxWait, cfg.CallTimeout) < 0 || cfg.MaxQueue < 0 {
		return nil, errors.New("bulkhead: negative setting")
	}
	if cfg.MaxQueue > 0 && cfg.MaxWait == 0 {
		return nil, errors.New("bulkhead: MaxQueue without MaxWait")
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = cfg.Limit
	}
	return &Bulkhead{cfg: cfg}, nil
}

// CallBulkhead calls fn in the caller's goroutine as soon as there is a place,
// which is free again when fn has returned, panicked or exited: fn must end
// with its context, or it keeps the place.
func CallBulkhead[T any](ctx context.Context, b *Bulkhead, fn func(context.Context) (T, error)) (T, error) {
	if err := b.acquire(ctx); err != nil {
		var zero T
		if b.cfg.OnReject != nil && errors.Is(err, ErrBulkheadFull) {
			b.cfg.OnReject(err)
		}
		return zero, err
	}
	defer b.release()
	if b.cfg.CallTimeout <= 0 {
		return fn(ctx)
	}
	callCtx, cancel := context.WithTimeoutCause(ctx, b.cfg.CallTimeout, ErrBulkheadTimeout)
	defer cancel()
	result, err := fn(callCtx)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(callCtx), ErrBulkheadTimeout) {
		err = fmt.Errorf("%w: %w", ErrBulkheadTimeout, err)
	}
	return result, err
}

// InFlight returns how many calls are running.
func (b *Bulkhead) InFlight() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inFlight
}

// Waiting returns how many calls wait for a place.
func (b *Bulkhead) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.queue.Len()
}

func (b *Bulkhead) acquire(ctx context.Context) error {
	if ctx.Err() != nil {
		return bulkheadEnded(ctx)
	}
	b.mu.Lock()
	if b.inFlight < b.cfg.Limit { // then nobody waits
		b.inFlight++
		b.mu.Unlock()
		return nil
	}
	if b.cfg.MaxWait == 0 || b.queue.Len() >= b.cfg.MaxQueue {
		b.mu.Unlock()
		return ErrBulkheadFull
	}
	place := make(chan struct{})
	waiter := b.queue.PushBack(place)
	b.mu.Unlock()

	timer := time.NewTimer(b.cfg.MaxWait)
	defer timer.Stop()
	select {
	case <-place:
	case <-timer.C:
		if b.leave(waiter, place) {
			return ErrBulkheadWait
		}
	case <-ctx.Done():
		if b.leave(waiter, place) {
			return bulkheadEnded(ctx)
		}
	}
	if ctx.Err() != nil { // a done context beats the place that came with it
		b.release()
		return bulkheadEnded(ctx)
	}
	return nil
}

// leave takes waiter out of the queue, unless it has got its place already.
func (b *Bulkhead) leave(waiter *list.Element, place <-chan struct{}) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-place:
		return false
	default:
		b.queue.Remove(waiter)
		return true
	}
}

// release hands the place to who has waited longest.
func (b *Bulkhead) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if first := b.queue.Front(); first != nil {
		b.queue.Remove(first)
		place, _ := first.Value.(chan struct{})
		close(place)
		return
	}
	b.inFlight--
}

// bulkheadEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func bulkheadEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
