package rules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/go-architect/bench/calls"
)

const manyAttempts = 100_000

var retryRules = []rule[retryLibrary]{
	{"R-1", "exactly N attempts, the first at once, no pause after the last", bubble(retryCounts)},
	{"R-2", "full jitter: pauses spread over 0 to min(cap, base·2^n)", bubble(retryFullJitter)},
	{"R-3", "200 attempts from an hour on: no overflow, never above the cap", bubble(retryNoOverflow)},
	{"R-4", "a done context is no attempt", bubble(retryDoneContext)},
	{"R-5", "cancelled in a pause: returns at once with both the cause and the last error", bubble(retryCancelled)},
	{"R-6", "no pause that would outlast the deadline", bubble(retryDeadline)},
	{"R-7", "a permanent error stops it, also wrapped, and keeps its wrapping", bubble(retryPermanent)},
	{"R-8", "an error's wish for a pause is kept, but not to absurdity", bubble(retryHints)},
	{"R-9", "Retry-After as seconds or date; huge values are bounded", bubble(retryHeader)},
	{"R-10", "no attempt begins after the longest elapsed time", bubble(retryMaxElapsed)},
	{"R-11", "no goroutine, neither while pausing nor afterwards", bubble(retryNoGoroutine)},
	{"R-12", "the caller's end is not retried, an attempt's own timeout is", bubble(retryWhoseTime)},
	{"R-13", "the context of each attempt ends with it", bubble(retryAttemptContext)},
	{"R-14", "the hook is told of each retry and not of the last failure", bubble(retryHook)},
	{"R-15", "the error holds the last error alone, after 100 000 attempts too", bubble(retryMemory)},
	{"R-16", "a panic passes through and is not retried", bubble(retryPanics)},
	{"R-17", "64 calls at once share one policy, each with its own pauses", bubble(retryShared)},
	{"R-18", "no allocation if the first attempt succeeds", func(t *testing.T, l retryLibrary) {
		wantNoAllocations(t, calls.RetryFirst, l.name)
	}},
	{"R-19", "a shared budget keeps retries below a third of the calls in an outage, with the last error", bubble(retryBudgetHolds)},
	{"R-20", "nonsense settings are refused or made harmless", bubble(retryNonsense)},
}

// failing fails always, and notes when it is called.
type failing struct{ at []time.Time }

func (f *failing) call(context.Context) (int, error) {
	f.at = append(f.at, time.Now())
	return 0, errTest
}

func (f *failing) pauses() []time.Duration {
	var pauses []time.Duration
	for i := 1; i < len(f.at); i++ {
		pauses = append(pauses, f.at[i].Sub(f.at[i-1]))
	}
	return pauses
}

func threeAttempts() retryConfig {
	return retryConfig{attempts: 3, base: 100 * time.Millisecond, longest: time.Second}
}

func retryCounts(t *testing.T, l retryLibrary) {
	for attempts := 1; attempts <= 5; attempts++ {
		cfg := threeAttempts()
		cfg.attempts = attempts
		var f failing
		start := time.Now()
		_, err := l.new(cfg)(t.Context(), f.call)
		if len(f.at) != attempts || !errors.Is(err, errTest) {
			t.Fatalf("%d attempts and %v, want %d and the error", len(f.at), err, attempts)
		}
		if f.at[0] != start || time.Now() != f.at[attempts-1] {
			t.Errorf("it paused before the first or after the last of %d attempts", attempts)
		}
	}
}

func retryFullJitter(t *testing.T, l retryLibrary) {
	cfg := retryConfig{attempts: 6, base: 100 * time.Millisecond, longest: 500 * time.Millisecond}
	bounds := []time.Duration{100, 200, 400, 500, 500}
	least, most := make([]time.Duration, 5), make([]time.Duration, 5)
	for round := range 500 {
		var f failing
		_, _ = l.new(cfg)(t.Context(), f.call)
		for i, pause := range f.pauses() {
			if least[i] > pause || round == 0 {
				least[i] = pause
			}
			most[i] = max(most[i], pause)
		}
	}
	for i, bound := range bounds {
		bound *= time.Millisecond
		if most[i] > bound || most[i] < bound*9/10 || least[i] > bound/10 {
			t.Errorf("pause %d lies between %v and %v, want about 0 to %v", i+1, least[i], most[i], bound)
		}
	}
}

func retryNoOverflow(t *testing.T, l retryLibrary) {
	const longest = 24 * time.Hour
	var f failing
	_, _ = l.new(retryConfig{attempts: 200, base: time.Hour, longest: longest})(t.Context(), f.call)
	pauses := f.pauses()
	if len(pauses) != 199 {
		t.Fatalf("%d pauses, want 199", len(pauses))
	}
	late := time.Duration(0)
	for i, pause := range pauses {
		if pause > longest {
			t.Fatalf("pause %d is %v", i+1, pause)
		}
		if i > 70 { // where 1h << i has overflowed
			late += pause
		}
	}
	if late < 128*longest/4 {
		t.Errorf("the late pauses are %v on average", late/128)
	}
}

