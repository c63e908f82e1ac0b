package service

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

func TestUsersOverHTTP(t *testing.T) {
	t.Parallel()
	p := start(t, migrated(t).settings)

	created := p.send(request{method: http.MethodPost, path: "/v1/users", body: object{"email": "ada@example.com", "name": "Ada"}})
	wantStatus(t, created, http.StatusCreated)
	path := fmt.Sprintf("/v1/users/%s", created.body["id"])
	if got := created.header.Get("Location"); got != path {
		t.Errorf("location = %q, want %q", got, path)
	}

	found := p.get(path)
	wantStatus(t, found, http.StatusOK)
	if found.body["name"] != "Ada" || found.header.Get("ETag") != `"1"` {
		t.Errorf("user = %v, ETag %s", found.body, found.header.Get("ETag"))
	}

	change := request{
		method: http.MethodPut, path: path, body: object{"email": "ada@example.com", "name": "Ada L"},
		header: map[string]string{"If-Match": `"1"`},
	}
	updated := p.send(change)
	wantStatus(t, updated, http.StatusOK)
	if updated.body["name"] != "Ada L" || updated.header.Get("ETag") != `"2"` {
		t.Errorf("user = %v, ETag %s", updated.body, updated.header.Get("ETag"))
	}
	if parseTime(t, updated.body["updated_at"]).Before(parseTime(t, created.body["updated_at"])) {
		t.Errorf("the user was updated at %v, before %v", updated.body["updated_at"], created.body["updated_at"])
	}
	wantProblem(t, p.send(change), http.StatusPreconditionFailed, "version_conflict")

	taken := p.send(request{method: http.MethodPost, path: "/v1/users", body: object{"email": "ADA@example.com", "name": "Eve"}})
	wantProblem(t, taken, http.StatusConflict, "email_taken")
	missing := p.get("/v1/users/00000000-0000-7000-8000-000000000000")
	wantProblem(t, missing, http.StatusNotFound, "user_not_found")
	wantProblem(t, p.get("/v2/nothing"), http.StatusNotFound, "no_such_resource")
	malformed := p.send(request{method: http.MethodPost, path: "/v1/users", body: `{"email":`})
	wantProblem(t, malformed, http.StatusBadRequest, "malformed_body")

	invalid := p.send(request{method: http.MethodPost, path: "/v1/users", body: object{"email": "nobody", "name": ""}})
	wantProblem(t, invalid, http.StatusUnprocessableEntity, "invalid_input")
	fields := []any{}
	for _, e := range invalid.body["errors"].([]any) {
		fields = append(fields, e.(map[string]any)["field"])
	}
	if !slices.Contains(fields, any("email")) || !slices.Contains(fields, any("name")) {
		t.Errorf("problems of fields %v, want email and name", fields)
	}
}

func TestOrdersOverHTTP(t *testing.T) {
	t.Parallel()
	p := start(t, migrated(t).settings)
	user := p.createUser("ada")
	order := p.placeOrder(user["id"])
	if order["status"] != "pending" || order["total"] != float64(998) {
		t.Errorf("order = %v", order)
	}
	path := fmt.Sprintf("/v1/orders/%s", order["id"])
	to := func(status string) request {
		return request{method: http.MethodPut, path: path + "/status", body: object{"status": status}}
	}
	wantProblem(t, p.send(to("shipped")), http.StatusConflict, "status_change")
	wantStatus(t, p.send(to("paid")), http.StatusOK)
	wantStatus(t, p.send(to("paid")), http.StatusOK) // asking twice changes nothing
	if got := p.get(path); got.body["status"] != "paid" || got.body["version"] != float64(2) {
		t.Errorf("order = %v", got.body)
	}
	unknown := p.send(request{method: http.MethodPost, path: "/v1/orders", body: object{
		"user_id": "00000000-0000-7000-8000-000000000000", "currency": "EUR",
		"lines": []object{{"sku": "tea-1", "quantity": 1, "unit_price": 1}},
	}})
	wantProblem(t, unknown, http.StatusNotFound, "user_not_found")
}

func TestPagesOverHTTP(t *testing.T) {
	t.Parallel()
	p := start(t, migrated(t).settings)
	user := p.createUser("ada")
	var want []any
	for range 5 {
		want = append(want, p.placeOrder(user["id"])["id"])
	}
	var got []any
	after, pages := "", 0
	for {
		page := p.get(fmt.Sprintf("/v1/users/%s/orders?limit=2&after=%s", user["id"], after))
		wantStatus(t, page, http.StatusOK)
		for _, item := range page.body["items"].([]any) {
			got = append(got, item.(map[string]any)["id"])
		}
		pages++
		next, more := page.body["next_after"]
		if !more {
			break
		}
		after = next.(string)
	}
	if !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%d pages with %v, want 3 with %v", pages, got, want)
	}
	tooMany := p.get("/v1/users?limit=101")
	wantProblem(t, tooMany, http.StatusUnprocessableEntity, "invalid_input")
}
