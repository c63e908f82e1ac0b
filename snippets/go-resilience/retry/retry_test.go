package retry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errRetryTest = errors.New("the dependency failed")

// recordRetrySleeps replaces the pauses of a policy by a record of them.
func recordRetrySleeps(p RetryPolicy) (RetryPolicy, *[]time.Duration) {
	var pauses []time.Duration
	p.Sleep = func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}
	return p, &pauses
}

func longestRand(n int64) int64                      { return n - 1 }
func shortestRand(int64) int64                       { return 0 }
func alwaysFail() func(context.Context) (int, error) { return failTimes(math.MaxInt, errRetryTest) }

// failTimes returns a function that fails with err that many times.
func failTimes(times int, err error) func(context.Context) (int, error) {
	calls := 0
	return func(context.Context) (int, error) {
		if calls++; calls <= times {
			return -calls, err
		}
		return calls, nil
	}
}

func wantRetryError(t testing.TB, err, reason error, attempts int) *RetryError {
	t.Helper()
	var failed *RetryError
	if !errors.As(err, &failed) || !errors.Is(err, reason) || failed.Attempts != attempts {
		t.Fatalf("error = %v, want %v after %d attempts", err, reason, attempts)
	}
	return failed
}

func TestR01_NoSleepAfterTheLastAttempt(t *testing.T) {
	for attempts := 1; attempts <= 5; attempts++ {
		p, pauses := recordRetrySleeps(RetryPolicy{Attempts: attempts})
		calls := 0
		_, err := Retry(t.Context(), p, func(context.Context) (int, error) {
			if calls++; len(*pauses) != calls-1 {
				t.Errorf("attempt %d came after %d pauses", calls, len(*pauses))
			}
			return 0, errRetryTest
		})
		wantRetryError(t, err, ErrRetryExhausted, attempts)
		if calls != attempts || len(*pauses) != attempts-1 {
			t.Errorf("%d calls and %d pauses, want %d and %d", calls, len(*pauses), attempts, attempts-1)
		}
	}
	p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 5})
	if got, err := Retry(t.Context(), p, failTimes(2, errRetryTest)); got != 3 || err != nil || len(*pauses) != 2 {
		t.Errorf("got %d, %v after %d pauses, want the third attempt's result", got, err, len(*pauses))
	}
}

func TestR02_FullJitter(t *testing.T) {
	for _, tt := range []struct {
		name string
		rand func(int64) int64
		want []time.Duration
	}{
		{"longest", longestRand, []time.Duration{100, 200, 400, 800, 1000, 1000}},
		{"shortest", shortestRand, []time.Duration{0, 0, 0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 7, Base: 100, Cap: 1000, Rand: tt.rand})
			_, _ = Retry(t.Context(), p, alwaysFail())
			if !slices.Equal(*pauses, tt.want) {
				t.Errorf("pauses %v, want %v", *pauses, tt.want)
			}
		})
	}
	t.Run("the default spreads over the whole range", func(t *testing.T) {
		p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 1001, Base: 1000, Cap: 1000})
		_, _ = Retry(t.Context(), p, alwaysFail())
		if low, high := slices.Min(*pauses), slices.Max(*pauses); low < 0 || low > 100 || high > 1000 || high < 900 {
			t.Errorf("1000 pauses lie between %d and %d, want about 0 to 1000", low, high)
		}
	})
}

func TestR03_NoOverflow(t *testing.T) {
	for _, longest := range []time.Duration{24 * time.Hour, math.MaxInt64 - 1, math.MaxInt64} {
		for _, base := range []time.Duration{1, time.Hour, math.MaxInt64} {
			p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 201, Base: base, Cap: longest, Rand: longestRand})
			_, _ = Retry(t.Context(), p, alwaysFail())
			if len(*pauses) != 200 || !slices.IsSorted(*pauses) || (*pauses)[0] < 0 {
				t.Errorf("base %v, cap %v: %d pauses, first %v, last %v", base, longest, len(*pauses), (*pauses)[0], (*pauses)[199])
			}
		}
	}
	if _, err := Retry(t.Context(), RetryPolicy{Attempts: 3, Base: math.MaxInt64, Sleep: noRetrySleep}, alwaysFail()); err == nil {
		t.Error("no error") // with the real random source, which rejects a bound that overflowed
	}
}

