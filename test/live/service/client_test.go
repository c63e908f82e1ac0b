package service

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// object is a JSON object.
type object map[string]any

// answer is what the HTTP API said.
type answer struct {
	status int
	header http.Header
	body   object
}

// request describes a call of the HTTP API.
type request struct {
	method, path string
	body         any // an object, or text to send as it is
	header       map[string]string
}

// client bounds every call.
var client = &http.Client{Timeout: patience}

// send calls the API and fails the test without an answer.
func (p *process) send(r request) answer {
	p.t.Helper()
	a, err := p.try(client, r)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

func (p *process) try(client *http.Client, r request) (answer, error) {
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case io.Reader:
		body = b
	case string:
		body = bytes.NewBufferString(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		body = bytes.NewReader(text)
	}
	q, err := http.NewRequest(r.method, "http://"+p.http+r.path, body)
	if err != nil {
		return answer{}, err
	}
	if r.body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		q.Header.Set(name, value)
	}
	response, err := client.Do(q)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	return a, json.NewDecoder(response.Body).Decode(&a.body)
}

func (p *process) get(path string) answer {
	p.t.Helper()
	return p.send(request{method: http.MethodGet, path: path})
}

// createUser returns a new user, with an address of its own.
func (p *process) createUser(name string) object {
	p.t.Helper()
	a := p.send(request{method: http.MethodPost, path: "/v1/users", body: object{"email": name + "@example.com", "name": name}})
	wantStatus(p.t, a, http.StatusCreated)
	return a.body
}

// placeOrder returns a new order of a user.
func (p *process) placeOrder(user any) object {
	p.t.Helper()
	a := p.send(request{method: http.MethodPost, path: "/v1/orders", body: object{
		"user_id": user, "currency": "EUR", "lines": []object{{"sku": "tea-1", "quantity": 2, "unit_price": 499}},
	}})
	wantStatus(p.t, a, http.StatusCreated)
	return a.body
}

func wantStatus(t *testing.T, a answer, want int) {
	t.Helper()
	if a.status != want {
		t.Fatalf("status = %d, want %d; body: %v", a.status, want, a.body)
	}
}

// wantProblem holds an answer to RFC 9457.
func wantProblem(t *testing.T, a answer, status int, code string) {
	t.Helper()
	wantStatus(t, a, status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type = %q", got)
	}
	if a.body["code"] != code || a.body["status"] != float64(status) || a.body["title"] == "" || a.body["type"] == nil {
		t.Errorf("problem = %v, want code %q", a.body, code)
	}
}

// metrics returns the page that Prometheus reads.
func (p *process) metrics() string {
	p.t.Helper()
	response, err := probes.Get("http://" + p.admin + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("metrics: status %d, %v", response.StatusCode, err)
	}
	return string(page)
}

// parseTime reads a timestamp of the API.
func parseTime(t *testing.T, value any) time.Time {
	t.Helper()
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
