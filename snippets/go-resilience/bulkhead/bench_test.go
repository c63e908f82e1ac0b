package bulkhead

import (
	"context"
	"testing"
)

func BenchmarkBulkheadFree(b *testing.B) {
	ctx := b.Context()
	bulkhead := newTestBulkhead(b, BulkheadConfig{Limit: 1})
	fn := func(context.Context) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CallBulkhead(ctx, bulkhead, fn); err != nil {
			b.Fatal(err)
		}
	}
}
