package tracing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Rules.
//
//	TR-1  a request is one server span named by method and route, with method, route and status as attributes
//	TR-2  the route is the pattern that ServeMux sets, though the request's context was replaced; middleware further out sees it too
//	TR-3  the caller's trace goes on, its sampling decision included
//	TR-4  at a public edge the caller is a link: neither its trace id nor its sampling decision is taken over
//	TR-5  the sampler sees the method and the given attributes
//	TR-6  a status from 500 fails the span, with the code as error.type; one from 400 does not
//	TR-7  a panic fails and ends the span and goes on with its value; so does runtime.Goexit
//	TR-8  InSpan: result and error come back unchanged; the error fails the span unless isFailure says it is an answer
//	TR-9  a failure is a status and error.type, never an event, and never the error's text
//	TR-10 the transport makes a client span, sends traceparent, leaves its request alone, and fails from 400 and on errors
//	TR-11 client and server make one trace
//	TR-12 nothing that a client made up is in a span: no path, query, header or method
//	TR-13 status: the first wins, 1xx is none, no status is 200, a flush is 200, hijacked is 101; ResponseController, Flusher and ReaderFrom work

type traceTest struct {
	exporter *tracetest.InMemoryExporter
	cfg      TracingConfig
}

func newTraceTest(t testing.TB, options ...sdktrace.TracerProviderOption) *traceTest {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSyncer(exporter))...)
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &traceTest{exporter, TracingConfig{Provider: provider}}
}

func (tt *traceTest) serve(handler http.Handler, r *http.Request) {
	defer func() { _ = recover() }()
	TraceRequests(tt.cfg)(handler).ServeHTTP(httptest.NewRecorder(), r)
}

// span returns the only span that has ended since the last call.
func (tt *traceTest) span(t *testing.T) tracetest.SpanStub {
	t.Helper()
	spans := tt.exporter.GetSpans()
	tt.exporter.Reset()
	if len(spans) != 1 {
		t.Fatalf("%d spans, want 1", len(spans))
	}
	if len(spans[0].Events) != 0 { // TR-9
		t.Errorf("span events: %v", spans[0].Events)
	}
	return spans[0]
}

func attributes(span tracetest.SpanStub) map[string]string {
	all := make(map[string]string)
	for _, a := range span.Attributes {
		all[string(a.Key)] = a.Value.String()
	}
	return all
}

func wantStatus(t *testing.T, span tracetest.SpanStub, errorType string) {
	t.Helper()
	code := codes.Unset
	if errorType != "" {
		code = codes.Error
	}
	if span.Status.Code != code || span.Status.Description != "" || attributes(span)["error.type"] != errorType {
		t.Errorf("%s: status %v, error.type %q, want %v, %q", span.Name, span.Status, attributes(span)["error.type"], code, errorType)
	}
}

func get(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

func answer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

const (
	callerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampled     = "00-" + callerTrace + "-00f067aa0ba902b7-01"
	unsampled   = "00-" + callerTrace + "-00f067aa0ba902b7-00"
)

func TestTR01_TR02_TR12_Server(t *testing.T) {
	tt := newTraceTest(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !trace.SpanContextFromContext(r.Context()).IsValid() {
			t.Error("the handler's context has no span")
		}
		w.WriteHeader(http.StatusAccepted)
	})
	mux.Handle("/files/", answer(200))
	r := get("/users/ann@example.com?token=hunter2")
	r.Header.Set("User-Agent", "hunter3")
	tt.serve(mux, r)
	span := tt.span(t)
	want := map[string]string{"http.request.method": "GET", "http.route": "/users/{id}", "http.response.status_code": "202"}
	if span.Name != "GET /users/{id}" || span.SpanKind != trace.SpanKindServer || !maps.Equal(attributes(span), want) {
		t.Errorf("%s, %v, %v, want %v", span.Name, span.SpanKind, attributes(span), want)
	}
	wantStatus(t, span, "")
	if r.Pattern != "GET /users/{id}" {
		t.Errorf("further out the pattern is %q", r.Pattern)
	}

	tt.serve(mux, httptest.NewRequest(http.MethodPut, "/files/x", nil))
	if span := tt.span(t); span.Name != "PUT /files/" {
		t.Errorf("a pattern without a method: %q", span.Name)
	}
	tt.serve(mux, httptest.NewRequest("HUNTER4", "/hunter5", nil))
	span = tt.span(t)
	want = map[string]string{"http.request.method": "_OTHER", "http.response.status_code": "404"}
	if span.Name != "HTTP" || !maps.Equal(attributes(span), want) {
		t.Errorf("unmatched: %s, %v, want %v", span.Name, attributes(span), want)
	}
}

