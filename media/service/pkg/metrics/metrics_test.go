package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"example.com/shopfront/pkg/metrics"
)

func scrape(t *testing.T, registry *prometheus.Registry, accept string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	metrics.Handler(registry).ServeHTTP(w, r)
	return w.Body.String()
}

func TestRequests(t *testing.T) {
	registry := metrics.NewRegistry()
	requests := metrics.NewRequests(registry, "test")
	done := requests.Start()
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{7}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled})
	requests.Observe(trace.ContextWithSpanContext(t.Context(), span), "GET", "/x/{id}", "200", 30*time.Millisecond)

	text := scrape(t, registry, "application/openmetrics-text;version=1.0.0")
	for _, want := range []string{
		`test_requests_in_flight 1`,
		`test_request_duration_seconds_bucket{method="GET",route="/x/{id}",status="200",le="0.025"} 0`,
		`test_request_duration_seconds_bucket{method="GET",route="/x/{id}",status="200",le="0.05"} 1 # {trace_id="07000000000000000000000000000000"} 0.03`,
		`go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	done()
	if text := scrape(t, registry, ""); !strings.Contains(text, "test_requests_in_flight 0") {
		t.Error("the request is still counted as being served")
	}
}

func TestNothingIsRegisteredGlobally(t *testing.T) {
	before, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second registry must not clash with the first
		metrics.NewRequests(metrics.NewRegistry(), "test")
	}
	after, err := prometheus.DefaultGatherer.Gather()
	if err != nil || len(after) != len(before) {
		t.Errorf("%d families became %d; %v", len(before), len(after), err)
	}
}
