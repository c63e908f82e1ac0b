package hedge

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The rules; each test carries the number of the one it proves.
//
//	HG-1  An answer before the delay is the only call.
//	HG-2  After the delay a second call is made, and the first answer wins, whichever call gives it.
//	HG-3  The loser's context ends at once; neither call's context is left behind.
//	HG-4  There are never more than two calls.
//	HG-5  A failure before the delay is returned unchanged; a hedge is no retry.
//	HG-6  A failure after the delay waits for the other call; if both fail the error matches both.
//	HG-7  Second calls keep to their share and reserve; without a token the first call is not affected.
//	HG-8  A caller who cancels gets the cause at once.
//	HG-9  Panic and Goexit reach a caller who waits; a late panic reaches the hook and not the process.
//	HG-10 A done context is no call.
//	HG-11 The delay follows the quantile, within its bounds.
//	HG-12 Nonsense settings are errors.
//	HG-13 A late result disturbs nobody.

var errHedgeTest = errors.New("the dependency failed")

func newTestHedge(t testing.TB, cfg HedgeConfig) *Hedge {
	t.Helper()
	h, err := NewHedge(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hedgeScript returns a function whose n-th call takes the n-th time, or until
// its context ends, and then returns n or the n-th error.
func hedgeScript(calls *atomic.Int64, took []time.Duration, errs ...error) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := int(calls.Add(1))
		select {
		case <-time.After(took[n-1]):
		case <-ctx.Done():
			return -n, context.Cause(ctx)
		}
		if len(errs) >= n && errs[n-1] != nil {
			return -n, errs[n-1]
		}
		return n, nil
	}
}

func TestHG01_QuickAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: 100 * time.Millisecond})
		var calls atomic.Int64
		got, err := CallHedge(t.Context(), h, hedgeScript(&calls, []time.Duration{99 * time.Millisecond}))
		time.Sleep(time.Minute)
		if got != 1 || err != nil || calls.Load() != 1 {
			t.Errorf("got %d, %v after %d calls", got, err, calls.Load())
		}
	})
}

func TestHG02_FirstAnswerWins(t *testing.T) {
	for _, tt := range []struct {
		name   string
		took   []time.Duration
		want   int
		wantIn time.Duration
	}{
		{"the second", []time.Duration{time.Hour, 10 * time.Millisecond}, 2, 110 * time.Millisecond},
		{"the first all the same", []time.Duration{150 * time.Millisecond, time.Hour}, 1, 150 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHedge(t, HedgeConfig{Delay: 100 * time.Millisecond})
				var calls atomic.Int64
				start := time.Now()
				got, err := CallHedge(t.Context(), h, hedgeScript(&calls, tt.took))
				if got != tt.want || err != nil || time.Since(start) != tt.wantIn || calls.Load() != 2 {
					t.Errorf("got %d, %v after %v and %d calls", got, err, time.Since(start), calls.Load())
				}
			})
		})
	}
}

func TestHG03_ContextsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: 100 * time.Millisecond})
		before := runtime.NumGoroutine()
		var mu sync.Mutex
		var contexts []context.Context
		var calls atomic.Int64
		script := hedgeScript(&calls, []time.Duration{time.Hour, time.Millisecond})
		_, _ = CallHedge(t.Context(), h, func(ctx context.Context) (int, error) {
			mu.Lock()
			contexts = append(contexts, ctx)
			mu.Unlock()
			return script(ctx)
		})
		synctest.Wait() // without any time passing
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		for i, ctx := range contexts {
			if ctx.Err() != context.Canceled {
				t.Errorf("the context of call %d goes on", i+1)
			}
		}
		if len(contexts) != 2 {
			t.Errorf("%d calls", len(contexts))
		}
	})
}

