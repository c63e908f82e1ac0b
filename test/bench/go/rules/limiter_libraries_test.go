package rules

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	failsafelimiter "github.com/failsafe-go/failsafe-go/ratelimiter"
	"golang.org/x/time/rate"

	"example.com/go-architect/bench/calls"
	"example.com/go-architect/snippets/go-resilience/ratelimiter"
)

// limiter is a rate limiter.
type limiter interface {
	AllowN(n int) bool
	WaitN(ctx context.Context, n int) error
}

type limiterLibrary struct {
	library
	new        func(rate float64, burst int) limiter
	limited    func(error) bool // whether Wait says that it would take too long
	withClock  func(rate float64, burst int, now func() time.Time) limiter
	delay      func(limiter) time.Duration // until the next call
	setRate    func(l limiter, rate float64, burst int)
	infinite   func() limiter
	unsigned   bool // it cannot be asked for a negative number
	middleware func(rate float64, next http.Handler) http.Handler
	keyed      func(rate float64, keys int) func(key string) limiter
}

var limiterLibraries = []limiterLibrary{
	{
		library: library{name: calls.Ours, settings: "Rate and Burst as the rule says"},
		new: func(rate float64, burst int) limiter {
			return newOurLimiter(rate, burst, nil)
		},
		limited:   func(err error) bool { return errors.Is(err, ratelimiter.ErrRateLimited) },
		withClock: newOurLimiter,
		delay:     func(l limiter) time.Duration { return l.(*ratelimiter.RateLimiter).Delay() },
		setRate: func(l limiter, rate float64, burst int) {
			if err := l.(*ratelimiter.RateLimiter).SetRate(rate, burst); err != nil {
				panic(err)
			}
		},
		infinite: func() limiter { return newOurLimiter(math.Inf(1), 1, nil) },
		middleware: func(rate float64, next http.Handler) http.Handler {
			keyed := must(ratelimiter.NewKeyedRateLimiter(ratelimiter.RateLimiterConfig{Rate: rate}, 10))
			return ratelimiter.LimitRequests(keyed, ratelimiter.ClientAddress(0), next)
		},
		keyed: func(rate float64, keys int) func(string) limiter {
			keyed := must(ratelimiter.NewKeyedRateLimiter(ratelimiter.RateLimiterConfig{Rate: rate}, keys))
			return func(key string) limiter { return keyed.For(key) }
		},
	},
	{
		library: library{
			name:     calls.Failsafe,
			settings: "a smooth limiter for a burst of 1, a bursty one with a period of burst/rate for more; failsafehttp.NewHandler",
			cannot: map[string]string{
				"RL-10": "it has no keys",
				"RL-11": "its rate is fixed",
			},
			lacks: map[string]string{
				"RL-6":  "it takes no negative numbers",
				"RL-7":  "its clock cannot be set, only a long pause asked",
				"RL-12": "it has no infinite rate",
			},
		},
		new:      newFailsafeLimiter,
		limited:  func(err error) bool { return errors.Is(err, failsafelimiter.ErrExceeded) },
		delay:    func(l limiter) time.Duration { return l.(failsafeLimiter).ReservePermit() },
		unsigned: true,
		middleware: func(rate float64, next http.Handler) http.Handler {
			interval := time.Duration(float64(time.Second) / rate)
			return failsafehttp.NewHandler(next, failsafelimiter.NewSmoothWithMaxRate[*http.Response](interval))
		},
	},
	{
		library: library{
			name:     calls.Rate,
			settings: "NewLimiter(rate, burst), Allow, Wait, Reserve; AllowN with a time of the probe in RL-7",
			cannot:   map[string]string{"RL-10": "it has no keys"},
			lacks:    map[string]string{"RL-9": "it has no HTTP middleware"},
		},
		new: func(r float64, burst int) limiter { return newRate(r, burst, time.Now) },
		// Its error has no type; that there is one is taken as an answer.
		limited:   func(err error) bool { return err != nil },
		withClock: newRate,
		delay:     func(l limiter) time.Duration { return l.(rateLimiter).Reserve().Delay() },
		setRate: func(l limiter, r float64, burst int) {
			l.(rateLimiter).SetLimit(rate.Limit(r))
			l.(rateLimiter).SetBurst(burst)
		},
		infinite: func() limiter { return rateLimiter{rate.NewLimiter(rate.Inf, 1), time.Now} },
	},
}

func newOurLimiter(rate float64, burst int, now func() time.Time) limiter {
	return must(ratelimiter.NewRateLimiter(ratelimiter.RateLimiterConfig{Rate: rate, Burst: burst, Now: now}))
}

type failsafeLimiter struct {
	failsafelimiter.RateLimiter[int]
}

func newFailsafeLimiter(rate float64, burst int) limiter {
	if rate == 0 {
		return failsafeLimiter{failsafelimiter.NewBursty[int](0, time.Second)}
	}
	interval := time.Duration(float64(time.Second) / rate)
	if burst == 1 {
		return failsafeLimiter{failsafelimiter.NewSmoothWithMaxRate[int](interval)}
	}
	return failsafeLimiter{failsafelimiter.NewBursty[int](uint(burst), time.Duration(burst)*interval)}
}

func (l failsafeLimiter) AllowN(n int) bool { return l.TryAcquirePermits(uint(n)) }

func (l failsafeLimiter) WaitN(ctx context.Context, n int) error {
	return l.AcquirePermits(ctx, uint(n))
}

type rateLimiter struct {
	*rate.Limiter
	now func() time.Time
}

func newRate(r float64, burst int, now func() time.Time) limiter {
	return rateLimiter{rate.NewLimiter(rate.Limit(r), burst), now}
}

func (l rateLimiter) AllowN(n int) bool { return l.Limiter.AllowN(l.now(), n) }
