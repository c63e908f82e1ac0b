package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
)

// Rules.
//
//	MT-1  each request adds one to the counter of its method, route and code, and its time to the histogram
//	MT-2  the route is the pattern that ServeMux sets, without its method, also under middleware that replaces the context
//	MT-3  no client can add series: unmatched paths and made-up methods are "other", codes above 599 too
//	MT-4  a panic counts as 500, whatever was sent, and goes on with its value; so does runtime.Goexit
//	MT-5  the in-flight gauge counts requests being served, and comes back after a panic
//	MT-6  code: the first wins, 1xx is none, no status is 200, a flush is 200, hijacked is 101
//	MT-7  a hijacked connection is counted but not timed
//	MT-8  http.ResponseController, http.Flusher and io.ReaderFrom work through the recorder
//	MT-9  collectors go to the given registerer only; an error leaves none behind
//	MT-10 exemplars carry the trace id, if there is one
//	MT-11 names and help pass promlint; buckets are the given ones, native histograms are beside them
//	MT-13 the writer is a Hijacker over HTTP/1 only
//	MT-12 concurrent requests lose no count

func newMetrics(t *testing.T, cfg MetricsConfig) (*prometheus.Registry, func(http.Handler) http.Handler) {
	t.Helper()
	registry := prometheus.NewRegistry()
	cfg.Registerer = registry
	middleware, err := MeasureRequests(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return registry, middleware
}

func gather(t *testing.T, registry *prometheus.Registry) []*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func serve(handler http.Handler, method, path string) {
	defer func() { _ = recover() }()
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
}

func wantSeries(t *testing.T, registry *prometheus.Registry, name string, lines ...string) {
	t.Helper()
	text := fmt.Sprintf("# HELP %s HTTP requests by method, route and status code.\n# TYPE %[1]s counter\n", name)
	if len(lines) == 0 {
		text = ""
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text+strings.Join(lines, "\n")+"\n"), name); err != nil {
		t.Error(err)
	}
}

const total = "http_server_requests_total"

func answer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func TestMT01_MT02_Labels(t *testing.T) {
	now := time.Now()
	registry, middleware := newMetrics(t, MetricsConfig{Buckets: []float64{0.1, 1}, Now: func() time.Time { return now }})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, _ *http.Request) {
		now = now.Add(500 * time.Millisecond)
		w.WriteHeader(http.StatusNotFound)
	})
	mux.Handle("/files/", answer(204))
	mux.Handle("POST \t  api.example.com/", answer(201))
	handler := middleware(mux)
	type key struct{}
	replacing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	})
	serve(handler, http.MethodGet, "/users/7")
	serve(handler, http.MethodGet, "/users/8")
	serve(handler, http.MethodHead, "/users/8")
	serve(replacing, http.MethodPut, "/files/a/b")
	r := httptest.NewRequest(http.MethodPost, "http://api.example.com/x", nil)
	handler.ServeHTTP(httptest.NewRecorder(), r)
	wantSeries(t, registry, total,
		`http_server_requests_total{code="201",method="POST",route="api.example.com/"} 1`,
		`http_server_requests_total{code="204",method="PUT",route="/files/"} 1`,
		`http_server_requests_total{code="404",method="GET",route="/users/{id}"} 2`,
		`http_server_requests_total{code="404",method="HEAD",route="/users/{id}"} 1`,
	)
	for _, family := range gather(t, registry) {
		if family.GetName() != "http_server_request_duration_seconds" {
			continue
		}
		for _, m := range family.GetMetric() {
			if labels := fmt.Sprint(m.GetLabel()); strings.Contains(labels, "GET") {
				h := m.GetHistogram()
				if h.GetSampleCount() != 2 || h.GetSampleSum() != 1 || h.GetBucket()[0].GetCumulativeCount() != 0 || h.GetBucket()[1].GetCumulativeCount() != 2 {
					t.Errorf("durations %v", h)
				}
			}
		}
	}
}

// TestMT02_InPlace holds a middleware between this and the mux to what it must
// do, and shows what happens if it does not.
func TestMT02_InPlace(t *testing.T) {
	type key struct{}
	mux := http.NewServeMux()
	mux.Handle("/users/{id}", answer(200))
	for name, test := range map[string]struct {
		route string
		inner http.HandlerFunc
	}{
		"in place": {"/users/{id}", func(w http.ResponseWriter, r *http.Request) {
			*r = *r.WithContext(context.WithValue(r.Context(), key{}, 1))
			mux.ServeHTTP(w, r)
		}},
		"copy": {"other", func(w http.ResponseWriter, r *http.Request) {
			mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			registry, middleware := newMetrics(t, MetricsConfig{})
			serve(middleware(test.inner), http.MethodGet, "/users/7")
			wantSeries(t, registry, total, `http_server_requests_total{code="200",method="GET",route="`+test.route+`"} 1`)
		})
	}
}

