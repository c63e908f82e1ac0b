package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/shopfront/pkg/health"
)

var errBroken = errors.New("broken")

// stage is an app whose parts note when they end.
type stage struct {
	*app

	mu    sync.Mutex
	notes []string
}

func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, what)
}

func (s *stage) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

type deadListener struct{ net.Listener }

func (deadListener) Addr() net.Addr { return &net.TCPAddr{} }
func (deadListener) Close() error   { return nil }

// newStage returns an app with a server, a worker and two closers.
func newStage(stop func(context.Context) error) *stage {
	s := &stage{app: &app{
		cfg:    config{DrainDelay: 2 * time.Second, ShutdownTimeout: 20 * time.Second},
		log:    slog.New(slog.DiscardHandler),
		health: health.New(health.Config{Timeout: time.Second}),
	}}
	stopped := make(chan struct{})
	s.servers = []server{{
		name:     "api",
		listener: deadListener{},
		serve: func(net.Listener) error {
			<-stopped
			return nil
		},
		stop: func(ctx context.Context) error {
			defer close(stopped)
			s.note("server")
			return stop(ctx)
		},
	}}
	s.workers = []worker{{"relay", func(ctx context.Context) error {
		<-ctx.Done()
		s.note("worker")
		return nil
	}}}
	s.onClose("first", func(context.Context) error { s.note("first"); return nil })
	s.onClose("second", func(context.Context) error { s.note("second"); return nil })
	return s
}

func TestShutdownGoesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(context.Context) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.serve(ctx) }()
		synctest.Wait()
		if got := s.health.Ready(t.Context()); got.State != health.OK {
			t.Errorf("running: %+v", got)
		}
		began := time.Now()
		cancel()
		synctest.Wait()
		if got := s.health.Ready(t.Context()); got.State != health.Failing || len(s.noted()) != 0 {
			t.Errorf("draining: %+v, ended %v", got, s.noted())
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != s.cfg.DrainDelay {
			t.Errorf("took %v, want the drain delay", took)
		}
		if want := []string{"server", "worker", "second", "first"}; !slices.Equal(s.noted(), want) {
			t.Errorf("order %v, want %v", s.noted(), want)
		}
	})
}

func TestShutdownIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(ctx context.Context) error {
			<-ctx.Done() // a request that never ends
			return ctx.Err()
		})
		leave := make(chan struct{})
		defer close(leave)
		s.workers = append(s.workers, worker{"stuck", func(context.Context) error {
			<-leave
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		if err := s.serve(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != s.cfg.ShutdownTimeout {
			t.Errorf("took %v, want %v", took, s.cfg.ShutdownTimeout)
		}
		if !slices.Contains(s.noted(), "first") || !slices.Contains(s.noted(), "second") {
			t.Errorf("not everything was closed: %v", s.noted())
		}
	})
}

func TestFailureWhileStoppingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(context.Context) error { return nil })
		s.workers = append(s.workers, worker{"broken", func(ctx context.Context) error {
			<-ctx.Done()
			return errBroken
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.serve(ctx); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFailureOfAPartStopsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(context.Context) error { return nil })
		s.workers = append(s.workers, worker{"broken", func(context.Context) error { return errBroken }})
		began := time.Now()
		if err := s.serve(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a failed instance drained for %v", took)
		}
		if len(s.noted()) != 4 {
			t.Errorf("ended %v", s.noted())
		}
	})
}
