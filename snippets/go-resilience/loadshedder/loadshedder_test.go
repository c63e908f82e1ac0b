package loadshedder

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The rules; each test carries the number of the one it proves.
//
//	LS-1  Never more calls in flight than the limit; the others are refused at once and not made.
//	LS-2  The limit grows by its root per window while calls are quick, up to its maximum.
//	LS-3  It does not grow while less than half of it is in use.
//	LS-4  It shrinks by a tenth per window when more than one call of ten is slow, by half when most are above twice the target, down to its minimum.
//	LS-5  A window with fewer than ten calls changes nothing.
//	LS-6  What can wait is refused first, what must not fail last.
//	LS-7  Quick failures say nothing; slow ones count as slow.
//	LS-8  The place is free again after a panic or Goexit.
//	LS-9  A done context is no call.
//	LS-10 The middleware answers 503 with Retry-After, also for a request whose context has ended.
//	LS-11 The limit finds the capacity, and follows when that changes.
//	LS-12 Nonsense settings are errors.
//	LS-14 An overload of twenty times the target is over in half a minute; what began before a cut is not judged again.
//	LS-13 No lock is held during the call or the hook, and an admitted call allocates nothing.

var errShedTest = errors.New("failed")

func newTestShedder(t testing.TB, cfg LoadShedderConfig) *LoadShedder {
	t.Helper()
	if cfg.Target == 0 {
		cfg.Target = 100 * time.Millisecond
	}
	s, err := NewLoadShedder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// loadWindow makes calls at the same time, each taking that long and ending
// with err, so that the window is over with the last one.
func loadWindow(t testing.TB, s *LoadShedder, calls int, took time.Duration, err error) {
	t.Helper()
	time.Sleep(s.cfg.Window)
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			_, got := CallLoadShedder(t.Context(), s, ShedCritical, func(context.Context) (int, error) {
				time.Sleep(took)
				return 0, err
			})
			if got != err {
				t.Errorf("call = %v, want %v", got, err)
			}
		})
	}
	wg.Wait()
}

func wantLimit(t testing.TB, s *LoadShedder, want int) {
	t.Helper()
	if got := s.Limit(); got != want {
		t.Fatalf("limit %d, want %d", got, want)
	}
}

func TestLS01_LimitHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 10})
		start := time.Now()
		var running, refused atomic.Int64
		for range 50 {
			go func() {
				_, err := CallLoadShedder(t.Context(), s, ShedCritical, func(context.Context) (int, error) {
					running.Add(1)
					time.Sleep(time.Second)
					return 0, nil
				})
				if err == ErrLoadShed && time.Since(start) == 0 {
					refused.Add(1)
				}
			}()
		}
		synctest.Wait()
		if running.Load() != 10 || refused.Load() != 40 || s.InFlight() != 10 {
			t.Errorf("%d running, %d refused, %d in flight", running.Load(), refused.Load(), s.InFlight())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.InFlight() != 0 {
			t.Errorf("%d in flight afterwards", s.InFlight())
		}
	})
}

func TestLS02_Grows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 16, MaxLimit: 30})
		for _, want := range []int{20, 24, 29, 30, 30} {
			loadWindow(t, s, 15, 100*time.Millisecond, nil) // exactly Target is quick
			wantLimit(t, s, want)
		}
	})
}

func TestLS03_UnusedDoesNotGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 24})
		for range 10 {
			loadWindow(t, s, 11, time.Millisecond, nil)
		}
		wantLimit(t, s, 24)
		loadWindow(t, s, 12, time.Millisecond, nil)
		wantLimit(t, s, 28)
	})
}

func TestLS04_Shrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 80})
		s.limit = 100
		for _, want := range []int{90, 81, 80, 80} {
			loadWindow(t, s, 20, 101*time.Millisecond, nil)
			wantLimit(t, s, want)
		}
		for slow, want := range map[int]int{1: 100, 2: 90, 5: 90, 6: 50} { // of ten
			s := newTestShedder(t, LoadShedderConfig{Window: 10 * time.Second})
			s.limit = 100
			for i := range 10 {
				took := time.Duration(0)
				if i < slow {
					took = time.Second
				}
				if i == 9 {
					time.Sleep(10 * time.Second)
				}
				_, _ = CallLoadShedder(t.Context(), s, ShedNormal, func(context.Context) (int, error) {
					time.Sleep(took)
					return 0, nil
				})
			}
			wantLimit(t, s, want)
		}
	})
}

