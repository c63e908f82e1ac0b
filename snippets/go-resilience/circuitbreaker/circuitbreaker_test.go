package circuitbreaker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errBreakerTest   = errors.New("the dependency failed")
	errBreakerAnswer = errors.New("not found")
)

// breakerClock is a clock that only a test moves.
type breakerClock struct{ offset atomic.Int64 }

var breakerEpochStart = time.Now()

func (c *breakerClock) Now() time.Time {
	return breakerEpochStart.Add(time.Duration(c.offset.Load()))
}
func (c *breakerClock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

func newTestBreaker(t testing.TB, cfg BreakerConfig) (*Breaker, *breakerClock) {
	t.Helper()
	clock := &breakerClock{}
	cfg.Now = clock.Now
	b, err := NewBreaker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b, clock
}

// callBreakerWith makes one call that ends with err.
func callBreakerWith(b *Breaker, err error) error {
	_, got := CallBreaker(context.Background(), b, func(context.Context) (int, error) { return 0, err })
	return got
}

func failBreaker(t testing.TB, b *Breaker, times int) {
	t.Helper()
	for range times {
		if err := callBreakerWith(b, errBreakerTest); err != errBreakerTest {
			t.Fatalf("call = %v, want the dependency's own error", err)
		}
	}
}

func wantBreakerState(t testing.TB, b *Breaker, want BreakerState) {
	t.Helper()
	if got := b.State(); got != want {
		t.Fatalf("state = %v, want %v", got, want)
	}
}

// heldCall is a call that stays inside fn until it is told how to end.
type heldCall struct {
	end  chan error
	done chan error
}

func holdBreakerCall(t testing.TB, b *Breaker) *heldCall {
	t.Helper()
	c := &heldCall{end: make(chan error), done: make(chan error, 1)}
	entered := make(chan struct{})
	go func() {
		_, err := CallBreaker(context.Background(), b, func(context.Context) (int, error) {
			close(entered)
			return 0, <-c.end
		})
		c.done <- err
	}()
	select {
	case <-entered:
	case err := <-c.done:
		t.Fatalf("the call was not admitted: %v", err)
	}
	return c
}

func (c *heldCall) finish(err error) error {
	c.end <- err
	return <-c.done
}

func TestCB01_NoLockWhileCalling(t *testing.T) {
	b, _ := newTestBreaker(t, BreakerConfig{})
	const callers = 100
	var inside, all sync.WaitGroup
	inside.Add(callers)
	for range callers {
		all.Add(1)
		go func() {
			defer all.Done()
			_, err := CallBreaker(t.Context(), b, func(context.Context) (int, error) {
				inside.Done()
				inside.Wait() // returns only when all are inside at once
				return 0, nil
			})
			if err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
}

func TestCB02_Reentrant(t *testing.T) {
	var b *Breaker
	var seen []BreakerState
	b, clock := newTestBreaker(t, BreakerConfig{
		ConsecutiveFailures: 1, OpenFor: time.Second, CloseAfter: 1,
		OnStateChange: func(_, to BreakerState) {
			seen = append(seen, b.State())
			_ = callBreakerWith(b, nil)
		},
	})
	_, err := CallBreaker(t.Context(), b, func(ctx context.Context) (int, error) {
		wantBreakerState(t, b, BreakerClosed)
		return CallBreaker(ctx, b, func(context.Context) (int, error) { return 1, errBreakerTest })
	})
	if err != errBreakerTest {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	if err := callBreakerWith(b, nil); err != nil {
		t.Fatal(err)
	}
	// The hook's own call while probing was rejected: the one slot was taken.
	if want := []BreakerState{BreakerOpen, BreakerHalfOpen, BreakerClosed}; !slices.Equal(seen, want) {
		t.Fatalf("states seen by the hook = %v, want %v", seen, want)
	}
}

func TestCB03_ConsecutiveFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		calls []error
		want  BreakerState
	}{
		{"one fewer stays closed", []error{errBreakerTest, errBreakerTest}, BreakerClosed},
		{"the last one opens", []error{errBreakerTest, errBreakerTest, errBreakerTest}, BreakerOpen},
		{"success starts over", []error{errBreakerTest, errBreakerTest, nil, errBreakerTest, errBreakerTest}, BreakerClosed},
		{"and counts again", []error{errBreakerTest, nil, errBreakerTest, errBreakerTest, errBreakerTest}, BreakerOpen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 3})
			for _, err := range tt.calls {
				_ = callBreakerWith(b, err)
			}
			wantBreakerState(t, b, tt.want)
		})
	}
}

