// Package ratelimiter limits how often something happens: for everyone
// together, or for each key such as a client's address.
package ratelimiter

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	// ErrRateLimited matches every call that came too early.
	ErrRateLimited = errors.New("rate limit reached")
	// ErrRateBurst is the error of asking for more than can ever be there at once.
	ErrRateBurst = errors.New("more than the rate limiter's burst")
)

// RateLimitError is the error of a call that would have had to wait too long.
type RateLimitError struct {
	wait     time.Duration
	deadline bool
}

// Error implements error.
func (e *RateLimitError) Error() string { return ErrRateLimited.Error() }

// Is matches ErrRateLimited, and context.DeadlineExceeded if it was the
// context's deadline that did not leave the time to wait.
func (e *RateLimitError) Is(target error) bool {
	return target == ErrRateLimited || e.deadline && target == context.DeadlineExceeded
}

// RetryAfter returns how long the wait would have been.
func (e *RateLimitError) RetryAfter() time.Duration { return e.wait }

// RateLimiterConfig configures a RateLimiter.
type RateLimiterConfig struct {
	Rate    float64          // calls per second, up to a million or math.Inf(1) for no limit; 0 denies all
	Burst   int              // calls at once after a pause (default 1)
	MaxWait time.Duration    // longest wait in Wait, whatever the context allows (default time.Minute)
	Now     func() time.Time // default time.Now
}

// RateLimiter is a token bucket, kept as the time at which it will be full
// (GCRA), in whole nanoseconds. It is safe for concurrent use and starts no
// goroutine. Calls that wait are served in order of arrival.
type RateLimiter struct {
	now     func() time.Time
	start   time.Time
	elapsed func() time.Duration // since start
	maxWait time.Duration

	mu       sync.Mutex
	interval time.Duration // from one token to the next
	burst    int
	fullAt   time.Duration // since start
	queue    list.List     // of *rateWaiter; only the first one runs a timer
	queued   int           // tokens the queue waits for
	changed  chan struct{} // closed by SetRate; nil while no one listens
}

type rateWaiter struct {
	n      int
	joined time.Duration // since the limiter's start
	turn   chan struct{} // closed when it is the first one, or has been sent away
	called bool          // turn is closed
	sent   error         // why it has been sent away
}

func (w *rateWaiter) call() {
	if !w.called {
		w.called = true
		close(w.turn)
	}
}

func waiterAt(place *list.Element) *rateWaiter {
	waiter, _ := place.Value.(*rateWaiter)
	return waiter
}

// rateNever stands for a time that never comes; four of it fit in a Duration.
const rateNever = time.Duration(math.MaxInt64 / 4)

// NewRateLimiter returns a RateLimiter whose bucket is full.
func NewRateLimiter(cfg RateLimiterConfig) (*RateLimiter, error) {
	if cfg.MaxWait < 0 {
		return nil, errors.New("rate limiter: negative MaxWait")
	}
	interval, burst, err := rateInterval(cfg.Rate, cfg.Burst)
	if err != nil {
		return nil, err
	}
	l := &RateLimiter{now: cfg.Now, maxWait: cmp.Or(cfg.MaxWait, time.Minute), interval: interval, burst: burst}
	if l.now == nil {
		l.now = time.Now
		l.elapsed = func() time.Duration { return time.Since(l.start) } // half the cost of Now and Sub
	} else {
		l.elapsed = func() time.Duration { return l.now().Sub(l.start) }
	}
	l.start = l.now()
	return l, nil
}

func rateInterval(rate float64, burst int) (time.Duration, int, error) {
	burst = cmp.Or(burst, 1)
	if !(rate >= 0 && rate <= 1e6) && !math.IsInf(rate, 1) || burst < 0 {
		return 0, 0, fmt.Errorf("rate limiter: rate %v is not within 0 and a million, or burst %d is negative", rate, burst)
	}
	switch {
	case rate == 0:
		return rateNever, burst, nil
	case math.IsInf(rate, 1):
		return 0, math.MaxInt, nil
	}
	interval := math.Ceil(1e9 / rate) // rounded so that the rate is never exceeded
	if interval*float64(burst) >= float64(rateNever) {
		return 0, 0, fmt.Errorf("rate limiter: a burst of %d at rate %v takes more than 70 years to refill", burst, rate)
	}
	return time.Duration(interval), burst, nil
}

