// Package calls holds, for each library, the calls that are timed and whose
// allocations are counted: the same work in each row, done the way the
// library's documentation recommends and with its cheapest settings.
package calls

import (
	"context"
	"errors"
	"time"

	"github.com/avast/retry-go/v5"
	"github.com/cenkalti/backoff/v7"
	"github.com/cep21/circuit/v4"
	"github.com/cep21/circuit/v4/closers/hystrix"
	"github.com/cep21/circuit/v4/closers/simplelogic"
	"github.com/failsafe-go/failsafe-go"
	failsafebulkhead "github.com/failsafe-go/failsafe-go/bulkhead"
	failsafebreaker "github.com/failsafe-go/failsafe-go/circuitbreaker"
	failsafelimiter "github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"example.com/go-architect/snippets/go-resilience/bulkhead"
	"example.com/go-architect/snippets/go-resilience/circuitbreaker"
	"example.com/go-architect/snippets/go-resilience/ratelimiter"
	ourretry "example.com/go-architect/snippets/go-resilience/retry"
)

// The libraries' names in the tables.
const (
	Ours      = "ours"
	GoBreaker = "gobreaker"
	Failsafe  = "failsafe-go"
	Circuit   = "circuit"
	Backoff   = "backoff"
	RetryGo   = "retry-go"
	Semaphore = "semaphore"
	Rate      = "rate"
)

// The rows of the table.
const (
	BreakerClosed = "breaker, closed"
	BreakerOpen   = "breaker, open"
	RetryFirst    = "retry, first try succeeds"
	BulkheadFree  = "bulkhead, free"
	LimiterAllow  = "rate limiter, allow"
)

// Call is one way to do the work of a row.
type Call struct {
	Library string
	// New returns the call, ready to be made any number of times.
	New func(ctx context.Context) func() (int, error)
}

// Row is a piece of work that several libraries do.
type Row struct {
	Name       string
	Goroutines []int // how many of them make the call at once
	Rejected   bool  // whether the call is refused with an error
	Calls      []Call
}

// Rows are all rows of the table.
var Rows = []Row{
	{BreakerClosed, []int{1, 64}, false, breakerCalls(false)},
	{BreakerOpen, []int{1, 64}, true, breakerCalls(true)},
	{RetryFirst, []int{1}, false, retryCalls},
	{BulkheadFree, []int{1}, false, bulkheadCalls},
	{LimiterAllow, []int{1}, false, limiterCalls},
}

// answer is what is called. It is a variable so that nobody can inline it.
var answer = func(context.Context) (int, error) { return 1, nil }

var (
	errDown    = errors.New("the dependency failed")
	errLimited = errors.New("too many calls")
)

const failuresInARow = 5

// breakerCalls returns the calls of all breakers, each set to open after five
// failures in a row and to stay open for an hour, and tripped if open is set.
func breakerCalls(open bool) []Call {
	failures := 0
	if open {
		failures = failuresInARow
	}
	fail := func(context.Context) (int, error) { return 0, errDown }
	return []Call{
		{Ours, func(ctx context.Context) func() (int, error) {
			b := must(circuitbreaker.NewBreaker(circuitbreaker.BreakerConfig{
				ConsecutiveFailures: failuresInARow, OpenFor: time.Hour,
			}))
			for range failures {
				_, _ = circuitbreaker.CallBreaker(ctx, b, fail)
			}
			return func() (int, error) { return circuitbreaker.CallBreaker(ctx, b, answer) }
		}},
		{GoBreaker, func(ctx context.Context) func() (int, error) {
			b := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{
				Timeout:     time.Hour,
				ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresInARow },
			})
			for range failures {
				_, _ = b.Execute(func() (int, error) { return fail(ctx) })
			}
			return func() (int, error) {
				return b.Execute(func() (int, error) { return answer(ctx) })
			}
		}},
		{Failsafe, func(ctx context.Context) func() (int, error) {
			b := failsafebreaker.NewBuilder[int]().WithFailureThreshold(failuresInARow).WithDelay(time.Hour).Build()
			if open {
				b.Open()
			}
			executor := failsafe.With(b).WithContext(ctx)
			return func() (int, error) {
				return executor.Get(func() (int, error) { return answer(ctx) })
			}
		}},
		{Circuit, func(ctx context.Context) func() (int, error) {
			c := circuit.NewCircuitFromConfig("bench", circuit.Config{
				General: circuit.GeneralConfig{
					ClosedToOpenFactory: simplelogic.ConsecutiveErrOpenerFactory(simplelogic.ConfigConsecutiveErrOpener{
						ErrorThreshold: failuresInARow,
					}),
					OpenToClosedFactory: hystrix.CloserFactory(hystrix.ConfigureCloser{SleepWindow: time.Hour}),
				},
				Execution: circuit.ExecutionConfig{Timeout: -1, MaxConcurrentRequests: -1}, // neither limit
			})
			if open {
				c.OpenCircuit(ctx)
			}
			return func() (int, error) { return runCircuit(ctx, c) }
		}},
	}
}

