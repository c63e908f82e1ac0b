package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

// Rules.
//
//	LG-1  one record per request: method, route, status, bytes, duration, request id
//	LG-2  level by status: error from 500, warn from 400, info below
//	LG-3  a panic is logged as an error, with status 500 if nothing was sent, and goes on with its value; so does runtime.Goexit
//	LG-4  the route is the pattern that ServeMux sets, though the request's context was replaced
//	LG-5  it stays so for middleware further out, and uploaded files are removed
//	LG-6  path, query, header, body and address of the client are never logged; a made-up method is "other"
//	LG-7  a harmless X-Request-ID is taken over, any other replaced; it is echoed and in the context
//	LG-8  every record logged with the request's context carries the id and what attrs adds, once; the handler passes slogtest
//	LG-9  status: the first wins, 1xx is none, no status is 200, hijacked is 101, a flush is 200
//	LG-10 http.ResponseController, http.Flusher and io.ReaderFrom work through the recorder, and bytes are counted
//	LG-11 Skip leaves a request out, but not one that is cut off
//	LG-13 the volume that the page names is that of its records
//	LG-12 the client's response is unchanged by logging

// logged runs one request through LogRequests and handler, and returns its records.
func logged(t *testing.T, cfg LoggingConfig, handler http.Handler, w http.ResponseWriter, r *http.Request) []map[string]any {
	t.Helper()
	var log bytes.Buffer
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	}
	func() {
		defer func() { _ = recover() }()
		LogRequests(cfg)(handler).ServeHTTP(w, r)
	}()
	return parseLog(t, &log)
}

