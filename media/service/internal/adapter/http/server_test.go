package http

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	contract "example.com/shopfront/api"
	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
	"example.com/shopfront/internal/usecase/usecasetest"

	"example.com/shopfront/pkg/logger"
	"example.com/shopfront/pkg/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	http.Handler

	store    *usecasetest.Store
	log      bytes.Buffer
	registry *prometheus.Registry
	draining bool
	user     domain.User
	order    domain.Order
}

// newFixture returns the API before a store that holds one user and one order.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{store: usecasetest.NewStore(), registry: prometheus.NewRegistry()}
	users := usecase.NewUserService(f.store.Users(), f.store, time.Now)
	orders := usecase.NewOrderService(f.store.Users(), f.store.Orders(), f.store, time.Now)
	var err error
	if f.user, err = users.Create(t.Context(), "ada@example.com", "Ada"); err != nil {
		t.Fatal(err)
	}
	if f.order, err = orders.Place(t.Context(), f.user.ID, "EUR", []domain.Line{{SKU: "tea", Quantity: 1, UnitPrice: 5}}); err != nil {
		t.Fatal(err)
	}
	f.Handler = NewHandler(Config{
		Users:    users,
		Orders:   orders,
		Log:      logger.New(&f.log, slog.LevelInfo, false),
		Requests: metrics.NewRequests(f.registry, "http_server"),
		Timeout:  time.Second,
		MaxBody:  1000,
		Draining: func() bool { return f.draining },
	})
	return f
}

type answer struct {
	*httptest.ResponseRecorder

	body map[string]any
}

// do sends a request; headers alternate name and value.
func (f *fixture) do(t *testing.T, method, target, body string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := answer{ResponseRecorder: httptest.NewRecorder()}
	f.ServeHTTP(a, r)
	if strings.Contains(a.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(a.Body.Bytes(), &a.body); err != nil {
			t.Fatalf("%v in %s", err, a.Body)
		}
	}
	return a
}

func TestAnswers(t *testing.T) {
	const absent = "01900000-0000-7000-8000-000000000000"
	const bob = `{"email":"bob@example.com","name":"Bob"}`
	order := func(user string) string {
		return `{"user_id":"` + user + `","currency":"EUR","lines":[{"sku":"tea","quantity":2,"unit_price":499}]}`
	}
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"create a user", "POST", "/v1/users", bob, nil, 201, ""},
		{"email taken", "POST", "/v1/users", `{"email":"ada@example.com","name":"Eve"}`, nil, 409, "email_taken"},
		{"invalid user", "POST", "/v1/users", `{"email":"x","name":""}`, nil, 422, "invalid_input"},
		{"no content type", "POST", "/v1/users", bob, []string{"Content-Type", ""}, 415, "unsupported_media_type"},
		{"with a charset", "POST", "/v1/users", bob, []string{"Content-Type", "application/json; charset=utf-8"}, 201, ""},
		{"unknown field", "POST", "/v1/users", `{"email":"b@example.com","name":"B","admin":true}`, nil, 400, "malformed_body"},
		{"wrong type", "POST", "/v1/users", `{"email":1}`, nil, 400, "malformed_body"},
		{"cut off", "POST", "/v1/users", `{"email":`, nil, 400, "malformed_body"},
		{"two values", "POST", "/v1/users", bob + bob, nil, 400, "malformed_body"},
		{"too large", "POST", "/v1/users", `{"name":"` + strings.Repeat("a", 1000) + `"}`, nil, 413, "body_too_large"},
		{"get a user", "GET", "/v1/users/{user}", "", nil, 200, ""},
		{"head of a user", "HEAD", "/v1/users/{user}", "", nil, 200, ""},
		{"no such user", "GET", "/v1/users/" + absent, "", nil, 404, "user_not_found"},
		{"no identifier", "GET", "/v1/users/1", "", nil, 422, "invalid_input"},
		{"change a user", "PUT", "/v1/users/{user}", bob, []string{"If-Match", `"2"`}, 200, ""},
		{"change any version", "PUT", "/v1/users/{user}", bob, nil, 200, ""},
		{"stale version", "PUT", "/v1/users/{user}", bob, []string{"If-Match", `"1"`}, 412, "version_conflict"},
		{"malformed version", "PUT", "/v1/users/{user}", bob, []string{"If-Match", `2`}, 400, "malformed_if_match"},
		{"list users", "GET", "/v1/users?limit=1", "", nil, 200, ""},
		{"limit too high", "GET", "/v1/users?limit=101", "", nil, 422, "invalid_input"},
		{"limit of zero", "GET", "/v1/users?limit=0", "", nil, 422, "invalid_input"},
		{"malformed page", "GET", "/v1/users?after=1", "", nil, 422, "invalid_input"},
		{"place an order", "POST", "/v1/orders", order("{user}"), nil, 201, ""},
		{"order of nobody", "POST", "/v1/orders", order(absent), nil, 404, "user_not_found"},
		{"empty order", "POST", "/v1/orders", `{"user_id":"{user}","currency":"EUR","lines":[]}`, nil, 422, "invalid_input"},
		{"get an order", "GET", "/v1/orders/{order}", "", nil, 200, ""},
		{"no such order", "GET", "/v1/orders/" + absent, "", nil, 404, "order_not_found"},
		{"orders of a user", "GET", "/v1/users/{user}/orders", "", nil, 200, ""},
		{"orders of nobody", "GET", "/v1/users/" + absent + "/orders", "", nil, 404, "user_not_found"},
		{"pay", "PUT", "/v1/orders/{order}/status", `{"status":"paid"}`, []string{"If-Match", `"1"`}, 200, ""},
		{"ship unpaid", "PUT", "/v1/orders/{order}/status", `{"status":"shipped"}`, nil, 409, "status_change"},
		{"unknown status", "PUT", "/v1/orders/{order}/status", `{"status":"lost"}`, nil, 422, "invalid_input"},
		{"no such resource", "GET", "/v2/users", "", nil, 404, "no_such_resource"},
		{"no such method", "DELETE", "/v1/users", "", nil, 405, "method_not_allowed"},
		{"contract", "GET", "/openapi.yaml", "", nil, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			names := strings.NewReplacer("{user}", string(f.user.ID), "{order}", string(f.order.ID))
			a := f.do(t, tt.method, names.Replace(tt.path), names.Replace(tt.body), tt.headers...)
			if a.Code != tt.status {
				t.Fatalf("status %d, want %d: %s", a.Code, tt.status, a.Body)
			}
			if tt.code == "" {
				return
			}
			if got := a.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if a.body["code"] != tt.code || a.body["status"] != float64(tt.status) || a.body["title"] != http.StatusText(tt.status) {
				t.Errorf("problem %v, want code %s", a.body, tt.code)
			}
			if a.body["request_id"] != a.Header().Get(requestIDHeader) {
				t.Errorf("request id %v, header %q", a.body["request_id"], a.Header().Get(requestIDHeader))
			}
		})
	}
}