// runCircuit carries the result out of the closure: Run returns an error only.
func runCircuit(ctx context.Context, c *circuit.Circuit) (int, error) {
	var result int
	err := c.Run(ctx, func(ctx context.Context) error {
		var err error
		result, err = answer(ctx)
		return err
	})
	return result, err
}

// retryCalls allow three attempts with growing pauses.
var retryCalls = []Call{
	{Ours, func(ctx context.Context) func() (int, error) {
		policy := ourretry.RetryPolicy{Attempts: 3}
		return func() (int, error) { return ourretry.Retry(ctx, policy, answer) }
	}},
	{Failsafe, func(ctx context.Context) func() (int, error) {
		policy := retrypolicy.NewBuilder[int]().
			WithMaxAttempts(3).WithBackoff(100*time.Millisecond, 2*time.Second).Build()
		executor := failsafe.With(policy).WithContext(ctx)
		return func() (int, error) {
			return executor.Get(func() (int, error) { return answer(ctx) })
		}
	}},
	{Backoff, func(ctx context.Context) func() (int, error) {
		options := []backoff.RetryOption{backoff.WithMaxTries(3)}
		return func() (int, error) {
			return backoff.Retry(ctx, func() (int, error) { return answer(ctx) }, options...)
		}
	}},
	{RetryGo, func(ctx context.Context) func() (int, error) {
		retrier := retry.NewWithData[int](retry.Attempts(3), retry.Context(ctx))
		return func() (int, error) {
			return retrier.Do(func() (int, error) { return answer(ctx) })
		}
	}},
}

// bulkheadCalls admit one call at a time.
var bulkheadCalls = []Call{
	{Ours, func(ctx context.Context) func() (int, error) {
		b := must(bulkhead.NewBulkhead(bulkhead.BulkheadConfig{Limit: 1}))
		return func() (int, error) { return bulkhead.CallBulkhead(ctx, b, answer) }
	}},
	{Failsafe, func(ctx context.Context) func() (int, error) {
		executor := failsafe.With(failsafebulkhead.New[int](1)).WithContext(ctx)
		return func() (int, error) {
			return executor.Get(func() (int, error) { return answer(ctx) })
		}
	}},
	{Circuit, func(ctx context.Context) func() (int, error) {
		c := circuit.NewCircuitFromConfig("bench", circuit.Config{
			Execution: circuit.ExecutionConfig{Timeout: -1, MaxConcurrentRequests: 1},
		})
		return func() (int, error) { return runCircuit(ctx, c) }
	}},
	{Semaphore, func(ctx context.Context) func() (int, error) {
		s := semaphore.NewWeighted(1)
		return func() (int, error) {
			if err := s.Acquire(ctx, 1); err != nil {
				return 0, err
			}
			defer s.Release(1)
			return answer(ctx)
		}
	}},
}

const plenty = 1 << 30 // more tokens than a benchmark takes

// limiterCalls take one token of plenty.
var limiterCalls = []Call{
	{Ours, func(context.Context) func() (int, error) {
		l := must(ratelimiter.NewRateLimiter(ratelimiter.RateLimiterConfig{Rate: 1e6, Burst: plenty}))
		return func() (int, error) { return allowed(l.Allow()) }
	}},
	{Failsafe, func(context.Context) func() (int, error) {
		l := failsafelimiter.NewBursty[int](plenty, time.Hour)
		return func() (int, error) { return allowed(l.TryAcquirePermit()) }
	}},
	{Rate, func(context.Context) func() (int, error) {
		l := rate.NewLimiter(1e6, plenty)
		return func() (int, error) { return allowed(l.Allow()) }
	}},
}

func allowed(ok bool) (int, error) {
	if !ok {
		return 0, errLimited
	}
	return 1, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
