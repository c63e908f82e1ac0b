package tracing_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"example.com/go-architect/snippets/go-observability/logging"
	"example.com/go-architect/snippets/go-observability/metrics"
	"example.com/go-architect/snippets/go-observability/tracing"
)

// stack is trace(log(metrics(mux))) with what each of them saw.
type stack struct {
	http.Handler
	exporter *tracetest.InMemoryExporter
	log      bytes.Buffer
	registry *prometheus.Registry
}

func newStack(t *testing.T, mux http.Handler) *stack {
	t.Helper()
	s := &stack{exporter: tracetest.NewInMemoryExporter(), registry: prometheus.NewRegistry()}
	traceID := func(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }
	handler := logging.NewRequestLogHandler(slog.NewJSONHandler(&s.log, nil), func(ctx context.Context) []slog.Attr {
		return []slog.Attr{slog.String("trace_id", traceID(ctx))}
	})
	log := logging.LogRequests(logging.LoggingConfig{Logger: slog.New(handler)})
	sampled := func(ctx context.Context) string {
		if !trace.SpanContextFromContext(ctx).IsSampled() {
			return ""
		}
		return traceID(ctx)
	}
	measure, err := metrics.MeasureRequests(metrics.MetricsConfig{Registerer: s.registry, TraceID: sampled})
	if err != nil {
		t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.exporter))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	s.Handler = tracing.TraceRequests(tracing.TracingConfig{Provider: provider})(log(measure(mux)))
	return s
}

// TestComposeOneStory: a request that panics is one story in all three signals.
func TestComposeOneStory(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) { panic("boom") })
	s := newStack(t, mux)
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("the panic became %v", p)
			}
		}()
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/users/7", nil))
	}()

	spans := s.exporter.GetSpans()
	if len(spans) != 1 || spans[0].Name != "GET /users/{id}" || spans[0].Status.Code != codes.Error {
		t.Fatalf("spans %v", spans)
	}
	id := spans[0].SpanContext.TraceID().String()
	var record map[string]any
	if err := json.Unmarshal(s.log.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	if record["level"] != "ERROR" || record["status"] != 500.0 || record["route"] != "GET /users/{id}" || record["trace_id"] != id {
		t.Errorf("record %v, trace %s", record, id)
	}
	want := "# HELP http_server_requests_total HTTP requests by method, route and status code.\n# TYPE http_server_requests_total counter\n" +
		"http_server_requests_total{code=\"500\",method=\"GET\",route=\"/users/{id}\"} 1\n"
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want), "http_server_requests_total"); err != nil {
		t.Error(err)
	}
}

// TestComposeStreaming: each line arrives before the next is made, through all three recorders.
func TestComposeStreaming(t *testing.T) {
	next := make(chan struct{})
	stop := sync.OnceFunc(func() { close(next) })
	server := httptest.NewServer(newStack(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, err := io.WriteString(w, "line\n")
			if err := errors.Join(err, http.NewResponseController(w).Flush()); err != nil {
				t.Error(err)
			}
			<-next
		}
	})))
	defer server.Close()
	defer stop()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for range 3 {
		if !lines.Scan() || lines.Text() != "line" {
			t.Fatalf("got %q, %v", lines.Text(), lines.Err())
		}
		next <- struct{}{}
	}
}