func TestLS05_FewCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 10})
		s.limit = 20
		loadWindow(t, s, 9, time.Second, nil)
		wantLimit(t, s, 20)
		loadWindow(t, s, 1, time.Second, nil) // the tenth
		wantLimit(t, s, 10)
	})
}

func TestLS06_Priorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shed []ShedPriority
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 10, OnShed: func(p ShedPriority) { shed = append(shed, p) }})
		enter := func(p ShedPriority) bool {
			admitted := make(chan bool, 1)
			go func() {
				_, err := CallLoadShedder(t.Context(), s, p, func(context.Context) (int, error) {
					admitted <- true
					time.Sleep(time.Hour)
					return 0, nil
				})
				if err != nil {
					admitted <- false
				}
			}()
			synctest.Wait()
			return <-admitted
		}
		for _, tt := range []struct {
			priority ShedPriority
			want     int // calls in flight when it is refused
		}{{ShedFirst, 7}, {ShedNormal, 9}, {ShedCritical, 10}} {
			for enter(tt.priority) {
			}
			if got := s.InFlight(); got != tt.want {
				t.Errorf("priority %d refused at %d in flight, want %d", tt.priority, got, tt.want)
			}
		}
		if enter(ShedFirst) || enter(ShedNormal) {
			t.Error("a lower priority was admitted beyond its share")
		}
		synctest.Wait()
		if len(shed) != 5 || shed[0] != ShedFirst || shed[2] != ShedCritical {
			t.Errorf("told of %v", shed)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestLS07_Failures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 16})
		s.limit = 20
		loadWindow(t, s, 15, time.Millisecond, errShedTest)
		wantLimit(t, s, 20)
		if s.done != 0 {
			t.Errorf("%d quick failures were counted", s.done)
		}
		loadWindow(t, s, 15, 2*s.cfg.Target, errShedTest)
		wantLimit(t, s, 18)
	})
}

func TestLS08_PlaceIsReleased(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		s := newTestShedder(t, LoadShedderConfig{})
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			_, _ = CallLoadShedder(context.Background(), s, ShedNormal, func(context.Context) (int, error) {
				end()
				return 0, nil
			})
			t.Errorf("%s: returned", name)
		}()
		if got := <-done; (got == "boom") != (name == "panic") {
			t.Errorf("%s: recovered %v", name, got)
		}
		if s.InFlight() != 0 || s.done != 0 {
			t.Errorf("%s: %d in flight, %d counted", name, s.InFlight(), s.done)
		}
	}
}

func TestLS09_DoneContextIsNoCall(t *testing.T) {
	s := newTestShedder(t, LoadShedderConfig{})
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := CallLoadShedder(ctx, s, ShedNormal, func(context.Context) (int, error) {
		t.Error("fn was called")
		return 0, nil
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
}

func TestLS10_Middleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{MinLimit: 1})
		priority := func(r *http.Request) ShedPriority {
			if r.URL.Path == "/pay" {
				return ShedCritical
			}
			return ShedFirst
		}
		handler := ShedRequests(s, priority, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			w.WriteHeader(http.StatusNoContent)
		}))
		get := func(handler http.Handler, path string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			return w
		}
		if w := get(handler, "/"); w.Code != http.StatusNoContent {
			t.Errorf("alone: status %d", w.Code)
		}
		go get(handler, "/pay")
		synctest.Wait()
		if w := get(handler, "/"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
			t.Errorf("status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if w := get(ShedRequests(s, nil, http.NotFoundHandler()), "/"); w.Code != http.StatusNotFound {
			t.Errorf("without priorities: status %d", w.Code)
		}
	})
}

func TestLS11_FindsTheCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{Target: 20 * time.Millisecond})
		var capacity, running, served atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		capacity.Store(40)
		for range 150 {
			go func() {
				for ctx.Err() == nil {
					_, err := CallLoadShedder(ctx, s, ShedCritical, func(context.Context) (int, error) {
						// 10 ms up to the capacity; beyond, the calls share it
						load := running.Add(1)
						defer running.Add(-1)
						time.Sleep(10 * time.Millisecond * time.Duration(max(load, capacity.Load())) / time.Duration(capacity.Load()))
						return 0, nil
					})
					if err != nil {
						time.Sleep(100 * time.Millisecond)
					} else {
						served.Add(1)
					}
				}
			}()
		}
		for _, c := range []int64{40, 20, 40} {
			capacity.Store(c)
			time.Sleep(15 * time.Second)
			before, sum := served.Load(), 0
			for range 10 {
				time.Sleep(time.Second)
				sum += s.Limit()
			}
			// At twice the capacity a call takes 20 ms.
			if mean := float64(sum) / 10 / float64(c); mean < 1.5 || mean > 2.3 {
				t.Errorf("capacity %d: the limit is %.1f times that, want about 2", c, mean)
			}
			if rate := float64(served.Load()-before) / 10; rate < 0.9*100*float64(c) {
				t.Errorf("capacity %d: %.0f calls/s, want about %d", c, rate, 100*c)
			}
		}
		cancel()
		time.Sleep(time.Second)
	})
}

