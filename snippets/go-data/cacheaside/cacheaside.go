// Package cacheaside keeps loaded values in memory for a while: one load per
// key at a time, bounded, and honest about what it must not keep.
package cacheaside

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// ErrLoadTimeout is the cause of a load that ran longer than LoadTimeout.
var ErrLoadTimeout = errors.New("cache load timed out")

// LoadPanicError is what every waiter gets when Load panics, or calls
// runtime.Goexit, in which case Value is nil.
type LoadPanicError struct {
	Value any
	Stack []byte
}

// Error implements error. The stack is left to whoever logs it.
func (e *LoadPanicError) Error() string { return fmt.Sprintf("cache load panicked: %v", e.Value) }

// LoadingCacheConfig says what is cached and for how long.
type LoadingCacheConfig[K comparable, V any] struct {
	// Load fetches a missing value. It runs in a goroutine of its own with the
	// values, but not the cancellation, of the first caller's context.
	Load        func(ctx context.Context, key K) (V, error)
	LoadTimeout time.Duration // 5 s if zero
	TTL         time.Duration // 1 min if zero; each entry lives up to a tenth less, so that they do not end together
	MaxEntries  int           // 10,000 if zero; beyond it the least recently used entry goes

	// IsAbsent recognises the error that says there is no such value: that
	// answer is kept too, for AbsentTTL (a tenth of TTL if zero). No other error is.
	IsAbsent  func(error) bool
	AbsentTTL time.Duration

	Now    func() time.Time                        // time.Now if nil
	Jitter func(limit time.Duration) time.Duration // uniform in [0, limit) if nil
}

// LoadingCache is safe for concurrent use. It has no background goroutine:
// expired entries go when they are asked for or crowded out. Callers share the
// values, so they must not change them.
type LoadingCache[K comparable, V any] struct {
	config LoadingCacheConfig[K, V]

	mu      sync.Mutex
	entries map[K]*list.Element // of *cacheEntry
	recent  *list.List          // most recently used first
	loads   map[K]*cacheLoad[V]
}

type cacheEntry[K comparable, V any] struct {
	key     K
	value   V
	err     error
	expires time.Time
}

type cacheLoad[V any] struct {
	ctx   context.Context
	done  chan struct{} // closed after value and err are set
	value V
	err   error
}

// NewLoadingCache returns an empty cache.
func NewLoadingCache[K comparable, V any](config LoadingCacheConfig[K, V]) (*LoadingCache[K, V], error) {
	if config.Load == nil {
		return nil, errors.New("cache: Load is missing")
	}
	if config.LoadTimeout < 0 || config.TTL < 0 || config.AbsentTTL < 0 || config.MaxEntries < 0 {
		return nil, errors.New("cache: negative limit")
	}
	if config.LoadTimeout == 0 {
		config.LoadTimeout = 5 * time.Second
	}
	if config.TTL == 0 {
		config.TTL = time.Minute
	}
	if config.MaxEntries == 0 {
		config.MaxEntries = 10_000
	}
	if config.AbsentTTL == 0 {
		config.AbsentTTL = config.TTL / 10
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Jitter == nil {
		config.Jitter = rand.N[time.Duration]
	}
	return &LoadingCache[K, V]{
		config:  config,
		entries: make(map[K]*list.Element),
		recent:  list.New(),
		loads:   make(map[K]*cacheLoad[V]),
	}, nil
}

// Get returns the value of key, loading it if need be. Callers that ask for
// the same key meanwhile share the load; each stops waiting when its own ctx ends.
func (c *LoadingCache[K, V]) Get(ctx context.Context, key K) (V, error) {
	now := c.config.Now()
	c.mu.Lock()
	if element, ok := c.entries[key]; ok {
		entry := element.Value.(*cacheEntry[K, V])
		if now.Before(entry.expires) {
			c.recent.MoveToFront(element)
			c.mu.Unlock()
			return entry.value, entry.err
		}
		c.remove(element)
	}
	var none V
	if ctx.Err() != nil {
		c.mu.Unlock()
		return none, context.Cause(ctx)
	}
	load, ok := c.loads[key]
	if !ok {
		loadCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), c.config.LoadTimeout, ErrLoadTimeout)
		load = &cacheLoad[V]{ctx: loadCtx, done: make(chan struct{})}
		c.loads[key] = load
		go c.run(key, load, cancel)
	}
	c.mu.Unlock()

	select {
	case <-load.done:
		return load.value, load.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-load.ctx.Done():
		select {
		case <-load.done:
			return load.value, load.err
		default: // Load ignores its context: do not wait with it
			return none, context.Cause(load.ctx)
		}
	}
}

// Invalidate forgets key. Call it after the transaction that changed the value
// has committed. A load under way is not kept, and no later Get joins it.
func (c *LoadingCache[K, V]) Invalidate(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.entries[key]; ok {
		c.remove(element)
	}
	delete(c.loads, key)
}

// Len returns the number of entries held, expired ones included.
func (c *LoadingCache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

func (c *LoadingCache[K, V]) run(key K, load *cacheLoad[V], cancel context.CancelFunc) {
	var ttl time.Duration
	returned := false
	defer func() {
		if !returned { // a panic must reach those who wait, not end the process
			load.err = &LoadPanicError{Value: recover(), Stack: debug.Stack()}
		}
		c.keep(key, load, ttl)
		close(load.done)
		cancel()
	}()
	load.value, load.err = c.config.Load(load.ctx, key)
	ttl = c.lifetime(load.err)
	returned = true
}

// lifetime returns how long an answer may be kept; 0 for errors that say nothing about the value.
func (c *LoadingCache[K, V]) lifetime(err error) time.Duration {
	ttl := c.config.TTL
	if err != nil {
		if c.config.IsAbsent == nil || !c.config.IsAbsent(err) {
			return 0
		}
		ttl = c.config.AbsentTTL
	}
	if spread := ttl / 10; spread > 0 {
		ttl -= c.config.Jitter(spread)
	}
	return ttl
}

// keep stores what load found, unless the key was invalidated meanwhile.
func (c *LoadingCache[K, V]) keep(key K, load *cacheLoad[V], ttl time.Duration) {
	expires := c.config.Now().Add(ttl)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loads[key] != load {
		return
	}
	delete(c.loads, key)
	if ttl <= 0 {
		return
	}
	c.entries[key] = c.recent.PushFront(&cacheEntry[K, V]{key, load.value, load.err, expires})
	if len(c.entries) > c.config.MaxEntries {
		c.remove(c.recent.Back())
	}
}

func (c *LoadingCache[K, V]) remove(element *list.Element) {
	c.recent.Remove(element)
	delete(c.entries, element.Value.(*cacheEntry[K, V]).key)
}
