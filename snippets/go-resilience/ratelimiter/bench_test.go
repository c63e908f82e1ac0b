package ratelimiter

import (
	"runtime"
	"testing"
)

func BenchmarkRateLimiterAllow(b *testing.B) {
	l := newTestRateLimiter(b, RateLimiterConfig{Rate: 1e6, Burst: 1 << 30})
	b.Run("goroutines=1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !l.Allow() {
				b.Fatal("denied")
			}
		}
	})
	b.Run("goroutines=64", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if !l.Allow() {
					b.Error("denied")
					return
				}
			}
		})
	})
}
