package bulkhead

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errBulkheadTest = errors.New("the dependency failed")

func newTestBulkhead(t testing.TB, cfg BulkheadConfig) *Bulkhead {
	t.Helper()
	b, err := NewBulkhead(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantBulkhead(t testing.TB, b *Bulkhead, inFlight, waiting int) {
	t.Helper()
	if f, w := b.InFlight(), b.Waiting(); f != inFlight || w != waiting {
		t.Fatalf("%d in flight and %d waiting, want %d and %d", f, w, inFlight, waiting)
	}
}

// fillBulkhead takes a place, for use within a synctest bubble, and returns
// the function that frees it.
func fillBulkhead(t testing.TB, b *Bulkhead) (free func()) {
	t.Helper()
	end := make(chan struct{})
	go func() {
		_, err := CallBulkhead(context.Background(), b, func(context.Context) (int, error) {
			<-end
			return 0, nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return func() { close(end); synctest.Wait() }
}

func enterBulkhead(ctx context.Context, b *Bulkhead) error {
	_, err := CallBulkhead(ctx, b, func(context.Context) (int, error) { return 0, nil })
	return err
}

func TestB01_LimitHoldsWhenCallersGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 4
		b := newTestBulkhead(t, BulkheadConfig{Limit: limit, MaxWait: 50 * time.Millisecond, MaxQueue: 1000})
		var running, most, done atomic.Int64
		for i := range 500 {
			go func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				_, _ = CallBulkhead(ctx, b, func(context.Context) (int, error) {
					n := running.Add(1)
					defer running.Add(-1)
					most.Store(max(most.Load(), n))
					time.Sleep(30 * time.Millisecond) // ignores that its caller gave up
					done.Add(1)
					return 0, nil
				})
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if most.Load() != limit || done.Load() < 10 {
			t.Errorf("at most %d of %d ran at once, %d in all", most.Load(), limit, done.Load())
		}
		wantBulkhead(t, b, 0, 0)
	})
}

func TestB02_RunsInTheCallersGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Second, CallTimeout: time.Second})
		before := runtime.NumGoroutine()
		_, err := CallBulkhead(t.Context(), b, func(context.Context) (int, error) {
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%d goroutines during the call, %d before", n, before)
			}
			return 0, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	b := newTestBulkhead(t, BulkheadConfig{Limit: 1})
	defer func() { // possible only in the same goroutine
		if recover() != "boom" {
			t.Error("the caller cannot recover fn's panic")
		}
	}()
	_, _ = CallBulkhead(t.Context(), b, func(context.Context) (int, error) { panic("boom") })
}

func TestB03_ContextReachesTheCall(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	b := newTestBulkhead(t, BulkheadConfig{Limit: 1})
	got, err := CallBulkhead(ctx, b, func(ctx context.Context) (any, error) {
		if _, ok := ctx.Deadline(); ok {
			t.Error("a deadline that nobody set")
		}
		return ctx.Value(key{}), errBulkheadTest
	})
	if got != "value" || err != errBulkheadTest {
		t.Errorf("got %v, %v: want fn's own value and error", got, err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Minute, CallTimeout: time.Second})
		free := fillBulkhead(t, b)
		time.AfterFunc(30*time.Second, free) // the wait does not count
		start := time.Now()
		_, err := CallBulkhead(t.Context(), b, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			if ctx.Err() != context.DeadlineExceeded {
				t.Errorf("context error %v", ctx.Err())
			}
			return 0, context.Cause(ctx)
		})
		if !errors.Is(err, ErrBulkheadTimeout) || time.Since(start) != 31*time.Second {
			t.Errorf("%v after %v, want ErrBulkheadTimeout after 31s", err, time.Since(start))
		}
	})
}

func TestB04_PlaceIsReleased(t *testing.T) {
	value := &struct{ name string }{"boom"}
	for name, fn := range map[string]func() error{
		"return": func() error { return nil },
		"error":  func() error { return errBulkheadTest },
		"panic":  func() error { panic(value) },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestBulkhead(t, BulkheadConfig{Limit: 1, CallTimeout: time.Hour})
			var inner context.Context
			done := make(chan any)
			go func() {
				defer func() { done <- recover() }()
				_, _ = CallBulkhead(context.Background(), b, func(ctx context.Context) (int, error) {
					inner = ctx
					return 0, fn()
				})
			}()
			if got := <-done; (got == value) != (name == "panic") {
				t.Errorf("recovered %v", got)
			}
			wantBulkhead(t, b, 0, 0)
			if inner.Err() == nil {
				t.Error("the timer of CallTimeout is left behind")
			}
		})
	}
}

