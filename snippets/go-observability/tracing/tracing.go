// Package tracing follows a request through services with OpenTelemetry: in by
// a middleware, through the code by spans, out by a transport.
package tracing

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceScope names this code as the source of its spans.
const traceScope = "example.com/service/tracing"

// TracingConfig configures the middleware and the transport. Zero fields take
// their defaults.
type TracingConfig struct {
	Provider   trace.TracerProvider          // default otel.GetTracerProvider()
	Propagator propagation.TextMapPropagator // default otel.GetTextMapPropagator(), or W3C trace context if none is set
	// Public is for an edge that strangers reach: their trace id becomes a
	// link, and neither it nor their sampling decision is taken over.
	Public bool
	// Route names the route that r took, for which it is called after the
	// handler (default the pattern of http.ServeMux). Never a path.
	Route func(r *http.Request) string
	// Attributes are given to the span at its start, where the sampler sees
	// them. They must hold no personal data (default none).
	Attributes func(r *http.Request) []attribute.KeyValue
}

func (cfg TracingConfig) withDefaults() TracingConfig {
	if cfg.Provider == nil {
		cfg.Provider = otel.GetTracerProvider()
	}
	if cfg.Route == nil {
		cfg.Route = tracedRoute
	}
	if cfg.Attributes == nil {
		cfg.Attributes = func(*http.Request) []attribute.KeyValue { return nil }
	}
	return cfg
}

// propagator is asked at each request: the global one may be set later.
func (cfg TracingConfig) propagator() propagation.TextMapPropagator {
	if cfg.Propagator != nil {
		return cfg.Propagator
	}
	if global := otel.GetTextMapPropagator(); len(global.Fields()) > 0 {
		return global
	}
	return propagation.TraceContext{}
}

// InSpan runs fn within a span. An error that isFailure accepts (any, if it is
// nil) fails the span: status Error and the attribute error.type, no event. So
// do a panic and runtime.Goexit, which go on. The error's text stays out, for
// what it may hold: log it, with ctx, where it is handled.
func InSpan[T any](ctx context.Context, tracer trace.Tracer, name string, isFailure func(error) bool,
	fn func(context.Context) (T, error), attrs ...attribute.KeyValue) (T, error) {
	if tracer == nil {
		tracer = otel.Tracer(traceScope)
	}
	ctx, span := tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	failure := "panic" // stands if fn does not return
	defer func() {
		failSpan(span, failure)
		span.End()
	}()
	result, err := fn(ctx)
	failure = ""
	if err != nil && (isFailure == nil || isFailure(err)) {
		failure = spanErrorType(err)
	}
	return result, err
}

func failSpan(span trace.Span, kind string) {
	if kind != "" {
		span.SetStatus(codes.Error, "")
		span.SetAttributes(attribute.String("error.type", kind))
	}
}

// spanErrorType names the kind of an error from a small set: never its text.
// An error with a method ErrorType() string, found by errors.As, names itself;
// what errors.New and fmt.Errorf make has no type that says anything.
func spanErrorType(err error) string {
	var named interface{ ErrorType() string }
	switch {
	case errors.As(err, &named):
		return named.ErrorType()
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	for { // what fmt.Errorf wraps says more than its own type
		name := fmt.Sprintf("%T", err)
		if !strings.HasPrefix(name, "*fmt.") && !strings.HasPrefix(name, "*errors.") {
			return name
		}
		if err = errors.Unwrap(err); err == nil {
			return "_OTHER" // as the semantic conventions say
		}
	}
}

// TraceRequests returns a middleware that runs each request in a server span,
// continuing the caller's trace. The span is named by method and route, and
// fails with a status from 500 or when the request is cut off.
func TraceRequests(cfg TracingConfig) func(http.Handler) http.Handler {
	cfg = cfg.withDefaults()
	tracer := cfg.Provider.Tracer(traceScope)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			method := tracedMethod(r.Method)
			ctx := r.Context()
			remote := cfg.propagator().Extract(ctx, propagation.HeaderCarrier(r.Header))
			options := []trace.SpanStartOption{
				trace.WithSpanKind(trace.SpanKindServer),
				trace.WithAttributes(attribute.String("http.request.method", method)),
				trace.WithAttributes(cfg.Attributes(r)...),
			}
			if !cfg.Public {
				ctx = remote
			} else if caller := trace.SpanContextFromContext(remote); caller.IsValid() {
				options = append(options, trace.WithLinks(trace.Link{SpanContext: caller}))
			}
			ctx, span := tracer.Start(ctx, tracedName(method), options...)
			// In place: what the router and the form parser set must reach those
			// further out, net/http (which removes uploaded files) included.
			*r = *r.WithContext(ctx)
			rec := &tracingRecorder{ResponseWriter: w}
			aborted := true
			defer func() { // without recover, so that a panic goes on untouched
				if route := cfg.Route(r); route != "" {
					span.SetName(tracedName(method) + " " + route)
					span.SetAttributes(attribute.String("http.route", route))
				}
				rec.finish(span, aborted)
				span.End()
			}()
			var writer http.ResponseWriter = rec
			if r.ProtoMajor == 1 {
				writer = hijackableTracingRecorder{rec}
			}
			next.ServeHTTP(writer, r)
			aborted = false
		})
	}
}

