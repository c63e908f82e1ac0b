package cacheaside

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Rules:
//
//	CA-1  a miss loads and keeps; a hit does not load
//	CA-2  any number of concurrent callers of one key cause one load
//	CA-3  a load of one key holds up no other key
//	CA-4  a caller whose ctx ends leaves at once with its cause; the load goes on for the others, with the ctx values
//	CA-5  a load ends after LoadTimeout, and waiters do even if Load ignores its context; the key is not wedged after it
//	CA-6  entries end after TTL less a jitter of at most a tenth
//	CA-7  "absent" is kept for AbsentTTL; no other error is kept
//	CA-8  never more than MaxEntries; the least recently used goes first
//	CA-9  panic and runtime.Goexit in Load (or a panic in IsAbsent) become an error of every waiter and nothing is kept
//	CA-10 after Invalidate nothing older is kept or handed to a later Get
//	CA-11 a hit does not allocate
//	CA-12 a ctx that is done starts no load
//	CA-13 a wrong configuration is refused
//	CA-14 no goroutine is left (TestMain), and no race at 64 goroutines
//	CA-15 with Redis as a second level: instances share entries, and Redis may be down (redis_test.go)
//	CA-16 with Redis: a reader that began before a change stores nothing after it (redis_test.go)

var errAbsent = errors.New("no such row")

func newCache(t testing.TB, config LoadingCacheConfig[string, int]) *LoadingCache[string, int] {
	t.Helper()
	if config.IsAbsent == nil {
		config.IsAbsent = func(err error) bool { return errors.Is(err, errAbsent) }
	}
	c, err := NewLoadingCache(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t testing.TB, c *LoadingCache[string, int], key string) int {
	t.Helper()
	v, err := c.Get(context.Background(), key)
	if err != nil {
		t.Error(err)
	}
	return v
}

func TestHitDoesNotLoad(t *testing.T) {
	loads := 0
	c := newCache(t, LoadingCacheConfig[string, int]{Load: func(_ context.Context, key string) (int, error) {
		loads++
		return len(key), nil
	}})
	for range 3 {
		if v := get(t, c, "four"); v != 4 {
			t.Errorf("got %d", v)
		}
	}
	if loads != 1 { // CA-1
		t.Errorf("%d loads", loads)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Get(context.Background(), "four") }); n != 0 { // CA-11
		t.Errorf("%v allocations per hit", n)
	}
}

func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int32
		release := make(chan struct{})
		c := newCache(t, LoadingCacheConfig[string, int]{Load: func(_ context.Context, key string) (int, error) {
			if key == "slow" {
				loads.Add(1)
				<-release
			}
			return 1, nil
		}})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { get(t, c, "slow") })
		}
		synctest.Wait()
		get(t, c, "other") // CA-3: would deadlock the bubble
		close(release)
		wg.Wait()
		if n := loads.Load(); n != 1 { // CA-2
			t.Errorf("%d loads", n)
		}
	})
}

func TestCallerLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type traceKey struct{}
		release := make(chan struct{})
		c := newCache(t, LoadingCacheConfig[string, int]{Load: func(ctx context.Context, _ string) (int, error) {
			<-release
			return ctx.Value(traceKey{}).(int), ctx.Err()
		}})
		cause := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), traceKey{}, 42))
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(ctx, "k"); err != cause { // CA-4
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if v := get(t, c, "k"); v != 42 { // CA-4: poisoned by nobody, values kept
				t.Errorf("got %d", v)
			}
		})
		synctest.Wait()
		cancel(cause)
		synctest.Wait()
		close(release)
		wg.Wait()
	})
}

