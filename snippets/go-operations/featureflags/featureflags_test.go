package featureflags

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Rules.
//
//	FF-1  without a rule everybody gets the typed default
//	FF-2  the same subject gets the same answer in every process: the buckets are fixed
//	FF-3  a roll-out reaches its share of subjects, whatever their ids look like
//	FF-4  raising the share keeps everybody who was in
//	FF-5  two flags choose independently of each other
//	FF-6  0 is nobody and 10,000 everybody; the empty subject is in only with everybody
//	FF-7  Off is the default for everybody from the next question on, even in a rule that is invalid otherwise
//	FF-8  listed subjects are in at any share
//	FF-9  an invalid rule names its flag and leaves its last rule; the other flags are updated
//	FF-10 values are of the flag's type and strict: nothing missing, null, unknown or left over
//	FF-11 a flag without a rule goes back to its default; names that are not declared are ignored
//	FF-12 asking does not allocate
//	FF-13 asking while rules change gives one of the two values, never a mixture
//	FF-14 an empty or taken name is an error
//	FF-15 a rule that lists the empty subject is invalid

func newFlag[T any](t testing.TB, fallback T) (*FlagSet, *Flag[T]) {
	t.Helper()
	set := &FlagSet{}
	flag, err := NewFlag(set, "new-checkout", fallback)
	if err != nil {
		t.Fatal(err)
	}
	return set, flag
}

func setRule(t testing.TB, set *FlagSet, rule FlagRule) {
	t.Helper()
	if err := set.Update(map[string]FlagRule{"new-checkout": rule}); err != nil {
		t.Fatal(err)
	}
}

func share(basisPoints int) FlagRule {
	return FlagRule{Value: json.RawMessage("true"), BasisPoints: basisPoints}
}

func TestFF01_FF11_Default(t *testing.T) {
	set, flag := newFlag(t, 42)
	if got := flag.For("ann"); got != 42 {
		t.Errorf("got %d", got)
	}
	setRule(t, set, FlagRule{Value: json.RawMessage("7"), BasisPoints: flagAll})
	if got := flag.For("ann"); got != 7 {
		t.Errorf("with a rule: %d", got)
	}
	if err := set.Update(map[string]FlagRule{"flag-of-the-next-version": share(-5)}); err != nil {
		t.Errorf("an unknown flag: %v", err)
	}
	if got := flag.For("ann"); got != 42 {
		t.Errorf("rule withdrawn: %d", got)
	}
}

func TestFF02_Fixed(t *testing.T) {
	_, flag := newFlag(t, false)
	// Changing these moves subjects between versions of a service that run side by side.
	for subject, want := range map[string]uint64{"ann": 2683, "bob": 4113, "user-1": 5061, "user-2": 8346, "日本": 1296} {
		if got := flag.bucket(subject); got != want {
			t.Errorf("bucket(%q) = %d, want %d", subject, got, want)
		}
	}
}

func TestFF03_FF04_Share(t *testing.T) {
	const subjects = 100_000
	for name, id := range map[string]func(int) string{
		"numbers": strconv.Itoa,
		"padded":  func(i int) string { return "user-" + strings.Repeat("0", 8-len(strconv.Itoa(i))) + strconv.Itoa(i) },
		"hosts":   func(i int) string { return strconv.Itoa(i) + ".tenant.example" },
	} {
		set, flag := newFlag(t, false)
		before := make([]bool, subjects)
		for _, basisPoints := range []int{1, 100, 2500, 5000, 9999} {
			setRule(t, set, share(basisPoints))
			in := 0
			for i := range subjects {
				now := flag.For(id(i))
				if before[i] && !now {
					t.Fatalf("%s: %s fell out at %d", name, id(i), basisPoints)
				}
				if before[i] = now; now {
					in++
				}
			}
			p := float64(basisPoints) / flagAll
			if deviation := math.Abs(float64(in)-p*subjects) / math.Sqrt(subjects*p*(1-p)); deviation > 5 {
				t.Errorf("%s: %d of %d are in at %d basis points: %.1f standard deviations", name, in, subjects, basisPoints, deviation)
			}
		}
	}
}

