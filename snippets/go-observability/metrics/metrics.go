// Package metrics counts and times HTTP requests for Prometheus, with a number
// of series that no client can raise.
package metrics

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// MetricsConfig configures MeasureRequests. All but Registerer have defaults.
type MetricsConfig struct {
	Registerer prometheus.Registerer
	// Buckets are the bounds in seconds; the latency objective must be one of
	// them (default 5 ms to 10 s). Native histograms are exposed beside them.
	Buckets []float64
	// Route names the route that r took, for which it is called after the
	// handler (default the pattern of http.ServeMux). It must come from a
	// closed list: never a path.
	Route func(r *http.Request) string
	// TraceID links slow requests to their traces by exemplars. It returns ""
	// for a trace that is not sampled, since nobody could find that (default none).
	TraceID func(ctx context.Context) string
	Now     func() time.Time // default time.Now
}

// MeasureRequests registers its collectors and returns a middleware that feeds
// them: requests by method, route and status, durations by method and route,
// and the number in flight. A request that is cut off, by a panic say, counts
// as 500, whatever had been sent.
func MeasureRequests(cfg MetricsConfig) (func(http.Handler) http.Handler, error) {
	if cfg.Registerer == nil {
		return nil, errors.New("metrics: no registerer")
	}
	if cfg.Buckets == nil {
		cfg.Buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	}
	if cfg.Route == nil {
		cfg.Route = measuredRoute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_server_requests_total",
		Help: "HTTP requests by method, route and status code.",
	}, []string{"method", "route", "code"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                        "http_server_request_duration_seconds",
		Help:                        "Time to serve HTTP requests, by method and route.",
		Buckets:                     cfg.Buckets,
		NativeHistogramBucketFactor: 1.1,
		// Bounds the memory of each series, and how often it starts afresh.
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, []string{"method", "route"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "http_server_requests_in_flight",
		Help: "HTTP requests being served.",
	})
	registered := []prometheus.Collector{requests, duration, inFlight}
	for i, collector := range registered {
		if err := cfg.Registerer.Register(collector); err != nil {
			for _, earlier := range registered[:i] {
				cfg.Registerer.Unregister(earlier)
			}
			return nil, err
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := cfg.Now()
			inFlight.Inc()
			rec := &metricsRecorder{ResponseWriter: w}
			aborted := true
			defer func() { // without recover, so that a panic goes on untouched
				inFlight.Dec()
				method, route := measuredMethod(r.Method), cfg.Route(r)
				requests.WithLabelValues(method, route, rec.code(aborted)).Inc()
				if rec.hijacked {
					return // a connection that lasts for hours is no slow request
				}
				observer, took := duration.WithLabelValues(method, route), cfg.Now().Sub(start).Seconds()
				if cfg.TraceID != nil {
					if id := cfg.TraceID(r.Context()); id != "" {
						if exemplars, ok := observer.(prometheus.ExemplarObserver); ok {
							exemplars.ObserveWithExemplar(took, prometheus.Labels{"trace_id": id})
							return
						}
					}
				}
				observer.Observe(took)
			}()
			var writer http.ResponseWriter = rec
			if r.ProtoMajor == 1 {
				writer = hijackableMetricsRecorder{rec}
			}
			next.ServeHTTP(writer, r)
			aborted = false
		})
	}, nil
}

// measuredRoute returns the mux's pattern without its method, which is a label
// of its own. For a CONNECT that it redirects the mux gives the client's path
// as the pattern, so there only one that names the method counts.
func measuredRoute(r *http.Request) string {
	if r.Method == http.MethodConnect && !strings.HasPrefix(r.Pattern, http.MethodConnect) {
		return "other"
	}
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return strings.TrimLeft(path, " \t")
	}
	if r.Pattern == "" {
		return "other"
	}
	return r.Pattern
}

// measuredMethod keeps methods that clients make up from becoming series.
func measuredMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "other"
}

// metricsRecorder remembers the status of an answer.
type metricsRecorder struct {
	http.ResponseWriter
	status   int // zero until the answer begins
	hijacked bool
}

func (r *metricsRecorder) code(aborted bool) string {
	switch {
	case aborted:
		return "500"
	case r.status == 0:
		return "200"
	case r.status > 599: // no status, but net/http sends up to 999
		return "other"
	}
	return strconv.Itoa(r.status)
}

func (r *metricsRecorder) begin(status int) {
	// 1xx may precede the answer; only 101 is one.
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
}

func (r *metricsRecorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

func (r *metricsRecorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

// ReadFrom keeps the fast path for files.
func (r *metricsRecorder) ReadFrom(src io.Reader) (n int64, err error) {
	returned := false
	defer func() {
		if n > 0 || !returned { // nothing is sent before the first byte; a panic may come after it
			r.begin(http.StatusOK)
		}
	}()
	n, err = io.Copy(r.ResponseWriter, src)
	returned = true
	return n, err
}

func (r *metricsRecorder) FlushError() error {
	err := http.NewResponseController(r.ResponseWriter).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		r.begin(http.StatusOK)
	}
	return err
}

func (r *metricsRecorder) Flush() { _ = r.FlushError() }

// hijackableMetricsRecorder is for HTTP/1: over HTTP/2 nobody must be told that a
// connection can be taken over.
type hijackableMetricsRecorder struct{ *metricsRecorder }

func (r hijackableMetricsRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.begin(http.StatusSwitchingProtocols)
		r.hijacked = true
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (r *metricsRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
