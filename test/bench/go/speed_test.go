package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestSpeedTable(t *testing.T) {
	var output strings.Builder
	for i := range 10 {
		fmt.Fprintf(&output, "Benchmark/breaker,_closed/64/ours-2 \t 1000 \t %d.0 ns/op \t 0 B/op \t 0 allocs/op\n", 48+i%5)
		fmt.Fprintf(&output, "Benchmark/breaker,_closed/64/circuit-2 \t 1000 \t %d.0 ns/op \t 16 B/op \t 1 allocs/op\n", 148+i%5)
		fmt.Fprintf(&output, "Benchmark/retry/1/ours-2 \t 1000 \t %d.0 ns/op \t 0 B/op \t 0 allocs/op\n", 8+i%5)
		fmt.Fprintf(&output, "Benchmark/retry/1/retry-go-2 \t 1000 \t %d.0 ns/op \t 0 B/op \t 0 allocs/op\n", 8+i%5)
	}
	got, err := speedTable(strings.NewReader(output.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"median of 10",
		"| call | goroutines | ours | circuit | retry-go |\n|---|--:|---|---|---|\n",
		"| breaker, closed | 64 | 50.0 ±4% · 0 | 150 ±1% · 3.00× · 1 | |\n",
		"| retry | 1 | 10.0 ±20% · 0 | | 10.0 ±20% · ~1.00× · 0 |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, wrong := range []string{"", "BenchmarkOther-2 1000 5.0 ns/op\n", "Benchmark/retry/1/backoff-2 1000 5.0 ns/op\n"} {
		if got, err := speedTable(strings.NewReader(wrong)); err == nil {
			t.Errorf("no error for %q but\n%s", wrong, got)
		}
	}
}
