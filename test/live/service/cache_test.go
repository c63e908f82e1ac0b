package service

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestReadsComeFromTheCache(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	p := start(t, w.settings)
	user := p.createUser("ada")
	path := fmt.Sprintf("/v1/users/%s", user["id"])
	p.get(path)

	keys, err := openRedis(t).Keys(t.Context(), fmt.Sprintf("*%s*", user["id"])).Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("Redis has the keys %v of the user, want one; %v", keys, err)
	}
	// What the service cannot see proves where it reads from.
	if _, err := w.database.Exec(t.Context(), "UPDATE users SET name = 'Changed'"); err != nil {
		t.Fatal(err)
	}
	if got := p.get(path); got.body["name"] != "ada" {
		t.Errorf("name = %v, want the one in the cache", got.body["name"])
	}
	if page := p.metrics(); !strings.Contains(page, `cache_reads_total{outcome="hit"} 1`) {
		t.Errorf("the metrics have no hit:\n%s", page)
	}
}

func TestNoReadIsOlderThanAnUpdateBeforeIt(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	writing := start(t, w.settings)
	reading := start(t, w.settings) // another instance
	user := writing.createUser("ada")
	path := fmt.Sprintf("/v1/users/%s", user["id"])

	for version := 2; version <= 30; version++ {
		updated := writing.send(request{method: http.MethodPut, path: path, body: object{
			"email": "ada@example.com", "name": fmt.Sprintf("Ada %d", version),
		}})
		wantStatus(t, updated, http.StatusOK)
		var readers sync.WaitGroup
		for range 4 {
			for _, p := range []*process{writing, reading} {
				readers.Go(func() {
					got, err := p.try(client, request{method: http.MethodGet, path: path})
					if err != nil || got.body["version"] != float64(version) {
						t.Errorf("after the update to version %d a reader got %v, %v", version, got.body["version"], err)
					}
				})
			}
		}
		readers.Wait()
	}
}

func TestReadsGoOnWithoutTheCache(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	p := start(t, w.settings.with(settings{"REDIS_URL": "redis://" + unreachable(t) + "/0"}))
	user := p.createUser("ada")
	wantStatus(t, p.get(fmt.Sprintf("/v1/users/%s", user["id"])), http.StatusOK)
}
