package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestSpansQuoteNoParameters(t *testing.T) {
	const email = "ada@example.com"
	const sql = "SELECT id FROM users WHERE age = $1"
	for name, err := range map[string]error{
		"server": &pgconn.PgError{Code: "22P02", Message: `invalid input syntax for type integer: "` + email + `"`, Detail: email},
		"client": fmt.Errorf("encode: %w", errors.New("unable to encode "+email)),
	} {
		t.Run(name, func(t *testing.T) {
			spans := tracetest.NewInMemoryExporter()
			otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
			ctx, request := otel.Tracer("test").Start(t.Context(), "request")
			tr := newTracer()
			args := []any{email}
			tr.TraceQueryEnd(tr.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: sql, Args: args}), nil,
				pgx.TraceQueryEndData{Err: err})
			batch := tr.TraceBatchStart(ctx, nil, pgx.TraceBatchStartData{})
			tr.TraceBatchQuery(batch, nil, pgx.TraceBatchQueryData{SQL: sql, Args: args, Err: err})
			tr.TraceBatchEnd(batch, nil, pgx.TraceBatchEndData{Err: err})
			tr.TraceCopyFromEnd(tr.TraceCopyFromStart(ctx, nil, pgx.TraceCopyFromStartData{TableName: pgx.Identifier{"users"}}), nil,
				pgx.TraceCopyFromEndData{Err: err})
			request.End()

			got := spans.GetSpans()
			if len(got) != 5 {
				t.Fatalf("%d spans, want 5", len(got))
			}
			for _, span := range got {
				if text := fmt.Sprintf("%+v", span); strings.Contains(text, email) {
					t.Errorf("%s has the parameter: %s", span.Name, text)
				}
				if span.Name != "request" && span.Status.Code != codes.Error {
					t.Errorf("%s hides the failure", span.Name)
				}
			}
			if query := fmt.Sprintf("%+v", got[0]); !strings.Contains(query, sql) || name == "server" && !strings.Contains(query, "22P02") {
				t.Errorf("the span does not say what failed and how: %s", query)
			}
		})
	}
}

func TestStatementsOutsideOfARequestAreNotTraced(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	tr := newTracer()
	tr.TraceQueryEnd(tr.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: "SELECT 1"}), nil, pgx.TraceQueryEndData{})
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("%d spans", len(got))
	}
}
