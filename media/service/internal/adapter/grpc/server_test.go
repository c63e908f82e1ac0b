package grpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"
	"example.com/shopfront/internal/usecase"
	"example.com/shopfront/internal/usecase/usecasetest"

	"example.com/shopfront/pkg/logger"
	"example.com/shopfront/pkg/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	users  ordersv1.UserServiceClient
	orders ordersv1.OrderServiceClient
	conn   *grpc.ClientConn

	server   *Server
	store    *usecasetest.Store
	log      bytes.Buffer
	registry *prometheus.Registry
	ready    bool
}

// newFixture returns clients of a server in this process.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: usecasetest.NewStore(), registry: prometheus.NewRegistry(), ready: true}
	f.server = NewServer(Config{
		Users:      usecase.NewUserService(f.store.Users(), f.store, time.Now),
		Orders:     usecase.NewOrderService(f.store.Users(), f.store.Orders(), f.store, time.Now),
		Log:        logger.New(&f.log, slog.LevelInfo, false),
		Requests:   metrics.NewRequests(f.registry, "grpc_server"),
		Timeout:    time.Minute,
		MaxMessage: 4000,
		Ready:      func(context.Context) bool { return f.ready },
	})
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := f.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	f.conn, f.users, f.orders = conn, ordersv1.NewUserServiceClient(conn), ordersv1.NewOrderServiceClient(conn)
	return f
}

func (f *fixture) createUser(t *testing.T, email string) *ordersv1.User {
	t.Helper()
	r, err := f.users.CreateUser(t.Context(), &ordersv1.CreateUserRequest{Email: email, Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetUser()
}

func (f *fixture) placeOrder(t *testing.T, user string) *ordersv1.Order {
	t.Helper()
	r, err := f.orders.PlaceOrder(t.Context(), &ordersv1.PlaceOrderRequest{
		UserId: user, Currency: "EUR", Lines: []*ordersv1.OrderLine{{Sku: "tea", Quantity: 2, UnitPrice: 499}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.GetOrder()
}

func TestHealthFollowsReadiness(t *testing.T) {
	f := newFixture(t)
	client := healthpb.NewHealthClient(f.conn)
	for _, ready := range []bool{true, false} {
		f.ready = ready
		want := healthpb.HealthCheckResponse_SERVING
		if !ready {
			want = healthpb.HealthCheckResponse_NOT_SERVING
		}
		r, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || r.GetStatus() != want {
			t.Errorf("ready %v: got %v, %v", ready, r, err)
		}
	}
}

func TestReflectionListsTheServices(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(f.conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	for _, want := range []string{"orders.v1.OrderService", "orders.v1.UserService", "grpc.health.v1.Health"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("%s is missing in %v", want, names)
		}
	}
}

func TestStopFinishesCallsInHand(t *testing.T) {
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	entered, leave := make(chan struct{}), make(chan struct{})
	f.store.Before = func(context.Context, string) error {
		close(entered)
		<-leave
		return nil
	}
	called := make(chan error, 1)
	go func() {
		_, err := f.users.GetUser(context.Background(), &ordersv1.GetUserRequest{Id: u.GetId()})
		called <- err
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- f.server.Stop(context.Background()) }()
	close(leave)
	if err := <-called; err != nil {
		t.Errorf("the call failed: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopEndsWatchesAndReflection(t *testing.T) {
	f := newFixture(t)
	watch, err := healthpb.NewHealthClient(f.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil { // the server has begun it
		t.Fatal(err)
	}
	reflecting, err := reflectionpb.NewServerReflectionClient(f.conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := &reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{},
	}
	if err := reflecting.Send(list); err != nil {
		t.Fatal(err)
	}
	if _, err := reflecting.Recv(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.server.Stop(ctx); err != nil {
		t.Fatalf("Stop waits for streams that never end: %v", err)
	}
	if _, err := reflecting.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the reflection stream ended with %v", err)
	}
}

func TestStopCutsOffWhatTakesTooLong(t *testing.T) {
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	entered := make(chan struct{})
	f.store.Before = func(ctx context.Context, _ string) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	}
	called := make(chan error, 1)
	go func() {
		_, err := f.users.GetUser(context.Background(), &ordersv1.GetUserRequest{Id: u.GetId()})
		called <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.server.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stop: %v", err)
	}
	if err := <-called; err == nil {
		t.Error("the call was not cut off")
	}
}
