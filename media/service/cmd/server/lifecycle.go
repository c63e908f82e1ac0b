package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shopfront/pkg/health"
)

// app is what runs, in the order in which it is taken down: first readiness,
// then the servers side by side, then the workers, then what the two need, the
// last opened first.
type app struct {
	cfg      config
	log      *slog.Logger
	health   *health.Checker
	registry *prometheus.Registry
	servers  []server
	workers  []worker
	closers  []closer
}

// server answers requests on its listener until stop has drained it. Without a
// stop, one of the closers ends it.
type server struct {
	name     string
	listener net.Listener
	serve    func(net.Listener) error
	stop     func(context.Context) error
}

// worker runs until its context ends.
type worker struct {
	name string
	run  func(context.Context) error
}

// closer frees something that was opened.
type closer struct {
	name  string
	close func(context.Context) error
}

func (a *app) onClose(name string, free func(context.Context) error) {
	a.closers = append(a.closers, closer{name, free})
}

// serve runs everything until ctx ends or a part fails, then takes it down
// within the shutdown timeout.
func (a *app) serve(ctx context.Context) error {
	working, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()
	failed := make(chan error, len(a.servers)+len(a.workers))
	var servers, workers sync.WaitGroup
	for _, s := range a.servers {
		a.log.InfoContext(ctx, "listening", "server", s.name, "address", s.listener.Addr().String())
		servers.Go(func() {
			if err := s.serve(s.listener); err != nil {
				failed <- fmt.Errorf("serve %s: %w", s.name, err)
			}
		})
	}
	for _, w := range a.workers {
		workers.Go(func() {
			if err := w.run(working); err != nil {
				failed <- fmt.Errorf("run %s: %w", w.name, err)
			}
		})
	}
	a.health.Start()

	var failure error
	select {
	case failure = <-failed:
		a.log.ErrorContext(ctx, "a part failed, stopping", "error", failure)
	case <-ctx.Done():
		a.log.InfoContext(ctx, "stopping; a second signal ends at once",
			"cause", context.Cause(ctx), "drain", a.cfg.DrainDelay, "timeout", a.cfg.ShutdownTimeout)
	}

	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
	defer cancel()
	a.health.Drain()
	if failure == nil {
		// Load balancers need a moment to see that this instance is not ready;
		// until then it serves as before.
		pause(bound, a.cfg.DrainDelay)
	}
	errs := []error{failure, a.stopServers(bound)}
	stopWorkers()
	errs = append(errs, wait(bound, "workers", &workers), a.closeAll(bound), wait(bound, "servers", &servers))
	for len(failed) > 0 { // what failed while stopping
		errs = append(errs, <-failed)
	}
	err := errors.Join(errs...)
	if err == nil {
		a.log.InfoContext(ctx, "stopped")
	}
	return err
}

func (a *app) stopServers(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	// A quarter of the time is left for the workers and for closing.
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
	defer cancel()
	errs := make([]error, len(a.servers))
	var wg sync.WaitGroup
	for i, s := range a.servers {
		if s.stop == nil {
			continue
		}
		wg.Go(func() {
			if err := s.stop(ctx); err != nil {
				errs[i] = fmt.Errorf("stop %s: %w", s.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// abandon frees what was opened when building the app failed half-way.
func (a *app) abandon(ctx context.Context) error {
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.cfg.ShutdownTimeout)
	defer cancel()
	var errs []error
	for _, s := range a.servers {
		errs = append(errs, s.listener.Close())
	}
	return errors.Join(append(errs, a.closeAll(bound))...)
}

// closeAll closes what was opened, the last first.
func (a *app) closeAll(ctx context.Context) error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i].close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", a.closers[i].name, err))
		}
	}
	a.closers = nil
	return errors.Join(errs...)
}

// wait waits for the group unless ctx ends first.
func wait(ctx context.Context, name string, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", name, ctx.Err())
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
