package main

import (
	"fmt"
	// scaffold:if postgres
	"io"
	"os"
	// scaffold:end
	"strings"
	"testing"

	// scaffold:if redis
	"github.com/alicebob/miniredis/v2"
	// scaffold:end
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// recordSpans keeps the spans of what is started after it.
func recordSpans(t *testing.T) *tracetest.InMemoryExporter {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	return spans
}

// stores are settings with every store that can be had here.
func stores(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	// scaffold:if postgres
	if os.Getenv("DATABASE_URL") != "" {
		settings["DATABASE_URL"] = newDatabase(t)
		if err := run(t.Context(), []string{"migrate"}, lookup(settings), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	// scaffold:end
	// scaffold:if redis
	settings["REDIS_URL"] = "redis://" + miniredis.RunT(t).Addr()
	// scaffold:end
	return settings
}

func TestNothingPersonalIsTraced(t *testing.T) {
	spans := recordSpans(t)
	settings := stores(t)
	i := start(t, settings)
	user, order := i.shop(t)
	const grace = `{"email":"grace@example.com","name":"Hopper"}`
	i.call(t, "PUT", "/v1/users/"+user, grace, 200)
	i.call(t, "GET", "/v1/users/"+user, "", 200)
	i.call(t, "POST", "/v1/users", grace, 409)
	i.call(t, "GET", "/v1/orders/"+order+"?email=grace@example.com", "", 200)
	i.stop(t)

	var names []string
	for _, span := range spans.GetSpans() {
		names = append(names, span.Name)
		for _, personal := range []string{"ada@example.com", "grace@example.com", "Hopper", user, order} {
			if text := fmt.Sprintf("%+v", span); strings.Contains(text, personal) {
				t.Errorf("%s holds %s: %s", span.Name, personal, text)
			}
		}
	}
	want := []string{"POST /v1/users", "GET /v1/users/{id}"}
	if settings["DATABASE_URL"] != "" {
		want = append(want, "INSERT", "UPDATE", "COMMIT", "pool.acquire")
	}
	if settings["REDIS_URL"] != "" {
		want = append(want, "get", "redis.pipeline set")
	}
	for _, name := range want {
		if all := strings.Join(names, ","); !strings.Contains(all, name) {
			t.Errorf("no span %s in %s", name, all)
		}
	}
}