func TestMT03_Bounded(t *testing.T) {
	registry, middleware := newMetrics(t, MetricsConfig{})
	mux := http.NewServeMux()
	mux.Handle("GET /users/{id}", answer(200))
	mux.HandleFunc("GET /odd/{code}", func(w http.ResponseWriter, r *http.Request) {
		code := 0
		_, _ = fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
	})
	handler := middleware(mux)
	serve(handler, http.MethodGet, "/users/0")
	serve(handler, http.MethodGet, "/nothing")
	serve(handler, "BREW", "/nothing")
	serve(handler, http.MethodGet, "/odd/999")
	before, err := testutil.GatherAndCount(registry)
	if err != nil || before == 0 {
		t.Fatal(before, err)
	}
	for i := range 10_000 {
		serve(handler, http.MethodGet, fmt.Sprintf("/users/%d?q=%d", i, i))
		serve(handler, http.MethodGet, fmt.Sprintf("/%d/%d", i, i))
		serve(handler, fmt.Sprintf("M%d", i), fmt.Sprintf("/%d", i))
		serve(handler, http.MethodGet, fmt.Sprintf("/odd/%d", 600+i%400))
	}
	if after, err := testutil.GatherAndCount(registry); err != nil || after != before {
		t.Errorf("%d series became %d, %v", before, after, err)
	}
	wantSeries(t, registry, total,
		`http_server_requests_total{code="200",method="GET",route="/users/{id}"} 10001`,
		`http_server_requests_total{code="404",method="GET",route="other"} 10001`,
		`http_server_requests_total{code="404",method="other",route="other"} 10001`,
		`http_server_requests_total{code="other",method="GET",route="/odd/{code}"} 10001`,
	)
}

func TestMT04_MT05_Panic(t *testing.T) {
	registry, middleware := newMetrics(t, MetricsConfig{})
	boom := errors.New("boom")
	for _, sent := range []bool{false, true} {
		func() {
			defer func() {
				if p := recover(); p != boom {
					t.Errorf("the panic became %v", p)
				}
			}()
			middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if sent {
					_, _ = io.WriteString(w, "half")
				}
				panic(boom)
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })), http.MethodGet, "/")
	}()
	<-done
	wantSeries(t, registry, total, `http_server_requests_total{code="500",method="GET",route="other"} 3`)
	if got := inFlight(t, registry); got != 0 {
		t.Errorf("%v in flight after the panics", got)
	}
	serve(middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		serve(middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if got := inFlight(t, registry); got != 2 {
				t.Errorf("%v in flight, want 2", got)
			}
		})), http.MethodGet, "/")
	})), http.MethodGet, "/")
	if got := inFlight(t, registry); got != 0 {
		t.Errorf("%v in flight at the end", got)
	}
}

func inFlight(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	for _, family := range gather(t, registry) {
		if family.GetName() == "http_server_requests_in_flight" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Error("no gauge")
	return -1
}

func TestMT06_MT07_MT08_Recorder(t *testing.T) {
	control := http.NewResponseController
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		code    string
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
			registry, middleware := newMetrics(t, MetricsConfig{})
			done := make(chan struct{}) // the server does not wait for a hijacked connection's handler
			handler := middleware(test.handler)
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
			wantSeries(t, registry, total, `http_server_requests_total{code="`+test.code+`",method="GET",route="other"} 1`)
			timed, err := testutil.GatherAndCount(registry, "http_server_request_duration_seconds")
			if want := map[bool]int{true: 0, false: 1}[test.code == "101"]; err != nil || timed != want {
				t.Errorf("%d durations, want %d, %v", timed, want, err)
			}
		})
	}
	rec := &metricsRecorder{ResponseWriter: struct{ http.ResponseWriter }{httptest.NewRecorder()}}
	if err := rec.FlushError(); err == nil || rec.status != 0 {
		t.Errorf("a writer that cannot flush: %v, status %d", err, rec.status)
	}
	if _, _, err := (hijackableMetricsRecorder{rec}).Hijack(); err == nil || rec.status != 0 || rec.hijacked {
		t.Errorf("a writer that cannot be hijacked: %v, status %d", err, rec.status)
	}
	inner := &readerFrom{ResponseWriter: httptest.NewRecorder()}
	if _, err := io.Copy(&metricsRecorder{ResponseWriter: inner}, struct{ io.Reader }{strings.NewReader("file")}); err != nil || !inner.used {
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

func TestMT09_Registerer(t *testing.T) {
	if _, err := MeasureRequests(MetricsConfig{}); err == nil {
		t.Error("no registerer: no error")
	}
	before, err := testutil.GatherAndCount(prometheus.DefaultGatherer)
	if err != nil {
		t.Fatal(err)
	}
	registry, middleware := newMetrics(t, MetricsConfig{})
	serve(middleware(answer(200)), http.MethodGet, "/")
	if after, err := testutil.GatherAndCount(prometheus.DefaultGatherer); err != nil || after != before {
		t.Errorf("the default registry went from %d to %d series", before, after)
	}
	if _, err := MeasureRequests(MetricsConfig{Registerer: registry}); !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
		t.Errorf("registered twice: %v", err)
	}
	taken := prometheus.NewRegistry()
	other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_server_requests_in_flight", Help: "HTTP requests being served."})
	taken.MustRegister(other)
	if _, err := MeasureRequests(MetricsConfig{Registerer: taken}); err == nil {
		t.Error("a taken name: no error")
	}
	taken.Unregister(other)
	if _, err := MeasureRequests(MetricsConfig{Registerer: taken}); err != nil {
		t.Errorf("the failed attempt left something behind: %v", err)
	}
}