func TestCB04_RatioOverSlidingWindow(t *testing.T) {
	cfg := BreakerConfig{FailureRatio: 0.5, MinCalls: 10, Window: 10 * time.Second}
	alternate := func(b *Breaker, calls int) {
		for i := range calls {
			_ = callBreakerWith(b, []error{nil, errBreakerTest}[i%2])
		}
	}
	t.Run("at the minimum", func(t *testing.T) {
		b, _ := newTestBreaker(t, cfg)
		alternate(b, 10)
		wantBreakerState(t, b, BreakerOpen)
	})
	t.Run("below the minimum", func(t *testing.T) {
		b, clock := newTestBreaker(t, cfg)
		for range 100 {
			failBreaker(t, b, 9)
			clock.Advance(20 * time.Second)
		}
		wantBreakerState(t, b, BreakerClosed)
	})
	t.Run("across the edge", func(t *testing.T) {
		b, clock := newTestBreaker(t, cfg)
		clock.Advance(9 * time.Second)
		failBreaker(t, b, 6)
		clock.Advance(2 * time.Second) // one second into the next window: 9/10 of the 6 still count
		failBreaker(t, b, 4)           // 5.4 + 4
		wantBreakerState(t, b, BreakerClosed)
		failBreaker(t, b, 1)
		wantBreakerState(t, b, BreakerOpen)
	})
	t.Run("old results fade", func(t *testing.T) {
		b, clock := newTestBreaker(t, cfg)
		failBreaker(t, b, 9)
		clock.Advance(15 * time.Second) // half of the 9 still count
		failBreaker(t, b, 5)            // 4.5 + 5
		wantBreakerState(t, b, BreakerClosed)
	})
	t.Run("a healthy past outweighs", func(t *testing.T) {
		b, clock := newTestBreaker(t, cfg)
		for range 40 {
			_ = callBreakerWith(b, nil)
		}
		clock.Advance(12 * time.Second)
		failBreaker(t, b, 30) // 30 of 62
		wantBreakerState(t, b, BreakerClosed)
		failBreaker(t, b, 2) // 32 of 64
		wantBreakerState(t, b, BreakerOpen)
	})
	t.Run("exact ratio", func(t *testing.T) {
		b, _ := newTestBreaker(t, BreakerConfig{FailureRatio: 0.55, MinCalls: 20})
		for range 9 {
			_ = callBreakerWith(b, nil)
		}
		failBreaker(t, b, 10)
		wantBreakerState(t, b, BreakerClosed)
		failBreaker(t, b, 1)
		wantBreakerState(t, b, BreakerOpen)
	})
}

func TestCB05_EitherRuleOpens(t *testing.T) {
	cfg := BreakerConfig{ConsecutiveFailures: 5, FailureRatio: 0.5, MinCalls: 20, Window: 10 * time.Second}
	t.Run("slow outage below the volume", func(t *testing.T) {
		b, clock := newTestBreaker(t, cfg)
		for range 5 { // one failing call a minute never reaches MinCalls
			failBreaker(t, b, 1)
			clock.Advance(time.Minute)
		}
		if err := callBreakerWith(b, nil); err != nil { // open long enough: this is a probe
			t.Fatal(err)
		}
		wantBreakerState(t, b, BreakerHalfOpen)
	})
	t.Run("half of the calls fail, never in a row", func(t *testing.T) {
		b, _ := newTestBreaker(t, cfg)
		for range 10 {
			_ = callBreakerWith(b, nil)
			failBreaker(t, b, 1)
		}
		wantBreakerState(t, b, BreakerOpen)
	})
}

func TestCB06_OpenRejects(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 1, OpenFor: 5 * time.Second})
	failBreaker(t, b, 1)
	clock.Advance(2 * time.Second)
	called := false
	_, err := CallBreaker(t.Context(), b, func(context.Context) (int, error) { called = true; return 0, nil })
	if called {
		t.Error("fn was called while open")
	}
	if !errors.Is(err, ErrBreakerOpen) || errors.Is(err, ErrBreakerProbing) {
		t.Errorf("error = %v, want ErrBreakerOpen alone", err)
	}
	var rejection *BreakerError
	if !errors.As(fmt.Errorf("get user: %w", err), &rejection) {
		t.Fatalf("%T is not a BreakerError", err)
	}
	if got := rejection.RetryAfter(); got != 3*time.Second {
		t.Errorf("RetryAfter = %v, want 3s", got)
	}
	clock.Advance(time.Hour)
	if got := rejection.RetryAfter(); got != 0 {
		t.Errorf("RetryAfter = %v long after, want 0", got)
	}
}

