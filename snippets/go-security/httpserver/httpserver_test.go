package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// Rules.
//
//	HS-1  every timeout and limit is set by default; negative ones, no handler and malformed origins are errors
//	HS-2  a client that sends its header a byte at a time is cut off after ReadHeaderTimeout
//	HS-3  a client that sends its body a byte at a time is cut off after ReadTimeout
//	HS-4  a client that does not read its answer is cut off after WriteTimeout
//	HS-5  an idle connection is closed after IdleTimeout
//	HS-6  a header above the limit is 431 and does not reach the handler
//	HS-7  a body above the limit is 413 before the handler when declared, *http.MaxBytesError when not; the limit itself passes
//	HS-8  every answer carries the security headers, HSTS only over TLS; a handler may change them
//	HS-9  cross-origin: the same verdict as http.CrossOriginProtection; refused requests do not reach the handler
//	HS-10 a panic before the answer is a 500 without detail and without the headers of what was begun; logged with its stack
//	HS-11 a panic within an answer cuts the connection
//	HS-12 http.ErrAbortHandler passes and is not logged
//	HS-13 streaming works: flush arrives at once, deadlines move, hijack and io.ReaderFrom pass through
//	HS-14 TLS 1.2 at least; net/http's own complaints go to the log

// pipeListener is a listener in memory, so that a synctest bubble sees its waits.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// startServer serves handler in a synctest bubble until the test ends.
func startServer(t *testing.T, handler http.HandlerFunc) *pipeListener {
	t.Helper()
	server, err := NewServer(ServerConfig{Log: slog.New(slog.DiscardHandler)}, handler)
	if err != nil {
		t.Fatal(err)
	}
	listener := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
		time.Sleep(time.Second) // virtual: a refused connection lingers for half of it
	})
	return listener
}

// guarded is the handler chain by itself, and what it logs.
func guarded(t *testing.T, cfg ServerConfig, handler http.HandlerFunc) (http.Handler, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	server, err := NewServer(cfg, handler)
	if err != nil {
		t.Fatal(err)
	}
	return server.Handler, log
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func TestHS01_Config(t *testing.T) {
	server, err := NewServer(ServerConfig{}, http.HandlerFunc(ok))
	if err != nil {
		t.Fatal(err)
	}
	if server.ReadHeaderTimeout != 5*time.Second || server.ReadTimeout != 15*time.Second || server.WriteTimeout != 30*time.Second ||
		server.IdleTimeout != 90*time.Second || server.MaxHeaderBytes != 32<<10 || server.Addr != ":8080" {
		t.Errorf("defaults: %+v", server)
	}
	for name, cfg := range map[string]ServerConfig{
		"header timeout": {ReadHeaderTimeout: -1}, "read timeout": {ReadTimeout: -1}, "write timeout": {WriteTimeout: -1},
		"idle timeout": {IdleTimeout: -1}, "header": {MaxHeaderBytes: -1}, "body": {MaxBodyBytes: -1},
		"origin with path": {TrustedOrigins: []string{"https://app.example.com/"}}, "bare host": {TrustedOrigins: []string{"app.example.com"}},
		"empty origin": {TrustedOrigins: []string{""}}, "any": {TrustedOrigins: []string{"*"}}, "null": {TrustedOrigins: []string{"null"}},
	} {
		if _, err := NewServer(cfg, http.HandlerFunc(ok)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewServer(ServerConfig{}, nil); err == nil {
		t.Error("no handler: no error")
	}
}

// trickle sends text a byte a second until the server hangs up, and returns how long that took.
func trickle(conn net.Conn, text string) time.Duration {
	start := time.Now()
	for i := range text {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			break
		}
		time.Sleep(time.Second) // virtual
	}
	return time.Since(start)
}

func TestHS02_SlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") }).dial()
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		if took := trickle(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "+strings.Repeat("x", 100)); took > 6*time.Second {
			t.Errorf("cut off after %v", took)
		}
	})
}

func TestHS03_SlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 1)
		conn := startServer(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		}).dial()
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
		if took := trickle(conn, strings.Repeat("x", 100)); took > 16*time.Second {
			t.Errorf("cut off after %v", took)
		}
		if err := <-read; err == nil {
			t.Error("the handler saw a whole body")
		}
	})
}

