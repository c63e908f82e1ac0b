package rules

import (
	"context"
	"errors"
	"time"

	"github.com/cep21/circuit/v4"
	"github.com/cep21/circuit/v4/closers/hystrix"
	"github.com/cep21/circuit/v4/closers/simplelogic"
	"github.com/failsafe-go/failsafe-go"
	failsafebreaker "github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	"example.com/go-architect/bench/calls"
	"example.com/go-architect/snippets/go-resilience/circuitbreaker"
)

type breaker interface {
	Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error)
	State() string // closed, open or half-open
}

// breakerConfig has no defaults but for probes and closeAfter: 1.
type breakerConfig struct {
	failures           int     // in a row that open it; 0: no such rule
	ratio              float64 // of failures within window that opens it; 0: no such rule
	minCalls           int
	window             time.Duration
	openFor            time.Duration
	probes, closeAfter int
	onChange           func(from, to string)
}

type breakerLibrary struct {
	library
	new        func(breakerConfig) breaker
	zero       func() breaker // with nothing configured
	rejected   func(error) bool
	remaining  func(breaker, error) time.Duration // until it lets a call through; nil: not told
	noHalfOpen bool                               // State has no half-open
}

// answerError is an error that is no failure of the dependency, told by the
// interface that circuit looks for; the other libraries take a function.
type answerError struct{ judge func() bool }

func (answerError) Error() string      { return "not found" }
func (e answerError) BadRequest() bool { return e.judge() }

func isAnswer(err error) bool {
	var answer answerError
	return errors.As(err, &answer) && answer.BadRequest()
}

var breakerLibraries = []breakerLibrary{
	{
		library: library{name: calls.Ours, settings: "IsFailure excludes answers such as \"not found\""},
		new:     newOurBreaker,
		zero:    func() breaker { return ourBreaker{must(circuitbreaker.NewBreaker(circuitbreaker.BreakerConfig{}))} },
		rejected: func(err error) bool {
			return errors.Is(err, circuitbreaker.ErrBreakerOpen)
		},
		remaining: func(_ breaker, err error) time.Duration {
			var rejection *circuitbreaker.BreakerError
			if !errors.As(err, &rejection) {
				return -1
			}
			return rejection.RetryAfter()
		},
	},
	{
		library: library{
			name: calls.GoBreaker,
			settings: "ReadyToTrip with the rule's numbers, Interval and BucketPeriod for a rolling window of ten buckets, " +
				"IsSuccessful for answers, IsExcluded for context.Canceled, MaxRequests for the probes",
			cannot: map[string]string{
				"CB-9":  "MaxRequests is both the number of probes and the threshold to close",
				"CB-15": "it takes no context",
			},
			lacks: map[string]string{"CB-6": "it does not tell the time that remains"},
		},
		new:  newGoBreaker,
		zero: func() breaker { return goBreaker{gobreaker.NewCircuitBreaker[int](gobreaker.Settings{})} },
		rejected: func(err error) bool {
			return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
		},
	},
	{
		library: library{
			name: calls.Failsafe,
			settings: "WithFailureThreshold or WithFailureRateThreshold, WithSuccessThresholdRatio(close after, probes), " +
				"HandleIf excludes answers and context.Canceled, used through an executor with the context",
			cannot: map[string]string{"CB-5": "one rule per breaker"},
		},
		new:      newFailsafeBreaker,
		zero:     func() breaker { return failsafeBreaker{failsafebreaker.NewWithDefaults[int]()} },
		rejected: func(err error) bool { return errors.Is(err, failsafebreaker.ErrOpen) },
		remaining: func(b breaker, _ error) time.Duration {
			return b.(failsafeBreaker).RemainingDelay()
		},
	},
	{
		library: library{
			name: calls.Circuit,
			settings: "ConsecutiveErrOpener or the hystrix opener with ten buckets, hystrix closer with HalfOpenAttempts and " +
				"RequiredConcurrentSuccessful, no timeout, no concurrency limit, answers as BadRequest, IsErrInterrupt for context.Canceled",
			cannot: map[string]string{"CB-5": "one opener per circuit; one for both rules would have to be written"},
			lacks: map[string]string{
				"CB-6":  "it does not tell the time that remains",
				"CB-18": "it returns no value: the function has to keep it",
				"CB-19": "it tells of opening and closing alone",
				"CB-22": "it has no half-open state to tell",
			},
		},
		new:  newCircuit,
		zero: func() breaker { return cepBreaker{circuit.NewCircuitFromConfig("zero", circuit.Config{})} },
		rejected: func(err error) bool {
			var rejection circuit.Error
			return errors.As(err, &rejection) && rejection.CircuitOpen()
		},
		noHalfOpen: true,
	},
}

type ourBreaker struct{ *circuitbreaker.Breaker }