func TestCB07_OpenForCountsFromTheChange(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 1, OpenFor: 5 * time.Second})
	failBreaker(t, b, 1)
	clock.Advance(5*time.Second - 1)
	if err := callBreakerWith(b, nil); !errors.Is(err, ErrBreakerOpen) { // and does not extend the time
		t.Fatalf("1 ns early: %v, want ErrBreakerOpen", err)
	}
	clock.Advance(1)
	if err := callBreakerWith(b, nil); err != nil {
		t.Fatalf("on time: %v, want a probe", err)
	}
	if rejection := b.epoch.Load().rejection; rejection.retryAt == rejection.retryAt.Round(0) {
		t.Error("the deadline has no monotonic reading: a step of the wall clock would move it")
	}
}

func TestCB08_ProbesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := NewBreaker(BreakerConfig{ConsecutiveFailures: 1, OpenFor: time.Second, Probes: 3, CloseAfter: 3})
		if err != nil {
			t.Fatal(err)
		}
		failBreaker(t, b, 1)
		time.Sleep(time.Second)
		var calls, rejected atomic.Int64
		release := make(chan struct{})
		for range 50 {
			go func() {
				_, err := CallBreaker(t.Context(), b, func(context.Context) (int, error) {
					calls.Add(1)
					<-release
					return 0, nil
				})
				if errors.Is(err, ErrBreakerProbing) && errors.Is(err, ErrBreakerOpen) {
					rejected.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		if calls.Load() != 3 || rejected.Load() != 47 {
			t.Errorf("%d probes and %d rejections, want 3 and 47", calls.Load(), rejected.Load())
		}
		close(release)
		synctest.Wait()
		wantBreakerState(t, b, BreakerClosed)
	})
}

func TestCB09_CloseAfterIsNotTheProbeLimit(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 1, OpenFor: time.Second, Probes: 5, CloseAfter: 2})
	failBreaker(t, b, 1)
	clock.Advance(time.Second)
	for _, want := range []BreakerState{BreakerHalfOpen, BreakerClosed} {
		if err := callBreakerWith(b, nil); err != nil {
			t.Fatal(err)
		}
		wantBreakerState(t, b, want)
	}
}

func TestCB10_FailedProbeOpensAgain(t *testing.T) {
	t.Run("with a fresh timer", func(t *testing.T) {
		b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 9, OpenFor: 5 * time.Second})
		failBreaker(t, b, 9)
		clock.Advance(7 * time.Second)
		failBreaker(t, b, 1)
		wantBreakerState(t, b, BreakerOpen)
		clock.Advance(5*time.Second - 1)
		wantBreakerState(t, b, BreakerOpen)
		clock.Advance(1)
		wantBreakerState(t, b, BreakerHalfOpen)
	})
	for _, tt := range []struct {
		name string
		rand func(int64) int64
		want []time.Duration
	}{
		{"growing, no jitter", func(int64) int64 { return 0 }, []time.Duration{4000, 8000, 16000, 30000, 30000}},
		{"growing, most jitter", func(n int64) int64 { return n - 1 }, []time.Duration{4000, 6400, 12800, 24000, 24000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, clock := newTestBreaker(t, BreakerConfig{
				ConsecutiveFailures: 1, OpenFor: 4000, MaxOpenFor: 30000, CloseAfter: 1, Rand: tt.rand,
			})
			for range 2 { // closing resets the growth
				for i, want := range tt.want {
					failBreaker(t, b, 1)
					var rejection *BreakerError
					if !errors.As(callBreakerWith(b, nil), &rejection) || rejection.RetryAfter() != want {
						t.Fatalf("opening %d: %v, want %v", i, rejection.RetryAfter(), want)
					}
					clock.Advance(want)
				}
				if err := callBreakerWith(b, nil); err != nil {
					t.Fatal(err)
				}
				wantBreakerState(t, b, BreakerClosed)
			}
		})
	}
}