func TestLoadTimeout(t *testing.T) {
	for name, ignores := range map[string]bool{"honours ctx": false, "ignores ctx": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				calls := 0
				c := newCache(t, LoadingCacheConfig[string, int]{
					LoadTimeout: time.Second,
					Load: func(ctx context.Context, _ string) (int, error) {
						if calls++; calls > 1 {
							return 7, nil
						}
						if ignores {
							<-release
							return 1, ctx.Err()
						}
						<-ctx.Done()
						return 0, context.Cause(ctx)
					},
				})
				start := time.Now()
				for range 2 {
					_, err := c.Get(context.Background(), "k")
					if !errors.Is(err, ErrLoadTimeout) || time.Since(start) != time.Second { // CA-5
						t.Fatalf("got %v after %v", err, time.Since(start))
					}
					if !ignores {
						break
					}
				}
				close(release)
				synctest.Wait()
				if v := get(t, c, "k"); v != 7 { // CA-5
					t.Errorf("got %d", v)
				}
			})
		})
	}
}

func TestLifetime(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		jitter time.Duration // of the limit given
		lives  time.Duration
	}{
		{"value, no jitter", nil, 0, 100 * time.Second},
		{"value, all jitter", nil, 10 * time.Second, 90 * time.Second},       // CA-6
		{"absent", fmt.Errorf("user: %w", errAbsent), 0, 20 * time.Second},   // CA-7
		{"absent, all jitter", errAbsent, 2 * time.Second, 18 * time.Second}, // CA-7
		{"another error", errors.New("connection refused"), 0, 0},            // CA-7
		{"cancelled inside", context.DeadlineExceeded, 0, 0},                 // CA-7
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Now()
			loads := 0
			c := newCache(t, LoadingCacheConfig[string, int]{
				TTL: 100 * time.Second, AbsentTTL: 20 * time.Second,
				Now: func() time.Time { return now },
				Jitter: func(limit time.Duration) time.Duration {
					if tc.jitter > limit {
						t.Errorf("limit %v", limit)
					}
					return tc.jitter
				},
				Load: func(context.Context, string) (int, error) { loads++; return 1, tc.err },
			})
			wantLoads := func(n int) {
				t.Helper()
				if _, err := c.Get(context.Background(), "k"); !errors.Is(err, tc.err) || loads != n {
					t.Errorf("%v: %d loads, %v", now, loads, err)
				}
			}
			wantLoads(1)
			if tc.lives > 0 {
				now = now.Add(tc.lives - 1)
				wantLoads(1)
				now = now.Add(1)
			}
			wantLoads(2)
			if c.recent.Len() != c.Len() { // CA-8
				t.Errorf("%d in the list, %d in the map", c.recent.Len(), c.Len())
			}
		})
	}
}

func TestDefaultJitter(t *testing.T) {
	c := newCache(t, LoadingCacheConfig[string, int]{
		Load: func(context.Context, string) (int, error) { return 1, nil },
	})
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		ttl := c.lifetime(nil)
		least, most = min(least, ttl), max(most, ttl)
	}
	if least <= 54*time.Second || most > time.Minute || most-least < 3*time.Second { // CA-6
		t.Errorf("from %v to %v", least, most)
	}
}

func TestBound(t *testing.T) {
	loads := map[string]int{}
	c := newCache(t, LoadingCacheConfig[string, int]{
		MaxEntries: 3,
		Load:       func(_ context.Context, key string) (int, error) { loads[key]++; return 1, nil },
	})
	for _, key := range []string{"a", "b", "c", "a", "d", "a", "b"} { // d pushes b out, b pushes c out
		get(t, c, key)
		if c.Len() > 3 || c.recent.Len() != c.Len() { // CA-8
			t.Fatalf("%d entries", c.Len())
		}
	}
	if fmt.Sprint(loads) != "map[a:1 b:2 c:1 d:1]" { // CA-8
		t.Errorf("loads %v", loads)
	}
}

