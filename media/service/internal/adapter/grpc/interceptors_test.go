package grpc

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"

	"example.com/shopfront/pkg/metrics"
)

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
