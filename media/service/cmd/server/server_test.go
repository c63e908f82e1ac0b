package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// instance is a running service.
type instance struct {
	addresses map[string]string
	client    *http.Client
	cancel    context.CancelFunc
	done      chan error

	mu  sync.Mutex
	log bytes.Buffer
}

// start runs the service on free ports and returns when it is ready.
func start(t *testing.T, settings map[string]string) *instance {
	t.Helper()
	all := map[string]string{
		"HTTP_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "GRPC_ADDR": "127.0.0.1:0", "DRAIN_DELAY": "0s",
	}
	maps.Copy(all, settings)
	i := &instance{
		addresses: map[string]string{},
		client:    &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
		done:      make(chan error, 1),
	}
	reader, writer := io.Pipe()
	var ctx context.Context
	ctx, i.cancel = context.WithCancel(context.Background())
	go func() {
		err := run(ctx, nil, lookup(all), writer)
		_ = writer.Close()
		i.done <- err
	}()
	ready := make(chan struct{})
	go i.follow(reader, ready)
	t.Cleanup(func() { i.stop(t) })
	select {
	case <-ready:
	case err := <-i.done:
		i.done <- nil
		t.Fatalf("the service ended: %v", err)
	}
	i.await(t, "/readyz", http.StatusOK)
	return i
}

// follow reads the log and notes where the servers listen. The http server is
// the last to be added.
func (i *instance) follow(log io.Reader, ready chan<- struct{}) {
	decoder := json.NewDecoder(log)
	for {
		var raw json.RawMessage
		if decoder.Decode(&raw) != nil {
			return
		}
		var record struct{ Msg, Server, Address string }
		_ = json.Unmarshal(raw, &record)
		i.mu.Lock()
		i.log.Write(raw)
		if record.Msg == "listening" {
			i.addresses[record.Server] = record.Address
		}
		i.mu.Unlock()
		if record.Msg == "listening" && record.Server == "http" {
			close(ready)
		}
	}
}

func (i *instance) logged() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

// stop ends the service and fails the test unless it ended well.
func (i *instance) stop(t *testing.T) {
	t.Helper()
	i.cancel()
	if err := <-i.done; err != nil {
		t.Errorf("the service ended with: %v", err)
	}
	i.done <- nil // a second stop finds it ended
	i.client.CloseIdleConnections()
}

// await asks the admin address until it answers with the status.
func (i *instance) await(t *testing.T, path string, status int) {
	t.Helper()
	i.eventually(t, fmt.Sprintf("%s with status %d", path, status), func() bool {
		got, _, err := i.ask(http.MethodGet, "http://"+i.addresses["admin"]+path, "")
		return err == nil && got == status
	})
}

// eventually waits for what happens beside the requests.
func (i *instance) eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !happened(); {
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %s", what)
		}
		runtime.Gosched()
	}
}

func (i *instance) ask(method, url, body string) (int, map[string]any, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := i.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, err
	}
	var decoded map[string]any
	_ = json.Unmarshal(raw, &decoded) // metrics are not JSON
	return response.StatusCode, decoded, nil
}

// call asks the API and fails the test unless it answers with the status.
func (i *instance) call(t *testing.T, method, path, body string, status int) map[string]any {
	t.Helper()
	got, answer, err := i.ask(method, "http://"+i.addresses["http"]+path, body)
	if err != nil || got != status {
		t.Fatalf("%s %s: %d %v, %v; want %d", method, path, got, answer, err, status)
	}
	return answer
}

// shop creates a user and an order and pays it.
func (i *instance) shop(t *testing.T) (user, order string) {
	t.Helper()
	user = fmt.Sprint(i.call(t, "POST", "/v1/users", `{"email":"ada@example.com","name":"Ada"}`, 201)["id"])
	order = fmt.Sprint(i.call(t, "POST", "/v1/orders",
		`{"user_id":"`+user+`","currency":"EUR","lines":[{"sku":"tea","quantity":2,"unit_price":499}]}`, 201)["id"])
	i.call(t, "PUT", "/v1/orders/"+order+"/status", `{"status":"paid"}`, 200)
	return user, order
}

func TestServiceInMemory(t *testing.T) {
	i := start(t, nil)
	user, order := i.shop(t)
	if got := i.call(t, "GET", "/v1/orders/"+order, "", 200); got["total"] != 998.0 || got["status"] != "paid" {
		t.Errorf("order %v", got)
	}
	if got := i.call(t, "GET", "/v1/users/"+user, "", 200); got["open_orders"] != 1.0 {
		t.Errorf("user %v", got)
	}
	i.await(t, "/livez", http.StatusOK)
	i.await(t, "/startupz", http.StatusOK)
	i.await(t, "/metrics", http.StatusOK)
	i.stop(t)
	if strings.Contains(i.logged(), "ada@example.com") {
		t.Error("an address is in the log")
	}
}

// TestNoRequestIsLostOnShutdown stops the service under load. Like a load
// balancer, the clients stop sending once the service says it is not ready.
func TestNoRequestIsLostOnShutdown(t *testing.T) {
	i := start(t, map[string]string{"DRAIN_DELAY": "2s"})
	user, _ := i.shop(t)
	var sent, failed atomic.Int64
	var unready atomic.Bool
	var clients sync.WaitGroup
	loaded := make(chan struct{})
	load := sync.OnceFunc(func() { close(loaded) })
	for range 8 {
		clients.Go(func() {
			for !unready.Load() {
				status, _, err := i.ask(http.MethodGet, "http://"+i.addresses["http"]+"/v1/users/"+user, "")
				if err != nil || status != http.StatusOK {
					failed.Add(1)
					t.Errorf("status %d, %v", status, err)
				}
				if sent.Add(1) == 100 {
					load()
				}
			}
		})
	}
	<-loaded
	i.cancel()
	i.await(t, "/readyz", http.StatusServiceUnavailable)
	before := sent.Load() // load balancers take a moment to react
	i.eventually(t, "requests while draining", func() bool { return sent.Load() > before+20 })
	unready.Store(true)
	clients.Wait()
	i.stop(t)
	t.Logf("%d requests, %d failed", sent.Load(), failed.Load())
}

func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	err = run(t.Context(), nil, lookup(map[string]string{
		"HTTP_ADDR": taken.Addr().String(), "ADMIN_ADDR": "127.0.0.1:0", "GRPC_ADDR": "127.0.0.1:0",
	}), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}

func TestUnknownCommand(t *testing.T) {
	if err := run(t.Context(), []string{"destroy"}, lookup(nil), io.Discard); !errors.Is(err, errUnknownCommand) {
		t.Errorf("got %v", err)
	}
}
