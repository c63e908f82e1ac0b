// Package tracing sets up OpenTelemetry traces.
package tracing

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
)

// Setup passes trace contexts on between services and, when endpoint is not
// empty, exports spans. The exporter reads the standard OTEL_EXPORTER_OTLP_* and
// OTEL_TRACES_SAMPLER variables. The returned function sends
// what is left; onError hears of spans that could not be sent.
func Setup(ctx context.Context, service, version, endpoint string, onError func(error)) (shutdown func(context.Context) error, err error) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(onError))
	if endpoint == "" {
		return func(context.Context) error { return nil }, nil
	}
	attributes, err := resource.Merge(resource.Default(), resource.NewSchemaless(
		semconv.ServiceName(service), semconv.ServiceVersion(version),
	))
	if err != nil {
		return nil, fmt.Errorf("describe the service: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the trace exporter: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(attributes))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}
