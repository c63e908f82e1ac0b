package rules

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/avast/retry-go/v5"
	"github.com/cenkalti/backoff/v7"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"example.com/go-architect/bench/calls"
	ourretry "example.com/go-architect/snippets/go-resilience/retry"
)

// retrier makes one call, repeating it as it was configured.
type retrier func(ctx context.Context, fn func(context.Context) (int, error)) (int, error)

type retryConfig struct {
	attempts       int
	base, longest  time.Duration // pauses lie between 0 and min(longest, base·2^n)
	maxElapsed     time.Duration
	attemptTimeout time.Duration
	budget         bool // a fifth of the calls and a reserve of ten
	hints          bool // errors may ask for a pause
	onRetry        func()
}

type retryLibrary struct {
	library
	new           func(retryConfig) retrier
	permanent     func(error) error
	permanentNil  bool // permanent is the library's own and has to cope with nil
	zeroIsForever bool // by its documentation, 0 attempts are no limit
	parseHeader   func(value string, now time.Time) (time.Duration, bool)
}

// hintError asks for a pause.
type hintError time.Duration

func (e hintError) Error() string             { return "too many requests" }
func (e hintError) RetryAfter() time.Duration { return time.Duration(e) }

// stopError marks an error for libraries that abort by type.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

var retryLibraries = []retryLibrary{
	{
		library:   library{name: calls.Ours, settings: "Attempts, Base and Cap as the rule says"},
		new:       newOurRetry,
		permanent: ourretry.Permanent, permanentNil: true,
		parseHeader: ourretry.ParseRetryAfter,
	},
	{
		library: library{
			name: calls.Failsafe,
			settings: "WithBackoff of half the pauses and WithJitterFactor(1), which together are full jitter; without jitter where " +
				"WithDelayFunc gives the pause; AbortOnErrorTypes, WithMaxDuration, WithBudget, timeout policy inside; the context in the executor",
			lacks: map[string]string{
				"R-7":  "it has no mark of its own: errors are told by their type",
				"R-15": "the error does not tell the number of attempts",
			},
		},
		new:         newFailsafeRetry,
		permanent:   func(err error) error { return stopError{err} },
		parseHeader: failsafeHeader,
	},
	{
		library: library{
			name: calls.Backoff,
			settings: "WithMaxTries; ExponentialBackOff, new for each call, of half the pauses with RandomizationFactor 1 and " +
				"Multiplier 2, which is full jitter; WithMaxElapsedTime, 0 where the rule has none; RetryAfter and Permanent",
			cannot: map[string]string{
				"R-9":  "it reads no headers",
				"R-13": "it has no timeout of an attempt",
				"R-19": "it has no budget",
			},
			lacks: map[string]string{
				"R-15": "the error does not tell the number of attempts",
				"R-17": "its ExponentialBackOff keeps state, so the probe makes one per call",
				"R-20": "0 attempts are no limit, as documented",
			},
		},
		new:       newBackoff,
		permanent: backoff.Permanent, permanentNil: true, zeroIsForever: true,
	},
	{
		library: library{
			name: calls.RetryGo,
			settings: "Attempts; FullJitterBackoffDelay, with Delay halved because its first pause is doubled; MaxDelay; DelayType " +
				"for hints; WithFixedTokenBucketThrottle of ten retries; Unrecoverable; LastErrorOnly in R-15; the Context of the call",
			cannot: map[string]string{
				"R-9":  "it reads no headers",
				"R-10": "it has no limit of the elapsed time but the context",
				"R-13": "it has no timeout of an attempt",
			},
			lacks: map[string]string{
				"R-15": "with LastErrorOnly the error does not tell the number of attempts",
				"R-17": "the context belongs to the retrier, so the probe makes one per call",
				"R-20": "0 attempts are no limit, as documented",
			},
		},
		new:       newRetryGo,
		permanent: retry.Unrecoverable, permanentNil: true, zeroIsForever: true,
	},
}

