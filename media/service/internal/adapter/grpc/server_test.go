package grpc

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
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

func wantCode(t *testing.T, err error, want codes.Code) *status.Status {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != want {
		t.Errorf("got %v (%s), want %v", s.Code(), s.Message(), want)
	}
	return s
}

func TestUsers(t *testing.T) {
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	got, err := f.users.GetUser(t.Context(), &ordersv1.GetUserRequest{Id: u.GetId()})
	if err != nil || got.GetUser().GetEmail() != "ada@example.com" || got.GetUser().GetVersion() != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	changed, err := f.users.UpdateUser(t.Context(), &ordersv1.UpdateUserRequest{Id: u.GetId(), Version: 1, Email: "ada@example.org", Name: "Ada"})
	if err != nil || changed.GetUser().GetVersion() != 2 {
		t.Errorf("changed %v, %v", changed, err)
	}
	f.createUser(t, "bob@example.com")
	page, err := f.users.ListUsers(t.Context(), &ordersv1.ListUsersRequest{PageSize: 1})
	if err != nil || len(page.GetUsers()) != 1 || page.GetNextPageToken() == "" {
		t.Fatalf("first page %v, %v", page, err)
	}
	page, err = f.users.ListUsers(t.Context(), &ordersv1.ListUsersRequest{PageSize: 1, PageToken: page.GetNextPageToken()})
	if err != nil || len(page.GetUsers()) != 1 || page.GetNextPageToken() != "" {
		t.Errorf("last page %v, %v", page, err)
	}
}

func TestOrders(t *testing.T) {
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	o := f.placeOrder(t, u.GetId())
	if o.GetTotal() != 998 || o.GetStatus() != ordersv1.OrderStatus_ORDER_STATUS_PENDING {
		t.Errorf("placed %v", o)
	}
	for i, next := range []ordersv1.OrderStatus{ordersv1.OrderStatus_ORDER_STATUS_PAID, ordersv1.OrderStatus_ORDER_STATUS_SHIPPED} {
		r, err := f.orders.ChangeOrderStatus(t.Context(), &ordersv1.ChangeOrderStatusRequest{Id: o.GetId(), Version: int64(i + 1), Status: next})
		if err != nil || r.GetOrder().GetStatus() != next {
			t.Errorf("%v: got %v, %v", next, r, err)
		}
	}
	got, err := f.orders.GetOrder(t.Context(), &ordersv1.GetOrderRequest{Id: o.GetId()})
	if err != nil || got.GetOrder().GetVersion() != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	f.placeOrder(t, u.GetId())
	page, err := f.orders.ListOrders(t.Context(), &ordersv1.ListOrdersRequest{UserId: u.GetId(), PageSize: 1})
	if err != nil || len(page.GetOrders()) != 1 || page.GetNextPageToken() != o.GetId() {
		t.Errorf("page %v, %v", page, err)
	}
}