func TestLS12_Config(t *testing.T) {
	if s := newTestShedder(t, LoadShedderConfig{}); s.Limit() != 10 || s.cfg.MaxLimit != 1000 || s.cfg.Window != time.Second {
		t.Errorf("defaults %+v", s.cfg)
	}
	if s := newTestShedder(t, LoadShedderConfig{MinLimit: 5000}); s.cfg.MaxLimit != 5000 {
		t.Errorf("the default maximum %d is below the minimum", s.cfg.MaxLimit)
	}
	for name, cfg := range map[string]LoadShedderConfig{
		"no target": {}, "negative target": {Target: -1}, "window": {Target: 1, Window: -1},
		"minimum": {Target: 1, MinLimit: -1}, "maximum": {Target: 1, MaxLimit: -1}, "crossed": {Target: 1, MinLimit: 2, MaxLimit: 1},
	} {
		if _, err := NewLoadShedder(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLS13_NoLockAndNoAllocation(t *testing.T) {
	var s *LoadShedder
	s = newTestShedder(t, LoadShedderConfig{MinLimit: 1, OnShed: func(ShedPriority) { _ = s.Limit() }})
	_, err := CallLoadShedder(t.Context(), s, ShedNormal, func(ctx context.Context) (int, error) {
		_ = s.InFlight()
		return CallLoadShedder(ctx, s, ShedNormal, func(context.Context) (int, error) { return 0, nil })
	})
	if err != ErrLoadShed {
		t.Errorf("the second of one: %v, want ErrLoadShed", err)
	}
	ctx := t.Context()
	fn := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(1000, func() { _, _ = CallLoadShedder(ctx, s, ShedNormal, fn) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLS10_MiddlewareNeverAnswersForWhatItDidNotServe(t *testing.T) {
	s := newTestShedder(t, LoadShedderConfig{})
	handler := ShedRequests(s, nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d for a request that nobody served", w.Code)
	}
}

func TestLS14_FallsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{})
		var took atomic.Int64
		took.Store(int64(10 * time.Millisecond))
		ctx, cancel := context.WithCancel(t.Context())
		for range 800 { // callers who come back at once
			go func() {
				for ctx.Err() == nil {
					_, err := CallLoadShedder(ctx, s, ShedNormal, func(context.Context) (int, error) {
						time.Sleep(time.Duration(took.Load()))
						return 0, nil
					})
					if err != nil {
						time.Sleep(50 * time.Millisecond)
					}
				}
			}()
		}
		time.Sleep(70 * time.Second)
		grown := s.Limit()
		took.Store(int64(2 * time.Second))
		time.Sleep(30 * time.Second)
		if grown < 500 || s.Limit() > 20 {
			t.Errorf("the limit was %d, and is %d after 30 s at 20 times the target", grown, s.Limit())
		}
		took.Store(int64(10 * time.Millisecond))
		time.Sleep(20 * time.Second)
		if s.Limit() < 100 {
			t.Errorf("the limit is %d after 20 s of recovery", s.Limit())
		}
		cancel()
		time.Sleep(3 * time.Second)
	})
}

func TestLS02_NumbersOfThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestShedder(t, LoadShedderConfig{})
		windows := 0
		for ; s.Limit() < 100; windows++ {
			loadWindow(t, s, s.Limit(), time.Millisecond, nil)
		}
		if windows != 15 {
			t.Errorf("from 10 to 100 takes %d windows, the page says 15", windows)
		}
		s, windows = newTestShedder(t, LoadShedderConfig{}), 0
		s.limit = 1000
		for ; s.Limit() > 10; windows++ {
			loadWindow(t, s, 10, time.Second, nil)
		}
		if windows != 7 {
			t.Errorf("from 1000 to 10 takes %d cuts, the page says 7", windows)
		}
	})
}
