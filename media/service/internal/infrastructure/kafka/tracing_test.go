package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"example.com/shopfront/internal/infrastructure/kafka"
)

// TestTraceGoesOnWithTheMessage follows a message to its dead letter: each span
// is the child of the one before.
func TestTraceGoesOnWithTheMessage(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	const traceID, email = "0102030405060708090a0b0c0d0e0f10", "ada@example.com"

	_, c := newCluster(t)
	m := message(email, email)
	m.Headers["traceparent"] = "00-" + traceID + "-0102030405060708-01"
	send(t, c, m)
	var inHandler oteltrace.SpanContext
	r := start(t, c, func(ctx context.Context, _ kafka.Message) error {
		inHandler = oteltrace.SpanContextFromContext(ctx)
		return kafka.Permanent(errors.New("no such user: " + email))
	})
	letter := read(t, c, letters, 1)[0]
	r.stop(t)

	byName := map[string]tracetest.SpanStub{}
	for _, span := range spans.GetSpans() {
		byName[span.Name] = span
		if text := fmt.Sprintf("%+v", span); strings.Contains(text, email) {
			t.Errorf("%s holds what is in the message: %s", span.Name, text)
		}
	}
	parent := "0102030405060708"
	for _, name := range []string{topic + " publish", topic + " receive", topic + " process", letters + " publish"} {
		span, ok := byName[name]
		if !ok || span.SpanContext.TraceID().String() != traceID || span.Parent.SpanID().String() != parent {
			t.Fatalf("%s: found %v, trace %s, parent %s; want parent %s in %v",
				name, ok, span.SpanContext.TraceID(), span.Parent.SpanID(), parent, byName)
		}
		parent = span.SpanContext.SpanID().String()
	}
	process := byName[topic+" process"]
	if process.Status.Code != codes.Error || !process.SpanContext.Equal(inHandler) {
		t.Errorf("status %v; the handler ran in %v, not in %v", process.Status, inHandler, process.SpanContext)
	}
	if got := header(letter, "traceparent"); got != "00-"+traceID+"-"+parent+"-01" {
		t.Errorf("the letter carries %s", got)
	}
}