func noRetrySleep(context.Context, time.Duration) error { return nil }

func TestR04_DoneContextIsNoCall(t *testing.T) {
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := Retry(ctx, RetryPolicy{}, func(context.Context) (int, error) {
		t.Error("fn was called")
		return 0, nil
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
}

func TestR05_CancelDuringThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := Retry(ctx, RetryPolicy{Base: time.Hour, Cap: time.Hour, Rand: longestRand}, alwaysFail())
		failed := wantRetryError(t, err, cause, 1)
		if !errors.Is(err, errRetryTest) {
			t.Errorf("%v does not match the last error", err)
		}
		if elapsed := time.Since(start); elapsed != time.Second || failed.Elapsed != time.Second {
			t.Errorf("returned after %v, reported %v, want 1s", elapsed, failed.Elapsed)
		}
	})
}

func TestR06_NoPauseBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		p := RetryPolicy{Attempts: 9, Base: 2 * time.Second, Cap: 10 * time.Second, Rand: longestRand}
		_, err := Retry(ctx, p, alwaysFail())
		wantRetryError(t, err, ErrRetryDeadline, 2) // pauses 2 s, then would pause 4 s of the 3 left
		if !errors.Is(err, errRetryTest) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: want the last error, not the deadline that has not passed", err)
		}
		if elapsed := time.Since(start); elapsed != 2*time.Second {
			t.Errorf("gave up after %v, want 2s", elapsed)
		}
	})
}

func TestR07_Permanent(t *testing.T) {
	if err := Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v", err)
	}
	wrapped := fmt.Errorf("get user: %w", Permanent(errRetryTest))
	if wrapped.Error() != "get user: the dependency failed" {
		t.Errorf("the mark shows in %q", wrapped)
	}
	p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 5})
	_, err := Retry(t.Context(), p, func(context.Context) (int, error) { return 0, wrapped })
	failed := wantRetryError(t, err, ErrRetryPermanent, 1)
	if failed.Last != wrapped || !errors.Is(err, errRetryTest) || len(*pauses) != 0 {
		t.Errorf("last = %v after %d pauses, want the wrapped error unchanged", failed.Last, len(*pauses))
	}
	calls := 0
	_, err = Retry(t.Context(), p, func(ctx context.Context) (int, error) { // an outer retry respects the mark
		calls++
		return Retry(ctx, p, func(context.Context) (int, error) { return 0, wrapped })
	})
	if wantRetryError(t, err, ErrRetryPermanent, 1); calls != 1 {
		t.Errorf("the outer retry called %d times", calls)
	}
}

type retryAfterError time.Duration

func (e retryAfterError) Error() string             { return "too many requests" }
func (e retryAfterError) RetryAfter() time.Duration { return time.Duration(e) }

func TestR08_RetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		name string
		hint time.Duration
		rand func(int64) int64
		want []time.Duration // nil: gives up
	}{
		{"at least the hint", 500, shortestRand, []time.Duration{500}},
		{"with jitter on top", 500, longestRand, []time.Duration{600}},
		{"near the cap", 950, longestRand, []time.Duration{1050}},
		{"exactly the cap, with jitter too", 1000, longestRand, []time.Duration{1100}},
		{"none", 0, longestRand, []time.Duration{100}},
		{"negative", -500, longestRand, []time.Duration{100}},
		{"above the cap", 1001, shortestRand, nil},
		{"absurd", math.MaxInt64, longestRand, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, pauses := recordRetrySleeps(RetryPolicy{Base: 100, Cap: 1000, Rand: tt.rand})
			_, err := Retry(t.Context(), p, failTimes(1, fmt.Errorf("get: %w", retryAfterError(tt.hint))))
			if !slices.Equal(*pauses, tt.want) {
				t.Errorf("pauses %v, want %v", *pauses, tt.want)
			}
			if tt.want == nil {
				wantRetryError(t, err, ErrRetryDeadline, 1)
			}
		})
	}
	t.Run("beyond the deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := Retry(ctx, RetryPolicy{Cap: time.Hour}, failTimes(1, retryAfterError(2*time.Minute)))
		wantRetryError(t, err, ErrRetryDeadline, 1)
	})
}

