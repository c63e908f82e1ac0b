package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/shopfront/pkg/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("down at 10.0.0.1")

func newChecker(changes *[]string) *health.Checker {
	c := health.New(health.Config{
		Timeout: 2 * time.Second,
		MaxAge:  time.Second,
		OnChange: func(check string, state health.State, _ error) {
			if changes != nil {
				*changes = append(*changes, check+" "+string(state))
			}
		},
	})
	c.Start()
	return c
}

func TestReadiness(t *testing.T) {
	good := func(context.Context) error { return nil }
	bad := func(context.Context) error { return errDown }
	tests := []struct {
		name               string
		required, optional health.Check
		want               health.State
		status             int
	}{
		{"all good", good, good, health.OK, http.StatusOK},
		{"optional fails", good, bad, health.Degraded, http.StatusOK},
		{"required fails", bad, good, health.Failing, http.StatusServiceUnavailable},
		{"both fail", bad, bad, health.Failing, http.StatusServiceUnavailable},
		{"required panics", func(context.Context) error { panic("kaboom") }, good, health.Failing, http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChecker(nil)
			c.Add("database", tt.required)
			c.AddOptional("cache", tt.optional)
			if got := c.Ready(t.Context()); got.State != tt.want {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
			status, body := get(t, c, "/readyz")
			if status != tt.status || body["status"] != string(tt.want) {
				t.Errorf("answer %d %v", status, body)
			}
			if live, _ := get(t, c, "/livez"); live != http.StatusOK {
				t.Errorf("liveness looks at other systems: %d", live)
			}
		})
	}
}

func get(t *testing.T, c *health.Checker, path string) (int, map[string]any) {
	t.Helper()
	mux := http.NewServeMux()
	c.Routes(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if strings.Contains(w.Body.String(), "10.0.0.1") {
		t.Errorf("the answer tells too much: %s", w.Body)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	return w.Code, body
}

func TestStartAndDrain(t *testing.T) {
	c := health.New(health.Config{Timeout: time.Second})
	want := func(phase string, startup, ready int) {
		t.Helper()
		for path, status := range map[string]int{"/livez": 200, "/startupz": startup, "/readyz": ready} {
			if got, _ := get(t, c, path); got != status {
				t.Errorf("%s: %s is %d, want %d", phase, path, got, status)
			}
		}
	}
	want("before the start", 503, 503)
	c.Start()
	want("started", 200, 200)
	c.Drain()
	want("draining", 200, 503)
}

func TestManyProbesCauseOneCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, runs := newChecker(nil), 0
		c.Add("database", func(context.Context) error {
			runs++
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		probe := func() {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if got := c.Ready(t.Context()); got.State != health.OK {
						t.Errorf("got %+v", got)
					}
				})
			}
			wg.Wait()
		}
		probe()
		probe()
		if runs != 1 {
			t.Errorf("%d runs within the age limit, want 1", runs)
		}
		time.Sleep(time.Second)
		probe()
		if runs != 2 {
			t.Errorf("%d runs after the age limit, want 2", runs)
		}
	})
}

func TestHangingCheckIsBoundedAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		c, leave := newChecker(nil), make(chan struct{})
		c.Add("database", func(context.Context) error {
			runs.Add(1)
			<-leave // ignores its context
			return nil
		})
		for range 3 {
			began := time.Now()
			if got := c.Ready(t.Context()); got.State != health.Failing || !errors.Is(got.Causes["database"], context.DeadlineExceeded) {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("the probe took %v", took)
			}
			time.Sleep(2 * time.Second)
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("a hanging check was started %d times", n)
		}
		close(leave)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if got := c.Ready(t.Context()); got.State != health.OK {
			t.Errorf("after it came back: %+v", got)
		}
	})
}

func TestImpatientProberSpoilsNothing(t *testing.T) {
	giveUp := map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Millisecond, cancel)
			return ctx, cancel
		},
		"short deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		},
	}
	for name, begin := range giveUp {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChecker(nil)
				c.Add("database", func(ctx context.Context) error {
					select {
					case <-time.After(time.Second):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				impatient, cancel := begin(t.Context())
				defer cancel()
				if got := c.Ready(impatient); got.State != health.Failing {
					t.Errorf("the impatient prober got %+v", got)
				}
				if got := c.Ready(t.Context()); got.State != health.OK {
					t.Errorf("the next one got %+v", got)
				}
			})
		})
	}
}

func TestOnlyChangesAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []string
		var err error
		c := newChecker(&changes)
		c.Add("database", func(context.Context) error { return err })
		for _, err = range []error{nil, nil, errDown, errDown, nil} {
			c.Ready(t.Context())
			time.Sleep(2 * time.Second)
		}
		if got := strings.Join(changes, ", "); got != "database failing, database ok" {
			t.Errorf("changes: %s", got)
		}
	})
}