func TestCB11_StaleResultIgnored(t *testing.T) {
	setup := func(t *testing.T) (*Breaker, *breakerClock, *heldCall) {
		b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 2, OpenFor: time.Second, CloseAfter: 1})
		old := holdBreakerCall(t, b) // admitted while closed
		failBreaker(t, b, 2)
		return b, clock, old
	}
	for _, result := range []error{nil, errBreakerTest} {
		t.Run(fmt.Sprintf("while open, result %v", result), func(t *testing.T) {
			b, clock, old := setup(t)
			clock.Advance(time.Second - 1)
			_ = old.finish(result)
			wantBreakerState(t, b, BreakerOpen)
			clock.Advance(1)
			wantBreakerState(t, b, BreakerHalfOpen) // the time was not extended
		})
		t.Run(fmt.Sprintf("while half-open, result %v", result), func(t *testing.T) {
			b, clock, old := setup(t)
			clock.Advance(time.Second)
			probe := holdBreakerCall(t, b)
			_ = old.finish(result)
			wantBreakerState(t, b, BreakerHalfOpen)
			if err := callBreakerWith(b, nil); !errors.Is(err, ErrBreakerProbing) {
				t.Errorf("the stale result freed the probe's slot: %v", err)
			}
			_ = probe.finish(nil)
			wantBreakerState(t, b, BreakerClosed)
		})
		t.Run(fmt.Sprintf("closed again, result %v", result), func(t *testing.T) {
			b, clock, old := setup(t)
			clock.Advance(time.Second)
			_ = callBreakerWith(b, nil)
			failBreaker(t, b, 1)
			_ = old.finish(result)
			wantBreakerState(t, b, BreakerClosed) // a stale failure is not the second in a row
			failBreaker(t, b, 1)
			wantBreakerState(t, b, BreakerOpen) // a stale success did not start the row over
		})
	}
}

func TestCB12_ProbeSlotIsReleased(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   func(cancel func()) error
		want BreakerState
	}{
		{"success", func(func()) error { return nil }, BreakerHalfOpen},
		{"error", func(func()) error { return errBreakerTest }, BreakerOpen},
		{"answer", func(func()) error { return errBreakerAnswer }, BreakerHalfOpen},
		{"caller gone", func(cancel func()) error { cancel(); return errBreakerTest }, BreakerHalfOpen},
		{"panic", func(func()) error { panic("boom") }, BreakerOpen},
		{"Goexit", func(func()) error { runtime.Goexit(); return nil }, BreakerOpen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, clock := newTestBreaker(t, BreakerConfig{
				ConsecutiveFailures: 1, OpenFor: time.Second,
				IsFailure: func(err error) bool { return err != errBreakerAnswer },
			})
			failBreaker(t, b, 1)
			clock.Advance(time.Second)
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				_, _ = CallBreaker(ctx, b, func(context.Context) (int, error) { return 0, tt.fn(cancel) })
			}()
			<-done
			wantBreakerState(t, b, tt.want)
			clock.Advance(time.Second - 1) // before a stuck probe would be given up
			if tt.want == BreakerOpen {
				clock.Advance(1)
			}
			for range 2 {
				if err := callBreakerWith(b, nil); err != nil {
					t.Fatalf("the slot was not released: %v", err)
				}
			}
			wantBreakerState(t, b, BreakerClosed)
		})
	}
}

func TestCB13_StuckProbeDoesNotWedge(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{
		ConsecutiveFailures: 1, OpenFor: time.Second, ProbeTimeout: 3 * time.Second, CloseAfter: 1,
	})
	failBreaker(t, b, 1)
	clock.Advance(time.Second)
	stuck := holdBreakerCall(t, b)
	clock.Advance(3*time.Second - 1)
	err := callBreakerWith(b, nil)
	var rejection *BreakerError
	if !errors.Is(err, ErrBreakerProbing) || !errors.As(err, &rejection) || rejection.RetryAfter() != 1 {
		t.Fatalf("while the probe may still return: %v, want ErrBreakerProbing for 1 ns", err)
	}
	clock.Advance(1)
	second := holdBreakerCall(t, b)
	_ = stuck.finish(errBreakerTest) // late: neither opens nor frees the second probe's slot
	if err := callBreakerWith(b, nil); !errors.Is(err, ErrBreakerProbing) {
		t.Fatalf("after the stuck probe ended: %v, want ErrBreakerProbing", err)
	}
	_ = second.finish(nil)
	wantBreakerState(t, b, BreakerClosed)
}

