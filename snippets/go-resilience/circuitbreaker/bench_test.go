package circuitbreaker

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func benchmarkBreaker(b *testing.B, breaker *Breaker, rejected bool) {
	ctx := b.Context()
	succeed := func(context.Context) (int, error) { return 1, nil }
	b.Run("goroutines=1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := CallBreaker(ctx, breaker, succeed); (err != nil) != rejected {
				b.Fatal(err)
			}
		}
	})
	b.Run("goroutines=64", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := CallBreaker(ctx, breaker, succeed); (err != nil) != rejected {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkBreakerClosed(b *testing.B) {
	breaker, err := NewBreaker(BreakerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	benchmarkBreaker(b, breaker, false)
}

func BenchmarkBreakerOpen(b *testing.B) {
	breaker, err := NewBreaker(BreakerConfig{ConsecutiveFailures: 1, OpenFor: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	failBreaker(b, breaker, 1)
	benchmarkBreaker(b, breaker, true)
}