func newOurBreaker(cfg breakerConfig) breaker {
	ours := circuitbreaker.BreakerConfig{
		ConsecutiveFailures: cfg.failures, FailureRatio: cfg.ratio, MinCalls: cfg.minCalls, Window: cfg.window,
		OpenFor: cfg.openFor, Probes: cfg.probes, CloseAfter: max(1, cfg.closeAfter),
		IsFailure: func(err error) bool { return !isAnswer(err) },
	}
	if cfg.onChange != nil {
		ours.OnStateChange = func(from, to circuitbreaker.BreakerState) { cfg.onChange(from.String(), to.String()) }
	}
	return ourBreaker{must(circuitbreaker.NewBreaker(ours))}
}

func (b ourBreaker) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return circuitbreaker.CallBreaker(ctx, b.Breaker, fn)
}

func (b ourBreaker) State() string { return b.Breaker.State().String() }

type goBreaker struct{ *gobreaker.CircuitBreaker[int] }

func newGoBreaker(cfg breakerConfig) breaker {
	settings := gobreaker.Settings{
		MaxRequests: uint32(max(1, cfg.probes)), Timeout: cfg.openFor,
		Interval: cfg.window, BucketPeriod: cfg.window / 10,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			ratio := float64(c.TotalFailures) / float64(max(1, c.TotalSuccesses+c.TotalFailures))
			return cfg.failures > 0 && int(c.ConsecutiveFailures) >= cfg.failures ||
				cfg.ratio > 0 && int(c.Requests) >= cfg.minCalls && ratio >= cfg.ratio
		},
		IsSuccessful: func(err error) bool { return err == nil || isAnswer(err) },
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) },
	}
	if cfg.onChange != nil {
		settings.OnStateChange = func(_ string, from, to gobreaker.State) { cfg.onChange(from.String(), to.String()) }
	}
	return goBreaker{gobreaker.NewCircuitBreaker[int](settings)}
}

func (b goBreaker) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return b.Execute(func() (int, error) { return fn(ctx) })
}

func (b goBreaker) State() string { return b.CircuitBreaker.State().String() }

type failsafeBreaker struct {
	failsafebreaker.CircuitBreaker[int]
}

func newFailsafeBreaker(cfg breakerConfig) breaker {
	closeAfter := uint(max(1, cfg.closeAfter))
	builder := failsafebreaker.NewBuilder[int]().
		WithDelay(cfg.openFor).
		WithSuccessThresholdRatio(closeAfter, max(closeAfter, uint(cfg.probes))).
		HandleIf(func(_ int, err error) bool {
			return err != nil && !isAnswer(err) && !errors.Is(err, context.Canceled)
		})
	if cfg.ratio > 0 {
		builder.WithFailureRateThreshold(cfg.ratio, uint(cfg.minCalls), cfg.window)
	} else {
		builder.WithFailureThreshold(uint(cfg.failures))
	}
	if cfg.onChange != nil {
		builder.OnStateChanged(func(e failsafebreaker.StateChangedEvent) {
			cfg.onChange(e.OldState.String(), e.NewState.String())
		})
	}
	return failsafeBreaker{builder.Build()}
}

func (b failsafeBreaker) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return failsafe.With(b.CircuitBreaker).WithContext(ctx).GetWithExecution(
		func(e failsafe.Execution[int]) (int, error) { return fn(e.Context()) })
}

func (b failsafeBreaker) State() string { return b.CircuitBreaker.State().String() }

type cepBreaker struct{ *circuit.Circuit }

func newCircuit(cfg breakerConfig) breaker {
	opener := simplelogic.ConsecutiveErrOpenerFactory(simplelogic.ConfigConsecutiveErrOpener{ErrorThreshold: int64(cfg.failures)})
	if cfg.ratio > 0 {
		opener = hystrix.OpenerFactory(hystrix.ConfigureOpener{
			ErrorThresholdPercentage: int64(100 * cfg.ratio), RequestVolumeThreshold: int64(cfg.minCalls), RollingDuration: cfg.window,
		})
	}
	config := circuit.Config{
		General: circuit.GeneralConfig{
			ClosedToOpenFactory: opener,
			OpenToClosedFactory: hystrix.CloserFactory(hystrix.ConfigureCloser{
				SleepWindow: cfg.openFor, HalfOpenAttempts: int64(cfg.probes), RequiredConcurrentSuccessful: int64(cfg.closeAfter),
			}),
		},
		Execution: circuit.ExecutionConfig{
			Timeout: -1, MaxConcurrentRequests: -1,
			IsErrInterrupt: func(err error) bool { return err == context.Canceled },
		},
	}
	if cfg.onChange != nil {
		config.Metrics.Circuit = []circuit.Metrics{cepHook(cfg.onChange)}
	}
	return cepBreaker{circuit.NewCircuitFromConfig("rules", config)}
}

func (b cepBreaker) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	var result int
	err := b.Run(ctx, func(ctx context.Context) error {
		var err error
		result, err = fn(ctx)
		return err
	})
	return result, err
}

func (b cepBreaker) State() string {
	if b.IsOpen() {
		return "open"
	}
	return "closed"
}

type cepHook func(from, to string)

func (h cepHook) Opened(context.Context, time.Time) { h("closed", "open") }
func (h cepHook) Closed(context.Context, time.Time) { h("open", "closed") }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