func TestB05_DoneContextBeatsAFreePlace(t *testing.T) {
	cause := errors.New("client went away")
	b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Hour})
	for range 100 {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, err := CallBulkhead(ctx, b, func(context.Context) (int, error) {
			t.Error("fn was called")
			return 0, nil
		})
		if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
			t.Fatalf("error = %v, want context.Canceled and the cause", err)
		}
	}
	synctest.Test(t, func(t *testing.T) { // place and cancellation at the same moment
		for range 100 {
			b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Hour})
			ctx, cancel := context.WithCancelCause(t.Context())
			end := make(chan struct{})
			go func() {
				_, _ = CallBulkhead(context.Background(), b, func(context.Context) (int, error) {
					<-end
					cancel(cause) // just before the place is handed over
					return 0, nil
				})
			}()
			synctest.Wait()
			go func() {
				_, err := CallBulkhead(ctx, b, func(context.Context) (int, error) {
					t.Error("fn was called")
					return 0, nil
				})
				if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
					t.Errorf("error = %v, want context.Canceled and the cause", err)
				}
			}()
			synctest.Wait()
			close(end)
			synctest.Wait()
			wantBulkhead(t, b, 0, 0)
		}
	})
}

func TestB06_FreePlaceBeatsATinyWait(t *testing.T) {
	b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: 1})
	for range 10_000 {
		if err := enterBulkhead(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestB07_Rejections(t *testing.T) {
	t.Run("no wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBulkhead(t, BulkheadConfig{Limit: 1})
			defer fillBulkhead(t, b)()
			start := time.Now()
			if err := enterBulkhead(t.Context(), b); err != ErrBulkheadFull || time.Since(start) != 0 {
				t.Errorf("%v after %v, want ErrBulkheadFull at once", err, time.Since(start))
			}
		})
	})
	t.Run("wait and queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Second, MaxQueue: 2})
			defer fillBulkhead(t, b)()
			start := time.Now()
			for range 2 {
				go func() {
					err := enterBulkhead(t.Context(), b)
					if err != ErrBulkheadWait || !errors.Is(err, ErrBulkheadFull) || time.Since(start) != time.Second {
						t.Errorf("%v after %v, want ErrBulkheadWait after 1s", err, time.Since(start))
					}
				}()
			}
			synctest.Wait()
			wantBulkhead(t, b, 1, 2)
			if err := enterBulkhead(t.Context(), b); err != ErrBulkheadFull || time.Since(start) != 0 {
				t.Errorf("queue full: %v after %v, want ErrBulkheadFull at once", err, time.Since(start))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			wantBulkhead(t, b, 1, 0)
		})
	})
	t.Run("cancelled while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Hour})
			defer fillBulkhead(t, b)()
			cause := errors.New("client went away")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			if err := enterBulkhead(ctx, b); !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
				t.Errorf("error = %v, want context.Canceled and the cause", err)
			}
			wantBulkhead(t, b, 1, 0)
		})
	})
}

func TestB08_NoPlaceIsLostOrDoubled(t *testing.T) {
	const limit, rounds = 3, 100_000
	b := newTestBulkhead(t, BulkheadConfig{Limit: limit, MaxWait: 20 * time.Microsecond, MaxQueue: 64})
	var running, served atomic.Int64
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range rounds / 16 {
				ctx, cancel := context.WithCancel(t.Context())
				if (worker+i)%2 == 0 {
					wg.Go(cancel) // races with being served and with the wait's end
				}
				_, _ = CallBulkhead(ctx, b, func(context.Context) (int, error) {
					if n := running.Add(1); n > limit {
						t.Errorf("%d at once", n)
					}
					runtime.Gosched()
					running.Add(-1)
					served.Add(1)
					return 0, nil
				})
				cancel()
			}
		})
	}
	wg.Wait()
	wantBulkhead(t, b, 0, 0)
	synctest.Test(t, func(t *testing.T) { // the whole capacity is there
		b.cfg.MaxWait = 0
		for range limit {
			defer fillBulkhead(t, b)()
		}
		if err := enterBulkhead(t.Context(), b); err != ErrBulkheadFull {
			t.Errorf("one more: %v, want ErrBulkheadFull", err)
		}
	})
	if served.Load() == 0 {
		t.Error("no call was served")
	}
}

