package rules

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

	"example.com/go-architect/bench/calls"
)

// Every probe runs in a synctest bubble, whose clock all libraries read.
var breakerRules = []rule[breakerLibrary]{
	{"CB-1", "100 calls at once: nothing is held while calling", bubble(breakerCallsTogether)},
	{"CB-2", "the call and the state hook may use the breaker", bubble(breakerReentrant)},
	{"CB-3", "opens after N failures in a row, not N−1; a success starts over", bubble(breakerInARow)},
	{"CB-4", "failure ratio over a sliding window, with a minimum of calls", bubble(breakerSlidingRatio)},
	{"CB-5", "both rules at once", bubble(breakerBothRules)},
	{"CB-6", "while open nothing is called, and the rejection and the time left can be told", bubble(breakerRejects)},
	{"CB-7", "half-open exactly when the time is over, which rejected calls do not put off", bubble(breakerOpensOnTime)},
	{"CB-8", "50 calls while half-open: 3 probes, the rest rejected", bubble(breakerProbeLimit)},
	{"CB-9", "5 probes at once, closed after 2 successes", bubble(breakerCloseThreshold)},
	{"CB-10", "one failed probe opens it at once, for the whole time again", bubble(breakerReopens)},
	{"CB-11", "results from before a change of state count for nothing", bubble(breakerStaleResults)},
	{"CB-12", "a probe that fails, is cancelled, panics or exits frees its slot", bubble(breakerFreesSlot)},
	{"CB-13", "a probe that never returns does not block recovery", bubble(breakerStuckProbe)},
	{"CB-14", "panic and Goexit are failures and pass through", bubble(breakerPanics)},
	{"CB-15", "a call with a done context is not made and takes no slot", bubble(breakerDoneContext)},
	{"CB-16", "a caller who cancels counts for nothing; being too slow is a failure", bubble(breakerWhoseTime)},
	{"CB-17", "answers are no failures; a panic while judging frees the slot", bubble(breakerAnswers)},
	{"CB-18", "value and error come back unchanged, both", bubble(breakerResult)},
	{"CB-19", "the state hook: each change once, in order, holding up and breaking nothing", bubble(breakerHook)},
	{"CB-20", "64 goroutines, 200 recoveries: never more probes than allowed", bubble(breakerStress)},
	{"CB-21", "no allocation, closed and open", func(t *testing.T, l breakerLibrary) {
		wantNoAllocations(t, calls.BreakerClosed, l.name)
		wantNoAllocations(t, calls.BreakerOpen, l.name)
	}},
	{"CB-22", "works unconfigured; the state turns half-open without a call", bubble(breakerDefaults)},
}

func bubble[L any](probe func(*testing.T, L)) func(*testing.T, L) {
	return func(t *testing.T, l L) {
		synctest.Test(t, func(t *testing.T) { probe(t, l) })
	}
}

func callWith(b breaker, err error) error {
	_, got := b.Do(context.Background(), func(context.Context) (int, error) { return 0, err })
	return got
}

func fail(b breaker, times int) {
	for range times {
		_ = callWith(b, errTest)
	}
}

// admits reports whether a call is made, which then succeeds.
func admits(b breaker) (called bool) {
	_, _ = b.Do(context.Background(), func(context.Context) (int, error) { called = true; return 0, nil })
	return called
}

func wantState(t *testing.T, l breakerLibrary, b breaker, want, when string) {
	t.Helper()
	if want == "half-open" && l.noHalfOpen {
		want = "open"
	}
	if got := b.State(); got != want {
		t.Fatalf("%s: %s, want %s", when, got, want)
	}
}

// hold makes a call that stays inside until end is called.
func hold(t *testing.T, b breaker) (end func(error), admitted bool) {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		_, _ = b.Do(context.Background(), func(context.Context) (int, error) {
			admitted = true
			return 0, <-result
		})
	}()
	synctest.Wait()
	var once sync.Once
	end = func(err error) {
		once.Do(func() { result <- err })
		synctest.Wait()
	}
	t.Cleanup(func() { end(nil) })
	return end, admitted
}

func mustHold(t *testing.T, b breaker, when string) func(error) {
	t.Helper()
	end, admitted := hold(t, b)
	if !admitted {
		t.Fatalf("%s: the call was rejected", when)
	}
	return end
}

// halfOpen returns a breaker whose next call is a probe, on whatever side of
// the exact moment the library turns.
func halfOpen(l breakerLibrary, cfg breakerConfig) breaker {
	cfg.failures, cfg.openFor = 1, time.Second
	b := l.new(cfg)
	fail(b, 1)
	time.Sleep(time.Second + 1)
	return b
}