// NewTracingTransport returns a transport that runs each request through next
// in a client span and passes the trace on. The span ends with the header of
// the answer, and fails with an error or a status from 400.
func NewTracingTransport(cfg TracingConfig, next http.RoundTripper) http.RoundTripper {
	cfg = cfg.withDefaults()
	return &tracingTransport{cfg, cfg.Provider.Tracer(traceScope), next}
}

type tracingTransport struct {
	cfg    TracingConfig
	tracer trace.Tracer
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *tracingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	method := tracedMethod(r.Method)
	ctx, span := t.tracer.Start(r.Context(), tracedName(method),
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("server.address", r.URL.Hostname())),
		trace.WithAttributes(t.cfg.Attributes(r)...))
	failure := "panic" // stands if next does not return
	defer func() {
		failSpan(span, failure)
		span.End()
	}()
	r = r.Clone(ctx) // a RoundTripper must not change its request
	t.cfg.propagator().Inject(ctx, propagation.HeaderCarrier(r.Header))
	resp, err := t.next.RoundTrip(r)
	failure = ""
	if err != nil {
		failure = spanErrorType(err)
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", resp.StatusCode))
	if resp.StatusCode >= 400 {
		failure = strconv.Itoa(resp.StatusCode)
	}
	return resp, nil
}

// tracedRoute returns the mux's pattern without its method, which the name of
// the span has already. For a CONNECT that it redirects the mux gives the
// client's path as the pattern, so there only one that names the method counts.
func tracedRoute(r *http.Request) string {
	if r.Method == http.MethodConnect && !strings.HasPrefix(r.Pattern, http.MethodConnect) {
		return ""
	}
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return strings.TrimLeft(path, " \t")
	}
	return r.Pattern
}

// tracedMethod keeps methods that clients make up out of the trace.
func tracedMethod(method string) string {
	switch method {
	case "":
		return http.MethodGet // in a client's request
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

func tracedName(method string) string {
	if method == "_OTHER" {
		return "HTTP"
	}
	return method
}

// tracingRecorder remembers the status of an answer.
type tracingRecorder struct {
	http.ResponseWriter
	status int // zero until the answer begins
}

func (r *tracingRecorder) finish(span trace.Span, aborted bool) {
	switch {
	case r.status == 0 && aborted:
		r.status = http.StatusInternalServerError
	case r.status == 0:
		r.status = http.StatusOK
	}
	span.SetAttributes(attribute.Int("http.response.status_code", r.status))
	if aborted {
		failSpan(span, "aborted")
	} else if r.status >= 500 {
		failSpan(span, strconv.Itoa(r.status))
	}
}

func (r *tracingRecorder) begin(status int) {
	// 1xx may precede the answer; only 101 is one.
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
}

func (r *tracingRecorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

func (r *tracingRecorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

// ReadFrom keeps the fast path for files.
func (r *tracingRecorder) ReadFrom(src io.Reader) (n int64, err error) {
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

func (r *tracingRecorder) FlushError() error {
	err := http.NewResponseController(r.ResponseWriter).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		r.begin(http.StatusOK)
	}
	return err
}

func (r *tracingRecorder) Flush() { _ = r.FlushError() }

// hijackableTracingRecorder is for HTTP/1: over HTTP/2 nobody must be told that a
// connection can be taken over.
type hijackableTracingRecorder struct{ *tracingRecorder }

func (r hijackableTracingRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.begin(http.StatusSwitchingProtocols)
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (r *tracingRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