func TestHS04_SlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Duration, 1)
		conn := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
			start := time.Now()
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					ended <- time.Since(start)
					return
				}
			}
		}).dial()
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if took := <-ended; took > 31*time.Second {
			t.Errorf("the writer was stuck for %v", took)
		}
	})
}

func TestHS05_Idle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, ok).dial()
		defer conn.Close()
		reader := bufio.NewReader(conn)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		start := time.Now()
		if _, err := reader.ReadByte(); err != io.EOF {
			t.Errorf("got %v, want EOF", err)
		}
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("closed after %v", took)
		}
	})
}

func TestHS06_LargeHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") }).dial()
		defer conn.Close()
		go func() {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-Large: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}

func TestHS07_Body(t *testing.T) {
	const limit = 100
	var read error
	called := false
	handler, _ := guarded(t, ServerConfig{MaxBodyBytes: limit}, func(_ http.ResponseWriter, r *http.Request) {
		called = true
		_, read = io.Copy(io.Discard, r.Body)
	})
	for _, test := range []struct {
		size     int
		declared bool
		called   bool
		status   int
	}{
		{limit, true, true, 200}, {limit, false, true, 200}, {limit + 1, true, false, 413}, {limit + 1, false, true, 200},
	} {
		called, read = false, nil
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", test.size)))
		if !test.declared {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var tooLarge *http.MaxBytesError
		if w.Code != test.status || called != test.called || errors.As(read, &tooLarge) != (called && test.size > limit) {
			t.Errorf("%+v: status %d, called %v, read %v", test, w.Code, called, read)
		}
	}
}

func TestHS08_Headers(t *testing.T) {
	handler, _ := guarded(t, ServerConfig{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
		}
		if r.URL.Path == "/panic" {
			panic("x")
		}
	})
	for _, test := range []struct{ method, path, site, csp string }{
		{"GET", "/", "", "default-src 'none'; frame-ancestors 'none'"},
		{"GET", "/page", "", "default-src 'self'"},
		{"GET", "/panic", "", "default-src 'none'; frame-ancestors 'none'"},
		{"POST", "/", "cross-site", "default-src 'none'; frame-ancestors 'none'"},
	} {
		for _, secure := range []bool{false, true} {
			r := httptest.NewRequest(test.method, test.path, nil)
			r.Header.Set("Sec-Fetch-Site", test.site)
			if secure {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			hsts := map[bool]string{true: "max-age=31536000"}[secure]
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Content-Security-Policy": test.csp, "Referrer-Policy": "no-referrer",
				"Cache-Control": "no-store", "Strict-Transport-Security": hsts,
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%+v, TLS %v: %s = %q, want %q", test, secure, name, got, want)
				}
			}
		}
	}
}

func TestHS09_CrossOrigin(t *testing.T) {
	const trusted = "https://app.example.com"
	std := http.NewCrossOriginProtection()
	if err := std.AddTrustedOrigin(trusted); err != nil {
		t.Fatal(err)
	}
	called := false
	handler, _ := guarded(t, ServerConfig{TrustedOrigins: []string{trusted}}, func(http.ResponseWriter, *http.Request) { called = true })
	refused := 0
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "PURGE"} {
		for _, site := range []string{"", "none", "same-origin", "same-site", "cross-site", "nonsense"} {
			for _, origin := range []string{
				"", "null", "https://api.example.com", "http://api.example.com", "https://api.example.com:8443", "https://evil.example",
				trusted, "https://app.example.com.evil.example", "HTTPS://APP.EXAMPLE.COM", "://", "https://api.example.com@evil.example",
			} {
				r := httptest.NewRequest(method, "https://api.example.com/orders", nil)
				r.Header.Set("Sec-Fetch-Site", site)
				r.Header.Set("Origin", origin)
				want := std.Check(r) == nil
				called = false
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if called != want || !want && w.Code != http.StatusForbidden {
					t.Errorf("%s, site %q, origin %q: let through %v with %d, want %v", method, site, origin, called, w.Code, want)
				}
				if !want {
					refused++
				}
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

func TestHS10_Panic(t *testing.T) {
	handler, log := guarded(t, ServerConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000")
		w.Header().Set("Set-Cookie", "session=1")
		w.Header().Set("Cache-Control", "max-age=3600")
		panic("no row for user ann")
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Body.String() != "internal server error\n" || w.Result().ContentLength == 5000 ||
		w.Header().Get("Set-Cookie") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("answer %q, %v", w.Body, w.Header())
	}
	for _, want := range []string{"level=ERROR", "no row for user ann", "httpserver_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log: %s", want, log)
		}
	}
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints) // not yet the answer
			panic("x")
		}).dial()
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		reader := bufio.NewReader(conn)
		for _, want := range []int{http.StatusEarlyHints, http.StatusInternalServerError} {
			if resp, err := http.ReadResponse(reader, nil); err != nil || resp.StatusCode != want {
				t.Fatalf("got %v, %v, want %d", resp, err, want)
			}
		}
	})
}

