package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"example.com/shopfront/internal/infrastructure/redis"
)

func TestSpansHoldNoKeysOrValues(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	server := miniredis.RunT(t)
	server.RequireUserAuth("app", "hunter2")
	client, err := redis.Open(redis.Config{URL: "redis://app:hunter2@" + server.Addr(), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	const email = "ada@example.com"
	if err := redis.Ping(client)(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), "user:"+email, email, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Incr(t.Context(), "user:"+email).Err(); err == nil {
		t.Fatal("an address was counted")
	}
	pipeline := client.Pipeline()
	pipeline.Get(t.Context(), "user:"+email)
	if _, err := pipeline.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, span := range spans.GetSpans() {
		names = append(names, span.Name)
		for _, hidden := range []string{email, "hunter2"} {
			if text := fmt.Sprintf("%+v", span); strings.Contains(text, hidden) {
				t.Errorf("%s holds %s: %s", span.Name, hidden, text)
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "redis.dial" })
	if want := []string{"set", "incr", "redis.pipeline get"}; !slices.Equal(names, want) {
		t.Errorf("spans %q, want %q", names, want)
	}
}