func breakerCallsTogether(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 5, openFor: time.Second})
	var inside, all sync.WaitGroup
	inside.Add(100)
	for range 100 {
		all.Go(func() {
			_, _ = b.Do(t.Context(), func(context.Context) (int, error) {
				inside.Done()
				inside.Wait()
				return 0, nil
			})
		})
	}
	all.Wait()
}

func breakerReentrant(t *testing.T, l breakerLibrary) {
	var b breaker
	hooked := 0
	b = l.new(breakerConfig{failures: 1, openFor: time.Second, onChange: func(string, string) {
		hooked++
		_ = b.State()
		_, _ = b.Do(context.Background(), func(context.Context) (int, error) { return 0, nil })
	}})
	_, _ = b.Do(t.Context(), func(ctx context.Context) (int, error) {
		_ = b.State()
		return b.Do(ctx, func(context.Context) (int, error) { return 0, errTest })
	})
	if hooked == 0 {
		t.Error("the hook was not called")
	}
}

func breakerInARow(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 3, openFor: time.Second})
	fail(b, 2)
	wantState(t, l, b, "closed", "after 2 failures")
	_ = callWith(b, nil)
	fail(b, 2)
	wantState(t, l, b, "closed", "after a success and 2 failures")
	fail(b, 1)
	wantState(t, l, b, "open", "after 3 failures")
}

func breakerSlidingRatio(t *testing.T, l breakerLibrary) {
	cfg := breakerConfig{ratio: 0.5, minCalls: 10, window: 10 * time.Second, openFor: time.Minute}
	b := l.new(cfg)
	fail(b, 9)
	wantState(t, l, b, "closed", "below the minimum of calls")
	time.Sleep(25 * time.Second)
	fail(b, 9)
	wantState(t, l, b, "closed", "when the first failures are long past")
	b = l.new(cfg)
	time.Sleep(8 * time.Second)
	fail(b, 6)
	time.Sleep(4 * time.Second)
	fail(b, 6)
	wantState(t, l, b, "open", "after 12 failures within 4 s across the edge of a window")
	b = l.new(cfg)
	for range 20 {
		_ = callWith(b, nil)
		_ = callWith(b, nil)
		fail(b, 1)
	}
	wantState(t, l, b, "closed", "at a third of failures")
}

func breakerBothRules(t *testing.T, l breakerLibrary) {
	cfg := breakerConfig{failures: 3, ratio: 0.5, minCalls: 20, window: time.Minute, openFor: time.Minute}
	b := l.new(cfg)
	fail(b, 3)
	wantState(t, l, b, "open", "after 3 failures in a row, too few calls for the ratio")
	b = l.new(cfg)
	for range 10 {
		_ = callWith(b, nil)
		fail(b, 1)
	}
	wantState(t, l, b, "open", "when every second of 20 calls failed")
}

func breakerRejects(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 1, openFor: time.Minute})
	fail(b, 1)
	time.Sleep(20 * time.Second)
	_, err := b.Do(t.Context(), func(context.Context) (int, error) {
		t.Error("called while open")
		return 0, nil
	})
	if !l.rejected(err) {
		t.Errorf("the rejection is not told: %v", err)
	}
	if l.remaining != nil && l.remaining(b, err) != 40*time.Second {
		t.Errorf("%v left, want 40s", l.remaining(b, err))
	}
}

func breakerOpensOnTime(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 1, openFor: time.Second})
	fail(b, 1)
	time.Sleep(time.Second - 1)
	if admits(b) {
		t.Error("a call passed 1 ns too early")
	}
	time.Sleep(time.Nanosecond)
	synctest.Wait() // for a library that is told by a timer of its own
	if !admits(b) {
		t.Error("no call passes after exactly the configured time")
	}
}

func breakerProbeLimit(t *testing.T, l breakerLibrary) {
	b := halfOpen(l, breakerConfig{probes: 3, closeAfter: 3})
	var ends []func(error)
	for range 50 {
		if end, admitted := hold(t, b); admitted {
			ends = append(ends, end)
		}
	}
	if len(ends) != 3 {
		t.Fatalf("%d probes at once, want 3", len(ends))
	}
	for _, end := range ends {
		end(nil)
	}
	wantState(t, l, b, "closed", "after 3 successful probes")
}

func breakerCloseThreshold(t *testing.T, l breakerLibrary) {
	b := halfOpen(l, breakerConfig{probes: 5, closeAfter: 2})
	var ends []func(error)
	for range 5 {
		ends = append(ends, mustHold(t, b, "one of 5 probes"))
	}
	if admits(b) {
		t.Error("a sixth probe passed")
	}
	ends[0](nil)
	wantState(t, l, b, "half-open", "after one success")
	ends[1](nil)
	wantState(t, l, b, "closed", "after two successes")
}