func TestHG04_TwoCallsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: time.Millisecond})
		var calls atomic.Int64
		got, err := CallHedge(t.Context(), h, hedgeScript(&calls, []time.Duration{time.Hour, 2 * time.Hour}))
		if got != 1 || err != nil || calls.Load() != 2 {
			t.Errorf("got %d, %v after %d calls", got, err, calls.Load())
		}
	})
}

func TestHG05_QuickFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: 100 * time.Millisecond})
		var calls atomic.Int64
		start := time.Now()
		got, err := CallHedge(t.Context(), h, hedgeScript(&calls, []time.Duration{time.Millisecond}, errHedgeTest))
		if got != -1 || err != errHedgeTest || time.Since(start) != time.Millisecond || calls.Load() != 1 {
			t.Errorf("got %d, %v after %v and %d calls", got, err, time.Since(start), calls.Load())
		}
	})
}

func TestHG06_LateFailure(t *testing.T) {
	other := errors.New("another failure")
	for _, tt := range []struct {
		name          string
		first, second time.Duration // the second call begins after 100
		errs          []error
		want          int
	}{
		{"the first fails", 150, 100, []error{errHedgeTest, nil}, 2},
		{"the second fails", 250, 100, []error{nil, errHedgeTest}, 1},
		{"both fail", 150, 100, []error{errHedgeTest, other}, -2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newTestHedge(t, HedgeConfig{Delay: 100 * time.Millisecond})
				var calls atomic.Int64
				took := []time.Duration{tt.first * time.Millisecond, tt.second * time.Millisecond}
				got, err := CallHedge(t.Context(), h, hedgeScript(&calls, took, tt.errs...))
				if got != tt.want || (tt.want > 0) != (err == nil) {
					t.Errorf("got %d, %v", got, err)
				}
				if tt.want < 0 && (!errors.Is(err, errHedgeTest) || !errors.Is(err, other)) {
					t.Errorf("%v does not match both failures", err)
				}
			})
		})
	}
}

func TestHG07_Share(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: time.Millisecond})
		var calls atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					start := time.Now()
					_, err := CallHedge(t.Context(), h, func(context.Context) (int, error) {
						calls.Add(1)
						time.Sleep(time.Second)
						return 0, nil
					})
					if err != nil || time.Since(start) != time.Second {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second) // until the last losers have ended
		if second := calls.Load() - 1000; second < 50 || second > 60 {
			t.Errorf("%d second calls for 1000, want 50 and up to 10 of reserve", second)
		}
	})
}

func TestHG08_CallerCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: time.Millisecond})
		cause := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		start := time.Now()
		end := make(chan struct{})
		_, err := CallHedge(ctx, h, func(context.Context) (int, error) {
			<-end // does not listen to its context
			return 0, nil
		})
		if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want context.Canceled and the cause after 1s", err, time.Since(start))
		}
		close(end)
	})
}

func TestHG09_PanicAndGoexit(t *testing.T) {
	t.Run("awaited", func(t *testing.T) {
		for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
			for _, call := range []int64{1, 2} {
				synctest.Test(t, func(t *testing.T) {
					h := newTestHedge(t, HedgeConfig{Delay: time.Second})
					var calls atomic.Int64
					done := make(chan any)
					go func() {
						defer func() { done <- recover() }()
						_, _ = CallHedge(t.Context(), h, func(ctx context.Context) (int, error) {
							if calls.Add(1) == call {
								end()
							}
							<-ctx.Done()
							return 0, ctx.Err()
						})
						t.Errorf("%s in call %d: returned", name, call)
					}()
					if got := <-done; (got == "boom") != (name == "panic") {
						t.Errorf("%s in call %d: recovered %v", name, call, got)
					}
				})
			}
		}
	})
	t.Run("late", func(t *testing.T) {
		for _, hooked := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				var told atomic.Value
				cfg := HedgeConfig{Delay: time.Second}
				if hooked {
					cfg.OnLatePanic = func(value any) { told.Store(value) }
				}
				h := newTestHedge(t, cfg)
				var calls atomic.Int64
				got, err := CallHedge(t.Context(), h, func(ctx context.Context) (int, error) {
					if calls.Add(1) == 1 {
						<-ctx.Done()
						panic("late")
					}
					return 2, nil
				})
				synctest.Wait()
				if got != 2 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
				if value := told.Load(); hooked != (value == "late") {
					t.Errorf("hook %v: told %v", hooked, value)
				}
			})
		}
	})
	t.Run("both at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var late atomic.Int64
			h := newTestHedge(t, HedgeConfig{Delay: time.Second, OnLatePanic: func(any) { late.Add(1) }})
			var calls atomic.Int64
			func() {
				defer func() {
					if recover() != "boom" {
						t.Error("no panic")
					}
				}()
				_, _ = CallHedge(t.Context(), h, func(context.Context) (int, error) {
					time.Sleep(2*time.Second - time.Duration(calls.Add(1)-1)*time.Second)
					panic("boom")
				})
			}()
			synctest.Wait()
			if late.Load() != 1 {
				t.Errorf("told of %d late panics, want that of the other call", late.Load())
			}
		})
	})
}

