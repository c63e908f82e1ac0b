package grpc

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"
)

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
