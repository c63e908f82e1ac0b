package sharding

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Rules:
//
//	SH-1 the owner is a function of key and set alone: fixed values, any sequence of the shards, any process
//	SH-2 a new shard takes about 1/n of the keys, and no key moves between the old ones
//	SH-3 a leaving shard's keys spread over all others, and no other key moves
//	SH-4 equal shards hold equal numbers: within 5 % of the mean at 10 shards and 100,000 keys
//	SH-5 shares follow the weights within 5 %; raising one weight only moves keys to that shard
//	SH-6 ties are settled by name
//	SH-7 Owners: distinct, led by the owner, stable when others leave, bounded by the set
//	SH-8 a wrong set is refused
//	SH-9 Owner does not allocate; concurrent use is safe and the caller's slice is not kept

func newMap(t testing.TB, shards ...Shard) *ShardMap {
	t.Helper()
	m, err := NewShardMap(shards...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func named(n int) (shards []Shard) {
	for i := range n {
		shards = append(shards, Shard{Name: fmt.Sprintf("shard-%d", i)})
	}
	return shards
}

func eachKey(yield func(string) bool) {
	for i := range 100_000 {
		if !yield(fmt.Sprintf("customer:%d", i)) {
			return
		}
	}
}

func count(m *ShardMap) map[string]int {
	held := map[string]int{}
	for key := range eachKey {
		held[m.Owner(key)]++
	}
	return held
}

func TestOwnerIsFixed(t *testing.T) {
	shards := named(5)
	m := newMap(t, shards...)
	slices.Reverse(shards) // SH-9: the map holds no reference to it
	reversed := newMap(t, shards...)
	for key := range eachKey {
		if m.Owner(key) != reversed.Owner(key) { // SH-1
			t.Fatalf("%s depends on the sequence", key)
		}
	}
	// Changing these values means moving stored data.
	for key, want := range map[string]string{"": "shard-2", "customer:1": "shard-4", "customer:2": "shard-0", "żółw": "shard-0"} {
		if got := m.Owner(key); got != want { // SH-1
			t.Errorf("%q belongs to %s, want %s", key, got, want)
		}
	}
}

func TestShardJoins(t *testing.T) {
	before, after := newMap(t, named(10)...), newMap(t, named(11)...)
	moved := 0
	for key := range eachKey {
		if from, to := before.Owner(key), after.Owner(key); from != to {
			moved++
			if to != "shard-10" { // SH-2
				t.Fatalf("%s moved from %s to %s", key, from, to)
			}
		}
	}
	if math.Abs(float64(moved)-100_000.0/11) > 0.05*100_000/11 { // SH-2
		t.Errorf("%d keys moved", moved)
	}
}

func TestShardLeaves(t *testing.T) {
	before, after := newMap(t, named(10)...), newMap(t, named(10)[1:]...)
	heirs := map[string]int{}
	for key := range eachKey {
		from, to := before.Owner(key), after.Owner(key)
		if from == "shard-0" {
			heirs[to]++
		} else if from != to { // SH-3
			t.Fatalf("%s moved from %s to %s", key, from, to)
		}
	}
	for name, n := range heirs {
		if n < 900 || n > 1350 { // SH-3: about 10,000/9 each
			t.Errorf("%s inherited %d", name, n)
		}
	}
	if len(heirs) != 9 {
		t.Errorf("%d heirs", len(heirs))
	}
}

func TestBalance(t *testing.T) {
	for name, n := range count(newMap(t, named(10)...)) {
		if n < 9_500 || n > 10_500 { // SH-4
			t.Errorf("%s holds %d", name, n)
		}
	}
}

func TestWeights(t *testing.T) {
	shards := []Shard{{"a", 1}, {"b", 2}, {"c", 5}, {Name: "d"}}
	m := newMap(t, shards...)
	held := count(m)
	for name, want := range map[string]float64{"a": 1. / 9, "b": 2. / 9, "c": 5. / 9, "d": 1. / 9} {
		if got := float64(held[name]) / 100_000; math.Abs(got-want) > 0.05*want { // SH-5
			t.Errorf("%s holds %.3f, want %.3f", name, got, want)
		}
	}
	shards[0].Weight = 3
	raised := newMap(t, shards...)
	for key := range eachKey {
		if from, to := m.Owner(key), raised.Owner(key); from != to && to != "a" { // SH-5
			t.Fatalf("%s moved from %s to %s", key, from, to)
		}
	}
}

func TestEqualWeightsRankAsNone(t *testing.T) {
	plain := newMap(t, named(6)...)
	weighted := newMap(t, named(6)...)
	weighted.weighted = true
	for key := range eachKey {
		if plain.Owner(key) != weighted.Owner(key) { // SH-5: adding the first weight must not move everything
			t.Fatalf("%s moved", key)
		}
	}
}

func TestTie(t *testing.T) {
	m := newMap(t, named(40)...)
	var names []string
	for i := range m.shards {
		m.shards[i].seed = 1 // every shard draws the same score
		names = append(names, m.shards[i].name)
	}
	if got := m.Owners("k", 40); m.Owner("k") != "shard-0" || !slices.IsSorted(names) || !slices.Equal(got, names) { // SH-6
		t.Errorf("owner %s, owners %v", m.Owner("k"), got)
	}
}

func TestOwners(t *testing.T) {
	m := newMap(t, named(6)...)
	for i := range 200 {
		key := fmt.Sprint(i)
		all := m.Owners(key, 6)
		if sorted := slices.Sorted(slices.Values(all)); len(slices.Compact(sorted)) != 6 || all[0] != m.Owner(key) { // SH-7
			t.Fatalf("%s: %v, owner %s", key, all, m.Owner(key))
		}
		var rest []Shard
		for _, name := range all[1:] {
			rest = append(rest, Shard{Name: name})
		}
		if got := newMap(t, rest...).Owners(key, 6); !slices.Equal(got, all[1:]) { // SH-7
			t.Fatalf("%s: %v without its owner, want %v", key, got, all[1:])
		}
	}
	for n, want := range map[int]int{-1: 0, 0: 0, 2: 2, 6: 6, 99: 6} {
		if got := len(m.Owners("k", n)); got != want { // SH-7
			t.Errorf("%d of them: %d", n, got)
		}
	}
}

func TestWrongSets(t *testing.T) {
	for _, shards := range [][]Shard{
		{}, {{Name: ""}}, {{Name: "a"}, {Name: "b"}, {Name: "a"}},
		{{"a", -1}}, {{"a", math.NaN()}}, {{"a", math.Inf(1)}},
	} {
		if m, err := NewShardMap(shards...); m != nil || err == nil { // SH-8
			t.Errorf("%v was accepted", shards)
		}
	}
}

func TestConcurrentOwnerDoesNotAllocate(t *testing.T) {
	m := newMap(t, named(16)...)
	long := strings.Repeat("customer:4711", 20)
	if n := testing.AllocsPerRun(100, func() { m.Owner(long) }); n != 0 { // SH-9
		t.Errorf("%v allocations", n)
	}
	want := m.Owner("customer:4711")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if m.Owner("customer:4711") != want { // SH-9
				t.Error("owners differ")
			}
		})
	}
	wg.Wait()
}

func BenchmarkOwner(b *testing.B) {
	for _, n := range []int{4, 16, 64} {
		b.Run(fmt.Sprintf("%d shards", n), func(b *testing.B) {
			m := newMap(b, named(n)...)
			b.ReportAllocs()
			for b.Loop() {
				m.Owner("customer:4711")
			}
		})
	}
}
