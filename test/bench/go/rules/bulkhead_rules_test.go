package rules

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

	"example.com/go-architect/bench/calls"
)

var bulkheadRules = []rule[bulkheadLibrary]{
	{"B-1", "never more than N run, though their callers give up", bubble(bulkheadLimit)},
	{"B-2", "runs in the caller's goroutine", bubble(bulkheadNoGoroutine)},
	{"B-3", "the context reaches the call, with a timeout that the wait does not use up", bubble(bulkheadContext)},
	{"B-4", "panic and Goexit free the place and pass through", bubble(bulkheadPanics)},
	{"B-5", "a done context beats a free place", bubble(bulkheadDoneContext)},
	{"B-6", "a free place beats a tiny longest wait", bubble(bulkheadTinyWait)},
	{"B-7", "full: fails at once, after the longest wait or when cancelled; the queue is bounded", bubble(bulkheadFull)},
	{"B-8", "20 000 races of place and cancellation lose and double none", bulkheadRaces},
	{"B-9", "first come, first served, though some leave", bubble(bulkheadOrder)},
	{"B-10", "tells how many run, and of each rejection", bubble(bulkheadNumbers)},
	{"B-11", "no allocation while free", func(t *testing.T, l bulkheadLibrary) {
		wantNoAllocations(t, calls.BulkheadFree, l.name)
	}},
	{"B-12", "a limit of 0 is refused", bubble(bulkheadNoLimit)},
	{"B-13", "a place cannot be given back twice", bubble(bulkheadNested)},
}

func (l bulkheadLibrary) mustNew(t *testing.T, cfg bulkheadConfig) compartment {
	t.Helper()
	c, err := l.new(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enter(ctx context.Context, c compartment) error {
	_, err := c.Do(ctx, func(context.Context) (int, error) { return 0, nil })
	return err
}

// occupy takes a place, within a bubble, until free is called.
func occupy(t *testing.T, c compartment) (free func()) {
	t.Helper()
	end := make(chan struct{})
	inside := false
	go func() {
		_, _ = c.Do(context.Background(), func(context.Context) (int, error) {
			inside = true
			<-end
			return 0, nil
		})
	}()
	synctest.Wait()
	var once sync.Once
	free = func() { once.Do(func() { close(end) }); synctest.Wait() }
	t.Cleanup(free)
	if !inside {
		t.Fatal("there was no place")
	}
	return free
}

// waiting returns the configuration in which calls wait for a place.
func waiting(limit int, l bulkheadLibrary) bulkheadConfig {
	cfg := bulkheadConfig{limit: limit, maxQueue: 1000, maxWait: time.Hour}
	if l.noWait {
		cfg = bulkheadConfig{limit: limit}
	}
	return cfg
}

func bulkheadLimit(t *testing.T, l bulkheadLibrary) {
	const limit = 4
	c := l.mustNew(t, waiting(limit, l))
	var running, most, done atomic.Int64
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, _ = c.Do(ctx, func(context.Context) (int, error) {
				n := running.Add(1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				time.Sleep(30 * time.Millisecond) // though its caller gave up
				running.Add(-1)
				done.Add(1)
				return 0, nil
			})
		})
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	if most.Load() != limit || done.Load() < 2*limit {
		t.Errorf("up to %d ran at once and %d in all, want %d at once", most.Load(), done.Load(), limit)
	}
}

func bulkheadNoGoroutine(t *testing.T, l bulkheadLibrary) {
	c := l.mustNew(t, waiting(1, l))
	before := runtime.NumGoroutine()
	_, err := c.Do(t.Context(), func(context.Context) (int, error) {
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines during the call, %d before", n, before)
		}
		return 0, nil
	})
	if err != nil {
		t.Error(err)
	}
}

func bulkheadContext(t *testing.T, l bulkheadLibrary) {
	type key struct{}
	cfg := waiting(1, l)
	cfg.callTimeout = time.Second
	c := l.mustNew(t, cfg)
	if !l.noWait {
		time.AfterFunc(30*time.Second, occupy(t, c))
	}
	var took time.Duration
	_, _ = c.Do(context.WithValue(t.Context(), key{}, "value"), func(ctx context.Context) (int, error) {
		if ctx.Value(key{}) != "value" {
			t.Error("the context's value is lost")
		}
		start := time.Now()
		<-ctx.Done()
		took = time.Since(start)
		return 0, ctx.Err()
	})
	if took != time.Second {
		t.Errorf("the context ended after %v, want 1s", took)
	}
}

func bulkheadPanics(t *testing.T, l bulkheadLibrary) {
	for name, end := range map[string]func(){"a panic": func() { panic(errTest) }, "Goexit": runtime.Goexit} {
		c := l.mustNew(t, bulkheadConfig{limit: 1})
		var recovered any
		go func() {
			defer func() { recovered = recover() }()
			_, _ = c.Do(context.Background(), func(context.Context) (int, error) { end(); return 0, nil })
		}()
		synctest.Wait()
		if (recovered == errTest) != (name == "a panic") {
			t.Errorf("recovered %v after %s", recovered, name)
		}
		if err := enter(t.Context(), c); err != nil {
			t.Errorf("the place is lost after %s", name)
		}
	}
}