func TestR09_ParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true},
		{" 120 ", 2 * time.Minute, true},
		{"9223372036854775807", 24 * time.Hour, true},
		{"99999999999999999999999", 24 * time.Hour, true},
		{"Sun, 01 Mar 2026 12:00:30 GMT", 30 * time.Second, true},
		{"Sunday, 01-Mar-26 12:00:30 GMT", 30 * time.Second, true},
		{"Sun, 01 Mar 2026 11:00:00 GMT", 0, true},
		{"Sun, 01 Mar 9999 12:00:00 GMT", 24 * time.Hour, true},
		{"-1", 0, false},
		{"-99999999999999999999999", 0, false},
		{"", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
	} {
		if got, ok := ParseRetryAfter(tt.value, now); got != tt.want || ok != tt.ok {
			t.Errorf("ParseRetryAfter(%q) = %v, %v, want %v, %v", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}

func TestR10_MaxElapsed(t *testing.T) {
	for _, tt := range []struct {
		name       string
		maxElapsed time.Duration
		fnTakes    time.Duration
		attempts   int
	}{
		{"the last pause fits exactly", 3 * time.Second, 0, 4},
		{"by a nanosecond not", 3*time.Second - 1, 0, 3},
		{"attempts count", 5 * time.Second, time.Second, 3},
		{"a long first attempt", 5 * time.Second, time.Minute, 1},
		{"no overflow", math.MaxInt64, time.Minute, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := RetryPolicy{Attempts: 9, Base: time.Second, Cap: time.Second, MaxElapsed: tt.maxElapsed, Rand: longestRand}
				start := time.Now()
				_, err := Retry(t.Context(), p, func(context.Context) (int, error) {
					if time.Since(start) > tt.maxElapsed {
						t.Error("an attempt began too late")
					}
					time.Sleep(tt.fnTakes)
					return 0, errRetryTest
				})
				reason := ErrRetryDeadline
				if tt.attempts == 9 {
					reason = ErrRetryExhausted
				}
				wantRetryError(t, err, reason, tt.attempts)
			})
		})
	}
}

func TestR11_NoTimerOrGoroutineIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine outlives it
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		p := RetryPolicy{Base: time.Hour, Cap: time.Hour, Rand: longestRand}
		_, err := Retry(ctx, p, func(context.Context) (int, error) {
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%d goroutines while running, %d before", n, before)
			}
			return 0, errRetryTest
		})
		wantRetryError(t, err, context.Canceled, 1)
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines afterwards, %d before", n, before)
		}
	})
}

func TestR12_WhoseTimeWasUp(t *testing.T) {
	p := RetryPolicy{Attempts: 3, AttemptTimeout: time.Second}
	block := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	t.Run("an attempt's timeout is retried", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, err := Retry(t.Context(), p, block)
			wantRetryError(t, err, ErrRetryExhausted, 3)
		})
	})
	t.Run("the caller's deadline is not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			defer cancel()
			_, err := Retry(ctx, p, block)
			wantRetryError(t, err, context.DeadlineExceeded, 1)
		})
	})
	t.Run("the caller's cancellation is not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second/2, cancel)
			_, err := Retry(ctx, p, block)
			wantRetryError(t, err, context.Canceled, 1)
		})
	})
	t.Run("success just after the cancellation counts", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		got, err := Retry(ctx, p, func(context.Context) (int, error) { cancel(); return 7, nil })
		if got != 7 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	})
	t.Run("the predicate decides the rest", func(t *testing.T) {
		p := RetryPolicy{Sleep: noRetrySleep, IsRetryable: func(err error) bool { return err != errRetryTest }}
		_, err := Retry(t.Context(), p, alwaysFail())
		wantRetryError(t, err, ErrRetryPermanent, 1)
		_, err = Retry(t.Context(), p, failTimes(9, errors.New("other")))
		wantRetryError(t, err, ErrRetryExhausted, 3)
	})
}