func parseLog(t *testing.T, log *bytes.Buffer) (records []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

func pattern(r *http.Request) string { return r.Pattern }

func answer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func TestLG01_LG06_Record(t *testing.T) {
	now := time.Now()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, _ *http.Request) {
		now = now.Add(1500 * time.Microsecond)
		_, _ = io.WriteString(w, "hello")
	})
	cfg := LoggingConfig{Route: pattern, NewID: func() string { return "id-1" }, Now: func() time.Time { return now }}
	r := httptest.NewRequest(http.MethodGet, "/users/ann@example.com?token=hunter2", strings.NewReader("hunter3"))
	r.Header.Set("Authorization", "Bearer hunter4")
	r.Header.Set("User-Agent", "hunter5")
	records := logged(t, cfg, mux, httptest.NewRecorder(), r)
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	delete(records[0], "time")
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "GET /users/{id}", "status": 200.0,
		"bytes": 5.0, "duration_ms": 1.5, "request_id": "id-1",
	}
	if !maps.Equal(records[0], want) { // nothing else, so nothing of the client's
		t.Errorf("got %v, want %v", records[0], want)
	}
	r = httptest.NewRequest("HUNTER6", "/hunter7", nil)
	text, err := json.Marshal(logged(t, cfg, mux, httptest.NewRecorder(), r))
	if err != nil || strings.Contains(strings.ToLower(string(text)), "hunter") || !strings.Contains(string(text), `"method":"other"`) {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestLG02_Level(t *testing.T) {
	for status, want := range map[int]string{200: "INFO", 204: "INFO", 304: "INFO", 399: "INFO", 400: "WARN", 404: "WARN", 499: "WARN", 500: "ERROR", 503: "ERROR"} {
		records := logged(t, LoggingConfig{}, answer(status), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		if got := records[0]["level"]; got != want || records[0]["status"] != float64(status) {
			t.Errorf("%d: %v, want %v", status, records[0], want)
		}
	}
	var log bytes.Buffer
	quiet := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	logged(t, LoggingConfig{Logger: quiet, Route: func(*http.Request) string { t.Error("work for a record nobody wants"); return "" }},
		answer(200), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if log.Len() > 0 {
		t.Errorf("logged below the level: %s", &log)
	}
}

func TestLG03_Panic(t *testing.T) {
	var log bytes.Buffer
	middleware := LogRequests(LoggingConfig{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	type boom struct{ n int }
	for _, sent := range []bool{false, true} {
		func() {
			defer func() {
				if p := recover(); p != (boom{7}) {
					t.Errorf("the panic became %v", p)
				}
			}()
			middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if sent {
					_, _ = io.WriteString(w, "half")
				}
				panic(boom{7})
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-done
	records := parseLog(t, &log)
	if len(records) != 3 {
		t.Fatalf("%d records, want 3", len(records))
	}
	for i, status := range []float64{500, 200, 500} {
		if r := records[i]; r["level"] != "ERROR" || r["status"] != status || r["aborted"] != true {
			t.Errorf("record %d: %v", i, r)
		}
	}
}

func TestLG04_LG05_Pattern(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(_ http.ResponseWriter, r *http.Request) {
		if RequestID(r.Context()) == "" || r.PathValue("id") != "7" {
			t.Errorf("id %q, path value %q", RequestID(r.Context()), r.PathValue("id"))
		}
	})
	var log bytes.Buffer
	handler := LogRequests(LoggingConfig{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Route: pattern})(mux)
	for path, want := range map[string]string{"/users/7": "GET /users/{id}", "/nothing": ""} {
		log.Reset()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got, _ := parseLog(t, &log)[0]["route"].(string); got != want {
			t.Errorf("%s: route %q, want %q", path, got, want)
		}
		if r.Pattern != want {
			t.Errorf("%s: further out the pattern is %q, want %q", path, r.Pattern, want)
		}
	}

	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	uploads := make(chan int, 1)
	server := httptest.NewServer(LogRequests(LoggingConfig{Logger: slog.New(slog.DiscardHandler)})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		uploads <- len(files)
	})))
	body := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n" + strings.Repeat("x", 1000) + "\r\n--b--\r\n"
	resp, err := server.Client().Post(server.URL, "multipart/form-data; boundary=b", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	server.Close() // waits for the request to end
	left, err := os.ReadDir(dir)
	if <-uploads == 0 || err != nil || len(left) > 0 {
		t.Errorf("uploaded files left behind: %v, %v", left, err)
	}
}

func TestLG07_RequestID(t *testing.T) {
	for id, accepted := range map[string]bool{
		"abc-DEF_1.2": true, strings.Repeat("a", 64): true, "": false, strings.Repeat("a", 65): false,
		"a b": false, "a\nlevel=ERROR": false, `a"b`: false, "é": false, "<script>": false, "a;b": false,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("X-Request-ID", id)
		seen := ""
		records := logged(t, LoggingConfig{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = RequestID(r.Context()) }), w, r)
		echoed := w.Header().Get("X-Request-ID")
		if echoed != seen || records[0]["request_id"] != seen || (seen == id) != accepted || !isSafeRequestID(seen) {
			t.Errorf("%q: context %q, echoed %q, logged %v", id, seen, echoed, records[0]["request_id"])
		}
	}
	if a, b := newRequestID(), newRequestID(); a == b || len(a) != 32 {
		t.Errorf("made %q and %q", a, b)
	}
	if id := RequestID(t.Context()); id != "" {
		t.Errorf("outside a request: %q", id)
	}
}

func TestLG08_Handler(t *testing.T) {
	var log bytes.Buffer
	attrs := func(context.Context) []slog.Attr { return []slog.Attr{slog.String("trace_id", "t-1")} }
	logger := slog.New(NewRequestLogHandler(slog.NewJSONHandler(&log, nil), attrs))
	handler := LogRequests(LoggingConfig{Logger: logger, NewID: func() string { return "id-1" }})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		logger.With("order", 5).WarnContext(r.Context(), "stock is low")
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	for line := range strings.Lines(log.String()) {
		for _, want := range []string{`"request_id":"id-1"`, `"trace_id":"t-1"`} {
			if strings.Count(line, want) != 1 {
				t.Errorf("%s is not once in %s", want, line)
			}
		}
	}
	if records := parseLog(t, &log); len(records) != 2 || records[0]["order"] != 5.0 {
		t.Errorf("records %v", records)
	}
	log.Reset()
	logger.Info("outside a request")
	if strings.Contains(log.String(), "request_id") {
		t.Errorf("outside a request: %s", &log)
	}
	log.Reset()
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "shared", 0)
	for i := range 8 { // more than a record holds in itself
		record.Add("n", i)
	}
	for range 2 { // as two handlers side by side do
		if err := logger.Handler().Handle(t.Context(), record); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(log.String(), "!BUG") {
		t.Errorf("a shared record was changed: %s", &log)
	}
	slogtest.Run(t, func(*testing.T) slog.Handler {
		log.Reset()
		return NewRequestLogHandler(slog.NewJSONHandler(&log, nil), nil)
	}, func(t *testing.T) map[string]any { return parseLog(t, &log)[0] })
}

func TestLG09_LG10_Recorder(t *testing.T) {
	control := http.NewResponseController
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		status  float64
		bytes   float64
	}{
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, 200, 0},
		"first wins":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, 404, 0},
		"write is 200": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("abc")); w.WriteHeader(500) }, 200, 3},
		"early hints":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }, 201, 0},
		"flush is 200": {func(w http.ResponseWriter, _ *http.Request) { _ = control(w).Flush(); w.WriteHeader(500) }, 200, 0},
		"flusher":      {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, 200, 0},
		"copied": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("file")})
		}, 200, 4},
		"hijacked is 101": {func(w http.ResponseWriter, _ *http.Request) { conn, _, _ := control(w).Hijack(); _ = conn.Close() }, 101, 0},
		"deadlines reach": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(statusOf(control(w).SetWriteDeadline(time.Time{})))
		}, 204, 0},
		"full duplex, too": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(statusOf(control(w).EnableFullDuplex())) }, 204, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			done := make(chan struct{}) // the server does not wait for a hijacked connection's handler
			handler := LogRequests(LoggingConfig{Logger: slog.New(slog.NewJSONHandler(&log, nil))})(test.handler)
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
			if r := parseLog(t, &log)[0]; r["status"] != test.status || r["bytes"] != test.bytes {
				t.Errorf("got %v", r)
			}
		})
	}
	rec := &loggingRecorder{ResponseWriter: struct{ http.ResponseWriter }{httptest.NewRecorder()}}
	if err := rec.FlushError(); err == nil || rec.status != 0 {
		t.Errorf("a writer that cannot flush: %v, status %d", err, rec.status)
	}
	if _, _, err := (hijackableLoggingRecorder{rec}).Hijack(); err == nil || rec.status != 0 {
		t.Errorf("a writer that cannot be hijacked: %v, status %d", err, rec.status)
	}
	inner := &readerFrom{ResponseWriter: httptest.NewRecorder()}
	rec = &loggingRecorder{ResponseWriter: inner}
	if _, err := io.Copy(rec, struct{ io.Reader }{strings.NewReader("file")}); err != nil || !inner.used || rec.bytes != 4 {
		t.Errorf("io.ReaderFrom: %v, used %v, %d bytes", err, inner.used, rec.bytes)
	}
}