func TestFF05_Independent(t *testing.T) {
	set, a := newFlag(t, false)
	b, err := NewFlag(set, "new-checkout2", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Update(map[string]FlagRule{"new-checkout": share(1000), "new-checkout2": share(1000)}); err != nil {
		t.Fatal(err)
	}
	both := 0
	for i := range 100_000 {
		if id := strconv.Itoa(i); a.For(id) && b.For(id) {
			both++
		}
	}
	if both < 850 || both > 1150 { // 1 % expected; 5 standard deviations
		t.Errorf("%d of 100000 are in both 10%% roll-outs", both)
	}
}

func TestFF06_Ends(t *testing.T) {
	set, flag := newFlag(t, false)
	for basisPoints, want := range map[int]bool{0: false, flagAll: true} {
		setRule(t, set, share(basisPoints))
		for i := range 100_000 {
			if flag.For(strconv.Itoa(i)) != want {
				t.Fatalf("%d basis points, subject %d: %v", basisPoints, i, !want)
			}
		}
		if got := flag.For(""); got != want {
			t.Errorf("%d basis points, no subject: %v", basisPoints, got)
		}
	}
	setRule(t, set, share(flagAll-1))
	if flag.For("") {
		t.Error("no subject, but in at less than all")
	}
}

func TestFF07_FF08_OffAndListed(t *testing.T) {
	set, flag := newFlag(t, false)
	rule := share(0)
	rule.Subjects = []string{"tester"}
	setRule(t, set, rule)
	if !flag.For("tester") || flag.For("ann") {
		t.Error("only the listed subject should be in")
	}
	for _, off := range []FlagRule{
		{Value: rule.Value, BasisPoints: flagAll, Subjects: rule.Subjects, Off: true},
		{Value: json.RawMessage(`"broken"`), BasisPoints: -1, Off: true},
		{Off: true},
	} {
		setRule(t, set, rule)
		setRule(t, set, off)
		if flag.For("tester") || flag.For("ann") {
			t.Errorf("%+v: still in", off)
		}
	}
}

func TestFF09_Invalid(t *testing.T) {
	set, flag := newFlag(t, false)
	other, err := NewFlag(set, "other", "old")
	if err != nil {
		t.Fatal(err)
	}
	setRule(t, set, share(flagAll))
	err = set.Update(map[string]FlagRule{
		"new-checkout": share(flagAll + 1),
		"other":        {Value: json.RawMessage(`"new"`), BasisPoints: flagAll},
	})
	if err == nil || !strings.Contains(err.Error(), `"new-checkout"`) || strings.Contains(err.Error(), `"other"`) {
		t.Errorf("got %v", err)
	}
	if !flag.For("ann") || other.For("ann") != "new" {
		t.Errorf("flags are %v and %q; want the last good rule and the new one", flag.For("ann"), other.For("ann"))
	}
	if err := set.Update(map[string]FlagRule{"new-checkout": share(-1)}); err == nil {
		t.Error("a negative share passed")
	}
}

func TestFF10_Typed(t *testing.T) {
	type limits struct{ Max int }
	for _, test := range []struct {
		value string
		ok    bool
	}{
		{`{"Max": 5}`, true}, {`{"Max": "5"}`, false}, {`{"Max": 5, "Mim": 1}`, false}, {`{"Max": 1e99}`, false},
		{`null`, false}, {``, false}, {`true`, false}, {`{"Max": 5} {}`, false}, {`{`, false},
	} {
		set, flag := newFlag(t, limits{Max: 1})
		err := set.Update(map[string]FlagRule{"new-checkout": {Value: json.RawMessage(test.value), BasisPoints: flagAll}})
		if want := map[bool]int{true: 5, false: 1}[test.ok]; (err == nil) != test.ok || flag.For("ann").Max != want {
			t.Errorf("%s: %v, %+v", test.value, err, flag.For("ann"))
		}
	}
}

func TestFF12_NoAllocation(t *testing.T) {
	set, flag := newFlag(t, "old")
	setRule(t, set, FlagRule{Value: json.RawMessage(`"new"`), BasisPoints: 5000, Subjects: []string{"tester"}})
	answer := ""
	if allocs := testing.AllocsPerRun(1000, func() { answer = flag.For("user-1") }); allocs != 0 {
		t.Errorf("%v allocations for %q", allocs, answer)
	}
}

func TestFF13_Concurrent(t *testing.T) {
	type pair struct{ A, B int }
	set, flag := newFlag(t, pair{})
	rules := []FlagRule{
		{Value: json.RawMessage(`{"A": 1, "B": 1}`), BasisPoints: flagAll},
		{Value: json.RawMessage(`{"A": 2, "B": 2}`), BasisPoints: flagAll},
		{Off: true},
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 2000 {
				if worker == 0 {
					setRule(t, set, rules[i%len(rules)])
				} else if got := flag.For("ann"); got.A != got.B {
					t.Errorf("a mixture: %+v", got)
				}
			}
		})
	}
	all.Wait()
}

func TestFF14_Names(t *testing.T) {
	set, _ := newFlag(t, false)
	for _, name := range []string{"", "new-checkout"} {
		if _, err := NewFlag(set, name, 1); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}

func BenchmarkFlag(b *testing.B) {
	set, flag := newFlag(b, false)
	setRule(b, set, share(5000))
	b.ReportAllocs()
	for b.Loop() {
		flag.For("user-0000001")
	}
}

func TestFF15_EmptySubject(t *testing.T) {
	set, flag := newFlag(t, false)
	rule := FlagRule{Value: json.RawMessage("true"), Subjects: []string{"ann", ""}}
	if err := set.Update(map[string]FlagRule{"new-checkout": rule}); err == nil {
		t.Error("no error")
	}
	if flag.For("") {
		t.Error("on for all callers without a name")
	}
}
