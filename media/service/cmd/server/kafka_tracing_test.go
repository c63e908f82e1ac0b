package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestOneTraceFromTheRequestToTheConsumer lets the service listen to its own
// events. The trace must survive the store, where the event waits.
func TestOneTraceFromTheRequestToTheConsumer(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	spans := recordSpans(t)
	settings := stores(t)
	settings["KAFKA_BROKERS"] = strings.Join(cluster.ListenAddrs(), ",")
	settings["KAFKA_PAYMENTS_TOPIC"] = "orders.events"
	settings["OUTBOX_INTERVAL"] = "5ms"
	i := start(t, settings)
	defer i.stop(t) // before the brokers
	user := fmt.Sprint(i.call(t, "POST", "/v1/users", `{"email":"ada@example.com","name":"Ada"}`, 201)["id"])
	i.call(t, "POST", "/v1/orders", `{"user_id":"`+user+`","currency":"EUR","lines":[{"sku":"tea","quantity":1,"unit_price":1}]}`, 201)

	var request tracetest.SpanStub
	find := func(name string) (found tracetest.SpanStub, ok bool) {
		for _, span := range spans.GetSpans() {
			if span.Name == name && (name == "POST /v1/orders" || span.SpanContext.TraceID() == request.SpanContext.TraceID()) {
				return span, true
			}
		}
		return found, false
	}
	i.eventually(t, "the span of the request", func() (ok bool) {
		request, ok = find("POST /v1/orders")
		return ok
	})
	parent := request
	for _, name := range []string{"orders.events publish", "orders.events receive", "orders.events process"} {
		var span tracetest.SpanStub
		i.eventually(t, name+" in the trace of the request", func() (ok bool) {
			span, ok = find(name)
			return ok
		})
		if span.Parent.SpanID() != parent.SpanContext.SpanID() {
			t.Errorf("%s is not a child of %s", name, parent.Name)
		}
		parent = span
	}
	if settings["DATABASE_URL"] == "" {
		return
	}
	for _, name := range []string{"BEGIN", "SELECT", "INSERT", "COMMIT"} {
		if _, ok := find(name); !ok {
			t.Errorf("%s is not in the trace of the request", name)
		}
	}
}
