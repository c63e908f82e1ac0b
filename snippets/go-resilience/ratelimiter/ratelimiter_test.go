package ratelimiter

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// rateClock is a clock that only a test moves.
type rateClock struct{ offset atomic.Int64 }

var rateClockStart = time.Now()

func (c *rateClock) Now() time.Time          { return rateClockStart.Add(time.Duration(c.offset.Load())) }
func (c *rateClock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

func newTestRateLimiter(t testing.TB, cfg RateLimiterConfig) *RateLimiter {
	t.Helper()
	l, err := NewRateLimiter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// drainRate takes all tokens there are and returns how many.
func drainRate(l *RateLimiter) (n int) {
	for l.Allow() {
		n++
	}
	return n
}

func wantTokens(t testing.TB, l *RateLimiter, want int) {
	t.Helper()
	if got := drainRate(l); got != want {
		t.Fatalf("%d tokens, want %d", got, want)
	}
}

func TestRL01_BurstThenRate(t *testing.T) {
	clock := &rateClock{}
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 10, Burst: 5, Now: clock.Now})
	wantTokens(t, l, 5)
	for range 100 {
		clock.Advance(100*time.Millisecond - 1)
		wantTokens(t, l, 0)
		clock.Advance(1)
		wantTokens(t, l, 1)
	}
	clock.Advance(250 * time.Millisecond)
	wantTokens(t, l, 2)
	clock.Advance(50 * time.Millisecond) // the half that was left over counts
	wantTokens(t, l, 1)
	clock.Advance(time.Hour)
	wantTokens(t, l, 5)
}

func TestRL02_NoDrift(t *testing.T) {
	before := runtime.NumGoroutine()
	clock := &rateClock{}
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 3, Burst: 1, Now: clock.Now})
	interval := 333_333_334 * time.Nanosecond // rounded up: never above the rate
	wantTokens(t, l, 1)
	start := l.fullAt
	clock.Advance(1_000_000_000 * interval) // as after a billion calls
	l.fullAt = start + 999_999_999*interval
	for range 100_000 {
		wantTokens(t, l, 1)
		clock.Advance(interval - 1)
		wantTokens(t, l, 0)
		clock.Advance(1)
	}
	if got, want := l.fullAt-start, 1_000_099_999*interval; got != want {
		t.Errorf("after all calls off by %v", got-want+interval)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestRL03_WaitFailsAtOnceIfTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestRateLimiter(t, RateLimiterConfig{Rate: 1, Burst: 1})
		wantTokens(t, l, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		start := time.Now()
		err := l.Wait(ctx)
		var limited *RateLimitError
		if !errors.Is(err, ErrRateLimited) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &limited) {
			t.Fatalf("error = %v, want ErrRateLimited and DeadlineExceeded", err)
		}
		if limited.RetryAfter() != time.Second || time.Since(start) != 0 {
			t.Errorf("RetryAfter %v after %v, want 1s at once", limited.RetryAfter(), time.Since(start))
		}
		if got := l.Delay(); got != time.Second {
			t.Errorf("a token was taken: the delay is %v", got)
		}
		l.maxWait = time.Second - 1
		if err := l.Wait(t.Context()); !errors.Is(err, ErrRateLimited) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("above MaxWait: %v, want ErrRateLimited alone", err)
		}
		l.maxWait = time.Second
		if err := l.Wait(t.Context()); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want a token after 1s", err, time.Since(start))
		}
	})
}

// waitForRate waits in a goroutine and sends when it was served, or the error.
func waitForRate(ctx context.Context, l *RateLimiter, n int, served chan<- any) {
	start := time.Now()
	go func() {
		if err := l.WaitN(ctx, n); err != nil {
			served <- err
			return
		}
		served <- time.Since(start)
	}()
	synctest.Wait()
}