func TestTR03_TR04_Propagation(t *testing.T) {
	for _, test := range []struct {
		header   string
		public   bool
		sampler  sdktrace.Sampler
		exported bool
		joined   bool
		links    int
	}{
		{"", false, sdktrace.AlwaysSample(), true, false, 0},
		{sampled, false, sdktrace.NeverSample(), true, true, 0},
		{unsampled, false, sdktrace.AlwaysSample(), false, true, 0},
		{"00-nonsense", false, sdktrace.AlwaysSample(), true, false, 0},
		{sampled, true, sdktrace.NeverSample(), false, false, 0},
		{unsampled, true, sdktrace.AlwaysSample(), true, false, 1},
		{sampled, true, sdktrace.AlwaysSample(), true, false, 1},
		{"", true, sdktrace.AlwaysSample(), true, false, 0},
	} {
		tt := newTraceTest(t, sdktrace.WithSampler(sdktrace.ParentBased(test.sampler)))
		tt.cfg.Public = test.public
		r := get("/")
		r.Header.Set("traceparent", test.header)
		var seen trace.SpanContext
		tt.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = trace.SpanContextFromContext(r.Context()) }), r)
		if joined := seen.TraceID().String() == callerTrace; joined != test.joined || !seen.IsValid() {
			t.Errorf("%+v: trace %v", test, seen.TraceID())
		}
		spans := tt.exporter.GetSpans()
		if (len(spans) == 1) != test.exported {
			t.Errorf("%+v: %d spans", test, len(spans))
			continue
		}
		if test.exported && (len(spans[0].Links) != test.links || test.links == 1 && spans[0].Links[0].SpanContext.TraceID().String() != callerTrace) {
			t.Errorf("%+v: links %v", test, spans[0].Links)
		}
	}
}

// attributeSampler drops probes by an attribute.
type attributeSampler struct{ seen []attribute.KeyValue }

func (s *attributeSampler) Description() string { return "test" }

func (s *attributeSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.seen = p.Attributes
	if slices.Contains(p.Attributes, attribute.Bool("probe", true)) {
		return sdktrace.SamplingResult{Decision: sdktrace.Drop}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
}

func TestTR05_Sampling(t *testing.T) {
	sampler := &attributeSampler{}
	tt := newTraceTest(t, sdktrace.WithSampler(sampler))
	tt.cfg.Attributes = func(r *http.Request) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.Bool("probe", r.URL.Path == "/livez")}
	}
	tt.serve(answer(200), get("/livez"))
	if n := len(tt.exporter.GetSpans()); n != 0 {
		t.Errorf("a probe made %d spans", n)
	}
	tt.serve(answer(200), get("/orders"))
	if tt.span(t); !slices.Contains(sampler.seen, attribute.String("http.request.method", "GET")) {
		t.Errorf("the sampler saw %v", sampler.seen)
	}
}

func TestTR06_TR07_Failures(t *testing.T) {
	tt := newTraceTest(t)
	for status, errorType := range map[int]string{200: "", 302: "", 404: "", 499: "", 500: "500", 503: "503"} {
		tt.serve(answer(status), get("/"))
		wantStatus(t, tt.span(t), errorType)
	}
	boom := errors.New("boom")
	for sent, status := range map[bool]string{false: "500", true: "200"} {
		func() {
			defer func() {
				if p := recover(); p != boom {
					t.Errorf("the panic became %v", p)
				}
			}()
			TraceRequests(tt.cfg)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if sent {
					_, _ = io.WriteString(w, "half")
				}
				panic(boom)
			})).ServeHTTP(httptest.NewRecorder(), get("/"))
		}()
		span := tt.span(t)
		wantStatus(t, span, "aborted")
		if got := attributes(span)["http.response.status_code"]; got != status {
			t.Errorf("sent %v: status %s, want %s", sent, got, status)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tt.serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }), get("/"))
	}()
	<-done
	wantStatus(t, tt.span(t), "aborted")
}

type outOfStock struct{ sku string }

func (e *outOfStock) Error() string { return "out of stock: " + e.sku }