func TestCB14_PanicIsAFailureAndPassesThrough(t *testing.T) {
	t.Run("panic", func(t *testing.T) {
		b, _ := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		value := &struct{ name string }{"boom"}
		func() {
			defer func() {
				if got := recover(); got != value {
					t.Errorf("recovered %v, want the original value", got)
				}
			}()
			_, _ = CallBreaker(t.Context(), b, func(context.Context) (int, error) { panic(value) })
		}()
		wantBreakerState(t, b, BreakerOpen)
	})
	t.Run("Goexit", func(t *testing.T) {
		b, _ := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 1})
		done, returned := make(chan struct{}), false
		go func() {
			defer close(done)
			_, _ = CallBreaker(context.Background(), b, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
			returned = true
		}()
		<-done
		if returned {
			t.Error("Goexit was swallowed")
		}
		wantBreakerState(t, b, BreakerOpen)
	})
}

func TestCB15_DoneContextIsNotACall(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 1, OpenFor: time.Second, CloseAfter: 1})
	failBreaker(t, b, 1)
	clock.Advance(time.Second)
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := CallBreaker(ctx, b, func(context.Context) (int, error) {
		t.Error("fn was called")
		return 0, nil
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
	if err := callBreakerWith(b, nil); err != nil {
		t.Errorf("the probe's slot was used up: %v", err)
	}
}

func TestCB16_WhoseTimeWasUp(t *testing.T) {
	canceled := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		return context.WithValue(ctx, breakerCancelKey{}, cancel)
	}
	deadline := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		t.Cleanup(cancel)
		return ctx
	}
	for _, tt := range []struct {
		name   string
		ignore bool
		ctx    func(t *testing.T) context.Context
		fn     func(ctx context.Context) error
		want   BreakerState
	}{
		{"caller cancels", false, canceled, func(ctx context.Context) error {
			ctx.Value(breakerCancelKey{}).(context.CancelFunc)()
			return ctx.Err()
		}, BreakerClosed},
		{"caller cancels, other error", false, canceled, func(ctx context.Context) error {
			ctx.Value(breakerCancelKey{}).(context.CancelFunc)()
			return errBreakerTest
		}, BreakerClosed},
		{"callee's own timeout", false, (*testing.T).Context, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			<-ctx.Done()
			return ctx.Err()
		}, BreakerOpen},
		{"callee's own cancellation", false, (*testing.T).Context, func(context.Context) error {
			return context.Canceled
		}, BreakerOpen},
		{"caller's deadline", false, deadline, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, BreakerOpen},
		{"caller's deadline ignored", true, deadline, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, BreakerClosed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, err := NewBreaker(BreakerConfig{ConsecutiveFailures: 1, IgnoreDeadline: tt.ignore, OpenFor: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				_, _ = CallBreaker(tt.ctx(t), b, func(ctx context.Context) (int, error) { return 0, tt.fn(ctx) })
				wantBreakerState(t, b, tt.want)
			})
		})
	}
	t.Run("success after the caller cancelled", func(t *testing.T) {
		b, _ := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 2})
		failBreaker(t, b, 1)
		ctx, cancel := context.WithCancel(t.Context())
		got, err := CallBreaker(ctx, b, func(context.Context) (int, error) { cancel(); return 7, nil })
		if got != 7 || err != nil {
			t.Fatalf("got %d, %v", got, err)
		}
		failBreaker(t, b, 1) // not the second in a row
		wantBreakerState(t, b, BreakerClosed)
	})
}

type breakerCancelKey struct{}

