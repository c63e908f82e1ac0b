// Package httpclient calls another service over HTTP, with its policies in
// the right order: bulkhead, retry, limiter, breaker and a timeout for each
// attempt.
package httpclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

var (
	// ErrServiceRequest matches requests that were not sent because they could not be made.
	ErrServiceRequest = errors.New("request not sent")
	// ErrServiceBody is the error of a response whose body is larger than MaxBody.
	ErrServiceBody = errors.New("response body is too large")
	// ErrServiceContent matches responses that are not the JSON that was asked for.
	ErrServiceContent = errors.New("unexpected response content")
)

// ServiceStatusError is the error of a response without a status of success.
type ServiceStatusError struct {
	Name   string // of the request
	Status int
	After  time.Duration // from the header Retry-After
	Body   []byte        // the beginning; it may hold personal data, so it is not in the message
}

// Error implements error.
func (e *ServiceStatusError) Error() string { return fmt.Sprintf("%s: status %d", e.Name, e.Status) }

// RetryAfter returns how long the service asks to wait.
func (e *ServiceStatusError) RetryAfter() time.Duration { return e.After }

// IsServiceFailure reports whether err says that the service or the way to it
// is in trouble: transport errors, timeouts, 408, 429 and 5xx. Only these are
// for a breaker to count and worth another attempt; all others are answers.
func IsServiceFailure(err error) bool {
	var status *ServiceStatusError
	if errors.As(err, &status) {
		switch status.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests:
			return true
		case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
			return false
		}
		return status.Status >= 500
	}
	return err != nil && !errors.Is(err, ErrServiceRequest) && !errors.Is(err, ErrServiceBody)
}

// IsServiceUnsent reports whether err was made on this side, before anything
// was sent. It says nothing about the service: a breaker must not count it.
func IsServiceUnsent(err error) bool { return errors.Is(err, ErrServiceRequest) }

// ServiceCall is a call of the service, or of the policies within a policy.
type ServiceCall = func(context.Context) (*ServiceResponse, error)

// ServicePolicy makes a call, or not, or several times. With a breaker b:
//
//	func(ctx context.Context, call ServiceCall) (*ServiceResponse, error) {
//		return CallBreaker(ctx, b, call)
//	}
type ServicePolicy func(ctx context.Context, call ServiceCall) (*ServiceResponse, error)

func (p ServicePolicy) around(call ServiceCall) ServiceCall {
	if p == nil {
		return call
	}
	return func(ctx context.Context) (*ServiceResponse, error) { return p(ctx, call) }
}

// ServiceClientConfig configures a ServiceClient. Policies that are nil are left out.
type ServiceClientConfig struct {
	BaseURL string
	// The policies, from the outside in: the limiter counts each attempt, as the
	// service does. Retry and Breaker should judge errors with IsServiceFailure,
	// and the breaker exclude those of IsServiceUnsent. Retry is used for
	// requests that may be repeated.
	Bulkhead, Retry, Limiter, Breaker ServicePolicy

	AttemptTimeout time.Duration // of an attempt, its body included (default 2*time.Second)
	MaxBody        int64         // largest response body in bytes (default 1 << 20)
	// Authorize adds credentials to each attempt (default: none).
	Authorize func(*http.Request) error
	// Wrap wraps the transport, such as for tracing (default: none).
	Wrap func(http.RoundTripper) http.RoundTripper
	// HTTP sends the requests (default: a client with a transport of its own,
	// which keeps 64 idle connections per host and notices dead ones). Of a
	// client that is given, a copy is used that follows no redirects.
	HTTP *http.Client
	Now  func() time.Time // default time.Now
}

// ServiceClient calls one service. It is safe for concurrent use.
type ServiceClient struct {
	cfg  ServiceClientConfig
	base *url.URL
	http http.Client
	idle interface{ CloseIdleConnections() } // what Wrap may hide
}

// ServiceRequest is what to send.
type ServiceRequest struct {
	Name   string   // for errors and metrics, such as "get user" (default: the method)
	Method string   // default GET
	Path   []string // segments below the base URL, not escaped
	// TrailingSlash ends the path with one. An empty segment is an error: the
	// id that is missing in DELETE /users/ must not delete them all.
	TrailingSlash bool
	Query         url.Values
	Header        http.Header
	Body          []byte
	// IdempotencyKey lets any method be repeated, if the service knows the
	// header Idempotency-Key. GET, HEAD, OPTIONS, PUT and DELETE need none.
	IdempotencyKey string
}

// ServiceResponse is a response with a status of success.
type ServiceResponse struct {
	Status int
	Header http.Header
	Body   []byte
}

// NewServiceClient returns a ServiceClient, or an error if cfg makes no sense.
func NewServiceClient(cfg ServiceClientConfig) (*ServiceClient, error) {
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("service client: want a base URL of scheme, host and path")
	}
	if cfg.AttemptTimeout < 0 || cfg.MaxBody < 0 || cfg.MaxBody > 1<<30 {
		return nil, errors.New("service client: negative setting, or MaxBody above 1 GiB")
	}
	cfg.AttemptTimeout = cmp.Or(cfg.AttemptTimeout, 2*time.Second)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 1<<20)
	c := &ServiceClient{cfg: cfg, base: base}
	if cfg.HTTP != nil {
		c.http = *cfg.HTTP
	} else {
		c.http.Transport = newServiceTransport(cfg.AttemptTimeout)
	}
	c.idle = &http.Client{Transport: c.http.Transport}
	if cfg.Wrap != nil {
		if c.http.Transport == nil {
			c.http.Transport = http.DefaultTransport
		}
		c.http.Transport = cfg.Wrap(c.http.Transport)
	}
	// A service that redirects has moved, and credentials must not follow.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if cfg.Now == nil {
		c.cfg.Now = time.Now
	}
	return c, nil
}

