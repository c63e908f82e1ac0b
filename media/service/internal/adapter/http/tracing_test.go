package http

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestSpans(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	defer otel.SetTracerProvider(before)

	f := newFixture(t)
	f.do(t, "GET", "/v1/users/"+string(f.user.ID), "", "Traceparent", "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01")
	f.store.Before = func(context.Context, string) error { return errors.New("bob@example.com is broken") }
	f.do(t, "GET", "/v1/users/"+string(f.user.ID), "")

	got := spans.GetSpans()
	if len(got) != 2 {
		t.Fatalf("%d spans, want 2", len(got))
	}
	if name := got[0].Name; name != "GET /v1/users/{id}" {
		t.Errorf("name %q", name)
	}
	if id := got[0].SpanContext.TraceID().String(); id != "0102030405060708090a0b0c0d0e0f10" {
		t.Errorf("the caller's trace became %s", id)
	}
	if got[0].Status.Code == codes.Error || got[1].Status.Code != codes.Error {
		t.Errorf("statuses %v and %v", got[0].Status, got[1].Status)
	}
	for _, span := range got {
		for _, attribute := range span.Attributes {
			if v := attribute.Value.String(); strings.Contains(v, "bob") || strings.Contains(v, string(f.user.ID)) {
				t.Errorf("personal data in %s", attribute.Key)
			}
		}
	}
}
