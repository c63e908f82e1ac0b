package http

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
