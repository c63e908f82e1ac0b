package logger_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"example.com/shopfront/pkg/logger"
)

func TestRecordsCarryRequestAndTrace(t *testing.T) {
	var out bytes.Buffer
	log := logger.New(&out, slog.LevelInfo, false).With("component", "test")

	ctx := logger.WithRequestID(t.Context(), "req-1")
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	log.InfoContext(trace.ContextWithSpanContext(ctx, span), "hello")

	var record map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"msg":        "hello",
		"component":  "test",
		"request_id": "req-1",
		"trace_id":   "01000000000000000000000000000000",
		"span_id":    "0200000000000000",
	}
	for key, value := range want {
		if record[key] != value {
			t.Errorf("%s = %v, want %s", key, record[key], value)
		}
	}
}

func TestSensitiveValuesAreHidden(t *testing.T) {
	for _, text := range []bool{false, true} {
		var out bytes.Buffer
		log := logger.New(&out, slog.LevelInfo, text)
		log.Info("m", "user_email", "ada@example.com", slog.Group("db", "Password", "hunter2"))
		if s := out.String(); bytes.Contains(out.Bytes(), []byte("ada@")) || bytes.Contains(out.Bytes(), []byte("hunter2")) {
			t.Errorf("text=%v: sensitive value in %s", text, s)
		}
		if !bytes.Contains(out.Bytes(), []byte(logger.Hidden)) {
			t.Errorf("text=%v: %q missing in %s", text, logger.Hidden, out.String())
		}
	}
}

func TestLevel(t *testing.T) {
	var out bytes.Buffer
	logger.New(&out, slog.LevelWarn, true).Info("quiet")
	if out.Len() != 0 {
		t.Errorf("a record below the level was written: %s", out.String())
	}
}