func TestPanicReachesWaiters(t *testing.T) {
	boom := func() { panic("boom") }
	for name, tc := range map[string]struct {
		load  func() error
		value any
	}{
		"panic":             {func() error { boom(); return nil }, "boom"},
		"goexit":            {func() error { runtime.Goexit(); return nil }, nil},
		"panic in IsAbsent": {func() error { return errAbsent }, "classifier"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				c := newCache(t, LoadingCacheConfig[string, int]{
					Load:     func(context.Context, string) (int, error) { <-release; return 0, tc.load() },
					IsAbsent: func(error) bool { panic("classifier") },
				})
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						_, err := c.Get(context.Background(), "k")
						var panicked *LoadPanicError
						if !errors.As(err, &panicked) || panicked.Value != tc.value || len(panicked.Stack) == 0 { // CA-9
							t.Errorf("got %v", err)
						}
					})
				}
				synctest.Wait()
				close(release)
				wg.Wait()
				if c.Len() != 0 || len(c.loads) != 0 {
					t.Error("something was kept")
				}
			})
		})
	}
}

func TestInvalidateDuringLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		row := 1
		release := make(chan struct{})
		loads := 0
		c := newCache(t, LoadingCacheConfig[string, int]{Load: func(context.Context, string) (int, error) {
			read := row
			if loads++; loads == 1 {
				<-release
			}
			return read, nil
		}})
		var wg sync.WaitGroup
		wg.Go(func() { get(t, c, "k") })
		synctest.Wait()
		row = 2
		c.Invalidate("k")
		if v := get(t, c, "k"); v != 2 { // CA-10
			t.Errorf("joined the old load: %d", v)
		}
		close(release)
		wg.Wait()
		if v := get(t, c, "k"); v != 2 { // CA-10
			t.Errorf("the old load was kept: %d", v)
		}
		row = 3
		c.Invalidate("k")
		if v := get(t, c, "k"); v != 3 {
			t.Errorf("the entry was kept: %d", v)
		}
	})
}

func TestDoneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := 0
		c := newCache(t, LoadingCacheConfig[string, int]{Load: func(context.Context, string) (int, error) { loads++; return 1, nil }})
		cause := errors.New("client went away")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		_, err := c.Get(ctx, "k")
		synctest.Wait()
		if err != cause || loads != 0 { // CA-12
			t.Errorf("%d loads, %v", loads, err)
		}
	})
}

func TestLoadContextIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loadCtx context.Context
		c := newCache(t, LoadingCacheConfig[string, int]{Load: func(ctx context.Context, _ string) (int, error) {
			loadCtx = ctx
			return 1, nil
		}})
		get(t, c, "k")
		synctest.Wait()
		if loadCtx.Err() != context.Canceled { // CA-5: its timer would go on for LoadTimeout
			t.Errorf("got %v", loadCtx.Err())
		}
	})
}

func TestConfig(t *testing.T) {
	load := func(context.Context, string) (int, error) { return 1, nil }
	for _, config := range []LoadingCacheConfig[string, int]{
		{}, {Load: load, TTL: -1}, {Load: load, AbsentTTL: -1}, {Load: load, LoadTimeout: -1}, {Load: load, MaxEntries: -1},
	} {
		if c, err := NewLoadingCache(config); c != nil || err == nil { // CA-13
			t.Errorf("%+v was accepted", config)
		}
	}
}

func TestStress(t *testing.T) {
	var version atomic.Int64
	c := newCache(t, LoadingCacheConfig[string, int]{
		MaxEntries: 8,
		Load:       func(context.Context, string) (int, error) { return int(version.Load()), nil },
	})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 300 {
				key := string(rune('a' + rand.N(16)))
				if rand.N(4) == 0 {
					before := version.Add(1)
					c.Invalidate(key)
					if v := get(t, c, key); int64(v) < before { // CA-10, CA-14
						t.Errorf("got %d after invalidating %d", v, before)
					}
				} else {
					get(t, c, key)
				}
			}
		})
	}
	wg.Wait()
	if c.Len() > 8 {
		t.Errorf("%d entries", c.Len())
	}
}