func newOurRetry(cfg retryConfig) retrier {
	policy := ourretry.RetryPolicy{
		Attempts: cfg.attempts, Base: cfg.base, Cap: cfg.longest,
		MaxElapsed: cfg.maxElapsed, AttemptTimeout: cfg.attemptTimeout,
	}
	if cfg.budget {
		policy.Budget = must(ourretry.NewRetryBudget(0.2, 10))
	}
	if cfg.onRetry != nil {
		policy.OnRetry = func(int, time.Duration, error) { cfg.onRetry() }
	}
	return func(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
		return ourretry.Retry(ctx, policy, fn)
	}
}

func newFailsafeRetry(cfg retryConfig) retrier {
	builder := retrypolicy.NewBuilder[int]().
		WithMaxAttempts(cfg.attempts).
		WithBackoff(cfg.base/2, cfg.longest/2).
		WithMaxDuration(cfg.maxElapsed).
		AbortOnErrorTypes(stopError{})
	if cfg.hints {
		builder.WithDelayFunc(func(e failsafe.ExecutionAttempt[int]) time.Duration {
			var hint hintError
			if errors.As(e.LastError(), &hint) {
				return hint.RetryAfter()
			}
			return -1
		})
	} else {
		builder.WithJitterFactor(1)
	}
	if cfg.budget {
		builder.WithBudget(budget.New())
	}
	if cfg.onRetry != nil {
		builder.OnRetry(func(failsafe.ExecutionEvent[int]) { cfg.onRetry() })
	}
	policies := []failsafe.Policy[int]{builder.Build()}
	if cfg.attemptTimeout > 0 {
		policies = append(policies, timeout.New[int](cfg.attemptTimeout))
	}
	executor := failsafe.With(policies...)
	return func(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
		return executor.WithContext(ctx).GetWithExecution(
			func(e failsafe.Execution[int]) (int, error) { return fn(e.Context()) })
	}
}

// failsafeHeader asks the function that reads the header for a policy.
func failsafeHeader(value string, _ time.Time) (time.Duration, bool) {
	response := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {value}}}
	delay := failsafehttp.DelayFunc(attempt{response: response})
	return delay, delay != -1
}

type attempt struct {
	failsafe.ExecutionAttempt[*http.Response]
	response *http.Response
}

func (a attempt) LastResult() *http.Response { return a.response }

func newBackoff(cfg retryConfig) retrier {
	options := []backoff.RetryOption{
		backoff.WithMaxTries(uint(cfg.attempts)), backoff.WithMaxElapsedTime(cfg.maxElapsed),
	}
	if cfg.onRetry != nil {
		options = append(options, backoff.WithNotify(func(error, time.Duration) { cfg.onRetry() }))
	}
	return func(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
		pauses := &backoff.ExponentialBackOff{
			InitialInterval: cfg.base / 2, MaxInterval: cfg.longest / 2, Multiplier: 2, RandomizationFactor: 1,
		}
		return backoff.Retry(ctx, func() (int, error) {
			result, err := fn(ctx)
			var hint hintError
			if errors.As(err, &hint) {
				err = backoff.RetryAfter(hint.RetryAfter(), err)
			}
			return result, err
		}, append(options, backoff.WithBackOff(pauses))...)
	}
}

func newRetryGo(cfg retryConfig) retrier {
	options := []retry.Option{
		retry.Attempts(uint(cfg.attempts)), retry.Delay(cfg.base / 2), retry.MaxDelay(cfg.longest),
		retry.DelayType(func(n uint, err error, c retry.DelayContext) time.Duration {
			var hint hintError
			if errors.As(err, &hint) {
				return hint.RetryAfter()
			}
			return retry.FullJitterBackoffDelay(n, err, c)
		}),
		retry.LastErrorOnly(cfg.attempts > manyAttempts/2),
	}
	if cfg.budget {
		options = append(options, retry.WithThrottle(retry.NewFixedTokenBucketThrottle(
			retry.FixedTokenBucketThrottleConfig{MaxCapacity: 50, ThrottleCost: 5, FirstSuccessReleaseCost: 1})))
	}
	if cfg.onRetry != nil {
		options = append(options, retry.OnRetry(func(uint, error) { cfg.onRetry() }))
	}
	return func(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
		return retry.NewWithData[int](append(options, retry.Context(ctx))...).Do(
			func() (int, error) { return fn(ctx) })
	}
}
