package main

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
)

func TestUsersAreCached(t *testing.T) {
	server := miniredis.RunT(t)
	i := start(t, map[string]string{"REDIS_URL": "redis://" + server.Addr()})
	defer i.stop(t) // before Redis
	user, _ := i.shop(t)
	server.FlushAll() // forget that the user has just changed
	for range 2 {
		i.call(t, "GET", "/v1/users/"+user, "", 200)
	}
	if !server.Exists("user:1:" + user) {
		t.Errorf("keys %v", server.Keys())
	}
	server.SetError("LOADING")
	i.call(t, "GET", "/v1/users/"+user, "", 200) // the store answers
	i.await(t, "/readyz", 200)                   // and the service stays ready
}

func TestBrokenRedisURLIsNotShown(t *testing.T) {
	assertStartFails(t, map[string]string{"REDIS_URL": "http://:hunter2@cache"}, "hunter2")
}
