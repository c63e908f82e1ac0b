package httpclient

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The rules; each test carries the number of the one it proves.
//
//	HC-1  Policies apply in the order bulkhead, retry, limiter, breaker, timeout; those that are nil are left out.
//	HC-2  Path segments are escaped; empty and dot segments are refused.
//	HC-3  A body is read whole up to MaxBody; a larger one is an error.
//	HC-4  Bodies are drained and closed, so that connections are used again after errors too.
//	HC-5  A status that is no success is a typed error.
//	HC-6  Transport errors, 408, 429 and 5xx are failures; everything else is an answer.
//	HC-7  Retry-After is read as seconds or date, between zero and a day.
//	HC-8  Only what may be repeated is retried; an idempotency key stays the same.
//	HC-9  Each attempt sends the whole body, and the transport can rewind it.
//	HC-10 Each attempt has its own time, body included, within the caller's.
//	HC-11 A caller who cancels ends the attempt, and the error says so.
//	HC-12 Redirects are not followed.
//	HC-13 JSON is checked, and decoded outside of the policies.
//	HC-14 No URL, credential or body shows in an error.
//	HC-15 Nonsense settings are errors.
//	HC-16 Credentials are asked for at each attempt; without them nothing is sent.
//	HC-17 Nothing is left of an attempt whose peer accepts connections and is silent.
//	HC-18 A dead HTTP/2 connection is noticed and replaced.
//	HC-19 A wrapped transport and a client that is given keep every rule; Close reaches the connections below.
//	HC-20 The limiter counts attempts, as the service does.

// transport is a function that answers requests.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header http.Header, body string) (*http.Response, error) {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func newTestClient(t testing.TB, cfg ServiceClientConfig, f transport) *ServiceClient {
	t.Helper()
	cfg.BaseURL = cmp.Or(cfg.BaseURL, "http://users.example/api")
	if f != nil {
		cfg.HTTP = &http.Client{Transport: f}
	}
	c, err := NewServiceClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// attempts is a retry policy that makes up to n attempts without a pause.
func attempts(n int) ServicePolicy {
	return func(ctx context.Context, call ServiceCall) (*ServiceResponse, error) {
		for i := 1; ; i++ {
			if response, err := call(ctx); err == nil || i == n {
				return response, err
			}
		}
	}
}

