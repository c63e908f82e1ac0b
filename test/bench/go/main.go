// The program prints two things about the resilience patterns beside the
// libraries that people would use instead: what a call costs, and which of
// the patterns' numbered rules each library keeps.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	count := flag.Int("count", 10, "how often each benchmark runs")
	benchtime := flag.Duration("benchtime", 500*time.Millisecond, "how long each run lasts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *count, *benchtime); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, count int, benchtime time.Duration) error {
	if count < 1 {
		return fmt.Errorf("-count is %d, want at least 1", count)
	}
	folder, err := os.MkdirTemp("", "go-architect-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	versions, err := output(ctx, "go", "list", "-m", "-f",
		"{{if not (or .Main .Indirect .Replace)}}{{.Path}} {{.Version}}{{end}}", "all")
	if err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, GOMAXPROCS %d\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
	for module := range strings.Lines(versions) {
		if strings.TrimSpace(module) != "" && !strings.HasPrefix(module, "golang.org/x/perf ") { // benchstat is no peer
			fmt.Print("- ", module)
		}
	}
	speed, err := measure(ctx, filepath.Join(folder, "calls.test"), count, benchtime)
	if err != nil {
		return err
	}
	fmt.Printf("\n## What a call costs\n\n%s\n", speed)
	rules, err := judge(ctx, filepath.Join(folder, "rules.test"), filepath.Join(folder, "rules.md"))
	fmt.Printf("## Who keeps which rule\n\n%s", rules)
	return err
}

// measure runs all benchmarks once per round, so that a slow moment of the
// machine does not hit one library alone.
func measure(ctx context.Context, binary string, count int, benchtime time.Duration) (string, error) {
	if _, err := output(ctx, "go", "test", "-c", "-o", binary, "./calls"); err != nil {
		return "", err
	}
	var results strings.Builder
	for round := range count {
		fmt.Fprintf(os.Stderr, "benchmarks, round %d of %d\n", round+1, count)
		text, err := output(ctx, binary, "-test.run=^$", "-test.bench=.", "-test.benchtime="+benchtime.String())
		if err != nil {
			return "", err
		}
		results.WriteString(text)
	}
	return speedTable(strings.NewReader(results.String()))
}

// judge returns the table also when one of our own rules does not hold.
func judge(ctx context.Context, binary, table string) (string, error) {
	if _, err := output(ctx, "go", "test", "-c", "-o", binary, "./rules"); err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "rules, each of each library in a process of its own")
	_, failed := output(ctx, binary, "-test.run=^TestTable$", "-table="+table)
	text, err := os.ReadFile(table)
	return string(text), errors.Join(failed, err)
}

// output runs a program and returns what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	var stderr strings.Builder
	command := exec.CommandContext(ctx, name, args...)
	command.Stderr = &stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 5 * time.Second
	stdout, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stdout, stderr.String())
	}
	return string(stdout), nil
}
