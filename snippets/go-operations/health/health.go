// Package health answers the three questions of an orchestrator: has the
// process started, is it alive, and may it get traffic.
package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrNotStarted is why an instance is not ready before MarkStarted.
	ErrNotStarted = errors.New("health: not started")
	// ErrDraining is why an instance is not ready after Drain.
	ErrDraining = errors.New("health: draining")
)

// HealthCheck asks one dependency whether it can be used.
type HealthCheck struct {
	Name     string
	Optional bool          // if it fails, the instance is degraded but ready
	Timeout  time.Duration // default HealthConfig.Timeout
	// Check should return soon after its context ends. While it has not
	// returned it fails, and is not called again.
	Check func(context.Context) error
}

// HealthConfig configures a Health.
type HealthConfig struct {
	Checks  []HealthCheck
	Timeout time.Duration // of each check, below the probe's own (default 500*time.Millisecond)
	TTL     time.Duration // how long results are reused (default time.Second)
	// OnChange is told the first failure of a check, and each time it fails or
	// recovers after that, so that the reason reaches a log. Err is nil for a
	// recovery. Reports wait for it, so it must return soon and ask for none. A
	// panic in it is logged.
	OnChange func(name string, err error)
	Now      func() time.Time // default time.Now
}

// HealthResult is the outcome of one check; Err is nil if it passed.
type HealthResult struct {
	Name     string
	Optional bool
	Err      error
	Took     time.Duration
}

// HealthReport is what an internal page or a log may show. Its errors are not
// for the outside.
type HealthReport struct {
	Err     error // why the instance is not ready; nil if it is
	Results []HealthResult
}

// Degraded reports whether an optional check failed.
func (r HealthReport) Degraded() bool {
	return slices.ContainsFunc(r.Results, func(c HealthResult) bool { return c.Optional && c.Err != nil })
}

// Health answers probes. It is safe for concurrent use. It runs checks only
// when asked, at most one round at a time and each check in one goroutine.
type Health struct {
	cfg               HealthConfig
	started, draining atomic.Bool
	running           []atomic.Bool // by check: it has not returned yet

	mu    sync.Mutex
	round *healthRound // the newest; nil before the first
}

// healthRound is one run of all checks, shared by everyone who asks meanwhile.
type healthRound struct {
	done    chan struct{} // closed when the rest is set
	ended   time.Time
	results []HealthResult
}