func statusOf(err error) int {
	if err != nil {
		return http.StatusInternalServerError
	}
	return http.StatusNoContent
}

type readerFrom struct {
	http.ResponseWriter
	used bool
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	r.used = true
	return io.Copy(r.ResponseWriter, src)
}

func TestLG11_Skip(t *testing.T) {
	skip := LoggingConfig{Skip: func(r *http.Request) bool { return r.URL.Path == "/livez" }}
	for path, want := range map[string]int{"/livez": 0, "/orders": 1} {
		if got := len(logged(t, skip, answer(200), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))); got != want {
			t.Errorf("%s: %d records, want %d", path, got, want)
		}
	}
	panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") })
	if got := len(logged(t, skip, panics, httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/livez", nil))); got != 1 {
		t.Errorf("a probe that panics: %d records", got)
	}
}

func TestLG12_Unchanged(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	bare, w := httptest.NewRecorder(), httptest.NewRecorder()
	handler.ServeHTTP(bare, httptest.NewRequest(http.MethodGet, "/", nil))
	logged(t, LoggingConfig{}, handler, w, httptest.NewRequest(http.MethodGet, "/", nil))
	w.Header().Del("X-Request-ID")
	if w.Code != bare.Code || w.Body.String() != bare.Body.String() ||
		!slices.Equal(slices.Sorted(maps.Keys(w.Header())), slices.Sorted(maps.Keys(bare.Header()))) {
		t.Errorf("got %d %q %v, want %d %q %v", w.Code, w.Body, w.Header(), bare.Code, bare.Body, bare.Header())
	}
}

// failsAtOnce is a source that fails before its first byte.
type failsAtOnce struct{}

func (failsAtOnce) Read([]byte) (int, error) { return 0, errors.New("upstream is gone") }

func TestLG06_ConnectToASubtree(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/users/{id}/", answer(http.StatusOK))
	mux.Handle("CONNECT /chat", answer(http.StatusOK))
	for path, want := range map[string]any{"/users/ann@example.com": nil, "/chat": "CONNECT /chat"} { // the mux redirects the first
		records := logged(t, LoggingConfig{}, mux, httptest.NewRecorder(), httptest.NewRequest(http.MethodConnect, path, nil))
		if len(records) != 1 || records[0]["route"] != want {
			t.Errorf("%s: %v", path, records)
		}
	}
}

func TestLG09_CopyThatFailsAtOnce(t *testing.T) {
	records := logged(t, LoggingConfig{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, failsAtOnce{}); err != nil {
			w.WriteHeader(http.StatusBadGateway)
		}
	}), &readerFrom{ResponseWriter: httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
	if len(records) != 1 || records[0]["status"] != float64(http.StatusBadGateway) {
		t.Errorf("logged %v", records)
	}
}

func TestLG08_RequestIDOnce(t *testing.T) {
	var log bytes.Buffer
	inner := NewRequestLogHandler(slog.NewJSONHandler(&log, nil), nil)
	// A handler of somebody else's hides the inner one from LogRequests.
	cfg := LoggingConfig{Logger: slog.New(struct{ slog.Handler }{inner})}
	logged(t, cfg, answer(http.StatusOK), httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if got := strings.Count(log.String(), `"request_id"`); got != 1 {
		t.Errorf("%d times request_id in %s", got, log.String())
	}
}

func TestLG13_NumberOfThePage(t *testing.T) {
	var log bytes.Buffer
	attrs := func(context.Context) []slog.Attr {
		return []slog.Attr{slog.String("trace_id", strings.Repeat("a", 32)), slog.String("span_id", strings.Repeat("b", 16))}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}/items", answer(http.StatusOK))
	handler := LogRequests(LoggingConfig{Logger: slog.New(NewRequestLogHandler(slog.NewJSONHandler(&log, nil), attrs))})(mux)
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/7/items", nil))
	perDay := float64(log.Len()) * 1000 * 24 * 3600 / 1e9
	if perDay < 25 || perDay > 35 {
		t.Errorf("a record has %d bytes: %.0f GB a day at 1,000 requests a second, the page says 30", log.Len(), perDay)
	}
}
