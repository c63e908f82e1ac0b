// Package logging writes one structured record per HTTP request, and ties every
// other record to its request.
package logging

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// LoggingConfig configures LogRequests. Zero fields take their defaults.
type LoggingConfig struct {
	Logger *slog.Logger // default slog.Default()
	// Route names the route that r took, for which it is called after the
	// handler (default the pattern of http.ServeMux). Without one no route is
	// logged; a path never is, for what it may hold.
	Route func(r *http.Request) string
	// Skip leaves requests out, such as probes, unless they are cut off.
	Skip  func(r *http.Request) bool
	NewID func() string    // of a request that brings none (default 32 random hex digits)
	Now   func() time.Time // default time.Now
}

type requestIDKey struct{}

// RequestID returns the id of the request that ctx belongs to, to pass it on.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// LogRequests returns a middleware that logs each request when it ends: at
// error level from status 500 and when it is cut off (by a panic, say), at warn
// from 400, else at info. It accepts the client's X-Request-ID if that is
// harmless, else makes one, and sends it back.
func LogRequests(cfg LoggingConfig) func(http.Handler) http.Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if _, done := cfg.Logger.Handler().(*requestLogHandler); !done {
		cfg.Logger = slog.New(NewRequestLogHandler(cfg.Logger.Handler(), nil))
	}
	if cfg.Route == nil {
		cfg.Route = loggedRoute
	}
	if cfg.NewID == nil {
		cfg.NewID = newRequestID
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := cfg.Now()
			id := r.Header.Get("X-Request-ID")
			if !isSafeRequestID(id) {
				id = cfg.NewID()
			}
			w.Header().Set("X-Request-ID", id)
			// In place: what the router and the form parser set must reach those
			// further out, net/http (which removes uploaded files) included.
			*r = *r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
			rec := &loggingRecorder{ResponseWriter: w}
			aborted := true
			defer func() { // without recover, so that a panic goes on untouched
				cfg.log(r, rec, aborted, cfg.Now().Sub(start))
			}()
			var writer http.ResponseWriter = rec
			if r.ProtoMajor == 1 {
				writer = hijackableLoggingRecorder{rec}
			}
			next.ServeHTTP(writer, r)
			aborted = false
		})
	}
}

func (cfg LoggingConfig) log(r *http.Request, rec *loggingRecorder, aborted bool, took time.Duration) {
	if cfg.Skip != nil && !aborted && cfg.Skip(r) {
		return
	}
	status := rec.status
	switch {
	case status == 0 && aborted:
		status = http.StatusInternalServerError
	case status == 0:
		status = http.StatusOK
	}
	level := slog.LevelInfo
	switch {
	case status >= 500 || aborted:
		level = slog.LevelError
	case status >= 400:
		level = slog.LevelWarn
	}
	if !cfg.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", loggedMethod(r.Method)),
		slog.Int("status", status),
		slog.Int64("bytes", rec.bytes),
		slog.Float64("duration_ms", float64(took)/float64(time.Millisecond)),
	}
	if route := cfg.Route(r); route != "" {
		attrs = append(attrs, slog.String("route", route))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	cfg.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// loggedRoute returns the mux's pattern. For a CONNECT that it redirects the mux
// gives the client's path, so there only one that names the method counts.
func loggedRoute(r *http.Request) string {
	if r.Method == http.MethodConnect && !strings.HasPrefix(r.Pattern, http.MethodConnect) {
		return ""
	}
	return r.Pattern
}

// loggedMethod keeps what a client makes up out of the log.
func loggedMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "other"
}

func isSafeRequestID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // crypto/rand does not fail where Go's HTTP server runs
	return hex.EncodeToString(id[:])
}

// requestLogHandler adds what the context knows to each record.
type requestLogHandler struct {
	slog.Handler
	attrs func(context.Context) []slog.Attr
}

// NewRequestLogHandler returns a handler that adds request_id to every record
// logged with the context of a request (slog.InfoContext and the like), and
// what attrs returns for it, such as the trace id. attrs may be nil.
func NewRequestLogHandler(inner slog.Handler, attrs func(context.Context) []slog.Attr) slog.Handler {
	return &requestLogHandler{inner, attrs}
}

// Handle implements slog.Handler.
func (h *requestLogHandler) Handle(ctx context.Context, record slog.Record) error {
	id := RequestID(ctx)
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "request_id" { // from a handler around this one, or by hand
			id = ""
		}
		return id != ""
	})
	if id == "" && h.attrs == nil {
		return h.Handler.Handle(ctx, record)
	}
	record = record.Clone() // a handler beside this one may hold it
	if id != "" {
		record.AddAttrs(slog.String("request_id", id))
	}
	if h.attrs != nil {
		record.AddAttrs(h.attrs(ctx)...)
	}
	return h.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (h *requestLogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &requestLogHandler{h.Handler.WithAttrs(attrs), h.attrs}
}

// WithGroup implements slog.Handler.
func (h *requestLogHandler) WithGroup(name string) slog.Handler {
	return &requestLogHandler{h.Handler.WithGroup(name), h.attrs}
}

// loggingRecorder remembers the status and the size of an answer.
type loggingRecorder struct {
	http.ResponseWriter
	status int // zero until the answer begins
	bytes  int64
}

func (r *loggingRecorder) begin(status int) {
	// 1xx may precede the answer; only 101 is one.
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
	}
}

func (r *loggingRecorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

func (r *loggingRecorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// ReadFrom keeps the fast path for files.
func (r *loggingRecorder) ReadFrom(src io.Reader) (n int64, err error) {
	returned := false
	defer func() {
		if n > 0 || !returned { // nothing is sent before the first byte; a panic may come after it
			r.begin(http.StatusOK)
		}
	}()
	n, err = io.Copy(r.ResponseWriter, src)
	returned = true
	r.bytes += n
	return n, err
}

func (r *loggingRecorder) FlushError() error {
	err := http.NewResponseController(r.ResponseWriter).Flush()
	if !errors.Is(err, http.ErrNotSupported) {
		r.begin(http.StatusOK)
	}
	return err
}

func (r *loggingRecorder) Flush() { _ = r.FlushError() }

// hijackableLoggingRecorder is for HTTP/1: over HTTP/2 nobody must be told that a
// connection can be taken over.
type hijackableLoggingRecorder struct{ *loggingRecorder }

func (r hijackableLoggingRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.begin(http.StatusSwitchingProtocols)
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (r *loggingRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