func TestRL04_CancelGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestRateLimiter(t, RateLimiterConfig{Rate: 1, Burst: 2})
		wantTokens(t, l, 2)
		served := make(chan any, 4)
		first, cancelFirst := context.WithCancel(t.Context())
		third, cancelThird := context.WithCancel(t.Context())
		defer cancelThird()
		waitForRate(first, l, 2, served)
		waitForRate(t.Context(), l, 1, served)
		waitForRate(third, l, 1, served)
		waitForRate(t.Context(), l, 1, served)
		if got := l.Delay(); got != 6*time.Second {
			t.Errorf("delay behind the queue = %v, want 6s", got)
		}
		cancelFirst()
		synctest.Wait()
		cancelThird()
		for i, want := range []any{context.Canceled, context.Canceled, time.Second, 2 * time.Second} {
			if got := <-served; got != want {
				t.Errorf("result %d = %v, want %v", i, got, want)
			}
		}
		if l.queued != 0 || l.queue.Len() != 0 {
			t.Errorf("%d tokens and %d places are left in the queue", l.queued, l.queue.Len())
		}
	})
}

func TestRL05_DoneContextTakesNothing(t *testing.T) {
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 0.001, Burst: 1})
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := l.Wait(ctx); !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
	wantTokens(t, l, 1)
}

func TestRL06_Amounts(t *testing.T) {
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 1, Burst: 3})
	if l.AllowN(4) || !errors.Is(l.WaitN(t.Context(), 4), ErrRateBurst) || l.AllowN(math.MaxInt) {
		t.Error("more than the burst was not refused")
	}
	for _, n := range []int{0, -1, math.MinInt} {
		if !l.AllowN(n) || l.WaitN(t.Context(), n) != nil {
			t.Errorf("%d is not a no-op", n)
		}
	}
	if !l.AllowN(2) || l.AllowN(2) || !l.AllowN(1) || !l.AllowN(0) {
		t.Error("3 tokens are not 2 and 1")
	}
}

func TestRL07_StrangeClocks(t *testing.T) {
	clock := &rateClock{}
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 10, Burst: 5, Now: clock.Now})
	wantTokens(t, l, 5)
	for range 100 { // back and forth mints nothing
		clock.Advance(-time.Hour)
		wantTokens(t, l, 0)
		clock.Advance(time.Hour)
		wantTokens(t, l, 0)
	}
	clock.Advance(10 * 365 * 24 * time.Hour)
	wantTokens(t, l, 5)
	wantTokens(t, l, 0)
}

func TestRL08_BoundInEveryWindow(t *testing.T) {
	const rate, burst, step, steps = 1000, 7, 300 * time.Microsecond, 400
	clock := &rateClock{}
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: rate, Burst: burst, Now: clock.Now})
	allowed := make([]int, steps)
	for i := range steps {
		var n atomic.Int64
		var wg sync.WaitGroup
		if i%50 < 40 { // with pauses, in which the bucket fills
			for range 64 {
				wg.Go(func() {
					if l.Allow() {
						n.Add(1)
					}
				})
			}
		}
		wg.Wait()
		allowed[i] = int(n.Load())
		clock.Advance(step)
	}
	total := 0
	for from := range steps {
		sum := 0
		for to := from; to < steps; to++ {
			sum += allowed[to]
			if bound := burst + int(float64(rate)*(time.Duration(to-from)*step).Seconds()+1e-9); sum > bound {
				t.Fatalf("%d calls in steps %d to %d, bound %d", sum, from, to, bound)
			}
		}
		total += allowed[from]
	}
	if total < 100 {
		t.Errorf("only %d calls in all", total)
	}
}

