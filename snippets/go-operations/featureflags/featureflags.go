// Package featureflags changes what a running service does: gradually, the same
// way for the same subject, and back at once.
package featureflags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// flagAll is the whole of a roll-out, in basis points.
const flagAll = 10_000

// FlagRule is what may change at run time, in the form in which it is stored.
type FlagRule struct {
	Value       json.RawMessage `json:"value"`       // what those get who are in; of the flag's type
	BasisPoints int             `json:"basisPoints"` // how many of 10,000 subjects are in
	Subjects    []string        `json:"subjects"`    // in at any share: testers, a pilot customer
	Off         bool            `json:"off"`         // the kill switch: everybody gets the default
}

// FlagSet is all flags of a service. Its zero value is ready to use and safe
// for concurrent use.
type FlagSet struct {
	mu    sync.Mutex
	flags []declaredFlag
}

type declaredFlag struct {
	name   string
	update func(rule FlagRule, found bool) error
}

// Flag is a decision with a default that holds until a rule says otherwise. It
// is safe for concurrent use; asking it takes no lock and no I/O.
type Flag[T any] struct {
	fallback T
	seed     uint64
	rule     atomic.Pointer[flagRule[T]] // nil: the default for everybody
}

type flagRule[T any] struct {
	value       T
	basisPoints uint64
	subjects    map[string]struct{}
}

// NewFlag declares a flag in set, at start. A value of type T is shared by all
// who ask, so it should hold no slice or map that anybody changes.
func NewFlag[T any](set *FlagSet, name string, fallback T) (*Flag[T], error) {
	set.mu.Lock()
	defer set.mu.Unlock()
	if name == "" || slices.ContainsFunc(set.flags, func(f declaredFlag) bool { return f.name == name }) {
		return nil, fmt.Errorf("flag %q: the name is empty or taken", name)
	}
	flag := &Flag[T]{fallback: fallback, seed: hashFlag(hashFlag(flagHashStart, name), "\x00")}
	set.flags = append(set.flags, declaredFlag{name, flag.update})
	return flag, nil
}

// Update replaces the rules of all flags: one without a rule goes back to its
// default, and names that are not declared are ignored, since another version
// may know them. A flag whose rule is invalid keeps the one it has; the error
// joins them, and the others are updated all the same.
func (s *FlagSet) Update(rules map[string]FlagRule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, flag := range s.flags {
		rule, found := rules[flag.name]
		if err := flag.update(rule, found); err != nil {
			errs = append(errs, fmt.Errorf("flag %q: %w", flag.name, err))
		}
	}
	return errors.Join(errs...)
}

func (f *Flag[T]) update(rule FlagRule, found bool) error {
	if !found || rule.Off { // even if the rest of the rule is invalid
		f.rule.Store(nil)
		return nil
	}
	if rule.BasisPoints < 0 || rule.BasisPoints > flagAll {
		return fmt.Errorf("%d basis points are not between 0 and %d", rule.BasisPoints, flagAll)
	}
	next := &flagRule[T]{basisPoints: uint64(rule.BasisPoints), subjects: make(map[string]struct{}, len(rule.Subjects))}
	if len(rule.Value) == 0 || string(rule.Value) == "null" {
		return errors.New("no value")
	}
	decoder := json.NewDecoder(bytes.NewReader(rule.Value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&next.value); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one value")
	}
	for _, subject := range rule.Subjects {
		if subject == "" { // every caller without a name would be in
			return errors.New("an empty subject is listed")
		}
		next.subjects[subject] = struct{}{}
	}
	f.rule.Store(next)
	return nil
}

// For returns the flag's value for subject: a user, tenant or order, whatever
// must see one behaviour throughout. The empty subject is in only when all are.
// Ask once per operation and pass the answer on, since rules change meanwhile.
func (f *Flag[T]) For(subject string) T {
	rule := f.rule.Load()
	if rule == nil {
		return f.fallback
	}
	if _, listed := rule.subjects[subject]; listed || rule.basisPoints == flagAll ||
		subject != "" && f.bucket(subject) < rule.basisPoints {
		return rule.value
	}
	return f.fallback
}

// bucket places subject in [0, flagAll): the same place in every process, and
// an unrelated one for every flag. Who is in at 1 % is in at 2 %.
func (f *Flag[T]) bucket(subject string) uint64 {
	h := hashFlag(f.seed, subject)
	h ^= h >> 33 // FNV leaves the high bits of similar subjects alike
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	high, _ := bits.Mul64(h, flagAll)
	return high
}

const flagHashStart uint64 = 14695981039346656037

// hashFlag continues a 64-bit FNV-1a hash.
func hashFlag(h uint64, text string) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}
