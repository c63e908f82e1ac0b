package deadlinebudget

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// The rules; each test carries the number of the one it proves.
//
//	DB-1  A call's time is the least of Timeout and its share of what the caller has left after Reserve.
//	DB-2  Without a caller's deadline Timeout alone counts; without both there is no limit.
//	DB-3  With too little left the call is not made, and the error says so.
//	DB-4  Whose time was up can be told: the budget's end has its own cause, the caller's end keeps its own.
//	DB-5  When the budget is used up the caller still has Reserve to act on the real error.
//	DB-6  Calls one after the other each get their share of what is left then.
//	DB-7  A done context is no call; its cause is returned.
//	DB-8  The timer is released on return, panic and Goexit, and no goroutine is started.
//	DB-9  Value and error are returned as they are; a success after the end is a success.
//	DB-10 The time left travels as a duration: never negative, never prolonged, nonsense ignored.
//	DB-11 What must be done afterwards has time of its own and keeps the context's values.
//	DB-12 Nonsense settings fall back to their defaults.

var errDeadlineTest = errors.New("the dependency failed")

// timeOfCall returns how much time budget gives a call of ctx.
func timeOfCall(t testing.TB, ctx context.Context, budget DeadlineBudget) time.Duration {
	t.Helper()
	left, err := CallWithDeadline(ctx, budget, func(ctx context.Context) (time.Duration, error) {
		deadline, ok := ctx.Deadline()
		if !ok {
			return -1, nil
		}
		return time.Until(deadline), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func callerWith(t testing.TB, timeout time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

func waitForEnd(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, errDeadlineTest
}

func TestDB01_LeastOfTimeoutAndShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := callerWith(t, 10*time.Second)
		for _, tt := range []struct {
			budget DeadlineBudget
			want   time.Duration
		}{
			{DeadlineBudget{}, 10 * time.Second},
			{DeadlineBudget{Timeout: 3 * time.Second}, 3 * time.Second},
			{DeadlineBudget{Timeout: time.Minute}, 10 * time.Second},
			{DeadlineBudget{Reserve: time.Second}, 9 * time.Second},
			{DeadlineBudget{Share: 0.5}, 5 * time.Second},
			{DeadlineBudget{Share: 0.5, Reserve: 2 * time.Second}, 4 * time.Second},
			{DeadlineBudget{Share: 0.5, Reserve: 2 * time.Second, Timeout: time.Second}, time.Second},
		} {
			if got := timeOfCall(t, ctx, tt.budget); got != tt.want {
				t.Errorf("%+v gives %v, want %v", tt.budget, got, tt.want)
			}
		}
	})
}

func TestDB02_NoCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := DeadlineBudget{Timeout: 3 * time.Second, Reserve: time.Minute, Share: 0.1, Min: time.Second}
		if got := timeOfCall(t, t.Context(), budget); got != 3*time.Second {
			t.Errorf("with Timeout: %v, want 3s", got)
		}
		if got := timeOfCall(t, t.Context(), DeadlineBudget{Reserve: time.Minute}); got != -1 {
			t.Errorf("without: %v, want no deadline", got)
		}
	})
}

func TestDB03_TooLittleLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := callerWith(t, time.Second)
		for _, budget := range []DeadlineBudget{
			{Min: time.Second + 1},
			{Reserve: time.Second},
			{Reserve: time.Hour},
			{Share: 0.5, Min: 501 * time.Millisecond},
		} {
			_, err := CallWithDeadline(ctx, budget, func(context.Context) (int, error) {
				t.Errorf("%+v: fn was called", budget)
				return 0, nil
			})
			if !errors.Is(err, ErrDeadlineSpent) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v: %v, want ErrDeadlineSpent", budget, err)
			}
		}
		if got := timeOfCall(t, ctx, DeadlineBudget{Min: time.Second}); got != time.Second {
			t.Errorf("with exactly Min: %v", got)
		}
	})
}

func TestDB04_WhoseTimeWasUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := CallWithDeadline(callerWith(t, time.Minute), DeadlineBudget{Timeout: time.Second}, waitForEnd)
		if !errors.Is(err, ErrDeadlineBudget) || !errors.Is(err, errDeadlineTest) {
			t.Errorf("budget: %v, want ErrDeadlineBudget and fn's error", err)
		}
		_, err = CallWithDeadline(t.Context(), DeadlineBudget{Timeout: time.Second}, func(ctx context.Context) (int, error) {
			_, inner := CallWithDeadline(ctx, DeadlineBudget{Timeout: time.Minute}, waitForEnd)
			if inner != errDeadlineTest {
				t.Errorf("budget within a budget: %v, want fn's error alone: it was the outer one that ended", inner)
			}
			return 0, inner
		})
		if !errors.Is(err, ErrDeadlineBudget) {
			t.Errorf("outer budget: %v, want ErrDeadlineBudget", err)
		}
		cause := errors.New("the request's deadline")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		for _, timeout := range []time.Duration{0, time.Second, time.Minute} {
			_, err = CallWithDeadline(ctx, DeadlineBudget{Timeout: timeout, Min: -1}, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			if err != cause {
				t.Fatalf("caller, Timeout %v: %v, want the caller's cause alone", timeout, err)
			}
			cancel()
			ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, cause)
			defer cancel()
		}
	})
}

func TestDB05_ReserveIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := callerWith(t, time.Second)
		_, err := CallWithDeadline(ctx, DeadlineBudget{Reserve: 100 * time.Millisecond}, waitForEnd)
		deadline, _ := ctx.Deadline()
		if left := time.Until(deadline); ctx.Err() != nil || left != 100*time.Millisecond || !errors.Is(err, errDeadlineTest) {
			t.Errorf("%v left, context error %v, error %v", left, ctx.Err(), err)
		}
	})
}