func TestCB17_WhatIsAFailure(t *testing.T) {
	cfg := BreakerConfig{
		ConsecutiveFailures: 2, OpenFor: time.Second, CloseAfter: 1,
		IsFailure: func(err error) bool {
			if err == nil {
				t.Error("IsFailure was asked about nil")
			}
			return !errors.Is(err, errBreakerAnswer)
		},
	}
	t.Run("answers never open", func(t *testing.T) {
		b, _ := newTestBreaker(t, cfg)
		for range 100 {
			if err := callBreakerWith(b, fmt.Errorf("get: %w", errBreakerAnswer)); !errors.Is(err, errBreakerAnswer) {
				t.Fatal(err)
			}
		}
		_ = callBreakerWith(b, nil)
		wantBreakerState(t, b, BreakerClosed)
	})
	t.Run("an answer shows that the dependency is back", func(t *testing.T) {
		b, clock := newTestBreaker(t, cfg)
		failBreaker(t, b, 2)
		clock.Advance(time.Second)
		_ = callBreakerWith(b, errBreakerAnswer)
		wantBreakerState(t, b, BreakerClosed)
	})
	t.Run("a panic while judging frees the slot", func(t *testing.T) {
		judge := func(error) bool { return true }
		b, clock := newTestBreaker(t, BreakerConfig{
			ConsecutiveFailures: 1, OpenFor: time.Second, ProbeTimeout: time.Hour, CloseAfter: 1,
			IsFailure: func(err error) bool { return judge(err) },
		})
		failBreaker(t, b, 1)
		clock.Advance(time.Second)
		judge = func(error) bool { panic("judge") }
		func() {
			defer func() {
				if recover() != "judge" {
					t.Error("the panic did not pass through")
				}
			}()
			_ = callBreakerWith(b, errBreakerTest)
		}()
		clock.Advance(time.Second)
		if err := callBreakerWith(b, nil); err != nil {
			t.Errorf("the slot was not released: %v", err)
		}
	})
}

func TestCB18_ResultIsUnchanged(t *testing.T) {
	b, _ := newTestBreaker(t, BreakerConfig{})
	type page struct{ items []string }
	want := &page{[]string{"partial"}}
	got, err := CallBreaker(t.Context(), b, func(context.Context) (*page, error) { return want, errBreakerTest })
	if got != want || err != errBreakerTest {
		t.Errorf("got %v, %v: want fn's own value and error", got, err)
	}
}

func TestCB19_HookInOrder(t *testing.T) {
	t.Run("1000 flaps", func(t *testing.T) {
		var b *Breaker
		var changes [][2]BreakerState
		b, clock := newTestBreaker(t, BreakerConfig{
			ConsecutiveFailures: 1, OpenFor: time.Second, CloseAfter: 1,
			OnStateChange: func(from, to BreakerState) {
				if !b.mu.TryLock() {
					t.Error("the hook is called with the lock held")
				} else {
					b.mu.Unlock()
				}
				changes = append(changes, [2]BreakerState{from, to})
			},
		})
		for range 1000 {
			failBreaker(t, b, 1)
			clock.Advance(time.Second)
			_ = callBreakerWith(b, nil)
		}
		cycle := [][2]BreakerState{
			{BreakerClosed, BreakerOpen}, {BreakerOpen, BreakerHalfOpen}, {BreakerHalfOpen, BreakerClosed},
		}
		if want := slices.Repeat(cycle, 1000); !slices.Equal(changes, want) {
			t.Errorf("got %d changes, want the cycle 1000 times", len(changes))
		}
	})
	t.Run("a slow hook does not reorder", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		var got []BreakerState
		b, clock := newTestBreaker(t, BreakerConfig{
			ConsecutiveFailures: 1, OpenFor: time.Second, CloseAfter: 1,
			OnStateChange: func(_, to BreakerState) {
				if len(got) == 0 {
					close(entered)
					<-release
				}
				got = append(got, to)
			},
		})
		done := make(chan struct{})
		go func() { defer close(done); _ = callBreakerWith(b, errBreakerTest) }()
		<-entered
		clock.Advance(time.Second)
		if err := callBreakerWith(b, nil); err != nil { // does not wait for the hook
			t.Error(err)
		}
		close(release)
		<-done
		if want := []BreakerState{BreakerOpen, BreakerHalfOpen, BreakerClosed}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
	t.Run("a panic in the hook", func(t *testing.T) {
		calls, fail := 0, true
		b, clock := newTestBreaker(t, BreakerConfig{
			ConsecutiveFailures: 1, OpenFor: time.Second, ProbeTimeout: time.Hour, CloseAfter: 1,
			OnStateChange: func(BreakerState, BreakerState) {
				if calls++; fail {
					panic("hook")
				}
			},
		})
		panics := func(err error) {
			t.Helper()
			defer func() {
				if recover() != "hook" {
					t.Error("the panic did not pass through")
				}
			}()
			_ = callBreakerWith(b, err)
		}
		panics(errBreakerTest)
		wantBreakerState(t, b, BreakerOpen)
		clock.Advance(time.Second)
		panics(nil) // told of half-open before the probe: its slot is free again
		wantBreakerState(t, b, BreakerHalfOpen)
		fail = false
		if err := callBreakerWith(b, nil); err != nil {
			t.Fatal(err)
		}
		wantBreakerState(t, b, BreakerClosed)
		if calls != 3 {
			t.Errorf("the hook was called %d times, want 3", calls)
		}
	})
}

func TestCB20_InvariantsUnderStress(t *testing.T) {
	const probes = 3
	var open atomic.Bool
	b, clock := newTestBreaker(t, BreakerConfig{
		ConsecutiveFailures: 3, OpenFor: time.Microsecond, ProbeTimeout: time.Hour, Probes: probes, CloseAfter: 4,
		OnStateChange: func(from, to BreakerState) {
			if from == to || from == BreakerClosed && to != BreakerOpen || from == BreakerOpen && to != BreakerHalfOpen {
				t.Errorf("impossible change from %v to %v", from, to)
			}
			open.Store(to == BreakerOpen)
		},
	})
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 500 {
				_, _ = CallBreaker(t.Context(), b, func(context.Context) (int, error) {
					if epoch := b.epoch.Load(); epoch.state == BreakerHalfOpen {
						b.mu.Lock()
						if epoch.probing < 0 || epoch.probing > probes || epoch.succeeded > 4 {
							t.Errorf("%d probes in flight, %d succeeded", epoch.probing, epoch.succeeded)
						}
						b.mu.Unlock()
					}
					if (worker+i)%3 == 0 {
						return 0, errBreakerTest
					}
					return 0, nil
				})
				if epoch := b.epoch.Load(); epoch.state == BreakerOpen {
					b.mu.Lock()
					if epoch.succeeded != 0 || epoch.current.calls != 0 {
						t.Error("a result was counted while open")
					}
					b.mu.Unlock()
				}
				clock.Advance(100 * time.Nanosecond)
			}
		}()
	}
	wg.Wait()
	clock.Advance(time.Hour)
	for range 8 { // whatever it went through, it recovers
		_ = callBreakerWith(b, nil)
	}
	wantBreakerState(t, b, BreakerClosed)
	if open.Load() {
		t.Error("the hook was not told of the recovery")
	}
}