func TestRL09_Middleware(t *testing.T) {
	clock := &rateClock{}
	limiters, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: 0.4, Burst: 1, Now: clock.Now}, 10)
	if err != nil {
		t.Fatal(err)
	}
	handler := LimitRequests(limiters, ClientAddress(0), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	get := func(addr string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = addr
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, tt := range []struct {
		advance    time.Duration
		addr       string
		status     int
		retryAfter string
	}{
		{0, "192.0.2.1:1000", 204, ""},
		{0, "192.0.2.1:2000", 429, "3"}, // 2.5 s, rounded up
		{0, "192.0.2.2:1000", 204, ""},
		{2*time.Second + 499*time.Millisecond, "192.0.2.1:3000", 429, "1"}, // never 0
		{time.Millisecond, "192.0.2.1:4000", 204, ""},
	} {
		clock.Advance(tt.advance)
		if w := get(tt.addr); w.Code != tt.status || w.Header().Get("Retry-After") != tt.retryAfter {
			t.Errorf("%s: %d, Retry-After %q, want %d, %q", tt.addr, w.Code, w.Header().Get("Retry-After"), tt.status, tt.retryAfter)
		}
	}
	denying, err := NewKeyedRateLimiter(RateLimiterConfig{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	LimitRequests(denying, ClientAddress(0), nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Get("Retry-After"); w.Code != 429 || got != "86400" {
		t.Errorf("denying all: %d, Retry-After %q, want 429 and a day", w.Code, got)
	}
}

func TestRL10_Keyed(t *testing.T) {
	t.Run("bounded under a flood", func(t *testing.T) {
		k, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: 0.0001}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1_000_000 {
			k.For("hostile " + strconv.Itoa(i))
			if i%500 == 0 && k.For("regular").Allow() != (i == 0) {
				t.Fatal("a key in use was forgotten")
			}
		}
		if len(k.keys) != 1000 || k.recent.Len() != 1000 {
			t.Errorf("%d and %d keys, want 1000", len(k.keys), k.recent.Len())
		}
	})
	t.Run("long keys", func(t *testing.T) {
		k, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: 0.001}, 10)
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", 1<<20)
		if !k.For(long+"a").Allow() || !k.For(long+"b").Allow() || k.For(long+"a").Allow() {
			t.Error("long keys are not told apart")
		}
		for key := range k.keys {
			if len(key) > 64 {
				t.Errorf("a key of %d bytes is kept", len(key))
			}
		}
	})
	t.Run("a waiting key does not hold up others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: 0.1}, 10)
			if err != nil {
				t.Fatal(err)
			}
			k.For("a").Allow()
			served := make(chan any, 1)
			waitForRate(t.Context(), k.For("a"), 1, served)
			if !k.For("b").Allow() || k.For("a").Allow() {
				t.Error("want a token for b and none for a")
			}
			if got := <-served; got != 10*time.Second {
				t.Errorf("a was served after %v", got)
			}
		})
	})
	t.Run("client address", func(t *testing.T) {
		for _, tt := range []struct {
			proxies   int
			remote    string
			forwarded []string
			want      string
		}{
			{0, "192.0.2.1:1234", nil, "192.0.2.1"},
			{0, "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"}, // not believed
			{1, "192.0.2.1:1234", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
			{2, "192.0.2.1:1234", []string{"203.0.113.9", "198.51.100.7 , 10.0.0.1"}, "198.51.100.7"},
			{2, "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"}, // came past a proxy
			{1, "192.0.2.1:1234", nil, "192.0.2.1"},
			{0, "[2001:db8:1:2:3:4:5:6]:1234", nil, "2001:db8:1:2::/64"},
			{0, "[2001:db8:1:2:ffff::1%eth0]:1234", nil, "2001:db8:1:2::/64"},
			{0, "[::ffff:192.0.2.1]:1234", nil, "192.0.2.1"},
			{1, "192.0.2.1:1234", []string{"unknown"}, "192.0.2.1"}, // no address: whoever is connected
			{1, "192.0.2.1:1234", []string{"_hidden-1"}, "192.0.2.1"},
			{1, "192.0.2.1:1234", []string{"203.0.113.7:50001"}, "203.0.113.7"}, // a port does not make another client
			{1, "192.0.2.1:1234", []string{"[2001:db8::7]:50001"}, "2001:db8::/64"},
			{1, "192.0.2.1:1234", []string{"[2001:db8::7]"}, "2001:db8::/64"},
			{1, "192.0.2.1:1234", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
			{0, "@", nil, "@"}, // a Unix socket
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tt.remote
			r.Header["X-Forwarded-For"] = tt.forwarded
			if got := ClientAddress(tt.proxies)(r); got != tt.want {
				t.Errorf("%d proxies, %s, %q: %q, want %q", tt.proxies, tt.remote, tt.forwarded, got, tt.want)
			}
		}
	})
}

func TestRL11_SetRate(t *testing.T) {
	clock := &rateClock{}
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 1, Burst: 10, Now: clock.Now})
	set := func(rate float64, burst int) {
		t.Helper()
		if err := l.SetRate(rate, burst); err != nil {
			t.Fatal(err)
		}
	}
	if !l.AllowN(7) {
		t.Fatal("no burst")
	}
	set(1000, 1000) // the 3 tokens stay 3
	wantTokens(t, l, 3)
	clock.Advance(5 * time.Millisecond)
	set(1, 10)
	wantTokens(t, l, 5)
	clock.Advance(time.Hour)
	set(1, 2)
	wantTokens(t, l, 2)
	set(0, 2)
	clock.Advance(time.Hour)
	wantTokens(t, l, 0)
	set(1, 2) // what was denied is not made up for
	wantTokens(t, l, 0)
	clock.Advance(time.Second)
	wantTokens(t, l, 1)
	set(math.Inf(1), 1)
	if !l.AllowN(1 << 40) {
		t.Error("no limit, but refused")
	}
	set(1, 2)
	wantTokens(t, l, 2)
	if l.SetRate(-1, 1) == nil || l.SetRate(1, -1) == nil {
		t.Error("nonsense was accepted")
	}
	t.Run("those who wait take note", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newTestRateLimiter(t, RateLimiterConfig{Rate: 0.1, Burst: 2})
			wantTokens(t, l, 2)
			served := make(chan any, 3)
			for range 2 {
				waitForRate(t.Context(), l, 1, served)
			}
			if err := l.SetRate(1, 2); err != nil {
				t.Fatal(err)
			}
			for i, want := range []time.Duration{time.Second, 2 * time.Second} {
				if got := <-served; got != want {
					t.Errorf("%d served after %v, want %v", i, got, want)
				}
			}
			waitForRate(t.Context(), l, 2, served)
			if err := l.SetRate(1, 1); err != nil {
				t.Fatal(err)
			}
			if got := <-served; got != ErrRateBurst {
				t.Errorf("waiting for more than the new burst: %v", got)
			}
		})
	})
}

