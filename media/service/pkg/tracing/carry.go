package tracing

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// Carry returns the trace context of ctx as headers, to be kept with work that
// is done later. It is nil when ctx is in no trace.
func Carry(ctx context.Context) map[string]string {
	headers := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, headers)
	if len(headers) == 0 {
		return nil
	}
	return headers
}

// Resume returns ctx in the trace that the headers carry, if they carry one.
func Resume(ctx context.Context, headers map[string]string) context.Context {
	return otel.GetTextMapPropagator().Extract(ctx, propagation.MapCarrier(headers))
}
