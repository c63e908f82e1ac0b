package rules

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/go-architect/bench/calls"
)

var tableFile = flag.String("table", "", "where TestTable writes its Markdown")

// patience is what a probe gets before it counts as hanging; those that pass
// take a fraction of a second.
const patience = 20 * time.Second

// verdict is a library's answer to a rule.
type verdict struct{ mark, reason string }

const (
	passes    = "✓"
	partly    = "(✓)" // passes what can be asked; the rest of the rule has no counterpart
	fails     = "✗"
	notAsked  = "n/a"
	tableHead = passes + " keeps the rule · " + partly + " keeps the part that its interface has · " +
		fails + " breaks it · " + notAsked + " its interface gives no way to ask; the reasons are below each table\n"
)

// TestTable asks every rule of every library, each in a process of its own,
// so that a hang, a panic or a fatal error is a result as well.
func TestTable(t *testing.T) {
	if *tableFile == "" {
		t.Skip("no -table")
	}
	var text strings.Builder
	text.WriteString(tableHead)
	for _, p := range patterns() {
		verdicts := askAll(t, p.checks)
		writeTable(&text, p, verdicts)
		for i, c := range p.checks {
			if c.library.name == calls.Ours && verdicts[i].mark != passes {
				t.Errorf("ours break %s: %s", c.id, verdicts[i].reason)
			}
		}
	}
	if err := os.WriteFile(*tableFile, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func askAll(t *testing.T, checks []check) []verdict {
	verdicts := make([]verdict, len(checks))
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i, c := range checks {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			verdicts[i] = ask(t.Context(), c)
		})
	}
	wg.Wait()
	return verdicts
}

func ask(ctx context.Context, c check) verdict {
	if reason := c.cannot(); reason != "" {
		return verdict{notAsked, reason}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*patience) // if even the test's own timeout cannot end it
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-peers",
		fmt.Sprintf("-test.run=^TestRules$/^%s$/^%s$", c.id, c.library.name), "-test.timeout="+patience.String(), "-test.v")
	output, err := command.CombinedOutput()
	switch {
	case err != nil:
		return verdict{fails, reasonIn(string(output))}
	case !strings.Contains(string(output), "--- PASS: TestRules/"+c.name()):
		return verdict{fails, "the probe did not run"}
	case c.library.lacks[c.id] != "":
		return verdict{partly, c.library.lacks[c.id]}
	}
	return verdict{passes, ""}
}

var (
	message    = regexp.MustCompile(`(?m)^\s+\w+_test\.go:\d+: (.*)$`)
	fatalError = regexp.MustCompile(`(?m)^\s*(fatal error: .*)$`)
	panicked   = regexp.MustCompile(`(?m)^\s*(panic: .*?)(?: \[recovered.*)?$`)
)

func reasonIn(output string) string {
	if strings.Contains(output, "panic: test timed out") {
		return "hangs"
	}
	for _, pattern := range []*regexp.Regexp{message, fatalError, panicked} {
		if found := pattern.FindStringSubmatch(output); found != nil {
			return oneLine(found[1])
		}
	}
	return oneLine(output)
}

func writeTable(text *strings.Builder, p pattern, verdicts []verdict) {
	var libraries []library
	for _, c := range p.checks {
		if c.id == p.checks[0].id {
			libraries = append(libraries, c.library)
		}
	}
	fmt.Fprintf(text, "\n### %s\n\n| rule | what is asked |", p.title)
	for _, l := range libraries {
		fmt.Fprintf(text, " %s |", l.name)
	}
	fmt.Fprintf(text, "\n|---|---|%s", strings.Repeat(":-:|", len(libraries)))
	kept, asked := make([]int, len(libraries)), make([]int, len(libraries))
	for i, c := range p.checks {
		column := i % len(libraries)
		if column == 0 {
			fmt.Fprintf(text, "\n| %s | %s |", c.id, c.asks)
		}
		fmt.Fprintf(text, " %s |", verdicts[i].mark)
		if mark := verdicts[i].mark; mark != notAsked {
			asked[column]++
			if mark != fails {
				kept[column]++
			}
		}
	}
	text.WriteString("\n| | kept, wholly or in part, of those asked |")
	for column := range libraries {
		fmt.Fprintf(text, " %d/%d |", kept[column], asked[column])
	}
	text.WriteString("\n\n")
	for column, l := range libraries {
		fmt.Fprintf(text, "**%s**: %s.\n", l.name, l.settings)
		for i := column; i < len(p.checks); i += len(libraries) {
			if v := verdicts[i]; v.mark != passes {
				fmt.Fprintf(text, "- %s %s: %s\n", v.mark, p.checks[i].id, v.reason)
			}
		}
		text.WriteString("\n")
	}
}

// TestReasonIn makes sure that the notes say what went wrong.
func TestReasonIn(t *testing.T) {
	for output, want := range map[string]string{
		"    --- FAIL: TestRules/R-1/x (0.00s)\n        retry_rules_test.go:20: 3 calls\n":             "3 calls",
		"--- FAIL: TestRules\npanic: boom [recovered, repanicked]\n\ngoroutine 7":                      "panic: boom",
		"panic: hook\n\tfatal error: sync: unlock of unlocked mutex\n\ngoroutine 7":                    "fatal error: sync: unlock of unlocked mutex",
		"panic: test timed out after 10s\n\trunning tests:\n\t\tTestRules/CB-2/x (10s)\n":              "hangs",
		"    a_test.go:1: first\n    b_test.go:2: second\npanic: deadlock: main bubble goroutine left": "first",
	} {
		if got := reasonIn(output); got != want {
			t.Errorf("reason in %q = %q, want %q", output, got, want)
		}
	}
	if got := reasonIn(strings.Repeat("ä\n", 100)); len(got) > 170 || !utf8.ValidString(got) || strings.Contains(got, "\n") {
		t.Errorf("a long text becomes %q", got)
	}
}
