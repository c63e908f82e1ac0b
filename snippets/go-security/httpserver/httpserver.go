// Package httpserver makes an HTTP server that can stand on the internet:
// bounded in time and size, and closed to other sites' pages.
package httpserver

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"time"
)

// ServerConfig configures a server. Zero fields take their defaults.
type ServerConfig struct {
	Addr string // default ":8080"

	ReadHeaderTimeout time.Duration // default 5*time.Second
	// ReadTimeout and WriteTimeout bound whole requests and answers; a handler
	// that streams moves its own deadlines with http.ResponseController.
	ReadTimeout  time.Duration // default 15*time.Second
	WriteTimeout time.Duration // default 30*time.Second
	IdleTimeout  time.Duration // above the load balancer's own (default 90*time.Second)

	MaxHeaderBytes int   // default 32<<10
	MaxBodyBytes   int64 // ceiling for all routes; a route may set less (default 1<<20)

	// TrustedOrigins may send requests that change something from a browser,
	// besides the server's own origin: "https://app.example.com".
	TrustedOrigins []string

	Log *slog.Logger // default slog.Default()
}

// NewServer returns a server that guards handler. It does not listen yet.
func NewServer(cfg ServerConfig, handler http.Handler) (*http.Server, error) {
	if handler == nil {
		return nil, errors.New("server: no handler; the default mux takes routes from any package")
	}
	cfg.Addr = cmp.Or(cfg.Addr, ":8080")
	cfg.ReadHeaderTimeout = cmp.Or(cfg.ReadHeaderTimeout, 5*time.Second)
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, 15*time.Second)
	cfg.WriteTimeout = cmp.Or(cfg.WriteTimeout, 30*time.Second)
	cfg.IdleTimeout = cmp.Or(cfg.IdleTimeout, 90*time.Second)
	cfg.MaxHeaderBytes = cmp.Or(cfg.MaxHeaderBytes, 32<<10)
	cfg.MaxBodyBytes = cmp.Or(cfg.MaxBodyBytes, 1<<20)
	if min(cfg.ReadHeaderTimeout, cfg.ReadTimeout, cfg.WriteTimeout, cfg.IdleTimeout) < 0 ||
		cfg.MaxHeaderBytes < 0 || cfg.MaxBodyBytes < 0 {
		return nil, errors.New("server: negative limit; net/http takes it for none")
	}
	for _, origin := range cfg.TrustedOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return nil, fmt.Errorf("server: trusted origin %q is not scheme://host[:port]", origin)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &http.Server{
		Addr:              cfg.Addr,
		Handler:           guardServer(cfg, handler),
		ReadHeaderTimeout: cfg.ReadHeaderTimeout,
		ReadTimeout:       cfg.ReadTimeout,
		WriteTimeout:      cfg.WriteTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    cfg.MaxHeaderBytes,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}, nil
}

func guardServer(cfg ServerConfig, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header() // a handler may change any of these
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		switch {
		case isCrossOrigin(r, cfg.TrustedOrigins):
			http.Error(w, "cross-origin request refused", http.StatusForbidden)
			return
		case r.ContentLength > cfg.MaxBodyBytes:
			header.Set("Connection", "close") // rather than read what is refused
			http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, cfg.MaxBodyBytes)

		rec := &serverRecorder{ResponseWriter: w}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p) // the handler's way to cut the connection
			}
			cfg.Log.ErrorContext(r.Context(), "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if rec.begun {
				panic(http.ErrAbortHandler) // half an answer must not look whole
			}
			for _, name := range []string{"Content-Length", "Content-Encoding", "Etag", "Last-Modified", "Set-Cookie"} {
				header.Del(name) // of the answer that was not given
			}
			header.Set("Cache-Control", "no-store")
			http.Error(w, "internal server error", http.StatusInternalServerError)
		}()
		var writer http.ResponseWriter = rec
		if r.ProtoMajor == 1 {
			writer = hijackableServerRecorder{rec}
		}
		next.ServeHTTP(writer, r)
	})
}

// isCrossOrigin reports whether a page of another site makes the browser send
// this request to change something (CSRF). Browsers say so in Sec-Fetch-Site,
// old ones in Origin; clients that are no browsers send neither.
func isCrossOrigin(r *http.Request, trusted []string) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false // must not change anything
	}
	origin := r.Header.Get("Origin")
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		if origin == "" {
			return false
		}
		if u, err := url.Parse(origin); err == nil && u.Host == r.Host {
			return false
		}
	}
	return !slices.Contains(trusted, origin)
}

// serverRecorder remembers whether the answer has begun.
type serverRecorder struct {
	http.ResponseWriter
	begun bool
}

func (r *serverRecorder) WriteHeader(status int) {
	r.begun = r.begun || status >= 200 || status == http.StatusSwitchingProtocols
	r.ResponseWriter.WriteHeader(status)
}

func (r *serverRecorder) Write(b []byte) (int, error) {
	r.begun = true
	return r.ResponseWriter.Write(b)
}

// ReadFrom keeps the fast path for files.
func (r *serverRecorder) ReadFrom(src io.Reader) (n int64, err error) {
	returned := false
	defer func() {
		if n > 0 || !returned { // nothing is sent before the first byte; a panic may come after it
			r.begun = true
		}
	}()
	n, err = io.Copy(r.ResponseWriter, src)
	returned = true
	return n, err
}

func (r *serverRecorder) FlushError() error {
	err := http.NewResponseController(r.ResponseWriter).Flush()
	r.begun = r.begun || !errors.Is(err, http.ErrNotSupported)
	return err
}

func (r *serverRecorder) Flush() { _ = r.FlushError() }

// hijackableServerRecorder is for HTTP/1: over HTTP/2 nobody must be told that a
// connection can be taken over.
type hijackableServerRecorder struct{ *serverRecorder }

func (r hijackableServerRecorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	r.begun = r.begun || err == nil
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (r *serverRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
