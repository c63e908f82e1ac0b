package rules

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/go-architect/bench/calls"
)

var limiterRules = []rule[limiterLibrary]{
	{"RL-1", "a burst of 5 at once, then one every 100 ms; a pause fills it again", bubble(limiterBurst)},
	{"RL-2", "no drift over 300 000 calls, no goroutine", bubble(limiterDrift)},
	{"RL-3", "Wait beyond the deadline fails at once, tells why, and takes nothing", bubble(limiterDeadline)},
	{"RL-4", "cancelling a wait gives the token to those behind", bubble(limiterRefund)},
	{"RL-5", "Wait with a done context takes nothing", bubble(limiterDoneContext)},
	{"RL-6", "more than the burst is refused at once; 0 and less are free", bubble(limiterAmounts)},
	{"RL-7", "neither a clock that goes back nor ten years of pause mint tokens", bubble(limiterClocks)},
	{"RL-8", "64 goroutines: in every window at most burst + rate·time", bubble(limiterWindows)},
	{"RL-9", "the delay can be asked; over HTTP 429 with Retry-After of at least 1", bubble(limiterTellsDelay)},
	{"RL-10", "by key, with bounded memory under 100 000 keys", bubble(limiterKeys)},
	{"RL-11", "the rate can be changed without minting tokens", bubble(limiterSetRate)},
	{"RL-12", "rate 0 denies, infinite allows", bubble(limiterSpecialRates)},
	{"RL-13", "no allocation in Allow and in Wait with tokens", limiterAllocations},
	{"RL-14", "those that wait are served in order, and Allow overtakes none", bubble(limiterOrder)},
}

// drain takes all tokens there are, up to a thousand.
func drain(l limiter) (n int) {
	for n < 1000 && l.AllowN(1) {
		n++
	}
	return n
}

func wantTokens(t *testing.T, l limiter, want int, when string) {
	t.Helper()
	if got := drain(l); got != want {
		t.Fatalf("%s: %d tokens, want %d", when, got, want)
	}
}

// waitFor waits in a goroutine and sends when it was served, or the error.
func waitFor(ctx context.Context, l limiter, served chan<- any) {
	go func() {
		if err := l.WaitN(ctx, 1); err != nil {
			served <- err
			return
		}
		served <- time.Now()
	}()
	synctest.Wait()
}

func limiterBurst(t *testing.T, l limiterLibrary) {
	lim := l.new(10, 5)
	wantTokens(t, lim, 5, "at first")
	for range 20 {
		time.Sleep(99 * time.Millisecond)
		wantTokens(t, lim, 0, "99 ms later")
		time.Sleep(time.Millisecond)
		wantTokens(t, lim, 1, "100 ms later")
	}
	time.Sleep(time.Hour)
	wantTokens(t, lim, 5, "an hour later")
}

