// Package metrics builds the Prometheus registry and the metrics that every
// server of the service shares. Nothing registers itself globally.
package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/trace"
)

// NewRegistry returns a registry with the Go runtime's and the process's own
// metrics.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// Handler serves what the registry holds.
func Handler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Timeout: 5 * time.Second})
}

// Requests measures the requests of one kind of server. Its labels come from
// fixed sets: a method, a route pattern and a status, never a path, an
// identifier or anything else that a caller can choose.
type Requests struct {
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

// NewRequests registers <prefix>_request_duration_seconds and
// <prefix>_requests_in_flight.
func NewRequests(registry prometheus.Registerer, prefix string) *Requests {
	r := &Requests{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "_request_duration_seconds",
			Help: "How long requests took, by method, route and status.",
			// Dense around the latency objective of 250 ms.
			Buckets:                         []float64{.001, .0025, .005, .01, .025, .05, .1, .15, .25, .5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"method", "route", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "_requests_in_flight",
			Help: "How many requests are being served.",
		}),
	}
	registry.MustRegister(r.duration, r.inFlight)
	return r
}

// Start counts a request as being served until the returned function is called.
func (r *Requests) Start() (done func()) {
	r.inFlight.Inc()
	return r.inFlight.Dec
}

// Observe records a finished request, with its trace as an exemplar.
func (r *Requests) Observe(ctx context.Context, method, route, status string, took time.Duration) {
	observer := r.duration.WithLabelValues(method, route, status)
	span := trace.SpanContextFromContext(ctx)
	if exemplar, ok := observer.(prometheus.ExemplarObserver); ok && span.IsSampled() {
		exemplar.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": span.TraceID().String()})
		return
	}
	observer.Observe(took.Seconds())
}