// Allow reports whether a call may happen now. It never overtakes those that wait.
func (l *RateLimiter) Allow() bool { return l.AllowN(1) }

// AllowN is Allow for something that counts as n calls.
func (l *RateLimiter) AllowN(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return n <= 0 || n <= l.burst && l.queue.Len() == 0 && l.take(n) == 0
}

// Delay returns how long a call that came now would have to wait.
func (l *RateLimiter) Delay() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay(l.queued+1, l.elapsed())
}

// Wait returns when the call may happen. If that would be after the context's
// deadline or MaxWait it fails at once, with a *RateLimitError.
func (l *RateLimiter) Wait(ctx context.Context) error { return l.WaitN(ctx, 1) }

// WaitN is Wait for something that counts as n calls.
func (l *RateLimiter) WaitN(ctx context.Context, n int) error {
	if n <= 0 {
		return nil
	}
	if ctx.Err() != nil {
		return rateEnded(ctx)
	}
	place, err := l.join(ctx, n)
	if place == nil {
		return err
	}
	select {
	case <-waiterAt(place).turn:
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		delay, changed, err := l.serve(place)
		if delay == 0 {
			return err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if waiterAt(place).sent == nil {
		l.leave(place) // with its tokens untouched
	}
	return rateEnded(ctx)
}

// CallRateLimiter waits for l and then calls fn.
func CallRateLimiter[T any](ctx context.Context, l *RateLimiter, fn func(context.Context) (T, error)) (T, error) {
	if err := l.Wait(ctx); err != nil {
		var zero T
		return zero, err
	}
	return fn(ctx)
}

// SetRate changes the rate and the burst. Tokens in the bucket stay as they
// are, but not above the new burst.
func (l *RateLimiter) SetRate(rate float64, burst int) error {
	interval, burst, err := rateInterval(rate, burst)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.elapsed()
	tokens := float64(l.burst)
	if l.interval == rateNever {
		tokens = 0
	} else if l.interval > 0 {
		tokens -= float64(max(0, l.fullAt-now)) / float64(l.interval)
	}
	l.interval, l.burst, l.fullAt = interval, burst, now
	if missing := float64(burst) - tokens; missing > 0 && interval < rateNever {
		l.fullAt += time.Duration(math.Ceil(missing * float64(interval)))
	}
	l.sendAway(now)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return nil
}

// delay returns how long it takes until there are n tokens. It is called with
// mu held, as are take and leave.
func (l *RateLimiter) delay(n int, now time.Duration) time.Duration {
	if l.interval == rateNever || l.interval > 0 && time.Duration(n) > rateNever/l.interval {
		return rateNever
	}
	return max(0, l.fullAt-now+time.Duration(n-l.burst)*l.interval)
}

// take takes n tokens or returns how long it takes until they are there.
func (l *RateLimiter) take(n int) time.Duration {
	now := l.elapsed()
	delay := l.delay(n, now)
	if delay == 0 {
		l.fullAt = max(l.fullAt, now) + time.Duration(n)*l.interval
	}
	return delay
}

// join takes n tokens, or a place in the queue if the wait is worth it.
func (l *RateLimiter) join(ctx context.Context, n int) (*list.Element, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > l.burst {
		return nil, ErrRateBurst
	}
	if l.queue.Len() == 0 && l.take(n) == 0 {
		return nil, nil
	}
	now := l.now()
	delay := l.delay(l.queued+n, now.Sub(l.start))
	if deadline, ok := ctx.Deadline(); ok && delay >= deadline.Sub(now) {
		return nil, &RateLimitError{delay, true}
	}
	if delay > l.maxWait {
		return nil, &RateLimitError{delay, false}
	}
	waiter := &rateWaiter{n: n, joined: now.Sub(l.start), turn: make(chan struct{})}
	if l.queue.Len() == 0 {
		waiter.call()
	}
	l.queued += n
	return l.queue.PushBack(waiter), nil
}

// serve gives the first one in the queue its tokens, or says how long it has
// to wait for them and which channel is closed when that changes.
func (l *RateLimiter) serve(place *list.Element) (time.Duration, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, sent := waiterAt(place).n, waiterAt(place).sent
	if sent != nil {
		return 0, nil, sent
	}
	if n > l.burst { // lowered meanwhile
		l.leave(place)
		return 0, nil, ErrRateBurst
	}
	delay := l.take(n)
	if delay == 0 {
		l.leave(place)
	} else if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return delay, l.changed, nil
}

// leave takes a place out of the queue and tells who becomes the first one.
func (l *RateLimiter) leave(place *list.Element) {
	l.queue.Remove(place)
	l.queued -= waiterAt(place).n
	if first := l.queue.Front(); first != nil {
		waiterAt(first).call()
	}
}

// sendAway ends the waits that a lower rate has made longer than MaxWait.
func (l *RateLimiter) sendAway(now time.Duration) {
	ahead := 0
	for place := l.queue.Front(); place != nil; {
		this, waiter := place, waiterAt(place)
		place = place.Next()
		delay := l.delay(ahead+waiter.n, now)
		if delay <= l.maxWait-(now-waiter.joined) {
			ahead += waiter.n
			continue
		}
		waiter.sent = &RateLimitError{delay, false}
		l.leave(this)
		waiter.call()
	}
}

// KeyedRateLimiter has a RateLimiter for each key. It remembers a limited
// number of keys and forgets those that were used least recently, so a flood
// of keys costs no memory, but gives forgotten keys a full bucket.
type KeyedRateLimiter struct {
	cfg     RateLimiterConfig
	maxKeys int

	mu     sync.Mutex
	keys   map[string]*list.Element
	recent list.List // of *rateKey, the latest first
}

type rateKey struct {
	key     string
	limiter *RateLimiter
}

func rateKeyAt(place *list.Element) *rateKey {
	key, _ := place.Value.(*rateKey)
	return key
}

// NewKeyedRateLimiter returns a KeyedRateLimiter that remembers maxKeys keys.
func NewKeyedRateLimiter(cfg RateLimiterConfig, maxKeys int) (*KeyedRateLimiter, error) {
	if maxKeys < 1 {
		return nil, fmt.Errorf("rate limiter: %d keys", maxKeys)
	}
	if _, err := NewRateLimiter(cfg); err != nil {
		return nil, err
	}
	return &KeyedRateLimiter{cfg: cfg, maxKeys: maxKeys, keys: map[string]*list.Element{}}, nil
}

// For returns the limiter of key.
func (k *KeyedRateLimiter) For(key string) *RateLimiter {
	if len(key) > 64 { // a long key must not take more memory either
		sum := sha256.Sum256([]byte(key))
		key = string(sum[:])
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.keys[key]; ok {
		k.recent.MoveToFront(known)
		return rateKeyAt(known).limiter
	}
	if len(k.keys) >= k.maxKeys {
		oldest := k.recent.Back()
		k.recent.Remove(oldest)
		delete(k.keys, rateKeyAt(oldest).key)
	}
	limiter, _ := NewRateLimiter(k.cfg) // the configuration has been checked
	k.keys[key] = k.recent.PushFront(&rateKey{key, limiter})
	return limiter
}

// LimitRequests passes requests on to next while the limiter of their key
// allows it; the others get 429 with a Retry-After header.
func LimitRequests(limiters *KeyedRateLimiter, key func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limiter := limiters.For(key(r))
		if limiter.Allow() {
			next.ServeHTTP(w, r)
			return
		}
		seconds := math.Ceil(min(limiter.Delay(), 24*time.Hour).Seconds())
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
		http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
	})
}

// ClientAddress returns a key function for LimitRequests: the client's IPv4
// address or IPv6 /64 network, which one client usually has for itself. It
// believes the last trustedProxies entries of X-Forwarded-For and no others,
// with or without a port; with 0, or if that is no address, the key is that of
// whoever is connected.
func ClientAddress(trustedProxies int) func(*http.Request) string {
	return func(r *http.Request) string {
		addr, ok := parseClient(r.RemoteAddr)
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if trustedProxies > 0 && trustedProxies <= len(hops) {
			if hop, isAddr := parseClient(strings.TrimSpace(hops[len(hops)-trustedProxies])); isAddr {
				addr, ok = hop, true
			}
		}
		if !ok {
			return r.RemoteAddr // such as a Unix socket's
		}
		if addr.Is6() {
			return netip.PrefixFrom(addr, 64).Masked().String()
		}
		return addr.String()
	}
}

// parseClient reads an address, with or without a port and brackets.
func parseClient(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// rateEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func rateEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