func limiterDrift(t *testing.T, l limiterLibrary) {
	before := runtime.NumGoroutine()
	lim := l.new(3, 1)
	allowed := 0
	start := time.Now()
	for range 300_000 {
		if lim.AllowN(1) {
			allowed++
		}
		time.Sleep(time.Second/3 + 1)
	}
	most := 1 + 3*time.Since(start).Seconds()
	if float64(allowed) > most || float64(allowed) < most-3 {
		t.Errorf("%d calls allowed, want %.0f", allowed, most)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func limiterDeadline(t *testing.T, l limiterLibrary) {
	lim := l.new(1, 1)
	wantTokens(t, lim, 1, "at first")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
	defer cancel()
	start := time.Now()
	err := lim.WaitN(ctx, 1)
	if elapsed := time.Since(start); elapsed != 0 {
		t.Fatalf("failed after %v, want at once", elapsed)
	}
	if !l.limited(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: want an error that tells the limit and is context.DeadlineExceeded", err)
	}
	time.Sleep(time.Second)
	wantTokens(t, lim, 1, "a second later")
}

func limiterRefund(t *testing.T, l limiterLibrary) {
	lim := l.new(1, 1)
	wantTokens(t, lim, 1, "at first")
	start := time.Now()
	served := make(chan any, 3)
	ctx, cancel := context.WithCancel(t.Context())
	waitFor(ctx, lim, served)
	waitFor(t.Context(), lim, served)
	cancel()
	if err, ok := (<-served).(error); !ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled while waiting: %v", err)
	}
	waitFor(t.Context(), lim, served)
	<-served
	if last, ok := (<-served).(time.Time); !ok || last.Sub(start) > 2*time.Second {
		t.Errorf("two calls behind a cancelled one were served within %v, want 2s", last.Sub(start))
	}
}

func limiterDoneContext(t *testing.T, l limiterLibrary) {
	lim := l.new(0.01, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 { // a free token must not win by chance
		if err := lim.WaitN(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Fatalf("error = %v, want context.Canceled", err)
		}
	}
	wantTokens(t, lim, 1, "afterwards")
}

func limiterAmounts(t *testing.T, l limiterLibrary) {
	lim := l.new(1, 3)
	start := time.Now()
	if lim.AllowN(4) || lim.WaitN(t.Context(), 4) == nil || time.Since(start) != 0 {
		t.Errorf("more than the burst is not refused at once")
	}
	amounts := []int{0}
	if !l.unsigned {
		amounts = []int{0, -1}
	}
	for _, n := range amounts {
		lim := l.new(0.001, 3)
		if !lim.AllowN(2) || !lim.AllowN(n) || lim.WaitN(t.Context(), n) != nil {
			t.Errorf("%d is refused", n)
		}
		wantTokens(t, lim, 1, fmt.Sprintf("after 2 and %d of 3", n))
	}
}

func limiterClocks(t *testing.T, l limiterLibrary) {
	lim := l.new(10, 5)
	wantTokens(t, lim, 5, "at first")
	time.Sleep(10 * 365 * 24 * time.Hour)
	wantTokens(t, lim, 5, "ten years later")
	if l.withClock == nil {
		return
	}
	now := time.Now()
	lim = l.withClock(10, 5, func() time.Time { return now })
	wantTokens(t, lim, 5, "at first")
	for range 100 {
		now = now.Add(-time.Hour)
		wantTokens(t, lim, 0, "an hour back")
		now = now.Add(time.Hour)
		wantTokens(t, lim, 0, "back and forth")
	}
}

func limiterWindows(t *testing.T, l limiterLibrary) {
	const rate, burst, step, steps = 1000, 7, 300 * time.Microsecond, 400
	lim := l.new(rate, burst)
	allowed := make([]int, steps)
	for i := range allowed {
		var n atomic.Int64
		var wg sync.WaitGroup
		if i%50 < 40 { // with pauses, in which the bucket fills
			for range 64 {
				wg.Go(func() {
					if lim.AllowN(1) {
						n.Add(1)
					}
				})
			}
		}
		wg.Wait()
		allowed[i] = int(n.Load())
		time.Sleep(step)
	}
	total := 0
	for from := range allowed {
		sum := 0
		for to := from; to < steps; to++ {
			sum += allowed[to]
			if bound := burst + int(float64(rate)*(time.Duration(to-from)*step).Seconds()+1e-9); sum > bound {
				t.Fatalf("%d calls within %v, at most %d are right", sum, time.Duration(to-from)*step, bound)
			}
		}
		total += allowed[from]
	}
	if total < 100 {
		t.Errorf("%d calls in all, want at least 100", total)
	}
}

func limiterTellsDelay(t *testing.T, l limiterLibrary) {
	lim := l.new(0.4, 1)
	wantTokens(t, lim, 1, "at first")
	if got := l.delay(lim); got != 2500*time.Millisecond {
		t.Errorf("the delay is %v, want 2.5s", got)
	}
	if l.middleware == nil {
		return
	}
	for _, tt := range []struct {
		pause time.Duration
		after string
	}{{0, "3"}, {2400 * time.Millisecond, "1"}} {
		handler := l.middleware(0.4, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		get := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			return w
		}
		if first := get(); first.Code != http.StatusOK {
			t.Errorf("the first request gets %d", first.Code)
		}
		time.Sleep(tt.pause)
		if w := get(); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != tt.after {
			t.Errorf("the second request gets %d with Retry-After %q, want 429 with %q", w.Code, w.Header().Get("Retry-After"), tt.after)
		}
	}
}

func limiterKeys(t *testing.T, l limiterLibrary) {
	limiters := l.keyed(0.0001, 1000)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 100_000 {
		limiters("hostile " + strconv.Itoa(i))
		if i%500 == 0 && limiters("regular").AllowN(1) != (i == 0) {
			t.Fatal("a key in use was forgotten")
		}
	}
	if after := heap(); after > before+4<<20 {
		t.Errorf("100 000 keys keep %d kB", (after-before)>>10)
	}
	runtime.KeepAlive(limiters)
}

func limiterSetRate(t *testing.T, l limiterLibrary) {
	lim := l.new(1, 10)
	if !lim.AllowN(7) {
		t.Fatal("no burst")
	}
	l.setRate(lim, 1000, 1000)
	wantTokens(t, lim, 3, "after a faster rate")
	time.Sleep(5 * time.Millisecond)
	l.setRate(lim, 1, 10)
	wantTokens(t, lim, 5, "after 5 ms at the faster rate")
	time.Sleep(time.Hour)
	l.setRate(lim, 1, 2)
	wantTokens(t, lim, 2, "after a smaller burst")
}

func limiterSpecialRates(t *testing.T, l limiterLibrary) {
	none := l.new(0, 10)
	if n := drain(none); n != 0 {
		t.Errorf("rate 0 allows %d calls", n)
	}
	time.Sleep(time.Hour)
	wantTokens(t, none, 0, "rate 0, an hour later")
	if l.infinite == nil {
		return
	}
	all := l.infinite()
	for range 1000 {
		if !all.AllowN(1) || all.WaitN(t.Context(), 1000) != nil {
			t.Fatal("an infinite rate does not allow")
		}
	}
}

func limiterAllocations(t *testing.T, l limiterLibrary) {
	wantNoAllocations(t, calls.LimiterAllow, l.name)
	lim := l.new(1e6, 1<<20)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _ = lim.WaitN(ctx, 1) }); n != 0 {
		t.Errorf("Wait: %.0f allocations", n)
	}
}

func limiterOrder(t *testing.T, l limiterLibrary) {
	lim := l.new(10, 1)
	wantTokens(t, lim, 1, "at first")
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	start := time.Now()
	for i := range 100 {
		wg.Go(func() {
			if err := lim.WaitN(t.Context(), 1); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, i)
		})
		synctest.Wait()
		if lim.AllowN(1) {
			t.Error("Allow overtook those that wait")
		}
	}
	wg.Wait()
	if len(order) != 100 || !slices.IsSorted(order) {
		t.Errorf("served in the order %v", order)
	}
	if took := time.Since(start); took != 10*time.Second {
		t.Errorf("100 calls took %v, want 10s", took)
	}
}