func breakerReopens(t *testing.T, l breakerLibrary) {
	b := halfOpen(l, breakerConfig{probes: 3, closeAfter: 3})
	time.Sleep(time.Second / 2)
	_ = callWith(b, nil)
	fail(b, 1)
	if admits(b) {
		t.Fatal("a call passed after a failed probe")
	}
	time.Sleep(time.Second - 1)
	if admits(b) {
		t.Error("a call passed too early")
	}
	time.Sleep(2 * time.Nanosecond)
	if !admits(b) {
		t.Error("no call passed when the time was over again")
	}
}

func breakerStaleResults(t *testing.T, l breakerLibrary) {
	for _, result := range []error{nil, errTest} {
		b := l.new(breakerConfig{failures: 2, openFor: time.Second, probes: 1, closeAfter: 1})
		old := mustHold(t, b, "while closed")
		fail(b, 2)
		time.Sleep(time.Second + 1)
		probe := mustHold(t, b, "the probe")
		old(result)
		wantState(t, l, b, "half-open", fmt.Sprintf("after an old call ended with %v during a probe", result))
		if admits(b) {
			t.Errorf("an old call that ended with %v made room for a second probe", result)
		}
		probe(nil)
		wantState(t, l, b, "closed", "after the probe's success")
	}
	b := l.new(breakerConfig{failures: 2, openFor: time.Second, probes: 1, closeAfter: 1})
	old := mustHold(t, b, "while closed")
	fail(b, 2)
	time.Sleep(time.Second + 1)
	_ = callWith(b, nil)
	fail(b, 1)
	old(errTest)
	wantState(t, l, b, "closed", "after one failure and one from before the outage")
}

func breakerFreesSlot(t *testing.T, l breakerLibrary) {
	for name, end := range map[string]func(cancel func()) error{
		"an error":        func(func()) error { return errTest },
		"an answer":       func(func()) error { return answerError{func() bool { return true }} },
		"a caller's exit": func(cancel func()) error { cancel(); return context.Canceled },
		"a panic":         func(func()) error { panic("boom") },
		"Goexit":          func(func()) error { runtime.Goexit(); return nil },
	} {
		b := halfOpen(l, breakerConfig{probes: 1, closeAfter: 1})
		go func() {
			defer func() { _ = recover() }()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			_, _ = b.Do(ctx, func(context.Context) (int, error) { return 0, end(cancel) })
		}()
		synctest.Wait()
		time.Sleep(time.Second + 1)
		if !admits(b) {
			t.Errorf("no call passes any more after a probe that ended with %s", name)
		}
		wantState(t, l, b, "closed", "after recovery from "+name)
	}
}

func breakerStuckProbe(t *testing.T, l breakerLibrary) {
	b := halfOpen(l, breakerConfig{probes: 1, closeAfter: 1})
	mustHold(t, b, "the probe")
	time.Sleep(time.Hour)
	if !admits(b) {
		t.Fatal("no call passed for an hour")
	}
	wantState(t, l, b, "closed", "after a second probe's success")
}

func breakerPanics(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 1, openFor: time.Second})
	value := &struct{ name string }{"boom"}
	func() {
		defer func() {
			if got := recover(); got != value {
				t.Errorf("recovered %v, want the original value", got)
			}
		}()
		_, _ = b.Do(t.Context(), func(context.Context) (int, error) { panic(value) })
	}()
	wantState(t, l, b, "open", "after a panic")
	b = l.new(breakerConfig{failures: 1, openFor: time.Second})
	returned := false
	go func() {
		_, _ = b.Do(context.Background(), func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		returned = true
	}()
	synctest.Wait()
	if returned {
		t.Error("Goexit did not end the goroutine")
	}
	wantState(t, l, b, "open", "after Goexit")
}

