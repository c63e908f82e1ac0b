// Package grpc serves the use cases over gRPC.
package grpc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/metrics"
)

// Config is what NewServer needs.
type Config struct {
	Users      *usecase.UserService
	Orders     *usecase.OrderService
	Log        *slog.Logger
	Requests   *metrics.Requests
	Timeout    time.Duration // longest time for one call
	MaxMessage int           // largest message in bytes
	Ready      func(ctx context.Context) bool
}

// Server is a gRPC server with bounds on everything a client can hold open.
type Server struct {
	*grpc.Server

	health     *health.Server
	endStreams func()
}

// NewServer returns a server with both services, health and reflection.
func NewServer(c Config) *Server {
	stop := make(stopping)
	s := grpc.NewServer(
		grpc.MaxRecvMsgSize(c.MaxMessage),
		grpc.MaxConcurrentStreams(1000),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle:     5 * time.Minute,
			MaxConnectionAge:      30 * time.Minute, // lets clients find new instances
			MaxConnectionAgeGrace: time.Minute,
			Time:                  time.Minute,
			Timeout:               20 * time.Second,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithFilter(filters.Not(filters.HealthCheck())))),
		grpc.ChainUnaryInterceptor( // the first one is the outermost
			identify,
			measure(c.Requests),
			logCalls(c.Log),
			toStatus(c.Log),
			recoverPanics(c.Log),
			limit(c.Timeout),
		),
		grpc.ChainStreamInterceptor(stop.endStreams),
	)
	ordersv1.RegisterUserServiceServer(s, &userServer{users: c.Users})
	ordersv1.RegisterOrderServiceServer(s, &orderServer{orders: c.Orders})
	hs := health.NewServer()
	healthpb.RegisterHealthServer(s, &healthServer{Server: hs, ready: c.Ready})
	reflection.Register(s)
	return &Server{Server: s, health: hs, endStreams: sync.OnceFunc(func() { close(stop) })}
}

// Stop finishes the calls being served and cuts them off when ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	s.health.Shutdown() // tells those who watch
	s.endStreams()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.Server.Stop()
		<-done
		return errors.Join(errors.New("calls were cut off"), ctx.Err())
	}
}

// healthServer answers a check with the readiness of the whole service.
type healthServer struct {
	*health.Server

	ready func(ctx context.Context) bool
}

// Check implements the gRPC health protocol.
func (h *healthServer) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	response, err := h.Server.Check(ctx, r)
	if err == nil && response.GetStatus() == healthpb.HealthCheckResponse_SERVING && !h.ready(ctx) {
		return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}, nil
	}
	return response, err
}
