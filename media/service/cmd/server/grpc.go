package main

import (
	"context"
	"net"

	grpcapi "example.com/shopfront/internal/adapter/grpc"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/health"
	"example.com/shopfront/pkg/metrics"
)

type grpcConfig struct {
	Addr string
}

func (e *env) grpc() grpcConfig {
	return grpcConfig{Addr: e.address("GRPC_ADDR", ":9090")}
}

func (a *app) addGRPC(ctx context.Context, users *usecase.UserService, orders *usecase.OrderService) error {
	s := grpcapi.NewServer(grpcapi.Config{
		Users:      users,
		Orders:     orders,
		Log:        a.log,
		Requests:   metrics.NewRequests(a.registry, "grpc_server"),
		Timeout:    a.cfg.RequestTimeout,
		MaxMessage: int(a.cfg.MaxBody),
		Ready: func(ctx context.Context) bool {
			return a.health.Ready(ctx).State != health.Failing
		},
	})
	listener, err := listen(ctx, a.cfg.GRPC.Addr)
	if err != nil {
		return err
	}
	serve := func(l net.Listener) error { return s.Serve(l) }
	a.servers = append(a.servers, server{"grpc", listener, serve, s.Stop})
	return nil
}