func TestTR08_TR09_InSpan(t *testing.T) {
	tt := newTraceTest(t)
	tracer := tt.cfg.Provider.Tracer("test")
	notFound := errors.New("no order of ann@example.com")
	isFailure := func(err error) bool { return !errors.Is(err, notFound) }
	for name, test := range map[string]struct {
		err       error
		isFailure func(error) bool
		errorType string
	}{
		"success":          {nil, nil, ""},
		"any error":        {notFound, nil, "_OTHER"},
		"names itself":     {fmt.Errorf("reserve: %w", stockError{notFound}), nil, "out_of_stock"},
		"joined":           {errors.Join(notFound, notFound), nil, "_OTHER"},
		"an answer":        {fmt.Errorf("load: %w", notFound), isFailure, ""},
		"typed":            {&outOfStock{"A-7"}, isFailure, "*tracing.outOfStock"},
		"wrapped":          {fmt.Errorf("a: %w", fmt.Errorf("b: %w", &outOfStock{"A-7"})), nil, "*tracing.outOfStock"},
		"several":          {fmt.Errorf("%w and %w", notFound, notFound), nil, "_OTHER"},
		"caller cancelled": {fmt.Errorf("query: %w", context.Canceled), nil, "canceled"},
		"deadline":         {fmt.Errorf("query: %w", context.DeadlineExceeded), nil, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := InSpan(t.Context(), tracer, "reserve stock", test.isFailure, func(ctx context.Context) (int, error) {
				if !trace.SpanContextFromContext(ctx).IsValid() {
					t.Error("no span in the context")
				}
				return 7, test.err
			}, attribute.Int("items", 2))
			if got != 7 || err != test.err {
				t.Errorf("got %d, %v", got, err)
			}
			span := tt.span(t)
			wantStatus(t, span, test.errorType)
			if text := fmt.Sprint(span); strings.Contains(text, "ann@") || strings.Contains(text, "A-7") {
				t.Errorf("the error's text is in the span: %s", text)
			}
			if span.Name != "reserve stock" || attributes(span)["items"] != "2" {
				t.Errorf("%s, %v", span.Name, attributes(span))
			}
		})
	}
	func() {
		defer func() {
			if p := recover(); p != notFound {
				t.Errorf("the panic became %v", p)
			}
		}()
		_, _ = InSpan(t.Context(), tracer, "x", nil, func(context.Context) (int, error) { panic(notFound) })
	}()
	wantStatus(t, tt.span(t), "panic")
	if got, err := InSpan(t.Context(), nil, "x", nil, func(context.Context) (string, error) { return "ok", nil }); got != "ok" || err != nil {
		t.Errorf("without a tracer: %q, %v", got, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTR10_Transport(t *testing.T) {
	tt := newTraceTest(t)
	refused := &outOfStock{"connection refused"}
	for name, test := range map[string]struct {
		status    int
		err       error
		errorType string
	}{
		"ok": {200, nil, ""}, "redirect": {302, nil, ""}, "not found": {404, nil, "404"}, "unavailable": {503, nil, "503"},
		"error": {0, refused, "*tracing.outOfStock"}, "deadline": {0, context.DeadlineExceeded, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			sent := ""
			transport := NewTracingTransport(tt.cfg, roundTripper(func(r *http.Request) (*http.Response, error) {
				sent = r.Header.Get("traceparent")
				if test.err != nil {
					return nil, test.err
				}
				return &http.Response{StatusCode: test.status, Body: http.NoBody}, nil
			}))
			r, err := http.NewRequestWithContext(t.Context(), "", "https://stock.example.com:8443/items/hunter2?q=hunter3", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport.RoundTrip(r)
			if err != test.err || err == nil && resp.StatusCode != test.status {
				t.Errorf("got %v, %v", resp, err)
			}
			if err == nil {
				_ = resp.Body.Close()
			}
			span := tt.span(t)
			wantStatus(t, span, test.errorType)
			if want := fmt.Sprintf("00-%s-%s-01", span.SpanContext.TraceID(), span.SpanContext.SpanID()); sent != want {
				t.Errorf("traceparent %q, want %q", sent, want)
			}
			if len(r.Header) != 0 {
				t.Errorf("the request was changed: %v", r.Header)
			}
			if span.Name != "GET" || span.SpanKind != trace.SpanKindClient || attributes(span)["server.address"] != "stock.example.com" || strings.Contains(fmt.Sprint(span), "hunter") {
				t.Errorf("%s, %v, %v", span.Name, span.SpanKind, attributes(span))
			}
		})
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = NewTracingTransport(tt.cfg, roundTripper(func(*http.Request) (*http.Response, error) { panic("x") })).RoundTrip(get("http://a/"))
	}()
	wantStatus(t, tt.span(t), "panic")
}

func TestTR11_OneTrace(t *testing.T) {
	tt := newTraceTest(t)
	mux := http.NewServeMux()
	mux.Handle("GET /stock/{sku}", answer(200))
	stock := httptest.NewServer(TraceRequests(tt.cfg)(mux))
	defer stock.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: NewTracingTransport(tt.cfg, base)}
	tt.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, stock.URL+"/stock/7", nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	}), get("/orders"))
	stock.Close() // its span has ended then
	spans := tt.exporter.GetSpans()
	if len(spans) != 3 {
		t.Fatalf("%d spans, want 3", len(spans))
	}
	byID := make(map[trace.SpanID]tracetest.SpanStub)
	for _, span := range spans {
		byID[span.SpanContext.SpanID()] = span
	}
	for _, span := range spans {
		if span.Name == "GET /stock/{sku}" {
			client := byID[span.Parent.SpanID()]
			if server := byID[client.Parent.SpanID()]; client.SpanKind != trace.SpanKindClient || server.SpanKind != trace.SpanKindServer || server.Parent.IsValid() {
				t.Errorf("the chain is %q, %q, %q", span.Name, client.Name, server.Name)
			}
			return
		}
	}
	t.Error("no span of the second service")
}