func bulkheadDoneContext(t *testing.T, l bulkheadLibrary) {
	c := l.mustNew(t, waiting(1, l))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := enter(ctx, c); !errors.Is(err, context.Canceled) {
			t.Fatalf("called with a done context: %v", err)
		}
	}
}

func bulkheadTinyWait(t *testing.T, l bulkheadLibrary) {
	c := l.mustNew(t, bulkheadConfig{limit: 1, maxWait: 1, maxQueue: 1})
	for range 10_000 {
		if err := enter(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

func bulkheadFull(t *testing.T, l bulkheadLibrary) {
	c := l.mustNew(t, bulkheadConfig{limit: 1})
	occupy(t, c)
	start := time.Now()
	if err := enter(t.Context(), c); !l.full(err) || time.Since(start) != 0 {
		t.Errorf("full: %v after %v, want a rejection at once", err, time.Since(start))
	}
	if l.noWait {
		return
	}
	c = l.mustNew(t, bulkheadConfig{limit: 1, maxWait: time.Hour, maxQueue: 2})
	occupy(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	start = time.Now()
	if err := enter(ctx, c); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
		t.Errorf("cancelled: %v after %v, want the cause after 1s", err, time.Since(start))
	}
	if !l.noMaxWait {
		start = time.Now()
		if err := enter(t.Context(), c); !l.full(err) || time.Since(start) != time.Hour {
			t.Errorf("waited in vain: %v after %v, want a rejection after 1h", err, time.Since(start))
		}
	}
	if l.queueBound {
		for range 2 {
			go func() { _ = enter(context.Background(), c) }()
		}
		synctest.Wait()
		start = time.Now()
		if err := enter(t.Context(), c); !l.full(err) || time.Since(start) != 0 {
			t.Errorf("queue full: %v after %v, want a rejection at once", err, time.Since(start))
		}
	}
}

// bulkheadRaces needs a real clock: in a bubble nothing happens by chance.
func bulkheadRaces(t *testing.T, l bulkheadLibrary) {
	const limit, workers, rounds = 3, 16, 20_000
	cfg := bulkheadConfig{limit: limit, maxWait: 20 * time.Microsecond, maxQueue: 64}
	c := l.mustNew(t, cfg)
	var running, doubled, served atomic.Int64
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := range rounds / workers {
				ctx, cancel := context.WithCancel(t.Context())
				if (worker+i)%2 == 0 {
					wg.Go(cancel)
				}
				_, _ = c.Do(ctx, func(context.Context) (int, error) {
					if running.Add(1) > limit {
						doubled.Add(1)
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
	if doubled.Load() > 0 || served.Load() == 0 {
		t.Errorf("above the limit %d times, %d served", doubled.Load(), served.Load())
	}
	var inside sync.WaitGroup // returns only if the whole capacity is there
	inside.Add(limit)
	for range limit {
		wg.Go(func() {
			_, _ = c.Do(t.Context(), func(context.Context) (int, error) {
				inside.Done()
				inside.Wait()
				return 0, nil
			})
		})
	}
	wg.Wait()
}

func bulkheadOrder(t *testing.T, l bulkheadLibrary) {
	c := l.mustNew(t, waiting(1, l))
	free := occupy(t, c)
	var order []int
	for i := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_, _ = c.Do(ctx, func(context.Context) (int, error) {
				order = append(order, i)
				return 0, nil
			})
		}()
		synctest.Wait()
		if i%10 == 5 {
			cancel()
			synctest.Wait()
		}
	}
	free()
	if len(order) != 90 || !slices.IsSorted(order) {
		t.Errorf("%d of 90 were served, or not in order", len(order))
	}
}

func bulkheadNumbers(t *testing.T, l bulkheadLibrary) {
	rejected := 0
	c := l.mustNew(t, bulkheadConfig{limit: 2, onReject: func() { rejected++ }})
	wantRunning := func(want int64) {
		t.Helper()
		if l.inFlight != nil && l.inFlight(c) != want {
			t.Errorf("%d run, want %d", l.inFlight(c), want)
		}
	}
	wantRunning(0)
	first := occupy(t, c)
	second := occupy(t, c)
	wantRunning(2)
	_ = enter(t.Context(), c)
	first()
	second()
	wantRunning(0)
	if l.rejectsHook && rejected != 1 {
		t.Errorf("told of %d rejections, want 1", rejected)
	}
}

func bulkheadNoLimit(t *testing.T, l bulkheadLibrary) {
	defer func() { _ = recover() }() // refused
	c, err := l.new(bulkheadConfig{})
	if err == nil && enter(t.Context(), c) != nil {
		t.Error("a limit of 0 is accepted and admits nobody")
	}
}

func bulkheadNested(t *testing.T, l bulkheadLibrary) {
	c := l.mustNew(t, bulkheadConfig{limit: 2})
	for range 10 {
		_, err := c.Do(t.Context(), func(ctx context.Context) (int, error) {
			return c.Do(ctx, func(ctx context.Context) (int, error) { return 0, enter(ctx, c) })
		})
		if !l.full(err) {
			t.Fatalf("a third call within two: %v, want a rejection", err)
		}
	}
}