func TestHG10_DoneContextIsNoCall(t *testing.T) {
	h := newTestHedge(t, HedgeConfig{})
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := CallHedge(ctx, h, func(context.Context) (int, error) {
		t.Error("fn was called")
		return 0, nil
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
}

func TestHG11_Quantile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		h := newTestHedge(t, HedgeConfig{Delay: 10 * time.Millisecond, Quantile: 0.9, MaxDelay: time.Second})
		call := func(took time.Duration) {
			_, _ = CallHedge(t.Context(), h, func(ctx context.Context) (int, error) {
				select {
				case <-time.After(took):
				case <-ctx.Done():
				}
				return 0, ctx.Err()
			})
		}
		for _, longest := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 100 * time.Millisecond} {
			var sum time.Duration
			for i := range 6000 {
				call(time.Duration(random.Int64N(int64(longest))))
				if i >= 3000 {
					sum += h.Delay()
				}
			}
			if mean := sum / 3000; mean < longest*86/100 || mean > longest*94/100 {
				t.Errorf("times up to %v: the delay is about %v, want nine tenths", longest, mean)
			}
		}
		for range 3000 {
			call(0)
		}
		if h.Delay() != time.Millisecond {
			t.Errorf("delay %v, want MinDelay", h.Delay())
		}
		for range 3000 {
			call(time.Hour)
		}
		if h.Delay() != time.Second {
			t.Errorf("delay %v, want MaxDelay", h.Delay())
		}
	})
}

func TestHG12_Config(t *testing.T) {
	if h := newTestHedge(t, HedgeConfig{}); h.Delay() != 50*time.Millisecond {
		t.Errorf("default delay %v", h.Delay())
	}
	for name, cfg := range map[string]HedgeConfig{
		"delay": {Delay: -1}, "min": {MinDelay: -1}, "min above": {Delay: 1, MinDelay: 2},
		"max below": {Delay: 2, MaxDelay: 1}, "quantile": {Quantile: 1}, "quantile below": {Quantile: -0.1},
		"quantile NaN": {Quantile: math.NaN()}, "share": {MaxShare: 1.1}, "share below": {MaxShare: -1},
	} {
		if _, err := NewHedge(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHG13_LateResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestHedge(t, HedgeConfig{Delay: time.Second})
		var calls atomic.Int64
		got, err := CallHedge(t.Context(), h, func(context.Context) (*int, error) {
			n := int(calls.Add(1))
			if n == 1 {
				time.Sleep(time.Minute) // does not listen to its context
			}
			return &n, nil
		})
		if err != nil || *got != 2 {
			t.Fatalf("got %v, %v", got, err)
		}
		time.Sleep(time.Hour) // the late result has nowhere to block
		if *got != 2 {
			t.Errorf("the result became %d", *got)
		}
	})
}
