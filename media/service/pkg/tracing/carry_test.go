package tracing_test

import (
	"maps"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"example.com/shopfront/pkg/tracing"
)

func TestCarriedTraceGoesOn(t *testing.T) {
	setup(t, "")()
	headers := map[string]string{
		"traceparent": "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01",
		"tracestate":  "vendor=1",
	}
	if got := tracing.Carry(tracing.Resume(t.Context(), headers)); !maps.Equal(got, headers) {
		t.Errorf("carried %v, want %v", got, headers)
	}
	if got := tracing.Carry(t.Context()); got != nil {
		t.Errorf("without a trace: carried %v", got)
	}
}

func TestBrokenHeadersCarryNoTrace(t *testing.T) {
	setup(t, "")()
	for _, parent := range []string{"", "00", "00-00000000000000000000000000000000-0102030405060708-01", "ff-x\n"} {
		ctx := tracing.Resume(t.Context(), map[string]string{"traceparent": parent})
		if trace.SpanContextFromContext(ctx).IsValid() {
			t.Errorf("%q was taken for a trace", parent)
		}
	}
}