// NewHealth returns a Health that has not started. Zero durations take their defaults.
func NewHealth(cfg HealthConfig) (*Health, error) {
	cfg.Timeout = cmp.Or(cfg.Timeout, 500*time.Millisecond)
	cfg.TTL = cmp.Or(cfg.TTL, time.Second)
	cfg.Checks = slices.Clone(cfg.Checks)
	if min(cfg.Timeout, cfg.TTL) < 0 {
		return nil, errors.New("health: negative duration")
	}
	seen := make(map[string]bool)
	for i, check := range cfg.Checks {
		if check.Name == "" || check.Check == nil || check.Timeout < 0 || seen[check.Name] {
			return nil, fmt.Errorf("health: check %d (%q) needs a name of its own, a function and no negative timeout", i, check.Name)
		}
		seen[check.Name] = true
		cfg.Checks[i].Timeout = cmp.Or(check.Timeout, cfg.Timeout)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Health{cfg: cfg, running: make([]atomic.Bool, len(cfg.Checks))}, nil
}

// MarkStarted says that initialisation is over.
func (h *Health) MarkStarted() { h.started.Store(true) }

// Drain makes the instance not ready for good: the first step of a shutdown.
func (h *Health) Drain() { h.draining.Store(true) }

// ServeStarted is the startup probe: 503 until MarkStarted.
func (h *Health) ServeStarted(w http.ResponseWriter, _ *http.Request) {
	if !h.started.Load() {
		answerProbe(w, http.StatusServiceUnavailable, "not started")
		return
	}
	answerProbe(w, http.StatusOK, "started")
}

// ServeLive is the liveness probe: 200 as long as the process can answer. It
// asks no dependency, because a restart repairs none.
func (h *Health) ServeLive(w http.ResponseWriter, _ *http.Request) {
	answerProbe(w, http.StatusOK, "live")
}

// ServeReady is the readiness probe: 503 unless the instance has started, is
// not draining and every check that is not optional passes.
func (h *Health) ServeReady(w http.ResponseWriter, r *http.Request) {
	report := h.Report(r.Context())
	switch {
	case report.Err != nil:
		answerProbe(w, http.StatusServiceUnavailable, "not ready")
	case report.Degraded():
		answerProbe(w, http.StatusOK, "degraded")
	default:
		answerProbe(w, http.StatusOK, "ready")
	}
}

func answerProbe(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the prober may be gone
}

// Report returns the state of the instance, from results younger than the TTL
// or from a round of checks that all who ask meanwhile share. When ctx ends
// first, the report says so; the round goes on for the others.
func (h *Health) Report(ctx context.Context) HealthReport {
	if err := h.lifecycle(); err != nil {
		return HealthReport{Err: err}
	}
	round := h.currentRound(ctx)
	select {
	case <-round.done: // first, so that results at hand always count
	default:
		select {
		case <-round.done:
		case <-ctx.Done():
			return HealthReport{Err: fmt.Errorf("health: %w", healthEnded(ctx))}
		}
	}
	errs := []error{h.lifecycle()} // it may have been told to drain meanwhile
	for _, result := range round.results {
		if result.Err != nil && !result.Optional {
			errs = append(errs, fmt.Errorf("%s: %w", result.Name, result.Err))
		}
	}
	return HealthReport{Err: errors.Join(errs...), Results: slices.Clone(round.results)}
}

func (h *Health) lifecycle() error {
	switch {
	case h.draining.Load():
		return ErrDraining
	case !h.started.Load():
		return ErrNotStarted
	}
	return nil
}

func (h *Health) currentRound(ctx context.Context) *healthRound {
	now := h.cfg.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	previous := h.round
	if previous != nil {
		select {
		case <-previous.done:
			if now.Sub(previous.ended) < h.cfg.TTL {
				return previous
			}
		default:
			return previous
		}
	}
	h.round = &healthRound{done: make(chan struct{})}
	// It must not end with the probe that happened to start it.
	go h.run(context.WithoutCancel(ctx), h.round, previous)
	return h.round
}

func (h *Health) run(ctx context.Context, round, previous *healthRound) {
	defer close(round.done)
	results := make([]HealthResult, len(h.cfg.Checks))
	var all sync.WaitGroup
	for i := range h.cfg.Checks {
		all.Add(1)
		go func(i int) { // not captured: before Go 1.22 all would share one i
			defer all.Done()
			results[i] = h.runCheck(ctx, i)
		}(i)
	}
	all.Wait()
	round.results, round.ended = results, h.cfg.Now()
	if h.cfg.OnChange == nil {
		return
	}
	for i, result := range results {
		failed := previous != nil && previous.results[i].Err != nil
		if failed != (result.Err != nil) {
			h.tell(ctx, result)
		}
	}
}

// tell keeps a panic of the hook from ending the process: a probe has no caller
// that could recover from it.
func (h *Health) tell(ctx context.Context, result HealthResult) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "health: OnChange panicked", "check", result.Name, "panic", p)
		}
	}()
	h.cfg.OnChange(result.Name, result.Err)
}

// runCheck returns when the check does or its time is over, whichever is first.
func (h *Health) runCheck(ctx context.Context, i int) HealthResult {
	check, start := h.cfg.Checks[i], h.cfg.Now()
	result := HealthResult{Name: check.Name, Optional: check.Optional}
	if !h.running[i].CompareAndSwap(false, true) {
		result.Err = errors.New("health: the previous check has not returned")
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, check.Timeout)
	defer cancel()
	outcome := make(chan error, 1) // room, so that a late check does not block
	go func() {
		err := errors.New("health: check did not return") // stands for runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("health: check panicked: %v", p)
			}
			h.running[i].Store(false)
			outcome <- err
		}()
		err = check.Check(ctx)
	}()
	select {
	case result.Err = <-outcome:
	case <-ctx.Done():
		result.Err = fmt.Errorf("health: no answer within %v: %w", check.Timeout, ctx.Err())
	}
	result.Took = h.cfg.Now().Sub(start)
	return result
}

// healthEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func healthEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