func TestCB21_NoAllocations(t *testing.T) {
	ctx := t.Context()
	b, err := NewBreaker(BreakerConfig{ConsecutiveFailures: 1, OpenFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	succeed := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(1000, func() { _, _ = CallBreaker(ctx, b, succeed) }); n != 0 {
		t.Errorf("closed: %v allocations", n)
	}
	failBreaker(t, b, 1)
	if n := testing.AllocsPerRun(1000, func() { _, _ = CallBreaker(ctx, b, succeed) }); n != 0 {
		t.Errorf("open: %v allocations", n)
	}
}

func TestCB22_ConfigAndState(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{})
	failBreaker(t, b, 4)
	wantBreakerState(t, b, BreakerClosed)
	failBreaker(t, b, 1)
	wantBreakerState(t, b, BreakerOpen)
	clock.Advance(5*time.Second - 1)
	wantBreakerState(t, b, BreakerOpen)
	clock.Advance(1)
	wantBreakerState(t, b, BreakerHalfOpen) // without any call
	if got := fmt.Sprint(BreakerClosed, BreakerOpen, BreakerHalfOpen); got != "closed open half-open" {
		t.Errorf("states print as %q", got)
	}
	zero := 0.0
	for name, cfg := range map[string]BreakerConfig{
		"failures": {ConsecutiveFailures: -1}, "volume": {MinCalls: -1}, "probes": {Probes: -1},
		"close after": {CloseAfter: -1}, "window": {Window: -1}, "open for": {OpenFor: -1},
		"max open for": {MaxOpenFor: -1}, "probe timeout": {ProbeTimeout: -1},
		"ratio below": {FailureRatio: -0.1}, "ratio above": {FailureRatio: 1.1}, "ratio NaN": {FailureRatio: zero / zero},
	} {
		if _, err := NewBreaker(cfg); err == nil {
			t.Errorf("%s: no error for %+v", name, cfg)
		}
	}
	t.Run("a rule that is not set is off", func(t *testing.T) {
		b, _ := newTestBreaker(t, BreakerConfig{FailureRatio: 1, MinCalls: 100})
		failBreaker(t, b, 99)
		wantBreakerState(t, b, BreakerClosed)
		b, _ = newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 100})
		failBreaker(t, b, 99)
		wantBreakerState(t, b, BreakerClosed)
	})
}