func TestCreatedRecordsCanBeFollowed(t *testing.T) {
	f := newFixture(t)
	created := f.do(t, "POST", "/v1/users", `{"email":"bob@example.com","name":"Bob"}`)
	got := f.do(t, "GET", created.Header().Get("Location"), "")
	if got.Code != 200 || got.body["name"] != "Bob" || got.Header().Get("ETag") != `"1"` {
		t.Fatalf("got %d %s, ETag %s", got.Code, got.Body, got.Header().Get("ETag"))
	}
	changed := f.do(t, "PUT", created.Header().Get("Location"), `{"email":"bob@example.com","name":"Rob"}`,
		"If-Match", got.Header().Get("ETag"))
	if changed.Code != 200 || changed.Header().Get("ETag") != `"2"` {
		t.Errorf("changed %d %s, ETag %s", changed.Code, changed.Body, changed.Header().Get("ETag"))
	}
}

func TestPagesFollowOneAnother(t *testing.T) {
	f := newFixture(t)
	for i := range 4 {
		f.do(t, "POST", "/v1/users", `{"email":"user`+strconv.Itoa(i)+`@example.com","name":"U"}`)
	}
	seen, target := 0, "/v1/users?limit=2"
	for pages := 1; ; pages++ {
		a := f.do(t, "GET", target, "")
		items, _ := a.body["items"].([]any)
		seen += len(items)
		next, more := a.body["next_after"].(string)
		if !more {
			if pages != 3 || seen != 5 {
				t.Errorf("%d pages, %d users", pages, seen)
			}
			return
		}
		target = "/v1/users?limit=2&after=" + next
	}
}

func TestEveryFieldErrorIsReported(t *testing.T) {
	a := newFixture(t).do(t, "POST", "/v1/users", `{"email":"x","name":""}`)
	errs, _ := a.body["errors"].([]any)
	if len(errs) != 2 {
		t.Errorf("errors %v", a.body["errors"])
	}
}

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

func TestServerIsBounded(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), 10*time.Second, slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout <= 10*time.Second || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("something is unbounded: %+v", s)
	}
}

// TestContract compares the routes with the paths of the OpenAPI file, whose
// indentation is all that this needs to understand of YAML.
func TestContract(t *testing.T) {
	var described []string
	path := ""
	for line := range strings.Lines(string(contract.OpenAPI)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "  /"):
			path = strings.TrimSuffix(line[2:], ":")
		case strings.HasPrefix(line, "components:"):
			path = ""
		case path != "" && strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "     ") && line != "    parameters:":
			described = append(described, strings.ToUpper(strings.TrimSuffix(line[4:], ":"))+" "+path)
		}
	}
	var served []string
	for pattern := range (&api{}).routes() {
		served = append(served, pattern)
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}
