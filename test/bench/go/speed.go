package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	"example.com/go-architect/bench/calls"
)

// row is what is compared with each other.
type row struct {
	name       string
	goroutines string
}

// samples are the measurements of one library in one row.
type samples struct{ nanoseconds, allocations []float64 }

// speedTable reads the output of the benchmarks and prints it as Markdown,
// with the statistics of benchstat: medians, their 95 % confidence intervals
// and a Mann-Whitney U test of each difference.
func speedTable(output io.Reader) (string, error) {
	measured := map[row]map[string]*samples{}
	var rows []row
	var libraries []string
	reader := benchfmt.NewReader(output, "benchmarks")
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		at, library, err := parseName(result.Name)
		if err != nil {
			return "", err
		}
		if measured[at] == nil {
			measured[at] = map[string]*samples{}
			rows = append(rows, at)
		}
		if measured[at][library] == nil {
			measured[at][library] = &samples{}
		}
		if !slices.Contains(libraries, library) {
			libraries = append(libraries, library)
		}
		seconds, _ := result.Value("sec/op") // the reader turns ns into seconds
		allocations, _ := result.Value("allocs/op")
		sample := measured[at][library]
		sample.nanoseconds = append(sample.nanoseconds, seconds*1e9)
		sample.allocations = append(sample.allocations, allocations)
	}
	if err := reader.Err(); err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "", errors.New("no benchmark results")
	}
	for _, at := range rows {
		if measured[at][calls.Ours] == nil {
			return "", fmt.Errorf("%s, %s goroutines: nothing of ours to compare with", at.name, at.goroutines)
		}
	}
	return render(rows, libraries, measured), nil
}

// parseName takes "breaker,_closed/64/ours-2" apart.
func parseName(name benchfmt.Name) (row, string, error) {
	_, parts := name.Parts()
	if len(parts) < 3 {
		return row{}, "", fmt.Errorf("benchmark %q is not named row/goroutines/library", name)
	}
	part := func(i int) string { return strings.TrimPrefix(string(parts[i]), "/") }
	return row{strings.ReplaceAll(part(0), "_", " "), part(1)}, part(2), nil
}

func render(rows []row, libraries []string, measured map[row]map[string]*samples) string {
	var table strings.Builder
	n := len(measured[rows[0]][calls.Ours].nanoseconds)
	fmt.Fprintf(&table, "ns/op (median of %d, 95 %% confidence interval) · times ours, with ~ where p ≥ 0.05 · allocs/op\n\n", n)
	fmt.Fprintf(&table, "| call | goroutines | %s |\n|---|--:|%s\n", strings.Join(libraries, " | "), strings.Repeat("---|", len(libraries)))
	for _, at := range rows {
		fmt.Fprintf(&table, "| %s | %s |", at.name, at.goroutines)
		ours := measured[at][calls.Ours]
		for _, library := range libraries {
			if theirs := measured[at][library]; theirs == nil {
				table.WriteString(" |")
			} else {
				fmt.Fprintf(&table, " %s |", cell(ours, theirs))
			}
		}
		table.WriteString("\n")
	}
	return table.String()
}

func cell(ours, theirs *samples) string {
	time, summary := summarise(theirs.nanoseconds)
	_, allocations := summarise(theirs.allocations)
	decimals := 1
	if summary.Center >= 100 {
		decimals = 0
	}
	text := fmt.Sprintf("%.*f ±%s", decimals, summary.Center, summary.PctRangeString())
	if ours != theirs {
		ourTime, ourSummary := summarise(ours.nanoseconds)
		approximately := ""
		if comparison := benchmath.AssumeNothing.Compare(ourTime, time); comparison.P >= comparison.Alpha {
			approximately = "~"
		}
		text += fmt.Sprintf(" · %s%.2f×", approximately, summary.Center/ourSummary.Center)
	}
	return fmt.Sprintf("%s · %.0f", text, allocations.Center)
}

func summarise(values []float64) (*benchmath.Sample, benchmath.Summary) {
	sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	return sample, benchmath.AssumeNothing.Summary(sample, 0.95)
}
