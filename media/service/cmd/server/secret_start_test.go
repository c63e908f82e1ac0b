package main

import (
	"io"
	"maps"
	"strings"
	"testing"
)

// assertStartFails checks that the service refuses the settings without showing
// the secret in them.
func assertStartFails(t *testing.T, settings map[string]string, hidden string) {
	t.Helper()
	all := map[string]string{"HTTP_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "GRPC_ADDR": "127.0.0.1:0"}
	maps.Copy(all, settings)
	err := run(t.Context(), nil, lookup(all), io.Discard)
	if err == nil || strings.Contains(err.Error(), hidden) {
		t.Errorf("got %v", err)
	}
}
