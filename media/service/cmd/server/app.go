package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	httpapi "example.com/shopfront/internal/adapter/http"
	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/health"
	"example.com/shopfront/pkg/metrics"
	"example.com/shopfront/pkg/tracing"
)

// store is what the use cases read from and write to.
type store struct {
	users  usecase.UserReader
	orders usecase.OrderReader
	tx     usecase.UnitOfWork
	// scaffold:if kafka

	outbox  usecase.OutboxQueue
	durable bool // what the outbox holds survives a restart
	// scaffold:end
}

// build opens and connects everything. It is the only place that knows which
// adapter stands behind which port.
func build(ctx context.Context, cfg config, log *slog.Logger) (_ *app, err error) {
	a := &app{cfg: cfg, log: log, registry: metrics.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.abandon(ctx))
		}
	}()
	a.health = health.New(health.Config{
		Timeout: 2 * time.Second,
		MaxAge:  time.Second,
		OnChange: func(check string, state health.State, cause error) {
			log.WarnContext(ctx, "health check changed", "check", check, "state", state, "cause", cause)
		},
	})
	log.InfoContext(ctx, "starting", "service", cfg.Service, "version", version())
	if err := a.openTracing(ctx); err != nil {
		return nil, err
	}
	if err := a.addAdmin(ctx); err != nil {
		return nil, err
	}

	memory := repository.NewMemory()
	s := store{users: memory.Users(), orders: memory.Orders(), tx: memory}
	// scaffold:if kafka
	s.outbox = memory.Outbox()
	// scaffold:end
	// scaffold:if postgres
	if cfg.Postgres.URL != "" {
		if s, err = a.openPostgres(ctx); err != nil {
			return nil, err
		}
	}
	// scaffold:end
	// scaffold:if redis
	if cfg.Redis.URL != "" {
		if s, err = a.addCache(s); err != nil {
			return nil, err
		}
	}
	// scaffold:end

	users := usecase.NewUserService(s.users, s.tx, now)
	orders := usecase.NewOrderService(s.users, s.orders, s.tx, now)
	// scaffold:if grpc
	if err := a.addGRPC(ctx, users, orders); err != nil {
		return nil, err
	}
	// scaffold:end
	if err := a.addHTTP(ctx, users, orders); err != nil {
		return nil, err
	}
	// scaffold:if kafka
	if err := a.addEvents(ctx, s, orders); err != nil {
		return nil, err
	}
	// scaffold:end
	return a, nil
}

func (a *app) openTracing(ctx context.Context) error {
	shutdown, err := tracing.Setup(ctx, a.cfg.Service, version(), a.cfg.OTLPEndpoint, func(err error) {
		a.log.WarnContext(ctx, "telemetry", "error", err)
	})
	if err != nil {
		return err
	}
	a.onClose("tracing", shutdown)
	return nil
}

func (a *app) addHTTP(ctx context.Context, users *usecase.UserService, orders *usecase.OrderService) error {
	handler := httpapi.NewHandler(httpapi.Config{
		Users:    users,
		Orders:   orders,
		Log:      a.log,
		Requests: metrics.NewRequests(a.registry, "http_server"),
		Timeout:  a.cfg.RequestTimeout,
		MaxBody:  a.cfg.MaxBody,
		Draining: a.health.Draining,
	})
	listener, err := listen(ctx, a.cfg.HTTPAddr)
	if err != nil {
		return err
	}
	s := httpapi.NewServer(handler, a.cfg.RequestTimeout, a.log)
	a.servers = append(a.servers, server{"http", listener, serveHTTP(s), stopHTTP(s)})
	return nil
}

// addAdmin adds the probes and the metrics on an address of their own, which
// must not be reachable from outside. It closes last, so that it can be asked
// until the end.
func (a *app) addAdmin(ctx context.Context) error {
	mux := http.NewServeMux()
	a.health.Routes(mux)
	mux.Handle("GET /metrics", metrics.Handler(a.registry))
	listener, err := listen(ctx, a.cfg.AdminAddr)
	if err != nil {
		return err
	}
	s := httpapi.NewServer(mux, 10*time.Second, a.log)
	a.servers = append(a.servers, server{"admin", listener, serveHTTP(s), nil})
	a.onClose("admin", stopHTTP(s))
	return nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return listener, nil
}

func serveHTTP(s *http.Server) func(net.Listener) error {
	return func(l net.Listener) error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

// stopHTTP waits for the requests being served and cuts them off when ctx ends.
func stopHTTP(s *http.Server) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.Shutdown(ctx); err != nil {
			return errors.Join(err, s.Close())
		}
		return nil
	}
}

// version is the module's version or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return info.Main.Version
}

// now is the time as every store can keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