func TestHC01_Order(t *testing.T) {
	var order []string
	named := func(name string) ServicePolicy {
		return func(ctx context.Context, call ServiceCall) (*ServiceResponse, error) {
			order = append(order, name)
			return call(ctx)
		}
	}
	f := func(r *http.Request) (*http.Response, error) {
		if _, ok := r.Context().Deadline(); ok {
			order = append(order, "timeout")
		}
		return answer(200, nil, "")
	}
	c := newTestClient(t, ServiceClientConfig{
		Breaker: named("breaker"), Retry: named("retry"), Limiter: named("limiter"), Bulkhead: named("bulkhead"),
	}, f)
	if _, err := c.Send(t.Context(), ServiceRequest{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"bulkhead", "retry", "limiter", "breaker", "timeout"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	order = nil
	if _, err := newTestClient(t, ServiceClientConfig{}, f).Send(t.Context(), ServiceRequest{}); err != nil || len(order) != 1 {
		t.Errorf("without policies: %v, %v", order, err)
	}
}

func TestHC02_Path(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	defer server.Close()
	c := newTestClient(t, ServiceClientConfig{BaseURL: server.URL + "/api/", HTTP: server.Client()}, nil)
	for _, tt := range []struct {
		path  []string
		query url.Values
		want  string
	}{
		{nil, nil, "/api/"},
		{[]string{"users", "42"}, nil, "/api/users/42"},
		{[]string{"users", "a/b"}, nil, "/api/users/a%2Fb"},
		{[]string{"users", "a?admin=1#x"}, nil, "/api/users/a%3Fadmin=1%23x"},
		{[]string{"users", "../admin"}, nil, "/api/users/..%2Fadmin"},
		{[]string{"users", "%2e%2e"}, nil, "/api/users/%252e%252e"},
		{[]string{"users", "jürgen 1"}, nil, "/api/users/j%C3%BCrgen%201"},
		{[]string{"users"}, url.Values{"q": {"a&b=c"}}, "/api/users?q=a%26b%3Dc"},
	} {
		if _, err := c.Send(t.Context(), ServiceRequest{Path: tt.path, Query: tt.query}); err != nil || got != tt.want {
			t.Errorf("%q: sent %s, %v, want %s", tt.path, got, err, tt.want)
		}
	}
	for want, path := range map[string][]string{"/api/users/": {"users"}, "/api/": nil} {
		if _, err := c.Send(t.Context(), ServiceRequest{Path: path, TrailingSlash: true}); err != nil || got != want {
			t.Errorf("%q with a slash: sent %s, %v, want %s", path, got, err, want)
		}
	}
	if _, err := c.Send(t.Context(), ServiceRequest{Method: http.MethodDelete, Path: []string{"users", ""}}); !errors.Is(err, ErrServiceRequest) {
		t.Errorf("an id that is missing: %v", err)
	}
	for _, segment := range []string{"", ".", ".."} {
		got = ""
		_, err := c.Send(t.Context(), ServiceRequest{Path: []string{"users", segment, "x"}})
		if !errors.Is(err, ErrServiceRequest) || got != "" {
			t.Errorf("segment %q: %v, sent %q", segment, err, got)
		}
	}
}

func TestHC03_BodyIsBounded(t *testing.T) {
	body := strings.Repeat("x", 100)
	for _, tt := range []struct {
		limit int64
		ok    bool
	}{{0, true}, {100, true}, {99, false}} {
		c := newTestClient(t, ServiceClientConfig{MaxBody: tt.limit}, func(*http.Request) (*http.Response, error) {
			return answer(200, nil, body)
		})
		response, err := c.Send(t.Context(), ServiceRequest{})
		if tt.ok && (err != nil || string(response.Body) != body) || !tt.ok && !errors.Is(err, ErrServiceBody) {
			t.Errorf("limit %d: %v", tt.limit, err)
		}
	}
	broken := errors.New("connection reset")
	c := newTestClient(t, ServiceClientConfig{}, func(*http.Request) (*http.Response, error) {
		r, _ := answer(200, nil, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), errReader{broken}))
		return r, nil
	})
	if response, err := c.Send(t.Context(), ServiceRequest{}); response != nil || !errors.Is(err, broken) || !IsServiceFailure(err) {
		t.Errorf("broken body: %v, %v", response, err)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestHC04_ConnectionsAreReused(t *testing.T) {
	status := 200
	connections := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.Repeat("x", 32<<10))
	}))
	defer server.Close()
	c := newTestClient(t, ServiceClientConfig{BaseURL: server.URL}, nil)
	defer c.Close()
	for _, status = range []int{200, 404, 500, 503, 302, 200} {
		if _, err := c.Send(t.Context(), ServiceRequest{}); (err == nil) != (status == 200) {
			t.Errorf("status %d: %v", status, err)
		}
	}
	if len(connections) != 1 {
		t.Errorf("%d connections, want 1", len(connections))
	}
	for _, status := range []int{200, 500} {
		body := &closeRecorder{Reader: strings.NewReader(strings.Repeat("x", 2<<20))}
		c := newTestClient(t, ServiceClientConfig{}, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body}, nil
		})
		if _, err := c.Send(t.Context(), ServiceRequest{}); err == nil || !body.closed || body.read > 1<<20+1 {
			t.Errorf("status %d: %v, closed %v after %d bytes", status, err, body.closed, body.read)
		}
	}
}

type closeRecorder struct {
	io.Reader
	read   int
	closed bool
}

func (r *closeRecorder) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.read += n
	return n, err
}

func (r *closeRecorder) Close() error { r.closed = true; return nil }

func TestHC05_StatusError(t *testing.T) {
	for _, status := range []int{199, 301, 304, 400, 404, 500, 503} {
		c := newTestClient(t, ServiceClientConfig{}, func(*http.Request) (*http.Response, error) {
			return answer(status, nil, strings.Repeat("x", 10<<10))
		})
		response, err := c.Send(t.Context(), ServiceRequest{Name: "get user"})
		var failed *ServiceStatusError
		if response != nil || !errors.As(err, &failed) || failed.Status != status || len(failed.Body) != 4<<10 {
			t.Errorf("status %d: %v, %v", status, response, err)
		} else if err.Error() != fmt.Sprintf("get user: status %d", status) {
			t.Errorf("message %q", err)
		}
	}
	c := newTestClient(t, ServiceClientConfig{}, func(*http.Request) (*http.Response, error) {
		return answer(201, http.Header{"Location": {"/users/42"}}, "made")
	})
	response, err := c.Send(t.Context(), ServiceRequest{Method: http.MethodPost})
	if err != nil || response.Status != 201 || response.Header.Get("Location") != "/users/42" || string(response.Body) != "made" {
		t.Errorf("got %+v, %v", response, err)
	}
}

