package health

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Rules.
//
//	HC-1  before MarkStarted: started and ready are 503, live is 200
//	HC-2  live asks no dependency and stays 200 while all of them fail and while draining
//	HC-3  ready is 200 when all checks pass, 503 when a critical one fails
//	HC-4  a failing optional check leaves the instance ready, and says degraded
//	HC-5  checks run side by side: the round takes as long as the slowest, not the sum
//	HC-6  a check that overruns its timeout fails, and its context ends
//	HC-7  a check that ignores its context holds nobody up and is never started a second time
//	HC-8  a panic in a check is its failure; so is runtime.Goexit
//	HC-9  results are reused for the TTL, good and bad ones, and renewed after it
//	HC-10 any number of probes at once run each check once
//	HC-11 a probe that goes away gets its answer and does not end the round of the others
//	HC-12 Drain turns ready off at once and for good, even while a round is under way, and runs no checks
//	HC-13 the outside learns one word: no name of a dependency and no error text
//	HC-14 OnChange is told the first failure and each change, in order, with the error
//	HC-15 Report names all failed critical checks, matched by errors.Is; its results are a copy
//	HC-16 duplicate or empty names, a missing function, negative durations: an error at once

var errHealthTest = errors.New("dial tcp 10.1.2.3:5432: password of admin refused")

func passes(context.Context) error { return nil }
func fails(context.Context) error  { return errHealthTest }

func newStarted(t *testing.T, cfg HealthConfig) *Health {
	t.Helper()
	h, err := NewHealth(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.MarkStarted()
	return h
}

func probe(handler http.HandlerFunc) (int, string) {
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func wantProbe(t *testing.T, handler http.HandlerFunc, wantCode int, wantText string) {
	t.Helper()
	if code, text := probe(handler); code != wantCode || text != wantText {
		t.Errorf("probe = %d %q, want %d %q", code, text, wantCode, wantText)
	}
}

func TestHC01_NotStarted(t *testing.T) {
	h, err := NewHealth(HealthConfig{Checks: []HealthCheck{{Name: "db", Check: func(context.Context) error {
		t.Error("a check ran before the start")
		return nil
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	wantProbe(t, h.ServeStarted, 503, "not started")
	wantProbe(t, h.ServeReady, 503, "not ready")
	wantProbe(t, h.ServeLive, 200, "live")
	if err := h.Report(t.Context()).Err; !errors.Is(err, ErrNotStarted) {
		t.Errorf("report = %v, want ErrNotStarted", err)
	}
	h.cfg.Checks[0].Check = passes
	h.MarkStarted()
	wantProbe(t, h.ServeStarted, 200, "started")
	wantProbe(t, h.ServeReady, 200, "ready")
}

func TestHC02_LiveIsAlone(t *testing.T) {
	var calls atomic.Int64
	h := newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "db", Check: func(context.Context) error {
		calls.Add(1)
		return errHealthTest
	}}}})
	wantProbe(t, h.ServeLive, 200, "live")
	if calls.Load() != 0 {
		t.Error("the liveness probe asked a dependency")
	}
	wantProbe(t, h.ServeReady, 503, "not ready")
	wantProbe(t, h.ServeLive, 200, "live")
	h.Drain()
	wantProbe(t, h.ServeLive, 200, "live")
}

func TestHC03_HC04_CriticalAndOptional(t *testing.T) {
	for _, test := range []struct {
		name               string
		critical, optional func(context.Context) error
		code               int
		text               string
	}{
		{"all pass", passes, passes, 200, "ready"},
		{"critical fails", fails, passes, 503, "not ready"},
		{"optional fails", passes, fails, 200, "degraded"},
		{"both fail", fails, fails, 503, "not ready"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newStarted(t, HealthConfig{Checks: []HealthCheck{
				{Name: "db", Check: test.critical},
				{Name: "mail", Optional: true, Check: test.optional},
			}})
			wantProbe(t, h.ServeReady, test.code, test.text)
			if got, want := h.Report(t.Context()).Degraded(), test.optional(t.Context()) != nil; got != want {
				t.Errorf("degraded %v, want %v", got, want)
			}
		})
	}
}

// waitFor is a check that takes d, or ends with its context.
func waitFor(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestHC05_SideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStarted(t, HealthConfig{Checks: []HealthCheck{
			{Name: "a", Check: waitFor(300 * time.Millisecond)},
			{Name: "b", Check: waitFor(400 * time.Millisecond)},
			{Name: "c", Check: waitFor(200 * time.Millisecond)},
		}})
		start := time.Now()
		report := h.Report(t.Context())
		if took := time.Since(start); report.Err != nil || took != 400*time.Millisecond {
			t.Errorf("round: %v after %v, want nil after 400ms", report.Err, took)
		}
		if took := report.Results[2].Took; took != 200*time.Millisecond {
			t.Errorf("check c took %v, want 200ms", took)
		}
	})
}