func retryDoneContext(t *testing.T, l retryLibrary) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var f failing
	if _, err := l.new(threeAttempts())(ctx, f.call); len(f.at) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d attempts and %v, want none and context.Canceled", len(f.at), err)
	}
}

func retryCancelled(t *testing.T, l retryLibrary) {
	cause := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	start := time.Now()
	time.AfterFunc(time.Millisecond, func() { cancel(cause) })
	var f failing
	_, err := l.new(retryConfig{attempts: 3, base: 1000 * time.Hour, longest: 1000 * time.Hour})(ctx, f.call)
	if elapsed := time.Since(start); elapsed != time.Millisecond {
		t.Errorf("returned after %v, want 1ms", elapsed)
	}
	if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Errorf("the cause is lost: %v", err)
	}
	if !errors.Is(err, errTest) {
		t.Errorf("the last error is lost: %v", err)
	}
}

func retryDeadline(t *testing.T, l retryLibrary) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	start := time.Now()
	var f failing
	_, err := l.new(retryConfig{attempts: 3, base: 1000 * time.Hour, longest: 1000 * time.Hour})(ctx, f.call)
	if elapsed := time.Since(start); elapsed != 0 || !errors.Is(err, errTest) {
		t.Errorf("returned after %v with %q, want the last error at once", elapsed, err)
	}
}

func retryPermanent(t *testing.T, l retryLibrary) {
	wrapped := fmt.Errorf("get user: %w", l.permanent(errTest))
	if wrapped.Error() != "get user: the dependency failed" {
		t.Errorf("the mark shows: %v", wrapped)
	}
	attempts := 0
	_, err := l.new(threeAttempts())(t.Context(), func(context.Context) (int, error) { attempts++; return 0, wrapped })
	if attempts != 1 || !errors.Is(err, errTest) {
		t.Errorf("%d attempts and %v, want 1 and the error", attempts, err)
	}
	if !strings.Contains(err.Error(), "get user: ") {
		t.Errorf("the wrapping is lost: %v", err)
	}
	if l.permanentNil && l.permanent(nil) != nil {
		t.Error("a permanent nil is an error")
	}
}

func retryHints(t *testing.T, l retryLibrary) {
	cfg := threeAttempts()
	cfg.hints, cfg.attempts, cfg.maxElapsed = true, 2, time.Minute
	for _, tt := range []struct{ hint, least, most time.Duration }{
		{500 * time.Millisecond, 500 * time.Millisecond, time.Second},
		{-time.Hour, 0, 100 * time.Millisecond},
		{math.MaxInt64, 0, time.Minute},
	} {
		start := time.Now()
		_, _ = l.new(cfg)(t.Context(), func(context.Context) (int, error) {
			return 0, fmt.Errorf("get: %w", hintError(tt.hint))
		})
		if elapsed := time.Since(start); elapsed < tt.least || elapsed > tt.most {
			t.Errorf("asked for %v it took %v, want %v to %v", tt.hint, elapsed, tt.least, tt.most)
		}
	}
}

func retryHeader(t *testing.T, l retryLibrary) {
	now := time.Now().UTC()
	if got, ok := l.parseHeader("120", now); !ok || got != 2*time.Minute {
		t.Errorf("120 is read as %v, %t", got, ok)
	}
	for _, huge := range []string{"9223372036854775807", "99999999999999999999"} {
		if got, ok := l.parseHeader(huge, now); ok && (got < 0 || got > 366*24*time.Hour) {
			t.Errorf("%s is read as %v", huge, got)
		}
	}
	if got, ok := l.parseHeader(now.Add(30*time.Second).Format(http.TimeFormat), now); !ok || got != 30*time.Second {
		t.Errorf("a date is read as %v, %t", got, ok)
	}
}

func retryMaxElapsed(t *testing.T, l retryLibrary) {
	for range 50 {
		start := time.Now()
		_, err := l.new(retryConfig{attempts: 1000, base: time.Second, longest: time.Second, maxElapsed: 5 * time.Second})(
			t.Context(), func(context.Context) (int, error) {
				if elapsed := time.Since(start); elapsed > 5*time.Second {
					t.Errorf("an attempt began after %v", elapsed)
				}
				time.Sleep(time.Second)
				return 0, errTest
			})
		if !errors.Is(err, errTest) {
			t.Fatalf("the last error is lost: %v", err)
		}
	}
}

func retryNoGoroutine(t *testing.T, l retryLibrary) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	var pausing int
	time.AfterFunc(time.Millisecond, func() {
		pausing = runtime.NumGoroutine() - 1 // without this one
		cancel()
	})
	var f failing
	_, _ = l.new(retryConfig{attempts: 3, base: 1000 * time.Hour, longest: 1000 * time.Hour})(ctx, f.call)
	synctest.Wait()
	if after := runtime.NumGoroutine(); pausing > before || after > before {
		t.Errorf("%d goroutines while pausing and %d afterwards, %d before", pausing, after, before)
	}
}