func TestStatuses(t *testing.T) {
	const absent = "01900000-0000-7000-8000-000000000000"
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	o := f.placeOrder(t, u.GetId())
	tests := []struct {
		name   string
		call   func(context.Context) error
		code   codes.Code
		reason string
	}{
		{"email taken", func(ctx context.Context) error {
			_, err := f.users.CreateUser(ctx, &ordersv1.CreateUserRequest{Email: "ada@example.com", Name: "Eve"})
			return err
		}, codes.AlreadyExists, "email_taken"},
		{"no such user", func(ctx context.Context) error {
			_, err := f.users.GetUser(ctx, &ordersv1.GetUserRequest{Id: absent})
			return err
		}, codes.NotFound, "user_not_found"},
		{"stale version", func(ctx context.Context) error {
			_, err := f.users.UpdateUser(ctx, &ordersv1.UpdateUserRequest{Id: u.GetId(), Version: 9, Email: "a@example.com", Name: "A"})
			return err
		}, codes.Aborted, "version_conflict"},
		{"forbidden status", func(ctx context.Context) error {
			_, err := f.orders.ChangeOrderStatus(ctx, &ordersv1.ChangeOrderStatusRequest{Id: o.GetId(), Status: ordersv1.OrderStatus_ORDER_STATUS_SHIPPED})
			return err
		}, codes.FailedPrecondition, "status_change"},
		{"no status", func(ctx context.Context) error {
			_, err := f.orders.ChangeOrderStatus(ctx, &ordersv1.ChangeOrderStatusRequest{Id: o.GetId()})
			return err
		}, codes.InvalidArgument, ""},
		{"no identifier", func(ctx context.Context) error {
			_, err := f.orders.GetOrder(ctx, &ordersv1.GetOrderRequest{})
			return err
		}, codes.InvalidArgument, ""},
		{"malformed page", func(ctx context.Context) error {
			_, err := f.users.ListUsers(ctx, &ordersv1.ListUsersRequest{PageToken: "1"})
			return err
		}, codes.InvalidArgument, ""},
		{"too large", func(ctx context.Context) error {
			_, err := f.users.CreateUser(ctx, &ordersv1.CreateUserRequest{Name: strings.Repeat("a", 5000)})
			return err
		}, codes.ResourceExhausted, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := wantCode(t, tt.call(t.Context()), tt.code)
			if tt.reason == "" {
				return
			}
			for _, detail := range s.Details() {
				if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetReason() == tt.reason {
					return
				}
			}
			t.Errorf("details %v, want reason %s", s.Details(), tt.reason)
		})
	}
}

func TestTechnicalFailuresStayInside(t *testing.T) {
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	for _, before := range []func(context.Context, string) error{
		func(context.Context, string) error { return errors.New("kaboom") },
		func(context.Context, string) error { panic("kaboom") },
	} {
		f.store.Before = before
		_, err := f.users.GetUser(t.Context(), &ordersv1.GetUserRequest{Id: u.GetId()})
		if s := wantCode(t, err, codes.Internal); strings.Contains(s.Message(), "kaboom") {
			t.Errorf("the caller is told %q", s.Message())
		}
		if !strings.Contains(f.log.String(), "kaboom") {
			t.Error("the log does not say why")
		}
		f.log.Reset()
	}
	f.store.Before = func(ctx context.Context, _ string) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the store got no deadline")
		}
		return context.DeadlineExceeded
	}
	_, err := f.users.GetUser(t.Context(), &ordersv1.GetUserRequest{Id: u.GetId()})
	wantCode(t, err, codes.DeadlineExceeded)
}

func TestRequestID(t *testing.T) {
	f := newFixture(t)
	for sent, kept := range map[string]bool{"caller-1": true, "a b": false} {
		var header metadata.MD
		ctx := metadata.AppendToOutgoingContext(t.Context(), requestIDKey, sent)
		if _, err := f.users.ListUsers(ctx, &ordersv1.ListUsersRequest{}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		if got := header.Get(requestIDKey); len(got) != 1 || (got[0] == sent) != kept {
			t.Errorf("%q became %q", sent, got)
		}
	}
}

func TestNothingPersonalIsLoggedOrCounted(t *testing.T) {
	f := newFixture(t)
	u := f.createUser(t, "ada@example.com")
	if _, err := f.users.GetUser(t.Context(), &ordersv1.GetUserRequest{Id: u.GetId()}); err != nil {
		t.Fatal(err)
	}
	scraped := httptest.NewRecorder()
	metrics.Handler(f.registry).ServeHTTP(scraped, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for where, text := range map[string]string{"log": f.log.String(), "metrics": scraped.Body.String()} {
		if !strings.Contains(text, "/orders.v1.UserService/GetUser") {
			t.Errorf("the %s do not name the method", where)
		}
		if strings.Contains(text, "ada@") || strings.Contains(text, u.GetId()) {
			t.Errorf("personal data in the %s", where)
		}
	}
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
