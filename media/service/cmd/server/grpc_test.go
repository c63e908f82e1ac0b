package main

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"
)

func TestGRPCAndHTTPShareTheStore(t *testing.T) {
	i := start(t, nil)
	user, _ := i.shop(t)
	conn, err := grpc.NewClient(i.addresses["grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	got, err := ordersv1.NewUserServiceClient(conn).GetUser(t.Context(), &ordersv1.GetUserRequest{Id: user})
	if err != nil || got.GetUser().GetOpenOrders() != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	checked, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil || checked.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health %v, %v", checked, err)
	}
}