func TestTR13_Recorder(t *testing.T) {
	control := http.NewResponseController
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		status  string
	}{
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, "200"},
		"first wins":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, "404"},
		"write is 200": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("abc")); w.WriteHeader(500) }, "200"},
		"early hints":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }, "201"},
		"flush is 200": {func(w http.ResponseWriter, _ *http.Request) { _ = control(w).Flush(); w.WriteHeader(500) }, "200"},
		"flusher":      {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, "200"},
		"copied": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("file")})
			w.WriteHeader(500)
		}, "200"},
		"hijacked is 101": {func(w http.ResponseWriter, _ *http.Request) { conn, _, _ := control(w).Hijack(); _ = conn.Close() }, "101"},
		"deadlines reach": {func(w http.ResponseWriter, _ *http.Request) {
			if err := control(w).SetWriteDeadline(time.Time{}); err != nil {
				w.WriteHeader(500)
			}
		}, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			tt := newTraceTest(t)
			done := make(chan struct{}) // the server does not wait for a hijacked connection's handler
			handler := TraceRequests(tt.cfg)(test.handler)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				handler.ServeHTTP(w, r)
			}))
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo) // superfluous WriteHeader
			server.Start()
			if resp, err := server.Client().Get(server.URL); err == nil {
				_ = resp.Body.Close()
			}
			server.Close()
			<-done
			if got := attributes(tt.span(t))["http.response.status_code"]; got != test.status {
				t.Errorf("status %s, want %s", got, test.status)
			}
		})
	}
	rec := &tracingRecorder{ResponseWriter: struct{ http.ResponseWriter }{httptest.NewRecorder()}}
	if err := rec.FlushError(); err == nil || rec.status != 0 {
		t.Errorf("a writer that cannot flush: %v, status %d", err, rec.status)
	}
	if _, _, err := (hijackableTracingRecorder{rec}).Hijack(); err == nil || rec.status != 0 {
		t.Errorf("a writer that cannot be hijacked: %v, status %d", err, rec.status)
	}
	inner := &readerFrom{ResponseWriter: httptest.NewRecorder()}
	if _, err := io.Copy(&tracingRecorder{ResponseWriter: inner}, struct{ io.Reader }{strings.NewReader("file")}); err != nil || !inner.used {
		t.Errorf("io.ReaderFrom: %v, used %v", err, inner.used)
	}
}

type readerFrom struct {
	http.ResponseWriter
	used bool
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	r.used = true
	return io.Copy(r.ResponseWriter, src)
}

func TestTR02_ConnectToASubtree(t *testing.T) {
	tt := newTraceTest(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/users/{id}/", func(http.ResponseWriter, *http.Request) {})
	TraceRequests(tt.cfg)(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodConnect, "/users/ann@example.com", nil))
	if span := tt.span(t); span.Name != "CONNECT" { // the mux redirects
		t.Errorf("the span is named %q", span.Name)
	}
}

func TestTR06_CopyThatFailsAtOnce(t *testing.T) {
	tt := newTraceTest(t)
	TraceRequests(tt.cfg)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, iotest.ErrReader(errors.New("upstream is gone"))); err != nil {
			w.WriteHeader(http.StatusBadGateway)
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	wantStatus(t, tt.span(t), "502")
}

func TestTR03_GlobalPropagator(t *testing.T) {
	tt := newTraceTest(t)
	tt.cfg.Propagator = nil
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	sent := func() http.Header {
		var header http.Header
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("traceparent", parent)
		r.Header.Set("baggage", "tenant=blue")
		transport := NewTracingTransport(tt.cfg, roundTripper(func(r *http.Request) (*http.Response, error) {
			header = r.Header
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}))
		TraceRequests(tt.cfg)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://users.example", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := transport.RoundTrip(out); err != nil {
				t.Error(err)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
		return header
	}
	if header := sent(); !strings.Contains(header.Get("traceparent"), "0af7651916cd43dd8448eb211c80319c") || header.Get("baggage") != "" {
		t.Errorf("without a global one: %v", header)
	}
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	defer otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator())
	if header := sent(); !strings.Contains(header.Get("traceparent"), "0af7651916cd43dd8448eb211c80319c") || header.Get("baggage") != "tenant=blue" {
		t.Errorf("with a global one: %v", header)
	}
}

// stockError names its kind itself.
type stockError struct{ error }

func (stockError) ErrorType() string { return "out_of_stock" }