// newServiceTransport returns a transport that gives up by itself what an
// attempt leaves behind when its time is over: a dial, a handshake with a peer
// that is silent, and an HTTP/2 connection whose peer is gone.
func newServiceTransport(attempt time.Duration) *http.Transport {
	patience := min(max(attempt, time.Second), 5*time.Second)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: patience}).DialContext,
		TLSHandshakeTimeout: patience,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: patience, PingTimeout: patience},
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
	}
}

// Close closes the connections that no request uses. The client stays usable.
func (c *ServiceClient) Close() { c.idle.CloseIdleConnections() }

// Send sends req and returns the response if its status is 2xx, and otherwise
// a *ServiceStatusError or the error of a policy or of the transport.
func (c *ServiceClient) Send(ctx context.Context, req ServiceRequest) (*ServiceResponse, error) {
	req = req.withDefaults()
	target, err := c.target(req)
	if err != nil {
		return nil, err
	}
	call := func(ctx context.Context) (*ServiceResponse, error) { return c.attempt(ctx, req, target) }
	call = c.cfg.Limiter.around(c.cfg.Breaker.around(call))
	if req.repeatable() {
		call = c.cfg.Retry.around(call)
	}
	return c.cfg.Bulkhead.around(call)(ctx)
}

// SendJSON sends req, with the JSON of body unless that is nil, and decodes
// the JSON of the response. It does so outside of the policies: an answer that
// cannot be decoded is neither repeated nor counted as a failure.
func SendJSON[T any](ctx context.Context, c *ServiceClient, req ServiceRequest, body any) (T, error) {
	var result T
	req = req.withDefaults()
	req.Header = req.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return result, fmt.Errorf("%s: %w: %w", req.Name, ErrServiceRequest, err)
		}
		req.Body = encoded
		req.Header.Set("Content-Type", "application/json")
	}
	response, err := c.Send(ctx, req)
	if err != nil {
		return result, err
	}
	if req.Method == http.MethodHead || response.Status == http.StatusNoContent || response.Status == http.StatusResetContent {
		return result, nil // these have no body
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if media != "application/json" && !strings.HasSuffix(media, "+json") {
		return result, fmt.Errorf("%s: %w: type %q", req.Name, ErrServiceContent, media)
	}
	if err := json.Unmarshal(response.Body, &result); err != nil {
		return result, fmt.Errorf("%s: %w: %w", req.Name, ErrServiceContent, err)
	}
	return result, nil
}

func (r ServiceRequest) withDefaults() ServiceRequest {
	r.Method = cmp.Or(r.Method, http.MethodGet)
	r.Name = cmp.Or(r.Name, r.Method)
	return r
}

func (r ServiceRequest) repeatable() bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.IdempotencyKey != ""
}

func (c *ServiceClient) target(req ServiceRequest) (string, error) {
	segments := make([]string, len(req.Path))
	for i, segment := range req.Path {
		if segment == "" || segment == "." || segment == ".." { // these would lead to another resource
			return "", fmt.Errorf("%s: %w: path segment %q", req.Name, ErrServiceRequest, segment)
		}
		segments[i] = url.PathEscape(segment)
	}
	target := c.base.JoinPath(segments...)
	if req.TrailingSlash {
		target = target.JoinPath("/")
	}
	target.RawQuery = req.Query.Encode()
	return target.String(), nil
}

func (c *ServiceClient) attempt(ctx context.Context, req ServiceRequest, target string) (*ServiceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.AttemptTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, req.Method, target, bytes.NewReader(req.Body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", req.Name, ErrServiceRequest)
	}
	for name, values := range req.Header {
		r.Header[name] = append([]string(nil), values...)
	}
	if req.IdempotencyKey != "" {
		r.Header.Set("Idempotency-Key", req.IdempotencyKey)
	}
	if c.cfg.Authorize != nil {
		if err := c.cfg.Authorize(r); err != nil {
			return nil, fmt.Errorf("%s: %w: authorize: %w", req.Name, ErrServiceRequest, err)
		}
	}
	response, err := c.http.Do(r)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err // the URL may hold what does not belong into a log
		}
		return nil, fmt.Errorf("%s: %w", req.Name, err)
	}
	defer func() { _ = response.Body.Close() }() // nothing is lost: it has been read
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, c.statusError(req.Name, response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.cfg.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("%s: read body: %w", req.Name, err)
	}
	if int64(len(body)) > c.cfg.MaxBody {
		return nil, fmt.Errorf("%s: %w", req.Name, ErrServiceBody)
	}
	return &ServiceResponse{response.StatusCode, response.Header, body}, nil
}

func (c *ServiceClient) statusError(name string, response *http.Response) *ServiceStatusError {
	const excerpt, drained = 4 << 10, 64 << 10
	body, _ := io.ReadAll(io.LimitReader(response.Body, excerpt))
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, drained)) // so that the connection can be used again
	e := &ServiceStatusError{Name: name, Status: response.StatusCode, Body: body}
	const longest = 24 * time.Hour
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		e.After = time.Duration(min(seconds, uint64(longest/time.Second))) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		e.After = max(0, min(date.Sub(c.cfg.Now()), longest))
	}
	return e
}