func TestDB06_OneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := callerWith(t, 12*time.Second)
		for i, want := range []time.Duration{4 * time.Second, 4 * time.Second, 4 * time.Second} { // 12/3, 8/2, 4/1
			start := time.Now()
			_, _ = CallWithDeadline(ctx, DeadlineBudget{Share: 1 / float64(3-i)}, waitForEnd)
			if got := time.Since(start).Round(time.Microsecond); got != want {
				t.Errorf("call %d got %v, want %v", i, got, want)
			}
		}
		ctx = callerWith(t, 12*time.Second)
		time.Sleep(6 * time.Second) // the first call may also be quick: what it leaves is shared
		if got := timeOfCall(t, ctx, DeadlineBudget{Share: 0.5}); got != 3*time.Second {
			t.Errorf("later: %v, want 3s", got)
		}
	})
}

func TestDB07_DoneContextIsNoCall(t *testing.T) {
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := CallWithDeadline(ctx, DeadlineBudget{}, func(context.Context) (int, error) {
		t.Error("fn was called")
		return 0, nil
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
}

func TestDB08_NothingIsLeftBehind(t *testing.T) {
	for name, end := range map[string]func(){
		"return": func() {}, "panic": func() { panic("boom") }, "Goexit": runtime.Goexit,
	} {
		for _, budget := range []DeadlineBudget{{Timeout: time.Hour}, {}} {
			t.Run(name, func(t *testing.T) {
				done := make(chan any)
				var inner context.Context
				go func() {
					defer func() { done <- recover() }()
					before := runtime.NumGoroutine()
					_, _ = CallWithDeadline(context.Background(), budget, func(ctx context.Context) (int, error) {
						if n := runtime.NumGoroutine(); n > before {
							t.Errorf("%d goroutines, %d before", n, before)
						}
						inner = ctx
						end()
						return 0, nil
					})
				}()
				if got := <-done; (got == "boom") != (name == "panic") {
					t.Errorf("recovered %v", got)
				}
				if inner.Err() != context.Canceled {
					t.Errorf("the call's context was not ended: %v", inner.Err())
				}
			})
		}
	}
}

func TestDB09_ResultIsUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, err := CallWithDeadline(t.Context(), DeadlineBudget{Timeout: time.Second}, func(context.Context) (int, error) {
			return 7, errDeadlineTest
		})
		if got != 7 || err != errDeadlineTest {
			t.Errorf("got %d, %v: want fn's own value and error", got, err)
		}
		got, err = CallWithDeadline(t.Context(), DeadlineBudget{Timeout: time.Second}, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 8, nil
		})
		if got != 8 || err != nil {
			t.Errorf("success after the end: %d, %v", got, err)
		}
	})
}

func TestDB10_Propagation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			caller time.Duration // 0: no deadline
			want   string
		}{
			{"rounded down", 1500*time.Millisecond + 999*time.Microsecond, "1400"},
			{"less than the reserve", 50 * time.Millisecond, "0"},
			{"none", 0, ""},
		} {
			ctx := t.Context()
			if tt.caller > 0 {
				ctx = callerWith(t, tt.caller)
			}
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			r.Header.Set(deadlineHeader, "99999") // of an incoming request that is passed on
			SendDeadline(r, 100*time.Millisecond)
			if got := r.Header.Get(deadlineHeader); got != tt.want {
				t.Errorf("%s: sent %q, want %q", tt.name, got, tt.want)
			}
		}
		for _, tt := range []struct {
			header string
			want   time.Duration // 0: not passed on
		}{
			{"250", 250 * time.Millisecond},
			{"5000", 5 * time.Second},
			{"60000", 5 * time.Second},
			{"9223372036854775807", 5 * time.Second},
			{"99999999999999999999", 5 * time.Second},
			{"", 5 * time.Second},
			{"soon", 5 * time.Second},
			{"0", 0},
			{"-5", 0},
		} {
			var got time.Duration
			var inner context.Context
			handler := ReceiveDeadline(5*time.Second, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				inner = r.Context()
				deadline, _ := inner.Deadline()
				got = time.Until(deadline)
			}))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set(deadlineHeader, tt.header)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if got != tt.want || (w.Code == http.StatusGatewayTimeout) != (tt.want == 0) {
				t.Errorf("header %q: %v left, status %d, want %v", tt.header, got, w.Code, tt.want)
			}
			if inner != nil && inner.Err() == nil {
				t.Errorf("header %q: the context goes on after the request", tt.header)
			}
		}
		r := httptest.NewRequestWithContext(callerWith(t, time.Second), http.MethodGet, "/", nil)
		ReceiveDeadline(5*time.Second, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if deadline, _ := r.Context().Deadline(); time.Until(deadline) != time.Second {
				t.Errorf("the server's own deadline was moved by %v", time.Until(deadline)-time.Second)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}

func TestDB11_Cleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "trace"))
		cancel()
		cleanup, end := CleanupContext(ctx, time.Second)
		defer end()
		if cleanup.Err() != nil || cleanup.Value(key{}) != "trace" {
			t.Errorf("error %v, value %v", cleanup.Err(), cleanup.Value(key{}))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if cleanup.Err() != context.DeadlineExceeded {
			t.Errorf("after its time: %v", cleanup.Err())
		}
	})
}

func TestDB12_Nonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := callerWith(t, 10*time.Second)
		for _, budget := range []DeadlineBudget{
			{Timeout: -1, Reserve: -1, Share: -1, Min: -1}, {Share: 2},
		} {
			if got := timeOfCall(t, ctx, budget); got != 10*time.Second {
				t.Errorf("%+v gives %v, want the caller's 10s", budget, got)
			}
		}
	})
}