func TestB09_FirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Hour, MaxQueue: 100})
		free := fillBulkhead(t, b)
		var order []int
		for i := range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				_, _ = CallBulkhead(ctx, b, func(context.Context) (int, error) {
					order = append(order, i) // one at a time
					return 0, nil
				})
			}()
			synctest.Wait()
			if i%10 == 5 { // leaving does not disturb the order of the others
				cancel()
				synctest.Wait()
			}
		}
		free()
		if len(order) != 90 || !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestB10_Gauges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var rejected []error
		var b *Bulkhead
		b = newTestBulkhead(t, BulkheadConfig{
			Limit: 2, MaxWait: time.Second, MaxQueue: 1,
			OnReject: func(err error) {
				_ = b.InFlight() // no lock is held
				mu.Lock()
				defer mu.Unlock()
				rejected = append(rejected, err)
			},
		})
		wantBulkhead(t, b, 0, 0)
		free1 := fillBulkhead(t, b)
		wantBulkhead(t, b, 1, 0)
		free2 := fillBulkhead(t, b)
		go func() { _ = enterBulkhead(t.Context(), b) }()
		synctest.Wait()
		wantBulkhead(t, b, 2, 1)
		_ = enterBulkhead(t.Context(), b)
		time.Sleep(time.Second)
		synctest.Wait()
		wantBulkhead(t, b, 2, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_ = enterBulkhead(ctx, b) // gives up by itself: not a rejection
		free1()
		free2()
		wantBulkhead(t, b, 0, 0)
		if want := []error{ErrBulkheadFull, ErrBulkheadWait}; !slices.Equal(rejected, want) {
			t.Errorf("rejected %v, want %v", rejected, want)
		}
	})
}

func TestB11_NoAllocations(t *testing.T) {
	ctx := t.Context()
	b := newTestBulkhead(t, BulkheadConfig{Limit: 1, MaxWait: time.Second})
	fn := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(1000, func() { _, _ = CallBulkhead(ctx, b, fn) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestB12_InvalidConfig(t *testing.T) {
	for name, cfg := range map[string]BulkheadConfig{
		"zero":               {},
		"negative limit":     {Limit: -1},
		"negative wait":      {Limit: 1, MaxWait: -1},
		"negative queue":     {Limit: 1, MaxWait: 1, MaxQueue: -1},
		"negative timeout":   {Limit: 1, CallTimeout: -1},
		"queue without wait": {Limit: 1, MaxQueue: 1},
	} {
		if _, err := NewBulkhead(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	synctest.Test(t, func(t *testing.T) { // the default queue is as long as the limit
		b := newTestBulkhead(t, BulkheadConfig{Limit: 2, MaxWait: time.Second})
		defer fillBulkhead(t, b)()
		defer fillBulkhead(t, b)()
		for range 3 {
			go func() { _ = enterBulkhead(t.Context(), b) }()
		}
		synctest.Wait()
		wantBulkhead(t, b, 2, 2)
		time.Sleep(time.Second)
	})
}

func TestB13_NestedCallsReleaseOnceEach(t *testing.T) {
	b := newTestBulkhead(t, BulkheadConfig{Limit: 2})
	_, err := CallBulkhead(t.Context(), b, func(ctx context.Context) (int, error) {
		return CallBulkhead(ctx, b, func(ctx context.Context) (int, error) {
			wantBulkhead(t, b, 2, 0)
			return 0, enterBulkhead(ctx, b)
		})
	})
	if err != ErrBulkheadFull {
		t.Errorf("third level: %v, want ErrBulkheadFull", err)
	}
	for range 10 { // there is nothing to release but by returning
		_ = enterBulkhead(t.Context(), b)
		wantBulkhead(t, b, 0, 0)
	}
}

func TestB14_TimeoutMatches(t *testing.T) {
	b, err := NewBulkhead(BulkheadConfig{Limit: 1, CallTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	_, err = CallBulkhead(t.Context(), b, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, errors.New("cut off") })
	if !errors.Is(err, ErrBulkheadTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the bulkhead's timeout: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = CallBulkhead(ctx, b, func(ctx context.Context) (int, error) { cancel(); <-ctx.Done(); return 0, ctx.Err() })
	if errors.Is(err, ErrBulkheadTimeout) || !errors.Is(err, context.Canceled) {
		t.Errorf("the caller's end: %v", err)
	}
	if !errors.Is(ErrBulkheadTimeout, context.DeadlineExceeded) {
		t.Error("the cause does not match context.DeadlineExceeded")
	}
}
