package http

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

func TestAnswers(t *testing.T) {
	const absent = "01900000-0000-7000-8000-000000000000"
	const bob = `{"email":"bob@example.com","name":"Bob"}`
	order := func(user string) string {
		return `{"user_id":"` + user + `","currency":"EUR","lines":[{"sku":"tea","quantity":2,"unit_price":499}]}`
	}
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"create a user", "POST", "/v1/users", bob, nil, 201, ""},
		{"email taken", "POST", "/v1/users", `{"email":"ada@example.com","name":"Eve"}`, nil, 409, "email_taken"},
		{"invalid user", "POST", "/v1/users", `{"email":"x","name":""}`, nil, 422, "invalid_input"},
		{"no content type", "POST", "/v1/users", bob, []string{"Content-Type", ""}, 415, "unsupported_media_type"},
		{"with a charset", "POST", "/v1/users", bob, []string{"Content-Type", "application/json; charset=utf-8"}, 201, ""},
		{"unknown field", "POST", "/v1/users", `{"email":"b@example.com","name":"B","admin":true}`, nil, 400, "malformed_body"},
		{"wrong type", "POST", "/v1/users", `{"email":1}`, nil, 400, "malformed_body"},
		{"cut off", "POST", "/v1/users", `{"email":`, nil, 400, "malformed_body"},
		{"two values", "POST", "/v1/users", bob + bob, nil, 400, "malformed_body"},
		{"too large", "POST", "/v1/users", `{"name":"` + strings.Repeat("a", 1000) + `"}`, nil, 413, "body_too_large"},
		{"get a user", "GET", "/v1/users/{user}", "", nil, 200, ""},
		{"head of a user", "HEAD", "/v1/users/{user}", "", nil, 200, ""},
		{"no such user", "GET", "/v1/users/" + absent, "", nil, 404, "user_not_found"},
		{"no identifier", "GET", "/v1/users/1", "", nil, 422, "invalid_input"},
		{"change a user", "PUT", "/v1/users/{user}", bob, []string{"If-Match", `"2"`}, 200, ""},
		{"change any version", "PUT", "/v1/users/{user}", bob, nil, 200, ""},
		{"stale version", "PUT", "/v1/users/{user}", bob, []string{"If-Match", `"1"`}, 412, "version_conflict"},
		{"malformed version", "PUT", "/v1/users/{user}", bob, []string{"If-Match", `2`}, 400, "malformed_if_match"},
		{"list users", "GET", "/v1/users?limit=1", "", nil, 200, ""},
		{"limit too high", "GET", "/v1/users?limit=101", "", nil, 422, "invalid_input"},
		{"limit of zero", "GET", "/v1/users?limit=0", "", nil, 422, "invalid_input"},
		{"malformed page", "GET", "/v1/users?after=1", "", nil, 422, "invalid_input"},
		{"place an order", "POST", "/v1/orders", order("{user}"), nil, 201, ""},
		{"order of nobody", "POST", "/v1/orders", order(absent), nil, 404, "user_not_found"},
		{"empty order", "POST", "/v1/orders", `{"user_id":"{user}","currency":"EUR","lines":[]}`, nil, 422, "invalid_input"},
		{"get an order", "GET", "/v1/orders/{order}", "", nil, 200, ""},
		{"no such order", "GET", "/v1/orders/" + absent, "", nil, 404, "order_not_found"},
		{"orders of a user", "GET", "/v1/users/{user}/orders", "", nil, 200, ""},
		{"orders of nobody", "GET", "/v1/users/" + absent + "/orders", "", nil, 404, "user_not_found"},
		{"pay", "PUT", "/v1/orders/{order}/status", `{"status":"paid"}`, []string{"If-Match", `"1"`}, 200, ""},
		{"ship unpaid", "PUT", "/v1/orders/{order}/status", `{"status":"shipped"}`, nil, 409, "status_change"},
		{"unknown status", "PUT", "/v1/orders/{order}/status", `{"status":"lost"}`, nil, 422, "invalid_input"},
		{"no such resource", "GET", "/v2/users", "", nil, 404, "no_such_resource"},
		{"no such method", "DELETE", "/v1/users", "", nil, 405, "method_not_allowed"},
		{"contract", "GET", "/openapi.yaml", "", nil, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			names := strings.NewReplacer("{user}", string(f.user.ID), "{order}", string(f.order.ID))
			a := f.do(t, tt.method, names.Replace(tt.path), names.Replace(tt.body), tt.headers...)
			if a.Code != tt.status {
				t.Fatalf("status %d, want %d: %s", a.Code, tt.status, a.Body)
			}
			if tt.code == "" {
				return
			}
			if got := a.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if a.body["code"] != tt.code || a.body["status"] != float64(tt.status) || a.body["title"] != http.StatusText(tt.status) {
				t.Errorf("problem %v, want code %s", a.body, tt.code)
			}
			if a.body["request_id"] != a.Header().Get(requestIDHeader) {
				t.Errorf("request id %v, header %q", a.body["request_id"], a.Header().Get(requestIDHeader))
			}
		})
	}
}

func TestCreatedRecordsCanBeFollowed(t *testing.T) {
	f := newFixture(t)
	created := f.do(t, "POST", "/v1/users", `{"email":"bob@example.com","name":"Bob"}`)
	got := f.do(t, "GET", created.Header().Get("Location"), "")
	if got.Code != 200 || got.body["name"] != "Bob" || got.Header().Get("ETag") != `"1"` {
		t.Fatalf("got %d %s, ETag %s", got.Code, got.Body, got.Header().Get("ETag"))
	}
	changed := f.do(t, "PUT", created.Header().Get("Location"), `{"email":"bob@example.com","name":"Rob"}`,
		"If-Match", got.Header().Get("ETag"))
	if changed.Code != 200 || changed.Header().Get("ETag") != `"2"` {
		t.Errorf("changed %d %s, ETag %s", changed.Code, changed.Body, changed.Header().Get("ETag"))
	}
}

func TestPagesFollowOneAnother(t *testing.T) {
	f := newFixture(t)
	for i := range 4 {
		f.do(t, "POST", "/v1/users", `{"email":"user`+strconv.Itoa(i)+`@example.com","name":"U"}`)
	}
	seen, target := 0, "/v1/users?limit=2"
	for pages := 1; ; pages++ {
		a := f.do(t, "GET", target, "")
		items, _ := a.body["items"].([]any)
		seen += len(items)
		next, more := a.body["next_after"].(string)
		if !more {
			if pages != 3 || seen != 5 {
				t.Errorf("%d pages, %d users", pages, seen)
			}
			return
		}
		target = "/v1/users?limit=2&after=" + next
	}
}

func TestEveryFieldErrorIsReported(t *testing.T) {
	a := newFixture(t).do(t, "POST", "/v1/users", `{"email":"x","name":""}`)
	errs, _ := a.body["errors"].([]any)
	if len(errs) != 2 {
		t.Errorf("errors %v", a.body["errors"])
	}
}
