// Package health answers the three questions of an orchestrator: is the process
// alive, may it get requests, has it started. Only readiness looks at other
// systems; if liveness did, their outage would restart this process too.
package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Check reports whether something the service needs works.
type Check func(ctx context.Context) error

// State is the outcome of a check.
type State string

// The outcomes of a check.
const (
	OK       State = "ok"
	Degraded State = "degraded" // an optional check fails: still ready
	Failing  State = "failing"
)

// Report is the outcome of all checks. Causes are for the log, not for callers.
type Report struct {
	State  State
	Checks map[string]State
	Causes map[string]error
}

// Config bounds the work that probes can cause.
type Config struct {
	Timeout time.Duration // longest run of one check
	MaxAge  time.Duration // a result this young is used again
	// OnChange, if set, is told when a check's state changes.
	OnChange func(check string, state State, cause error)
}

// Checker runs the checks. Add checks before it is used.
type Checker struct {
	config   Config
	checks   []*check
	started  atomic.Bool
	draining atomic.Bool
}

// New returns a Checker that has not started and holds no checks.
func New(config Config) *Checker { return &Checker{config: config} }

// Add adds a check that the service cannot work without.
func (c *Checker) Add(name string, run Check) {
	c.checks = append(c.checks, &check{name: name, run: run, token: make(chan struct{}, 1), bad: Failing})
}

// AddOptional adds a check for something the service can work without.
func (c *Checker) AddOptional(name string, run Check) {
	c.checks = append(c.checks, &check{name: name, run: run, token: make(chan struct{}, 1), bad: Degraded})
}

// Start says that the service has started.
func (c *Checker) Start() { c.started.Store(true) }

// Started reports whether the service has started.
func (c *Checker) Started() bool { return c.started.Load() }

// Drain turns readiness off for good.
func (c *Checker) Drain() { c.draining.Store(true) }

// Draining reports whether Drain was called.
func (c *Checker) Draining() bool { return c.draining.Load() }

// errSlow tells the end of a check's time from the end of the prober's.
var errSlow = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// Ready runs the checks side by side and reports their outcome. Results younger
// than MaxAge are used again, so that many probes cause few checks.
func (c *Checker) Ready(ctx context.Context) Report {
	report := Report{State: OK, Checks: map[string]State{}, Causes: map[string]error{}}
	if !c.Started() || c.Draining() {
		report.State = Failing
		return report
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, errSlow)
	defer cancel()

	results := make([]result, len(c.checks))
	var wg sync.WaitGroup
	for i, check := range c.checks {
		wg.Go(func() { results[i] = check.result(ctx, c.config) })
	}
	wg.Wait()

	for i, check := range c.checks {
		report.Checks[check.name] = results[i].state
		if results[i].err != nil {
			report.Causes[check.name] = results[i].err
		}
		switch results[i].state {
		case Failing:
			report.State = Failing
		case Degraded:
			if report.State == OK {
				report.State = Degraded
			}
		case OK:
		}
	}
	if c.Draining() { // turned off while the checks ran
		report.State = Failing
	}
	return report
}

// check is one check and its last result. Its token goes to whoever runs it, so
// that a check that hangs is never started a second time.
type check struct {
	name  string
	run   Check
	bad   State
	token chan struct{}

	mu   sync.Mutex
	last result
}

type result struct {
	state State
	err   error
	at    time.Time
}

func (c *check) result(ctx context.Context, config Config) result {
	if last, ok := c.young(config.MaxAge); ok {
		return last
	}
	select {
	case c.token <- struct{}{}:
	case <-ctx.Done():
		return c.late(ctx, config)
	}
	if last, ok := c.young(config.MaxAge); ok { // another probe was faster
		<-c.token
		return last
	}
	done := make(chan result, 1)
	// The check must not end with the probe that started it: its result serves
	// others too.
	running, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.Timeout)
	go func() {
		defer cancel()
		defer func() { <-c.token }()
		done <- c.store(guarded(running, c.run), config)
	}()
	select {
	case finished := <-done:
		return finished
	case <-ctx.Done():
		return c.late(ctx, config)
	}
}

// late is the result of a check that did not finish in time. It counts for
// other probes too, unless it was this prober who gave up.
func (c *check) late(ctx context.Context, config Config) result {
	cause := context.Cause(ctx)
	if errors.Is(cause, errSlow) {
		return c.store(cause, config)
	}
	return result{state: c.bad, err: cause}
}

func (c *check) young(maxAge time.Duration) (result, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last, !c.last.at.IsZero() && time.Since(c.last.at) < maxAge
}

func (c *check) store(err error, config Config) result {
	now := result{state: OK, at: time.Now()}
	if err != nil {
		now.state, now.err = c.bad, fmt.Errorf("check %s: %w", c.name, err)
	}
	c.mu.Lock()
	before := c.last
	c.last = now
	c.mu.Unlock()
	if config.OnChange != nil && before.state != now.state && (!before.at.IsZero() || err != nil) {
		config.OnChange(c.name, now.state, now.err)
	}
	return now
}

func guarded(ctx context.Context, run Check) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return run(ctx)
}