func TestHC06_Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		h := newStarted(t, HealthConfig{Timeout: 100 * time.Millisecond, Checks: []HealthCheck{
			{Name: "slow", Check: func(ctx context.Context) error {
				<-ctx.Done()
				ended <- ctx.Err()
				return nil // too late to count
			}},
			{Name: "patient", Timeout: 300 * time.Millisecond, Check: waitFor(250 * time.Millisecond)},
		}})
		start := time.Now()
		report := h.Report(t.Context())
		if took := time.Since(start); took != 250*time.Millisecond {
			t.Errorf("the round took %v, want 250ms: each check by its own timeout", took)
		}
		if err := <-ended; err != context.DeadlineExceeded {
			t.Errorf("the slow check's context ended with %v", err)
		}
		if report.Results[1].Err != nil || report.Err == nil {
			t.Errorf("report = %+v", report)
		}
	})
}

func TestHC07_StuckCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		h := newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "stuck", Check: func(context.Context) error {
			calls.Add(1)
			<-release
			return nil
		}}}})
		for range 5 {
			if err := h.Report(t.Context()).Err; err == nil {
				t.Fatal("a check that does not return passed")
			}
			time.Sleep(time.Second) // virtual
		}
		if calls.Load() != 1 {
			t.Errorf("started %d times, want once", calls.Load())
		}
		close(release)
		synctest.Wait()
		time.Sleep(time.Second)
		if err := h.Report(t.Context()).Err; err != nil || calls.Load() != 2 {
			t.Errorf("after it returned: %v, %d calls", err, calls.Load())
		}
	})
}

func TestHC08_PanicAndGoexit(t *testing.T) {
	h := newStarted(t, HealthConfig{Checks: []HealthCheck{
		{Name: "panics", Check: func(context.Context) error { panic("nil pool") }},
		{Name: "exits", Check: func(context.Context) error { runtime.Goexit(); return nil }},
	}})
	report := h.Report(t.Context())
	for i, want := range []string{"nil pool", "did not return"} {
		if err := report.Results[i].Err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", report.Results[i].Name, err, want)
		}
	}
	wantProbe(t, h.ServeReady, 503, "not ready")
}

func TestHC09_Cached(t *testing.T) {
	now := time.Now()
	calls, result := 0, errHealthTest
	h := newStarted(t, HealthConfig{
		TTL: 2 * time.Second, Now: func() time.Time { return now },
		Checks: []HealthCheck{{Name: "db", Check: func(context.Context) error { calls++; return result }}},
	})
	for _, step := range []struct {
		advance time.Duration
		code    int
		calls   int
	}{
		{0, 503, 1}, {1999 * time.Millisecond, 503, 1}, {time.Millisecond, 200, 2}, {time.Second, 200, 2}, {time.Second, 200, 3},
	} {
		now = now.Add(step.advance)
		if code, _ := probe(h.ServeReady); code != step.code || calls != step.calls {
			t.Errorf("after %v: %d and %d calls, want %d and %d", step.advance, code, calls, step.code, step.calls)
		}
		result = nil // shows only when asked again
	}
}

func TestHC10_SingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h := newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "db", Check: func(ctx context.Context) error {
			calls.Add(1)
			return waitFor(100 * time.Millisecond)(ctx)
		}}}})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if err := h.Report(t.Context()).Err; err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if calls.Load() != 1 {
			t.Errorf("100 probes made %d calls", calls.Load())
		}
	})
}

func TestHC11_ProbeGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "db", Check: waitFor(200 * time.Millisecond)}}})
		gone := errors.New("the prober hung up")
		ctx, cancel := context.WithCancelCause(t.Context())
		first := make(chan error, 1)
		go func() { first <- h.Report(ctx).Err }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- h.Report(t.Context()).Err }()
		synctest.Wait()
		cancel(gone)
		if err := <-first; !errors.Is(err, gone) {
			t.Errorf("first = %v, want its own cause", err)
		}
		if err := <-second; err != nil {
			t.Errorf("second = %v, want the round to go on", err)
		}
	})
}

func TestHC12_Drain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h := newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "db", Check: func(ctx context.Context) error {
			calls.Add(1)
			return waitFor(100 * time.Millisecond)(ctx)
		}}}})
		report := make(chan HealthReport, 1)
		go func() { report <- h.Report(t.Context()) }()
		synctest.Wait()
		h.Drain()
		if got := <-report; !errors.Is(got.Err, ErrDraining) {
			t.Errorf("the round under way answered %v, want ErrDraining", got.Err)
		}
		time.Sleep(time.Minute)
		h.MarkStarted()
		wantProbe(t, h.ServeReady, 503, "not ready")
		if calls.Load() != 1 {
			t.Error("a draining instance still asks its dependencies")
		}
	})
}