func TestRL12_SpecialRates(t *testing.T) {
	clock := &rateClock{}
	none := newTestRateLimiter(t, RateLimiterConfig{Burst: 10, Now: clock.Now})
	clock.Advance(time.Hour)
	if none.Allow() || !errors.Is(none.Wait(t.Context()), ErrRateLimited) {
		t.Error("rate 0 does not deny")
	}
	all := newTestRateLimiter(t, RateLimiterConfig{Rate: math.Inf(1), Now: clock.Now})
	for range 1000 {
		if !all.Allow() || all.WaitN(t.Context(), 1000) != nil || all.Delay() != 0 {
			t.Fatal("an infinite rate does not allow")
		}
	}
	wantTokens(t, newTestRateLimiter(t, RateLimiterConfig{Rate: 1}), 1) // the default burst
	for name, cfg := range map[string]RateLimiterConfig{
		"negative rate": {Rate: -1}, "NaN": {Rate: math.NaN()}, "minus infinity": {Rate: math.Inf(-1)},
		"too fast": {Rate: 1e7}, "too slow": {Rate: 1e-12}, "too slow for the burst": {Rate: 1, Burst: math.MaxInt},
		"negative burst": {Rate: 1, Burst: -1}, "negative wait": {Rate: 1, MaxWait: -1},
	} {
		if _, err := NewRateLimiter(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: 1}, 0); err == nil {
		t.Error("no error for no keys")
	}
	if _, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: -1}, 1); err == nil {
		t.Error("no error for the rate of a keyed limiter")
	}
}