func TestMT10_Exemplar(t *testing.T) {
	type key struct{}
	registry, middleware := newMetrics(t, MetricsConfig{TraceID: func(ctx context.Context) string {
		id, _ := ctx.Value(key{}).(string)
		return id
	}})
	handler := middleware(answer(200))
	for _, id := range []string{"", "4bf92f3577b34da6a3ce929d0e0e4736"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), key{}, id)))
	}
	text := fmt.Sprint(gather(t, registry))
	if !strings.Contains(text, "trace_id") || !strings.Contains(text, "4bf92f3577b34da6a3ce929d0e0e4736") || !strings.Contains(text, "sample_count:2") {
		t.Errorf("no exemplar, or not both observed: %s", text)
	}
	if strings.Contains(text, `value:""`) {
		t.Errorf("an exemplar without a trace: %s", text)
	}
}

func TestMT11_Format(t *testing.T) {
	registry, middleware := newMetrics(t, MetricsConfig{})
	serve(middleware(answer(200)), http.MethodGet, "/")
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	for _, family := range gather(t, registry) {
		if h := family.GetMetric()[0].GetHistogram(); h != nil && (len(h.GetBucket()) != 11 || h.GetSchema() != 3) {
			t.Errorf("%d buckets, schema %d", len(h.GetBucket()), h.GetSchema())
		}
	}
	var page bytes.Buffer
	for _, family := range gather(t, registry) {
		page.WriteString(family.GetName() + " ")
	}
	if want := "http_server_request_duration_seconds http_server_requests_in_flight http_server_requests_total "; page.String() != want {
		t.Errorf("families %q, want %q", &page, want)
	}
}

func TestMT12_Concurrent(t *testing.T) {
	registry, middleware := newMetrics(t, MetricsConfig{})
	handler := middleware(answer(200))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 500 {
				serve(handler, http.MethodGet, "/")
			}
		})
	}
	all.Wait()
	wantSeries(t, registry, total, `http_server_requests_total{code="200",method="GET",route="other"} 8000`)
	if got := inFlight(t, registry); got != 0 {
		t.Errorf("%v in flight", got)
	}
}

// failsAtOnce is a source that fails before its first byte.
type failsAtOnce struct{}

func (failsAtOnce) Read([]byte) (int, error) { return 0, errors.New("upstream is gone") }

func TestMT03_ConnectToASubtree(t *testing.T) {
	registry, middleware := newMetrics(t, MetricsConfig{})
	mux := http.NewServeMux()
	mux.HandleFunc("/users/{id}/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("CONNECT /chat", func(http.ResponseWriter, *http.Request) {})
	for _, path := range []string{"/users/1", "/users/2", "/chat"} { // the mux redirects the first two
		serve(middleware(mux), http.MethodConnect, path)
	}
	routes := map[string]float64{}
	for _, family := range gather(t, registry) {
		if family.GetName() == total {
			for _, metric := range family.GetMetric() {
				for _, label := range metric.GetLabel() {
					if label.GetName() == "route" {
						routes[label.GetValue()] += metric.GetCounter().GetValue()
					}
				}
			}
		}
	}
	if want := map[string]float64{"/chat": 1, "other": 2}; !maps.Equal(routes, want) {
		t.Errorf("routes %v, want %v", routes, want)
	}
}

func TestMT06_CopyThatFailsAtOnce(t *testing.T) {
	registry, middleware := newMetrics(t, MetricsConfig{})
	server := httptest.NewServer(middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, failsAtOnce{}); err != nil {
			w.WriteHeader(http.StatusBadGateway)
		}
	})))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway {
		t.Fatal(resp.Status)
	}
	wantSeries(t, registry, total, `http_server_requests_total{code="502",method="GET",route="other"} 1`)
}

func TestMT13_HijackerOverHTTP1Only(t *testing.T) {
	_, middleware := newMetrics(t, MetricsConfig{})
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, can := w.(http.Hijacker); can != (r.ProtoMajor == 1) {
				t.Errorf("%s: Hijacker %v", r.Proto, can)
			}
		})))
		server.EnableHTTP2 = http2
		server.StartTLS()
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		server.Client().CloseIdleConnections()
		server.Close()
		if (resp.ProtoMajor == 2) != http2 {
			t.Errorf("the request went over %s", resp.Proto)
		}
	}
}
