// Package sharding assigns keys to shards by rendezvous hashing: every process
// computes the same owner, and a change of the set moves the fewest keys.
package sharding

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Shard is a place for keys. Its name decides which keys it gets, so it must
// not change when the address does.
type Shard struct {
	Name   string
	Weight float64 // share relative to the others; 1 if zero
}

// ShardMap is immutable and safe for concurrent use. To change the set, make a
// new one.
type ShardMap struct {
	shards   []weighedShard // by name, which settles ties
	weighted bool
}

type weighedShard struct {
	name   string
	seed   uint64
	weight float64
}

// NewShardMap refuses an empty set, unnamed or repeated shards, and weights that are not positive numbers.
func NewShardMap(shards ...Shard) (*ShardMap, error) {
	if len(shards) == 0 {
		return nil, errors.New("shard map: no shards")
	}
	m := &ShardMap{}
	for _, s := range shards {
		weight := s.Weight
		if weight == 0 {
			weight = 1
		}
		if s.Name == "" || !(weight > 0) || math.IsInf(weight, 1) {
			return nil, fmt.Errorf("shard map: shard %q has weight %v", s.Name, s.Weight)
		}
		m.shards = append(m.shards, weighedShard{s.Name, mixShardHash(shardHash(s.Name)), weight})
	}
	slices.SortFunc(m.shards, func(a, b weighedShard) int { return cmp.Compare(a.name, b.name) })
	for i, s := range m.shards {
		if i > 0 && s.name == m.shards[i-1].name {
			return nil, fmt.Errorf("shard map: shard %q appears twice", s.name)
		}
		m.weighted = m.weighted || s.weight != m.shards[0].weight
	}
	return m, nil
}

// Owner returns the name of the shard that has key. It costs a few nanoseconds
// per shard, which suits up to about a hundred of them.
func (m *ShardMap) Owner(key string) string {
	hash := shardHash(key)
	best, bestScore := 0, m.score(0, hash)
	for i := 1; i < len(m.shards); i++ {
		if score := m.score(i, hash); score > bestScore {
			best, bestScore = i, score
		}
	}
	return m.shards[best].name
}

// Owners returns the names of the n shards that come first for key, the owner
// leading: replicas, or where to look when the owner is down. When a shard
// leaves, those after it move up.
func (m *ShardMap) Owners(key string, n int) []string {
	hash := shardHash(key)
	order := make([]int, len(m.shards))
	scores := make([]float64, len(m.shards))
	for i := range order {
		order[i], scores[i] = i, m.score(i, hash)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	names := make([]string, 0, len(order))
	for _, i := range order[:max(0, min(n, len(order)))] {
		names = append(names, m.shards[i].name)
	}
	return names
}

// score ranks shard i for a key: uniform in (0, 1), or drawn so that each shard
// wins in proportion to its weight.
func (m *ShardMap) score(i int, keyHash uint64) float64 {
	s := m.shards[i]
	uniform := (float64(mixShardHash(keyHash^s.seed)>>11) + 0.5) / (1 << 53)
	if !m.weighted {
		return uniform // the same ranking without the logarithm
	}
	return -s.weight / math.Log(uniform)
}

// shardHash is 64-bit FNV-1a: the same in every process, unlike hash/maphash.
func shardHash(s string) uint64 {
	hash := uint64(14695981039346656037)
	for i := range len(s) {
		hash = (hash ^ uint64(s[i])) * 1099511628211
	}
	return hash
}

// mixShardHash spreads every input bit over the result (the finalizer of SplitMix64).
func mixShardHash(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
