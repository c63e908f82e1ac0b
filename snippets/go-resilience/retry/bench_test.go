package retry

import (
	"context"
	"testing"
)

func BenchmarkRetryFirstTrySucceeds(b *testing.B) {
	ctx := b.Context()
	fn := func(context.Context) (int, error) { return 1, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Retry(ctx, RetryPolicy{}, fn); err != nil {
			b.Fatal(err)
		}
	}
}