func TestHC06_WhatIsAFailure(t *testing.T) {
	for _, status := range []int{408, 429, 500, 502, 503, 504, 599} {
		if !IsServiceFailure(fmt.Errorf("wrapped: %w", &ServiceStatusError{Status: status})) {
			t.Errorf("status %d is no failure", status)
		}
	}
	for _, status := range []int{301, 304, 400, 401, 403, 404, 409, 412, 422, 501, 505} {
		if IsServiceFailure(&ServiceStatusError{Status: status}) {
			t.Errorf("status %d is a failure", status)
		}
	}
	for _, err := range []error{nil, ErrServiceRequest, ErrServiceBody} {
		if IsServiceFailure(err) {
			t.Errorf("%v is a failure", err)
		}
	}
	for _, err := range []error{nil, ErrServiceBody, io.ErrUnexpectedEOF, &ServiceStatusError{Status: 404}} {
		if IsServiceUnsent(err) {
			t.Errorf("%v was not sent", err)
		}
	}
	for _, err := range []error{io.ErrUnexpectedEOF, context.DeadlineExceeded, errors.New("connection refused")} {
		if !IsServiceFailure(err) {
			t.Errorf("%v is no failure", err)
		}
	}
}

func TestHC07_RetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"120":                           2 * time.Minute,
		"-1":                            0,
		"soon":                          0,
		"9223372036854775807":           24 * time.Hour,
		"99999999999999999999999":       24 * time.Hour,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"Sun, 01 Mar 9999 12:00:00 GMT": 24 * time.Hour,
	} {
		c := newTestClient(t, ServiceClientConfig{Now: func() time.Time { return now }}, func(*http.Request) (*http.Response, error) {
			return answer(503, http.Header{"Retry-After": {value}}, "")
		})
		_, err := c.Send(t.Context(), ServiceRequest{})
		var asks interface{ RetryAfter() time.Duration }
		if !errors.As(err, &asks) || asks.RetryAfter() != want {
			t.Errorf("%q: %v, want %v", value, err, want)
		}
	}
}

func TestHC08_OnlyWhatMayBeRepeated(t *testing.T) {
	for _, tt := range []struct {
		method, key string
		want        int
	}{
		{"", "", 3}, {"GET", "", 3}, {"HEAD", "", 3}, {"OPTIONS", "", 3}, {"PUT", "", 3}, {"DELETE", "", 3},
		{"POST", "", 1}, {"PATCH", "", 1}, {"POST", "order-7", 3},
	} {
		var keys []string
		c := newTestClient(t, ServiceClientConfig{Retry: attempts(3)}, func(r *http.Request) (*http.Response, error) {
			keys = append(keys, r.Header.Get("Idempotency-Key"))
			return answer(503, nil, "")
		})
		_, _ = c.Send(t.Context(), ServiceRequest{Method: tt.method, IdempotencyKey: tt.key})
		if want := slices.Repeat([]string{tt.key}, tt.want); !slices.Equal(keys, want) {
			t.Errorf("%s %q: %d attempts with the keys %q", tt.method, tt.key, len(keys), keys)
		}
	}
}

func TestHC09_BodyOfEachAttempt(t *testing.T) {
	var got []string
	header := http.Header{"X-Tag": {"a"}}
	cfg := ServiceClientConfig{Retry: attempts(3), Authorize: func(r *http.Request) error {
		got = append(got, fmt.Sprint(r.Header["X-Tag"]))
		r.Header["X-Tag"][0] = "changed"
		return nil
	}}
	c := newTestClient(t, cfg, func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		again, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		rewound, _ := io.ReadAll(again)
		if !bytes.Equal(body, rewound) {
			t.Errorf("sent %q, rewound %q", body, rewound)
		}
		got = append(got, fmt.Sprint(string(body), r.ContentLength))
		return answer(503, nil, "")
	})
	_, _ = c.Send(t.Context(), ServiceRequest{Method: http.MethodPut, Body: []byte("data"), Header: header})
	if want := slices.Repeat([]string{"[a]", "data4"}, 3); !slices.Equal(got, want) {
		t.Errorf("attempts sent %q, want %q", got, want)
	}
	if len(header["X-Tag"]) != 1 || header["X-Tag"][0] != "a" {
		t.Errorf("the caller's header became %v", header)
	}
}