func retryWhoseTime(t *testing.T, l retryLibrary) {
	within := func(ctx context.Context, attempts *int) (int, error) {
		*attempts++
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	}
	attempts := 0
	_, _ = l.new(threeAttempts())(t.Context(), func(ctx context.Context) (int, error) { return within(ctx, &attempts) })
	if attempts != 3 {
		t.Errorf("%d attempts that timed out by themselves, want 3", attempts)
	}
	for range 20 { // a pause of nothing must not win over the context
		attempts = 0
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		_, _ = l.new(threeAttempts())(ctx, func(ctx context.Context) (int, error) { return within(ctx, &attempts) })
		cancel()
		if attempts != 1 {
			t.Fatalf("%d attempts though the caller's deadline had passed", attempts)
		}
	}
}

func retryAttemptContext(t *testing.T, l retryLibrary) {
	var attempts []context.Context
	cfg := threeAttempts()
	cfg.attemptTimeout = time.Hour
	_, _ = l.new(cfg)(t.Context(), func(ctx context.Context) (int, error) {
		for i, earlier := range attempts {
			if earlier.Err() == nil {
				t.Errorf("the context of attempt %d still lives in attempt %d", i+1, len(attempts)+1)
			}
		}
		attempts = append(attempts, ctx)
		return 0, errTest
	})
	if len(attempts) != 3 || attempts[2].Err() == nil {
		t.Errorf("%d attempts, want 3 with an ended context", len(attempts))
	}
}

func retryHook(t *testing.T, l retryLibrary) {
	told := 0
	cfg := threeAttempts()
	cfg.onRetry = func() { told++ }
	var f failing
	_, _ = l.new(cfg)(t.Context(), f.call)
	if told != 2 {
		t.Errorf("told of %d retries, want 2", told)
	}
}

func retryMemory(t *testing.T, l retryLibrary) {
	var first, last error
	attempts := 0
	_, err := l.new(retryConfig{attempts: manyAttempts, base: 2, longest: 2})(t.Context(), func(context.Context) (int, error) {
		attempts++
		last = fmt.Errorf("attempt %d", attempts)
		if first == nil {
			first = last
		}
		return 0, last
	})
	if attempts != manyAttempts || !errors.Is(err, last) {
		t.Errorf("%d attempts and an error without the last one", attempts)
	}
	if errors.Is(err, first) {
		t.Error("the error still holds the first one")
	}
}

func retryPanics(t *testing.T, l retryLibrary) {
	attempts := 0
	defer func() {
		if got := recover(); got != "boom" || attempts != 1 {
			t.Errorf("recovered %v after %d attempts", got, attempts)
		}
	}()
	_, _ = l.new(threeAttempts())(t.Context(), func(context.Context) (int, error) { attempts++; panic("boom") })
}

func retryShared(t *testing.T, l retryLibrary) {
	do := l.new(retryConfig{attempts: 4, base: 100 * time.Millisecond, longest: time.Second})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			var f failing
			_, _ = do(t.Context(), f.call)
			if len(f.at) != 4 {
				t.Errorf("%d attempts, want 4", len(f.at))
			}
			for i, pause := range f.pauses() {
				if bound := 100 * time.Millisecond << i; pause > bound {
					t.Errorf("pause %d is %v, above %v", i+1, pause, bound)
				}
			}
		})
	}
	wg.Wait()
}

// retryBudgetHolds is an outage of a minute with 20 calls per second.
func retryBudgetHolds(t *testing.T, l retryLibrary) {
	const outage = 1200
	do := l.new(retryConfig{attempts: 10, base: 100 * time.Millisecond, longest: 100 * time.Millisecond, budget: true})
	var attempts, lost atomic.Int64
	var wg sync.WaitGroup
	for range outage {
		wg.Go(func() {
			_, err := do(t.Context(), func(context.Context) (int, error) {
				attempts.Add(1)
				time.Sleep(time.Second)
				return 0, errTest
			})
			if !errors.Is(err, errTest) {
				lost.Add(1)
			}
		})
		time.Sleep(time.Second / 20)
	}
	wg.Wait()
	if retries := attempts.Load() - outage; retries > outage/3 {
		t.Errorf("%d retries of %d calls", retries, outage)
	}
	if lost.Load() > 0 {
		t.Errorf("%d calls do not return the last error", lost.Load())
	}
}

func retryNonsense(t *testing.T, l retryLibrary) {
	try := func(name string, cfg retryConfig) {
		defer func() { _ = recover() }() // refused
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		attempts := 0
		_, _ = l.new(cfg)(ctx, func(context.Context) (int, error) {
			if attempts++; attempts == 100 {
				t.Errorf("%s: 100 attempts and no end", name)
				cancel()
			}
			return 0, errTest
		})
	}
	try("negative pauses", retryConfig{attempts: 3, base: -time.Second, longest: -time.Second})
	try("cap below base", retryConfig{attempts: 3, base: 5 * time.Second, longest: time.Second})
	if !l.zeroIsForever {
		try("no attempts", retryConfig{base: time.Millisecond, longest: time.Millisecond})
	}
}
