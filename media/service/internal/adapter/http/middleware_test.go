package http

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"example.com/shopfront/pkg/metrics"
)

func TestRequestID(t *testing.T) {
	f := newFixture(t)
	if got := f.do(t, "GET", "/v1/users", "", requestIDHeader, "caller-1").Header().Get(requestIDHeader); got != "caller-1" {
		t.Errorf("a valid one became %q", got)
	}
	for _, bad := range []string{"", "a b", "a\nb", "<script>", strings.Repeat("a", 65)} {
		if got := f.do(t, "GET", "/v1/users", "", requestIDHeader, bad).Header().Get(requestIDHeader); got == bad || len(got) != 36 {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestNothingPersonalIsLoggedOrCounted(t *testing.T) {
	f := newFixture(t)
	f.do(t, "POST", "/v1/users", `{"email":"bob@example.com","name":"Bob"}`)
	f.do(t, "POST", "/v1/users", `{"email":"bob@example.com","name":"Bob"}`)
	f.do(t, "GET", "/v1/users/"+string(f.user.ID)+"?email=bob@example.com", "")
	f.store.Before = func(context.Context, string) error { panic("user bob") }
	f.do(t, "GET", "/v1/users/"+string(f.user.ID), "")
	scraped := httptest.NewRecorder()
	metrics.Handler(f.registry).ServeHTTP(scraped, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	metricsText := scraped.Body.String()
	for where, text := range map[string]string{"log": f.log.String(), "metrics": metricsText} {
		for _, secret := range []string{"bob@example.com", string(f.user.ID)} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in the %s", secret, where)
			}
		}
	}
	for _, label := range []string{`route="/v1/users/{id}",status="200"`, `route="/v1/users/{id}",status="500"`, `route="/v1/users",status="409"`} {
		if !strings.Contains(metricsText, label) {
			t.Errorf("no series with %s", label)
		}
	}
	if !strings.Contains(f.log.String(), `"route":"/v1/users/{id}"`) {
		t.Error("the log does not name the route")
	}
}

func TestInventedMethodsAndPathsShareLabels(t *testing.T) {
	f := newFixture(t)
	for _, method := range []string{"A", "B", "C"} {
		f.do(t, method, "/"+method, "")
	}
	got, err := testutil.GatherAndCount(f.registry, "http_server_request_duration_seconds")
	if err != nil || got != 1 {
		t.Errorf("%d series, want 1; %v", got, err)
	}
}

func TestPanicBecomesAProblem(t *testing.T) {
	f := newFixture(t)
	f.store.Before = func(context.Context, string) error { panic("kaboom") }
	a := f.do(t, "GET", "/v1/users/"+string(f.user.ID), "")
	if a.Code != 500 || a.body["code"] != "internal" || strings.Contains(a.Body.String(), "kaboom") {
		t.Errorf("got %d %s", a.Code, a.Body)
	}
	if !strings.Contains(f.log.String(), "kaboom") {
		t.Error("the log does not say why")
	}
}

func TestPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	h := recoverPanics(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("kaboom")
	}), slog.New(slog.DiscardHandler))
	server := httptest.NewServer(h)
	defer server.Close()
	client := server.Client()
	response, err := client.Get(server.URL)
	if err == nil {
		defer func() { _ = response.Body.Close() }()
		_, err = io.ReadAll(response.Body)
	}
	if err == nil {
		t.Error("the client took half of an answer for all of it")
	}
}

func TestSlowStoreTimesOut(t *testing.T) {
	f := newFixture(t)
	f.store.Before = func(ctx context.Context, _ string) error {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the store got no deadline")
		}
		return context.DeadlineExceeded
	}
	if a := f.do(t, "GET", "/v1/users/"+string(f.user.ID), ""); a.Code != 503 || a.body["code"] != "timeout" {
		t.Errorf("got %d %s", a.Code, a.Body)
	}
}

func TestConnectionsCloseWhileDraining(t *testing.T) {
	f := newFixture(t)
	for _, draining := range []bool{false, true} {
		f.draining = draining
		if got := f.do(t, "GET", "/v1/users", "").Header().Get("Connection") == "close"; got != draining {
			t.Errorf("draining %v: connection closes %v", draining, got)
		}
	}
}