func breakerDoneContext(t *testing.T, l breakerLibrary) {
	b := halfOpen(l, breakerConfig{probes: 1, closeAfter: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Do(ctx, func(context.Context) (int, error) {
		t.Error("the call was made")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	if !admits(b) {
		t.Error("it took the probe's slot")
	}
}

func breakerWhoseTime(t *testing.T, l breakerLibrary) {
	cfg := breakerConfig{failures: 2, openFor: time.Hour}
	gone := func(b breaker, result func(context.Context) error) {
		ctx, cancel := context.WithCancel(context.Background())
		_, _ = b.Do(ctx, func(ctx context.Context) (int, error) {
			cancel()
			return 0, result(ctx)
		})
	}
	late := func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		<-ctx.Done()
		return 0, fmt.Errorf("get: %w", ctx.Err())
	}
	b := l.new(cfg)
	fail(b, 1)
	gone(b, func(ctx context.Context) error { return fmt.Errorf("get: %w", ctx.Err()) })
	wantState(t, l, b, "closed", "after a failure and a caller who cancelled")
	fail(b, 1)
	wantState(t, l, b, "open", "after two failures around a caller who cancelled")
	b = l.new(cfg)
	fail(b, 1)
	gone(b, func(context.Context) error { return nil })
	fail(b, 1)
	wantState(t, l, b, "closed", "after a success in between, though its caller had cancelled")
	b = l.new(cfg)
	_, _ = b.Do(t.Context(), late)
	_, _ = b.Do(t.Context(), late)
	wantState(t, l, b, "open", "after two timeouts of the call's own")
	b = l.new(cfg)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		_, _ = b.Do(ctx, late)
		cancel()
	}
	wantState(t, l, b, "open", "after the callers' deadlines ended two calls")
}

func breakerAnswers(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 2, openFor: time.Second})
	for range 100 {
		_ = callWith(b, fmt.Errorf("get: %w", answerError{func() bool { return true }}))
	}
	wantState(t, l, b, "closed", "after 100 answers")
	b = halfOpen(l, breakerConfig{probes: 1, closeAfter: 1})
	func() {
		defer func() { _ = recover() }()
		_ = callWith(b, answerError{func() bool { panic("judge") }})
	}()
	time.Sleep(time.Second + 1)
	if !admits(b) {
		t.Error("no call passes any more after a panic while judging an error")
	}
}

func breakerResult(t *testing.T, l breakerLibrary) {
	b := l.new(breakerConfig{failures: 5, openFor: time.Second})
	if got, err := b.Do(t.Context(), func(context.Context) (int, error) { return 7, errTest }); got != 7 || err != errTest {
		t.Errorf("got %d, %v: want the call's own value and error", got, err)
	}
}

func breakerHook(t *testing.T, l breakerLibrary) {
	var changes [][2]string
	b := l.new(breakerConfig{failures: 1, openFor: time.Second, onChange: func(from, to string) {
		changes = append(changes, [2]string{from, to})
	}})
	for range 100 {
		fail(b, 1)
		time.Sleep(time.Second + 1)
		_ = callWith(b, nil)
	}
	cycle := [][2]string{{"closed", "open"}, {"open", "half-open"}, {"half-open", "closed"}}
	if l.noHalfOpen {
		cycle = [][2]string{{"closed", "open"}, {"open", "closed"}}
	}
	if !slices.Equal(changes, slices.Repeat(cycle, 100)) {
		t.Errorf("%d changes told in 100 outages, or not in order", len(changes))
	}
	broken := true
	b = l.new(breakerConfig{failures: 1, openFor: time.Second, onChange: func(string, string) {
		if broken {
			panic("hook")
		}
	}})
	func() {
		defer func() { _ = recover() }()
		fail(b, 1)
	}()
	broken = false
	wantState(t, l, b, "open", "after a panic in the hook")
	time.Sleep(time.Second + 1)
	if !admits(b) {
		t.Error("no call passes any more after a panic in the hook")
	}
	release := make(chan struct{})
	b = l.new(breakerConfig{failures: 1, openFor: time.Second, onChange: func(_, to string) {
		if to == "open" {
			<-release
		}
	}})
	go fail(b, 1)
	synctest.Wait()
	if admits(b) { // hangs if the hook holds a lock
		t.Error("a call passed while the hook was told of the outage")
	}
	close(release)
}

func breakerStress(t *testing.T, l breakerLibrary) {
	const probes = 3
	b := l.new(breakerConfig{failures: 1, openFor: time.Second, probes: probes, closeAfter: probes})
	var running, most atomic.Int64
	for range 200 {
		fail(b, 1)
		time.Sleep(time.Second + 1)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				_, _ = b.Do(t.Context(), func(context.Context) (int, error) {
					n := running.Add(1)
					for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
					}
					runtime.Gosched()
					running.Add(-1)
					return 0, errTest
				})
			})
		}
		wg.Wait()
	}
	if most.Load() > probes || most.Load() == 0 {
		t.Errorf("up to %d probes at once, want 1 to %d", most.Load(), probes)
	}
	time.Sleep(time.Second + 1)
	for range probes {
		_ = callWith(b, nil)
	}
	wantState(t, l, b, "closed", "at the end")
}

func breakerDefaults(t *testing.T, l breakerLibrary) {
	if !admits(l.zero()) {
		t.Error("unconfigured, it rejects the first call")
	}
	b := l.new(breakerConfig{failures: 1, openFor: time.Second})
	fail(b, 1)
	time.Sleep(time.Second + 1)
	wantState(t, l, b, "half-open", "when its time is over, before any call")
}