func TestR13_AttemptContextEnds(t *testing.T) {
	for name, end := range map[string]func(){
		"return": func() {},
		"panic":  func() { panic("boom") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts []context.Context
				go func() {
					defer func() { _ = recover() }()
					_, _ = Retry(t.Context(), RetryPolicy{AttemptTimeout: time.Hour}, func(ctx context.Context) (int, error) {
						attempts = append(attempts, ctx)
						end()
						return 0, errRetryTest
					})
				}()
				time.Sleep(time.Minute) // beyond all pauses, before any timeout
				synctest.Wait()
				if want := map[string]int{"return": 3, "panic": 1, "Goexit": 1}[name]; len(attempts) != want {
					t.Fatalf("%d attempts, want %d", len(attempts), want)
				}
				for i, ctx := range attempts {
					if ctx.Err() != context.Canceled {
						t.Errorf("the context of attempt %d was not ended: %v", i+1, ctx.Err())
					}
				}
			})
		})
	}
}

func TestR14_OnRetry(t *testing.T) {
	var told []string
	p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 3, Base: 100, Rand: longestRand})
	p.OnRetry = func(attempt int, delay time.Duration, err error) {
		if len(*pauses) != attempt-1 {
			t.Errorf("told of attempt %d after its pause", attempt)
		}
		told = append(told, fmt.Sprint(attempt, delay, err))
	}
	_, _ = Retry(t.Context(), p, alwaysFail())
	want := []string{"1 100ns the dependency failed", "2 200ns the dependency failed"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	told = nil
	_, _ = Retry(t.Context(), p, failTimes(9, Permanent(errRetryTest)))
	if told != nil {
		t.Errorf("told %q of a permanent error", told)
	}
}

func TestR15_ErrorAndMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Retry(t.Context(), RetryPolicy{Base: time.Second, Rand: longestRand}, func(context.Context) (int, error) {
			time.Sleep(10 * time.Second)
			return 0, errRetryTest
		})
		if failed := wantRetryError(t, err, ErrRetryExhausted, 3); failed.Elapsed != 33*time.Second {
			t.Errorf("elapsed %v, want three attempts and pauses of 1 and 2s", failed.Elapsed)
		}
	})
	p, _ := recordRetrySleeps(RetryPolicy{Attempts: 2})
	result, err := Retry(t.Context(), p, alwaysFail())
	if wantRetryError(t, err, ErrRetryExhausted, 2); err.Error() != "the dependency failed (attempts: 2, no attempts left)" {
		t.Errorf("message %q", err)
	}
	if result != -2 {
		t.Errorf("result %d, want that of the last attempt", result)
	}
	_, err = Retry(t.Context(), RetryPolicy{Attempts: 1_000_000, Sleep: noRetrySleep}, alwaysFail())
	wantRetryError(t, err, ErrRetryExhausted, 1_000_000)
	var last *RetryError
	errors.As(err, &last)
	if last.Last != errRetryTest {
		t.Errorf("the error holds %v, want the last error alone", last.Last)
	}
}

func TestR16_PanicIsNotRetried(t *testing.T) {
	calls := 0
	defer func() {
		if got := recover(); got != "boom" || calls != 1 {
			t.Errorf("recovered %v after %d calls", got, calls)
		}
	}()
	_, _ = Retry(t.Context(), RetryPolicy{AttemptTimeout: time.Hour}, func(context.Context) (int, error) {
		calls++
		panic("boom")
	})
}

func TestR17_PolicyIsShared(t *testing.T) {
	var mu sync.Mutex
	pauses := map[any][]time.Duration{}
	type callKey struct{}
	p := RetryPolicy{
		Attempts: 4, Base: 100, Rand: longestRand,
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			pauses[ctx.Value(callKey{})] = append(pauses[ctx.Value(callKey{})], d)
			return nil
		},
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			_, _ = Retry(context.WithValue(t.Context(), callKey{}, i), p, alwaysFail())
		})
	}
	wg.Wait()
	for i := range 64 {
		if want := []time.Duration{100, 200, 400}; !slices.Equal(pauses[i], want) {
			t.Errorf("call %d paused %v, want %v", i, pauses[i], want)
		}
	}
}