func TestHC10_AttemptTimeout(t *testing.T) {
	slow := map[string]transport{
		"no answer": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
		"no end of the body": func(r *http.Request) (*http.Response, error) {
			response, _ := answer(200, nil, "")
			response.Body = io.NopCloser(bodyUntil{r.Context()})
			return response, nil
		},
	}
	for name, f := range slow {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c := newTestClient(t, ServiceClientConfig{Retry: attempts(3), AttemptTimeout: time.Second}, f)
				_, err := c.Send(t.Context(), ServiceRequest{})
				if !errors.Is(err, context.DeadlineExceeded) || !IsServiceFailure(err) || time.Since(start) != 3*time.Second {
					t.Errorf("%v after %v, want three attempts of 1s", err, time.Since(start))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				start = time.Now()
				c.cfg.Retry = nil
				_, err = c.Send(ctx, ServiceRequest{})
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second/2 {
					t.Errorf("%v after %v, want the caller's deadline", err, time.Since(start))
				}
			})
		})
	}
}

// bodyUntil is a body that ends with its context.
type bodyUntil struct{ ctx context.Context }

func (b bodyUntil) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

func TestHC11_CallerCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		c := newTestClient(t, ServiceClientConfig{AttemptTimeout: time.Hour}, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		_, err := c.Send(ctx, ServiceRequest{Name: "get user"})
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestHC12_NoRedirects(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	c := newTestClient(t, ServiceClientConfig{BaseURL: server.URL}, nil)
	defer c.Close()
	_, err := c.Send(t.Context(), ServiceRequest{})
	var failed *ServiceStatusError
	if !errors.As(err, &failed) || failed.Status != http.StatusFound || requests.Load() != 1 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

func TestHC13_JSON(t *testing.T) {
	type user struct {
		Name string `json:"name"`
	}
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		want                    string
		err                     error
	}{
		{"plain", "application/json", `{"name":"a"}`, 200, "a", nil},
		{"with charset", "application/json; charset=utf-8", `{"name":"a"}`, 200, "a", nil},
		{"vendor type", "application/vnd.users+json", `{"name":"a"}`, 200, "a", nil},
		{"no content", "", "", 204, "", nil},
		{"a login page", "text/html", `<html>`, 200, "", ErrServiceContent},
		{"no type", "", `{"name":"a"}`, 200, "", ErrServiceContent},
		{"trailing data", "application/json", `{"name":"a"}{}`, 200, "", ErrServiceContent},
		{"other schema", "application/json", `{"name":1}`, 200, "", ErrServiceContent},
		{"empty", "application/json", "", 200, "", ErrServiceContent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			policy := func(ctx context.Context, call ServiceCall) (*ServiceResponse, error) {
				response, err := call(ctx)
				if err != nil {
					t.Errorf("a policy saw %v", err)
				}
				return response, err
			}
			c := newTestClient(t, ServiceClientConfig{Breaker: policy, Retry: attempts(3)}, func(r *http.Request) (*http.Response, error) {
				calls++
				if got := r.Header.Get("Accept"); got != "application/json" {
					t.Errorf("accepts %q", got)
				}
				return answer(tt.status, http.Header{"Content-Type": {tt.contentType}}, tt.body)
			})
			got, err := SendJSON[user](t.Context(), c, ServiceRequest{}, nil)
			if !errors.Is(err, tt.err) || err == nil && got.Name != tt.want || calls != 1 {
				t.Errorf("got %+v, %v after %d calls", got, err, calls)
			}
		})
	}
	t.Run("HEAD", func(t *testing.T) {
		c := newTestClient(t, ServiceClientConfig{}, func(*http.Request) (*http.Response, error) {
			return answer(200, http.Header{"Content-Type": {"application/json"}}, "")
		})
		if _, err := SendJSON[user](t.Context(), c, ServiceRequest{Method: http.MethodHead}, nil); err != nil {
			t.Error(err)
		}
	})
	t.Run("names", func(t *testing.T) {
		c := newTestClient(t, ServiceClientConfig{}, func(*http.Request) (*http.Response, error) { return answer(200, nil, "hello") })
		for _, body := range []any{nil, func() {}} {
			if _, err := SendJSON[user](t.Context(), c, ServiceRequest{}, body); err == nil || !strings.HasPrefix(err.Error(), "GET: ") {
				t.Errorf("the error %q does not begin with the method", err)
			}
		}
	})
	header := http.Header{"X-Tag": {"a"}}
	c := newTestClient(t, ServiceClientConfig{}, func(r *http.Request) (*http.Response, error) {
		body, _ := io.ReadAll(r.Body)
		return answer(200, http.Header{"Content-Type": {r.Header.Get("Content-Type")}}, string(body))
	})
	got, err := SendJSON[user](t.Context(), c, ServiceRequest{Method: http.MethodPost, Header: header}, user{"sent"})
	if err != nil || got.Name != "sent" || len(header) != 1 {
		t.Errorf("got %+v, %v; the caller's header is %v", got, err, header)
	}
	if _, err := SendJSON[user](t.Context(), c, ServiceRequest{}, func() {}); !errors.Is(err, ErrServiceRequest) {
		t.Errorf("what JSON cannot express: %v", err)
	}
}

