package calls

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
)

// sink keeps the results, so that no call can be optimised away.
var sink atomic.Int64

// Benchmark runs all rows; its names are read again by the program that
// prints the table.
func Benchmark(b *testing.B) {
	for _, row := range Rows {
		for _, goroutines := range row.Goroutines {
			for _, call := range row.Calls {
				b.Run(fmt.Sprintf("%s/%d/%s", row.Name, goroutines, call.Library), func(b *testing.B) {
					b.ReportAllocs()
					do := call.New(b.Context())
					if goroutines == 1 {
						alone(b, do, row.Rejected)
					} else {
						together(b, do, row.Rejected, goroutines)
					}
				})
			}
		}
	}
}

func alone(b *testing.B, do func() (int, error), rejected bool) {
	total := 0
	for b.Loop() {
		result, err := do()
		if (err != nil) != rejected {
			b.Fatal(err)
		}
		total += result
	}
	sink.Add(int64(total))
}

// together rounds the goroutines up to a multiple of GOMAXPROCS.
func together(b *testing.B, do func() (int, error), rejected bool, goroutines int) {
	processors := runtime.GOMAXPROCS(0)
	b.SetParallelism((goroutines + processors - 1) / processors)
	b.RunParallel(func(pb *testing.PB) {
		total := 0
		for pb.Next() {
			result, err := do()
			if (err != nil) != rejected {
				b.Error(err)
				return
			}
			total += result
		}
		sink.Add(int64(total))
	})
}

func TestCallsDoTheirWork(t *testing.T) {
	for _, row := range Rows {
		for _, call := range row.Calls {
			t.Run(row.Name+"/"+call.Library, func(t *testing.T) {
				do := call.New(t.Context())
				for range 3 {
					result, err := do()
					if (err != nil) != row.Rejected || (result == 1) == row.Rejected {
						t.Errorf("got %d, %v", result, err)
					}
				}
			})
		}
	}
}
