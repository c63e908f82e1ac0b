// Package shutdown runs a service until it is told to stop, then takes it down
// in order and within a bound.
package shutdown

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// AppPart is something that runs or is closed, under the name its errors carry.
type AppPart struct {
	Name string
	Run  func(context.Context) error
}

// App is a service as it runs. The whole of main is:
//
//	ctx, stop := AppContext(context.Background())
//	defer stop()
//	if err := run(ctx); err != nil { // builds the App, returns app.Run(ctx)
//		slog.Error("failed", "error", err)
//		os.Exit(1)
//	}
type App struct {
	Server   *http.Server
	Listener net.Listener // opened by the caller, so that a busy port shows before the start
	// Workers run beside the server and until it is down, then their context
	// ends. A consumer is one, and so is the internal server for probes and
	// metrics. An error or a panic of one stops the App; one that ends without
	// is logged.
	Workers []AppPart
	// NotReady makes the readiness probe fail. It gets a fifth of Timeout, and
	// a panic in it stops nothing.
	NotReady func()
	// Closers run last, in this order: telemetry, then pools.
	Closers []AppPart

	// DrainDelay is how long the server goes on after NotReady, until no load
	// balancer sends requests any more (default 5*time.Second, negative: none).
	DrainDelay time.Duration
	// Timeout bounds everything from the signal on, DrainDelay included. The
	// platform's grace period must be longer (default 25*time.Second).
	Timeout time.Duration
	Log     *slog.Logger // default slog.Default()
}

// AppContext returns a context that ends with the first SIGINT or SIGTERM. From
// then on a signal has its default action: the second ends the process at once.
func AppContext(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case received := <-signals:
			signal.Stop(signals) // before anything is stopped that could hang
			cancel(fmt.Errorf("received %v: %w", received, context.Canceled))
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Run serves until ctx ends or a part fails. Then, in this order, it makes the
// service not ready, waits for the load balancers, lets requests finish, ends
// the workers and closes the rest. It returns every error on the way, nil for a
// clean stop. A part that hangs is left behind, so the process should exit.
func (a App) Run(ctx context.Context) error {
	a.DrainDelay = cmp.Or(a.DrainDelay, 5*time.Second)
	a.Timeout = cmp.Or(a.Timeout, 25*time.Second)
	if a.Server == nil || a.Listener == nil || a.Timeout <= max(a.DrainDelay, 0) {
		return errors.New("app: needs a server, a listener and a timeout above the drain delay")
	}
	if a.Log == nil {
		a.Log = slog.Default()
	}

	served := make(chan error, 1)
	go func() { served <- a.serve() }()
	working, stopWorkers := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWorkers()
	failed := make(chan error, len(a.Workers)) // room for all: none is left blocked
	var workers sync.WaitGroup
	for _, worker := range a.Workers {
		workers.Add(1)
		go func(worker AppPart) {
			defer workers.Done()
			switch err := <-startAppPart(working, worker); {
			case working.Err() != nil && (err == nil || isAppCanceled(err)):
			case err != nil:
				failed <- err
			default:
				a.Log.WarnContext(working, "worker has ended by itself", "worker", worker.Name)
			}
		}(worker)
	}

	var errs []error
	serving := true
	select {
	case <-ctx.Done():
	case err := <-failed:
		errs = append(errs, err)
	case err := <-served:
		errs, serving = append(errs, err), false
	}
	cause := cmp.Or(errors.Join(errs...), context.Cause(ctx))
	a.Log.InfoContext(ctx, "stopping; a second signal ends the process at once", "cause", cause, "timeout", a.Timeout)

	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.Timeout)
	defer cancel()
	if a.NotReady != nil {
		announcing, cancel := context.WithTimeout(bound, a.Timeout/5)
		errs = append(errs, stopAppPart(announcing, AppPart{"not ready", func(context.Context) error { a.NotReady(); return nil }}))
		cancel()
	}
	if serving && a.DrainDelay > 0 {
		timer := time.NewTimer(a.DrainDelay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-bound.Done():
		case err := <-served:
			errs = append(errs, err)
		}
	}
	if err := stopAppPart(bound, AppPart{"server", a.Server.Shutdown}); err != nil {
		errs = append(errs, err, stopAppPart(bound, AppPart{"server's connections", func(context.Context) error {
			return a.Server.Close()
		}}))
	}
	stopWorkers()
	errs = append(errs, stopAppPart(bound, AppPart{"workers", func(context.Context) error { workers.Wait(); return nil }}))
	for _, closer := range a.Closers {
		errs = append(errs, stopAppPart(bound, closer))
	}
	for len(failed) > 0 {
		errs = append(errs, <-failed)
	}
	err := errors.Join(errs...)
	if err == nil {
		a.Log.InfoContext(ctx, "stopped")
	}
	return err
}

func (a App) serve() error {
	var err error
	if tls := a.Server.TLSConfig; tls != nil && (len(tls.Certificates) > 0 || tls.GetCertificate != nil || tls.GetConfigForClient != nil) {
		err = a.Server.ServeTLS(a.Listener, "", "")
	} else {
		err = a.Server.Serve(a.Listener)
	}
	return fmt.Errorf("serve: %w", err)
}

// stopAppPart gives the part three quarters of the time that is left, so that
// one that hangs leaves some for those after it.
func stopAppPart(bound context.Context, part AppPart) error {
	deadline, _ := bound.Deadline()
	ctx, cancel := context.WithTimeout(bound, time.Until(deadline)*3/4)
	defer cancel()
	select {
	case err := <-startAppPart(ctx, part):
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: not stopped in time: %w", part.Name, ctx.Err())
	}
}

// isAppCanceled reports whether a worker ended for nothing but its context:
// errors.Is would overlook what is joined to it.
func isAppCanceled(err error) bool {
	var several interface{ Unwrap() []error }
	return errors.Is(err, context.Canceled) && !errors.As(err, &several)
}

// startAppPart runs the part and returns where its error will be, nil if it has
// none. A panic is one too, so that the rest is still taken down.
func startAppPart(ctx context.Context, part AppPart) <-chan error {
	done := make(chan error, 1) // room, so that a part left behind can end
	go func() {
		err := errors.New("did not return") // stands for runtime.Goexit
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", part.Name, err)
			}
			done <- err
		}()
		err = part.Run(ctx)
	}()
	return done
}