func TestHC13_GenericOutside(t *testing.T) {
	h := newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "billing-postgres", Check: fails}}})
	w := httptest.NewRecorder()
	h.ServeReady(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if got := w.Body.String(); got != "not ready\n" {
		t.Errorf("body = %q", got)
	}
	for name, values := range w.Header() {
		if s := strings.Join(values, " "); strings.Contains(s, "billing") || strings.Contains(s, "admin") {
			t.Errorf("header %s leaks %q", name, s)
		}
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
}

func TestHC14_OnChange(t *testing.T) {
	now := time.Now()
	var told []string
	result := error(nil)
	h := newStarted(t, HealthConfig{
		Now:    func() time.Time { return now },
		Checks: []HealthCheck{{Name: "db", Check: func(context.Context) error { return result }}, {Name: "mail", Check: passes}},
		OnChange: func(name string, err error) {
			if err != nil {
				told = append(told, name+" down: "+err.Error())
			} else {
				told = append(told, name+" up")
			}
		},
	})
	for _, next := range []error{nil, errHealthTest, errHealthTest, nil, nil} {
		result = next
		h.Report(t.Context())
		now = now.Add(time.Second)
	}
	if want := []string{"db down: " + errHealthTest.Error(), "db up"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	told = nil
	h = newStarted(t, HealthConfig{Checks: []HealthCheck{{Name: "db", Check: fails}}, OnChange: h.cfg.OnChange})
	h.Report(t.Context())
	if len(told) != 1 {
		t.Errorf("the first failure: told %q", told)
	}
}

func TestHC15_Report(t *testing.T) {
	other := errors.New("no leader")
	h := newStarted(t, HealthConfig{Checks: []HealthCheck{
		{Name: "db", Check: fails},
		{Name: "queue", Check: func(context.Context) error { return other }},
		{Name: "mail", Optional: true, Check: func(context.Context) error { return errors.New("optional") }},
	}})
	report := h.Report(t.Context())
	if !errors.Is(report.Err, errHealthTest) || !errors.Is(report.Err, other) || !report.Degraded() {
		t.Errorf("report = %+v", report)
	}
	if text := report.Err.Error(); !strings.Contains(text, "db: ") || !strings.Contains(text, "queue: ") || strings.Contains(text, "optional") {
		t.Errorf("text = %q", text)
	}
	report.Results[0].Err = nil
	if h.Report(t.Context()).Results[0].Err == nil {
		t.Error("a caller changed the shared results")
	}
}

func TestHC16_Invalid(t *testing.T) {
	ok := HealthCheck{Name: "db", Check: passes}
	for name, cfg := range map[string]HealthConfig{
		"duplicate":        {Checks: []HealthCheck{ok, ok}},
		"no name":          {Checks: []HealthCheck{{Check: passes}}},
		"no function":      {Checks: []HealthCheck{{Name: "db"}}},
		"negative check":   {Checks: []HealthCheck{{Name: "db", Check: passes, Timeout: -1}}},
		"negative timeout": {Timeout: -1},
		"negative TTL":     {TTL: -1},
	} {
		if _, err := NewHealth(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestHC17_OnChangePanics(t *testing.T) {
	told := 0
	h, err := NewHealth(HealthConfig{
		Checks:   []HealthCheck{{Name: "db", Check: func(context.Context) error { return errors.New("down") }}, {Name: "mq", Check: func(context.Context) error { return errors.New("down") }}},
		OnChange: func(string, error) { told++; panic("nil logger") },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.MarkStarted()
	w := httptest.NewRecorder()
	h.ServeReady(w, httptest.NewRequest(http.MethodGet, "/", nil)) // the process would end here
	if w.Code != http.StatusServiceUnavailable || told != 2 {
		t.Errorf("status %d, %d told", w.Code, told)
	}
}

func TestHC18_ResultsAtHandBeatADoneContext(t *testing.T) {
	h, err := NewHealth(HealthConfig{TTL: time.Hour, Checks: []HealthCheck{{Name: "db", Check: func(context.Context) error { return nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	h.MarkStarted()
	if err := h.Report(t.Context()).Err; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := h.Report(ctx).Err; err != nil {
			t.Fatal(err)
		}
	}
}

func TestHC19_EndedContextMatchesAsInTheStandardLibrary(t *testing.T) {
	release := make(chan struct{})
	h, err := NewHealth(HealthConfig{Timeout: time.Minute, Checks: []HealthCheck{{Name: "db", Check: func(context.Context) error { <-release; return nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	h.MarkStarted()
	cause := errors.New("the prober went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := h.Report(ctx).Err; !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("error = %v, want context.Canceled and the cause", err)
	}
	close(release)
	_ = h.Report(t.Context())
}
