package tracing_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"example.com/shopfront/pkg/tracing"
)

func setup(t *testing.T, endpoint string) (finish func()) {
	t.Helper()
	shutdown, err := tracing.Setup(t.Context(), "test", "v1", endpoint, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestWithoutAnEndpointNothingIsRecorded(t *testing.T) {
	finish := setup(t, "")
	_, span := otel.Tracer("test").Start(t.Context(), "work")
	if span.IsRecording() {
		t.Error("a span is recorded")
	}
	span.End()
	finish()
	header := propagation.HeaderCarrier{}
	header.Set("traceparent", "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01")
	onward := propagation.HeaderCarrier{}
	propagator := otel.GetTextMapPropagator()
	propagator.Inject(propagator.Extract(t.Context(), header), onward)
	if onward.Get("traceparent") != header.Get("traceparent") {
		t.Errorf("the caller's trace is not passed on: %v", onward)
	}
}

func TestShutdownSendsWhatIsLeft(t *testing.T) {
	paths := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path }))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)

	finish := setup(t, collector.URL)
	_, span := otel.Tracer("test").Start(t.Context(), "work")
	span.End()
	finish()
	if got := <-paths; got != "/v1/traces" {
		t.Errorf("sent to %s", got)
	}
}