func TestHS11_HS12_Abort(t *testing.T) {
	for name, test := range map[string]struct {
		logged  bool
		handler http.HandlerFunc
	}{
		"write":     {true, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("half")); panic("x") }},
		"header":    {true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK); panic("x") }},
		"flush":     {true, func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush(); panic("x") }},
		"flusher":   {true, func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); panic("x") }},
		"read from": {true, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("half")); panic("x") }},
		"abort":     {false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	} {
		t.Run(name, func(t *testing.T) {
			handler, log := guarded(t, ServerConfig{}, test.handler)
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("panic %v, want http.ErrAbortHandler", p)
				}
				if logged := log.Len() > 0; logged != test.logged {
					t.Errorf("log: %q", log)
				}
			}()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
	}
}

func TestHS13_Streaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
			control := http.NewResponseController(w)
			for range 10 {
				if err := errors.Join(control.SetWriteDeadline(time.Now().Add(10*time.Second)), writeFlush(w, control)); err != nil {
					t.Error(err)
				}
				time.Sleep(9 * time.Second) // virtual; 90 s in all, three times WriteTimeout
			}
		}).dial()
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		for i := range 10 {
			if !lines.Scan() || time.Since(start) != time.Duration(i)*9*time.Second {
				t.Fatalf("line %d after %v: %v", i, time.Since(start), lines.Err())
			}
		}
		if lines.Scan() || lines.Err() != nil {
			t.Errorf("the end of the stream: %q, %v", lines.Text(), lines.Err())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		conn := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
			raw, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(raw, "hello\n")
			_ = raw.Close()
		}).dial()
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" {
			t.Errorf("hijacked: %q, %v", line, err)
		}
	})
	inner := &readerFrom{ResponseWriter: httptest.NewRecorder()}
	handler, _ := guarded(t, ServerConfig{}, func(w http.ResponseWriter, _ *http.Request) {
		// Without its WriteTo a reader goes to the writer's ReadFrom, as a file does.
		_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("file")})
	})
	handler.ServeHTTP(inner, httptest.NewRequest(http.MethodGet, "/", nil))
	if !inner.used {
		t.Error("io.ReaderFrom is lost")
	}
}

func writeFlush(w io.Writer, control *http.ResponseController) error {
	_, err := io.WriteString(w, "line\n")
	return errors.Join(err, control.Flush())
}

type readerFrom struct {
	http.ResponseWriter
	used bool
}

func (r *readerFrom) ReadFrom(src io.Reader) (int64, error) {
	r.used = true
	return io.Copy(r.ResponseWriter, src)
}

func TestHS14_TLSAndLog(t *testing.T) {
	var log bytes.Buffer
	server, err := NewServer(ServerConfig{Log: slog.New(slog.NewTextHandler(&log, nil))}, http.HandlerFunc(ok))
	if err != nil {
		t.Fatal(err)
	}
	server.ErrorLog.Print("http: TLS handshake error")
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "handshake") {
		t.Errorf("log: %q", &log)
	}
	test := httptest.NewUnstartedServer(server.Handler)
	test.Config, test.TLS = server, server.TLSConfig
	test.StartTLS()
	defer test.Close()
	dial := func(version uint16) error {
		config := test.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.MinVersion, config.MaxVersion = version, version
		conn, err := (&tls.Dialer{Config: config}).DialContext(context.Background(), "tcp", test.Listener.Addr().String())
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	if err := dial(tls.VersionTLS12); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := dial(tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestHS10_CopyThatFailsAtOnceThenPanics(t *testing.T) {
	server, err := NewServer(ServerConfig{Log: slog.New(slog.DiscardHandler)}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.Copy(w, iotest.ErrReader(errors.New("upstream is gone")))
		panic(err) // nothing has been sent: the client can still be told
	}))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", w.Code)
	}
}