func TestHC14_NoSecretsInErrors(t *testing.T) {
	broken := errors.New("connection refused")
	for name, f := range map[string]transport{
		"transport": func(*http.Request) (*http.Response, error) { return nil, broken },
		"status":    func(*http.Request) (*http.Response, error) { return answer(500, nil, "secret body") },
	} {
		c := newTestClient(t, ServiceClientConfig{}, f)
		_, err := c.Send(t.Context(), ServiceRequest{
			Name: "get user", Path: []string{"secret-path"}, Query: url.Values{"token": {"secret-query"}},
			Header: http.Header{"Authorization": {"secret-header"}}, Body: []byte("secret-request"),
		})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "get user: ") {
			t.Errorf("%s: %q", name, err)
		}
		if name == "transport" && !errors.Is(err, broken) {
			t.Errorf("%v does not match the transport's error", err)
		}
	}
	c := newTestClient(t, ServiceClientConfig{}, nil)
	if _, err := c.Send(t.Context(), ServiceRequest{Method: "BAD METHOD"}); !errors.Is(err, ErrServiceRequest) {
		t.Errorf("bad method: %v", err)
	}
}

func TestHC15_Config(t *testing.T) {
	for name, cfg := range map[string]ServiceClientConfig{
		"no URL": {}, "no host": {BaseURL: "/api"}, "scheme": {BaseURL: "ftp://users.example"},
		"credentials": {BaseURL: "http://user:secret@users.example"}, "query": {BaseURL: "http://users.example?x=1"},
		"syntax": {BaseURL: "http://users.example:port"}, "timeout": {BaseURL: "http://users.example", AttemptTimeout: -1},
		"body": {BaseURL: "http://users.example", MaxBody: -1}, "huge body": {BaseURL: "http://users.example", MaxBody: 1<<30 + 1},
	} {
		if _, err := NewServiceClient(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := newTestClient(t, ServiceClientConfig{}, nil)
	if c.cfg.AttemptTimeout != 2*time.Second || c.cfg.MaxBody != 1<<20 {
		t.Errorf("defaults %v and %d", c.cfg.AttemptTimeout, c.cfg.MaxBody)
	}
}

func TestHC16_Authorize(t *testing.T) {
	asked := 0
	expired := errors.New("no token")
	cfg := ServiceClientConfig{Retry: attempts(2), Authorize: func(r *http.Request) error {
		if asked++; asked > 2 {
			return expired
		}
		r.Header.Set("Authorization", fmt.Sprint("Bearer ", asked))
		return nil
	}}
	var sent []string
	c := newTestClient(t, cfg, func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("Authorization"))
		return answer(503, nil, "")
	})
	_, _ = c.Send(t.Context(), ServiceRequest{})
	_, err := c.Send(t.Context(), ServiceRequest{})
	if want := []string{"Bearer 1", "Bearer 2"}; !slices.Equal(sent, want) {
		t.Errorf("sent with %q, want %q", sent, want)
	}
	if !errors.Is(err, expired) || !errors.Is(err, ErrServiceRequest) || IsServiceFailure(err) {
		t.Errorf("without credentials: %v", err)
	}
}

// peer is a server whose connections a test can make silent.
type peer struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	dead  atomic.Int64 // connections below this number swallow all bytes
}