func TestR18_NoAllocations(t *testing.T) {
	ctx := t.Context()
	budget, err := NewRetryBudget(0.2, 10)
	if err != nil {
		t.Fatal(err)
	}
	p := RetryPolicy{Budget: budget, MaxElapsed: time.Minute}
	fn := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(1000, func() { _, _ = Retry(ctx, p, fn) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestR19_Budget(t *testing.T) {
	newBudget := func(t *testing.T) *RetryBudget {
		b, err := NewRetryBudget(0.2, 3)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Run("spent", func(t *testing.T) {
		p, pauses := recordRetrySleeps(RetryPolicy{Attempts: 10, Budget: newBudget(t)})
		_, err := Retry(t.Context(), p, alwaysFail())
		wantRetryError(t, err, ErrRetryBudget, 4)
		if !errors.Is(err, errRetryTest) || len(*pauses) != 3 {
			t.Errorf("%v after %d pauses, want the last error after 3", err, len(*pauses))
		}
	})
	t.Run("shared: a fifth of the calls and the reserve", func(t *testing.T) {
		var attempts atomic.Int64
		budget, err := NewRetryBudget(0.2, 20) // more than 50 calls at once can earn
		if err != nil {
			t.Fatal(err)
		}
		p := RetryPolicy{Attempts: 10, Budget: budget, Sleep: noRetrySleep}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for range 20 {
					_, _ = Retry(t.Context(), p, func(context.Context) (int, error) {
						attempts.Add(1)
						return 0, errRetryTest
					})
				}
			})
		}
		wg.Wait()
		if retries := attempts.Load() - 1000; retries < 150 || retries > 220 {
			t.Errorf("%d retries for 1000 calls, want about 200 and at most 220", retries)
		}
	})
	t.Run("earned back up to the reserve", func(t *testing.T) {
		p := RetryPolicy{Attempts: 10, Budget: newBudget(t), Sleep: noRetrySleep}
		_, _ = Retry(t.Context(), p, alwaysFail())
		for range 100 {
			_, _ = Retry(t.Context(), p, failTimes(0, nil))
		}
		_, err := Retry(t.Context(), p, alwaysFail())
		wantRetryError(t, err, ErrRetryBudget, 4)
	})
	t.Run("invalid", func(t *testing.T) {
		for _, ratio := range []float64{-0.1, 1.1, math.NaN()} {
			if _, err := NewRetryBudget(ratio, 3); err == nil {
				t.Errorf("no error for ratio %v", ratio)
			}
		}
		for _, reserve := range []int{-1, 0, 1_000_001} {
			if _, err := NewRetryBudget(0.2, reserve); err == nil {
				t.Errorf("no error for reserve %d", reserve)
			}
		}
	})
}

func TestR20_DefaultsForNonsense(t *testing.T) {
	for _, p := range []RetryPolicy{
		{},
		{Attempts: -1, Base: -time.Second, Cap: -time.Second, AttemptTimeout: -1, MaxElapsed: -1},
	} {
		p.Rand = longestRand
		p, pauses := recordRetrySleeps(p)
		_, err := Retry(t.Context(), p, alwaysFail())
		wantRetryError(t, err, ErrRetryExhausted, 3)
		if want := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond}; !slices.Equal(*pauses, want) {
			t.Errorf("pauses %v, want %v", *pauses, want)
		}
	}
	p, pauses := recordRetrySleeps(RetryPolicy{Base: 5 * time.Second, Cap: time.Second, Rand: longestRand})
	_, _ = Retry(t.Context(), p, alwaysFail())
	if want := []time.Duration{5 * time.Second, 5 * time.Second}; !slices.Equal(*pauses, want) {
		t.Errorf("with a cap below the base: pauses %v, want %v", *pauses, want)
	}
}

func TestR08_NoOverflowByAHint(t *testing.T) {
	p, pauses := recordRetrySleeps(RetryPolicy{Base: math.MaxInt64, Cap: math.MaxInt64, Rand: longestRand})
	_, _ = Retry(t.Context(), p, failTimes(1, retryAfterError(math.MaxInt64-1)))
	if !slices.Equal(*pauses, []time.Duration{math.MaxInt64}) {
		t.Errorf("pauses %v", *pauses)
	}
}