func TestCB23_ExcludedErrorsCountForNothing(t *testing.T) {
	unsent := errors.New("request not sent")
	cfg := BreakerConfig{ConsecutiveFailures: 3, CloseAfter: 1, IsExcluded: func(err error) bool { return errors.Is(err, unsent) }}
	b, clock := newTestBreaker(t, cfg)
	for range 2 { // it must not break a row of failures
		failBreaker(t, b, 1)
		_ = callBreakerWith(b, unsent)
	}
	wantBreakerState(t, b, BreakerClosed)
	failBreaker(t, b, 1)
	wantBreakerState(t, b, BreakerOpen)
	clock.Advance(5 * time.Second)
	for range 3 { // nor decide over a half-open breaker, nor keep its place
		if err := callBreakerWith(b, unsent); !errors.Is(err, unsent) {
			t.Fatal(err)
		}
		wantBreakerState(t, b, BreakerHalfOpen)
	}
	_ = callBreakerWith(b, nil)
	wantBreakerState(t, b, BreakerClosed)
}

func TestCB24_TripAndReset(t *testing.T) {
	var changes []string
	b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 3, OnStateChange: func(from, to BreakerState) {
		changes = append(changes, from.String()+" to "+to.String())
	}})
	held := holdBreakerCall(t, b)
	b.Trip(time.Hour)
	var rejection *BreakerError
	if err := callBreakerWith(b, nil); !errors.As(err, &rejection) || rejection.RetryAfter() != time.Hour {
		t.Fatalf("tripped: %v", err)
	}
	_ = held.finish(nil) // of an epoch that is over
	clock.Advance(time.Hour - 1)
	wantBreakerState(t, b, BreakerOpen)
	b.Trip(-1) // the next call is a probe
	wantBreakerState(t, b, BreakerHalfOpen)
	_ = callBreakerWith(b, errBreakerTest)
	wantBreakerState(t, b, BreakerOpen)
	b.Reset()
	wantBreakerState(t, b, BreakerClosed)
	failBreaker(t, b, 2)
	b.Reset() // forgets the row
	failBreaker(t, b, 2)
	wantBreakerState(t, b, BreakerClosed)
	want := []string{"closed to open", "open to half-open", "half-open to open", "open to closed"}
	if !slices.Equal(changes, want) {
		t.Errorf("told %q, want %q", changes, want)
	}
}

func TestCB24_TripWhileCallsRun(t *testing.T) {
	b, _ := newTestBreaker(t, BreakerConfig{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				_ = callBreakerWith(b, errBreakerTest)
				_ = b.State()
				_ = b.Snapshot()
			}
		})
	}
	for range 500 {
		b.Trip(time.Hour)
		b.Reset()
	}
	all.Wait()
}

func TestCB25_Snapshot(t *testing.T) {
	b, clock := newTestBreaker(t, BreakerConfig{ConsecutiveFailures: 3, Window: 10 * time.Second})
	_ = callBreakerWith(b, nil)
	failBreaker(t, b, 2)
	if got, want := b.Snapshot(), (BreakerSnapshot{State: BreakerClosed, Calls: 3, Failures: 2, InARow: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	clock.Advance(15 * time.Second) // half of the older window is in sight
	if got, want := b.Snapshot(), (BreakerSnapshot{State: BreakerClosed, Calls: 2, Failures: 1, InARow: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	failBreaker(t, b, 1)
	if got, want := b.Snapshot(), (BreakerSnapshot{State: BreakerOpen, RetryAt: clock.Now().Add(5 * time.Second)}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestCB26_EndedContextMatchesAsInTheStandardLibrary(t *testing.T) {
	b, _ := newTestBreaker(t, BreakerConfig{})
	cause := errors.New("client went away")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	expired, stop := context.WithTimeoutCause(t.Context(), 0, cause)
	defer stop()
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: expired} {
		_, err := CallBreaker(ctx, b, func(context.Context) (int, error) { return 0, nil })
		if !errors.Is(err, want) || !errors.Is(err, cause) {
			t.Errorf("%v does not match %v and its cause", err, want)
		}
	}
}