func TestRL13_NoAllocations(t *testing.T) {
	ctx := t.Context()
	l := newTestRateLimiter(t, RateLimiterConfig{Rate: 1e6, Burst: 1 << 20})
	k, err := NewKeyedRateLimiter(RateLimiterConfig{Rate: 1e6, Burst: 1 << 20}, 10)
	if err != nil {
		t.Fatal(err)
	}
	k.For("key")
	empty := newTestRateLimiter(t, RateLimiterConfig{})
	fn := func(context.Context) (int, error) { return 1, nil }
	for name, f := range map[string]func(){
		"Allow":  func() { l.Allow() },
		"denied": func() { empty.Allow() },
		"Wait":   func() { _ = l.Wait(ctx) },
		"Call":   func() { _, _ = CallRateLimiter(ctx, l, fn) },
		"keyed":  func() { k.For("key").Allow() },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestRL14_FirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestRateLimiter(t, RateLimiterConfig{Rate: 10, Burst: 3})
		wantTokens(t, l, 3)
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				_, err := CallRateLimiter(t.Context(), l, func(context.Context) (int, error) {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
					return i, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			if l.Allow() {
				t.Error("Allow overtook those that wait")
			}
		}
		start := time.Now()
		wg.Wait()
		time.Sleep(time.Second) // three tokens, of which two stay
		served := make(chan any, 1)
		if !l.Allow() {
			t.Error("no token after a pause")
		}
		waitForRate(t.Context(), l, 3, served)
		if l.Allow() {
			t.Error("Allow took a token that someone waits for")
		}
		if got := <-served; got != 100*time.Millisecond {
			t.Errorf("three tokens came after %v, want 100ms", got)
		}
		if len(order) != 100 || !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
		if took := time.Since(start); took != 11100*time.Millisecond {
			t.Errorf("100 calls and what followed took %v, want 11.1s", took)
		}
		_, err := CallRateLimiter(t.Context(), newTestRateLimiter(t, RateLimiterConfig{}), func(context.Context) (int, error) {
			t.Error("fn was called")
			return 0, nil
		})
		if !errors.Is(err, ErrRateLimited) {
			t.Errorf("error = %v, want ErrRateLimited", err)
		}
	})
}

func TestRL15_MaxWaitHoldsAfterSetRate(t *testing.T) {
	for _, rate := range []float64{0, 0.001} {
		synctest.Test(t, func(t *testing.T) {
			l, err := NewRateLimiter(RateLimiterConfig{Rate: 10, MaxWait: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			l.Allow()
			errs := make(chan error, 3)
			for range cap(errs) {
				go func() { errs <- l.Wait(t.Context()) }()
			}
			synctest.Wait()
			if err := l.SetRate(rate, 1); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for range cap(errs) {
				var limited *RateLimitError
				if err := <-errs; !errors.As(err, &limited) || limited.RetryAfter() < time.Minute || time.Since(start) > 0 {
					t.Errorf("rate %v: %v after %v, want the new wait at once", rate, err, time.Since(start))
				}
			}
			if l.queue.Len() != 0 || l.queued != 0 {
				t.Errorf("%d places and %d tokens are left in the queue", l.queue.Len(), l.queued)
			}
		})
	}
}

func TestRL15_SetRateSendsAwayOnlyWhoWouldWaitTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := NewRateLimiter(RateLimiterConfig{Rate: 10, MaxWait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		l.Allow()
		var served, sent atomic.Int64
		for range 10 {
			go func() {
				if l.Wait(t.Context()) == nil {
					served.Add(1)
				} else {
					sent.Add(1)
				}
			}()
		}
		synctest.Wait()
		if err := l.SetRate(5, 1); err != nil { // a token in 200 ms: five within MaxWait
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if served.Load() != 5 || sent.Load() != 5 || l.queued != 0 {
			t.Errorf("%d were served and %d sent away, want 5 and 5; %d tokens are left", served.Load(), sent.Load(), l.queued)
		}
	})
}