// newPeer passes connections on to upstream, or only accepts them if that is empty.
func newPeer(t *testing.T, upstream string) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{Listener: listener}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			number := p.keep(conn)
			if upstream == "" {
				continue
			}
			up, err := net.Dial("tcp", upstream)
			if err != nil {
				t.Error(err)
				return
			}
			p.keep(up)
			all.Go(func() { p.pipe(number, up, conn) })
			all.Go(func() { p.pipe(number, conn, up) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, conn := range p.conns {
			_ = conn.Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *peer) keep(conn net.Conn) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	return int64(len(p.conns))
}

func (p *peer) pipe(number int64, to, from net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			_ = to.Close()
			return
		}
		if number > p.dead.Load() {
			_, _ = to.Write(buffer[:n])
		}
	}
}

// vanish makes all connections silent; new ones work.
func (p *peer) vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead.Store(int64(len(p.conns)))
}

func TestHC17_SilentPeer(t *testing.T) {
	p := newPeer(t, "")
	c := newTestClient(t, ServiceClientConfig{BaseURL: "https://" + p.Addr().String(), AttemptTimeout: 20 * time.Millisecond}, nil)
	before := runtime.NumGoroutine()
	for range 20 {
		if _, err := c.Send(t.Context(), ServiceRequest{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	for begin := time.Now(); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 3*time.Second {
			t.Fatalf("%d goroutines are left of 20 calls that have returned", runtime.NumGoroutine()-before)
		}
	}
}

func TestHC18_DeadHTTP2Connection(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	p := newPeer(t, server.Listener.Addr().String())
	trusted := func(next http.RoundTripper) http.RoundTripper {
		next.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
		return next
	}
	c := newTestClient(t, ServiceClientConfig{BaseURL: "https://" + p.Addr().String(), AttemptTimeout: 200 * time.Millisecond, Wrap: trusted}, nil)
	defer c.Close()
	if response, err := c.Send(t.Context(), ServiceRequest{}); err != nil || string(response.Body) != "HTTP/2.0" {
		t.Fatal(response, err)
	}
	p.vanish()
	failed := 0
	for begin := time.Now(); ; failed++ {
		if _, err := c.Send(t.Context(), ServiceRequest{}); err == nil {
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatalf("%d calls in a row have failed, though the service takes new connections", failed)
		}
	}
	t.Logf("%d calls failed before the dead connection was replaced", failed)
}

func TestHC19_WrappedOrGiven(t *testing.T) {
	var requests, open atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		case http.StateActive, http.StateIdle, http.StateHijacked:
		}
	}
	server.Start()
	defer server.Close()
	wrapped := 0
	wrap := func(next http.RoundTripper) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) { wrapped++; return next.RoundTrip(r) })
	}
	given := &http.Client{Transport: &http.Transport{}}
	for name, cfg := range map[string]ServiceClientConfig{
		"wrapped": {Wrap: wrap}, "given": {HTTP: given}, "given and wrapped": {HTTP: given, Wrap: wrap}, "given, empty": {HTTP: &http.Client{}, Wrap: wrap},
	} {
		requests.Store(0)
		wrapped = 0
		cfg.BaseURL = server.URL
		c := newTestClient(t, cfg, nil)
		_, err := c.Send(t.Context(), ServiceRequest{})
		var failed *ServiceStatusError
		if !errors.As(err, &failed) || failed.Status != http.StatusFound || requests.Load() != 1 || (wrapped == 1) != (cfg.Wrap != nil) {
			t.Errorf("%s: %v after %d requests, %d of them wrapped", name, err, requests.Load(), wrapped)
		}
		c.Close()
		for begin := time.Now(); open.Load() > 0; time.Sleep(time.Millisecond) {
			if time.Since(begin) > time.Second {
				t.Fatalf("%s: %d connections are open after Close", name, open.Load())
			}
		}
	}
	if given.CheckRedirect != nil {
		t.Error("the client that was given is changed")
	}
}

func TestHC20_LimiterCountsAttempts(t *testing.T) {
	counted, sent := 0, 0
	c := newTestClient(t, ServiceClientConfig{
		Retry:   attempts(3),
		Limiter: func(ctx context.Context, call ServiceCall) (*ServiceResponse, error) { counted++; return call(ctx) },
	}, func(*http.Request) (*http.Response, error) { sent++; return answer(503, nil, "") })
	if _, err := c.Send(t.Context(), ServiceRequest{}); err == nil || sent != 3 || counted != sent {
		t.Errorf("%v: %d attempts were sent and %d counted", err, sent, counted)
	}
}
