// Package http serves the use cases as a JSON API.
package http

import (
	"log/slog"
	"net/http"
	"time"

	contract "example.com/shopfront/api"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/metrics"
)

// Config is what NewHandler needs.
type Config struct {
	Users    *usecase.UserService
	Orders   *usecase.OrderService
	Log      *slog.Logger
	Requests *metrics.Requests
	Timeout  time.Duration // longest time for one request
	MaxBody  int64         // largest request body in bytes
	// Draining reports that the service is about to stop: connections are then
	// closed after their current request, so that no request is lost.
	Draining func() bool
}

type api struct {
	users  *usecase.UserService
	orders *usecase.OrderService
	log    *slog.Logger
}

// NewHandler returns the API. All routes stand here; api/openapi.yaml describes
// them.
func NewHandler(c Config) http.Handler {
	a := &api{users: c.Users, orders: c.Orders, log: c.Log}
	mux := http.NewServeMux()
	for pattern, handle := range a.routes() {
		mux.HandleFunc(pattern, a.handler(handle))
	}
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(contract.OpenAPI)
	})

	// The first one is the innermost.
	h := problemsFor(mux)
	h = limit(h, c.Timeout, c.MaxBody)
	h = recoverPanics(h, c.Log)
	h = logRequests(h, c.Log)
	h = measure(h, c.Requests)
	h = traceRequests(h)
	h = identify(h)
	h = closeWhenDraining(h, c.Draining)
	return withRoute(h, mux)
}

func (a *api) routes() map[string]func(http.ResponseWriter, *http.Request) error {
	return map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /v1/users":             a.createUser,
		"GET /v1/users":              a.listUsers,
		"GET /v1/users/{id}":         a.getUser,
		"PUT /v1/users/{id}":         a.updateUser,
		"GET /v1/users/{id}/orders":  a.listOrders,
		"POST /v1/orders":            a.placeOrder,
		"GET /v1/orders/{id}":        a.getOrder,
		"PUT /v1/orders/{id}/status": a.changeOrderStatus,
	}
}

func (a *api) handler(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			a.fail(w, r, err)
		}
	}
}

// NewServer returns a server with bounds on everything a client can hold open.
func NewServer(handler http.Handler, timeout time.Duration, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       timeout,
		WriteTimeout:      timeout + 5*time.Second, // the handler's own timeout answers first
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
