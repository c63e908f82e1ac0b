// Package rules asks our patterns and other libraries the numbered rules of
// the patterns: circuit breaker (CB), retry (R), bulkhead (B) and rate
// limiter (RL). A probe asks for behaviour, never for a name or a type.
package rules

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"example.com/go-architect/bench/calls"
)

var peers = flag.Bool("peers", false, "ask the other libraries too, whose answers are findings and not failures")

var errTest = errors.New("the dependency failed")

// library is what all patterns need to know of a library.
type library struct {
	name     string
	settings string            // how it is set up, in words
	cannot   map[string]string // rules that it gives no way to ask, and why
	lacks    map[string]string // rules of which it has only a part, and what is missing
}

func (l library) about() library { return l }

type rule[L any] struct {
	id, asks string
	probe    func(*testing.T, L)
}

// check is one rule to be asked of one library.
type check struct {
	id, asks string
	library  library
	run      func(*testing.T)
}

func (c check) cannot() string { return c.library.cannot[c.id] }

func (c check) name() string { return c.id + "/" + c.library.name }

// pattern is one table.
type pattern struct {
	title  string
	checks []check // library by library within each rule
}

func newPattern[L interface{ about() library }](title string, rules []rule[L], libraries []L) pattern {
	p := pattern{title: title}
	for _, r := range rules {
		for _, l := range libraries {
			p.checks = append(p.checks, check{r.id, r.asks, l.about(), func(t *testing.T) { r.probe(t, l) }})
		}
	}
	return p
}

func patterns() []pattern {
	return []pattern{
		newPattern("Circuit breaker", breakerRules, breakerLibraries),
		newPattern("Retry", retryRules, retryLibraries),
		newPattern("Bulkhead", bulkheadRules, bulkheadLibraries),
		newPattern("Rate limiter", limiterRules, limiterLibraries),
	}
}

// TestRules fails when ours break a rule.
func TestRules(t *testing.T) {
	for _, p := range patterns() {
		for _, c := range p.checks {
			if c.library.name != calls.Ours && !*peers {
				continue
			}
			t.Run(c.name(), func(t *testing.T) {
				if reason := c.cannot(); reason != "" {
					t.Skip(reason)
				}
				c.run(t)
			})
		}
	}
}

// TestListsAreRight finds reasons that belong to no rule, and excuses of ours.
func TestListsAreRight(t *testing.T) {
	for _, p := range patterns() {
		known := map[string]bool{}
		for _, c := range p.checks {
			if known[c.name()] {
				t.Errorf("%s is there twice", c.name())
			}
			known[c.name()] = true
		}
		for _, c := range p.checks {
			for _, reasons := range []map[string]string{c.library.cannot, c.library.lacks} {
				for id := range reasons {
					if !known[id+"/"+c.library.name] {
						t.Errorf("%s: %s has a reason for a rule that does not exist: %s", p.title, c.library.name, id)
					}
					if c.library.name == calls.Ours {
						t.Errorf("%s: ours are excused from %s", p.title, id)
					}
				}
			}
		}
	}
}

// wantNoAllocations counts those of a call that is also timed.
func wantNoAllocations(t *testing.T, row, library string) {
	t.Helper()
	for _, r := range calls.Rows {
		for _, call := range r.Calls {
			if r.Name == row && call.Library == library {
				do := call.New(t.Context())
				if n := testing.AllocsPerRun(1000, func() { _, _ = do() }); n != 0 {
					t.Errorf("%s: %.0f allocations", row, n)
				}
				return
			}
		}
	}
	t.Fatalf("%s has no call for %q", library, row)
}

// oneLine keeps a message within a table's note.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 160 {
		text = strings.ToValidUTF8(text[:160], "") + " …"
	}
	return text
}
