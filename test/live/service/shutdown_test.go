package service

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is what callers do to a service that stands behind a load balancer.
type load struct {
	calls    atomic.Int64
	balanced chan struct{} // closed when the load balancer sends no more
	callers  sync.WaitGroup
}

// call repeats a call until the load balancer stops. Every single one must succeed.
func (l *load) call(t *testing.T, name string, do func() error) {
	l.callers.Go(func() {
		for {
			select {
			case <-l.balanced:
				return
			default:
			}
			if err := do(); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			l.calls.Add(1)
		}
	})
}

// A stop under load fails no request: neither on connections that are kept nor
// on new ones, over HTTP or gRPC, nor one that is half sent.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	p := start(t, w.settings.with(settings{"DRAIN_DELAY": "5s", "SHUTDOWN_TIMEOUT": "20s", "REQUEST_TIMEOUT": "1m"}))
	user := p.createUser("ada")
	path := fmt.Sprintf("/v1/users/%s", user["id"])
	l := &load{balanced: make(chan struct{})}

	get := func(c *http.Client) func() error {
		return func() error {
			a, err := p.try(c, request{method: http.MethodGet, path: path})
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("status %d", a.status)
			}
			return err
		}
	}
	for range 4 {
		kept := &http.Transport{}
		defer kept.CloseIdleConnections()
		l.call(t, "kept connection", get(&http.Client{Timeout: patience, Transport: kept}))
		l.call(t, "new connection", get(&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}))
	}
	r := dial(t, p, "orders.v1.UserService")
	l.call(t, "gRPC", func() error {
		_, err := r.call("orders.v1.UserService.GetUser", object{"id": user["id"]})
		return err
	})

	body, half := io.Pipe()
	slow := make(chan error, 1)
	go func() {
		a, err := p.try(client, request{method: http.MethodPost, path: "/v1/users", body: io.Reader(body)})
		if err == nil && a.status != http.StatusCreated {
			err = fmt.Errorf("status %d: %v", a.status, a.body)
		}
		slow <- err
	}()
	if _, err := io.WriteString(half, `{"email":"slow@example.com",`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is load", func() bool { return l.calls.Load() > 200 })

	began := time.Now()
	p.terminate()
	eventually(t, "readiness is off", func() bool { return p.ready() == http.StatusServiceUnavailable })
	before := l.calls.Load()
	eventually(t, "it serves on while load balancers take notice", func() bool { return l.calls.Load() > before+20 })
	close(l.balanced)
	l.callers.Wait()

	eventually(t, "it accepts no more connections", func() bool {
		conn, err := net.Dial("tcp", p.http)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(half, `"name":"Slow"}`); err != nil {
		t.Fatal(err)
	}
	half.Close()
	if err := <-slow; err != nil {
		t.Errorf("the request that was half sent: %v", err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the stop took %s, more than SHUTDOWN_TIMEOUT", took)
	}
	t.Logf("%d requests", l.calls.Load())
}

// A request that never ends does not hold up the stop for longer than its bound.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	p := start(t, settings{"SHUTDOWN_TIMEOUT": "2s", "REQUEST_TIMEOUT": "5m"})
	conn, err := net.Dial("tcp", p.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	half := "POST /v1/users HTTP/1.1\r\nHost: orders\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
	if _, err := io.WriteString(conn, half); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the request is being served", func() bool { return p.inFlight() == 1 })
	began := time.Now()
	p.terminate()
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d, want 1: a request was cut off", code)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %s with a bound of 2 s", took)
	}
	if answer, _ := io.ReadAll(conn); strings.HasPrefix(string(answer), "HTTP/1.1 2") {
		t.Errorf("the request that never ended has the answer %q", answer)
	}
}
