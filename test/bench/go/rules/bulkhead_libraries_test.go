package rules

import (
	"context"
	"errors"
	"time"

	"github.com/cep21/circuit/v4"
	"github.com/failsafe-go/failsafe-go"
	failsafebulkhead "github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/timeout"
	"golang.org/x/sync/semaphore"

	"example.com/go-architect/bench/calls"
	"example.com/go-architect/snippets/go-resilience/bulkhead"
)

// compartment is a bulkhead.
type compartment interface {
	Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error)
}

type bulkheadConfig struct {
	limit       int
	maxWait     time.Duration // 0: fail at once
	maxQueue    int           // for libraries that bound the queue
	callTimeout time.Duration
	onReject    func()
}

type bulkheadLibrary struct {
	library
	new         func(bulkheadConfig) (compartment, error)
	full        func(error) bool
	queueBound  bool
	noWait      bool                    // it never waits for a place
	noMaxWait   bool                    // it waits as long as the context allows
	inFlight    func(compartment) int64 // nil: not told
	rejectsHook bool
}

// errNoPlace is for libraries that only say that there is none.
var errNoPlace = errors.New("no place")

var bulkheadLibraries = []bulkheadLibrary{
	{
		library: library{name: calls.Ours, settings: "Limit, MaxWait, MaxQueue and CallTimeout as the rule says"},
		new: func(cfg bulkheadConfig) (compartment, error) {
			ours := bulkhead.BulkheadConfig{
				Limit: cfg.limit, MaxWait: cfg.maxWait, MaxQueue: cfg.maxQueue, CallTimeout: cfg.callTimeout,
			}
			if cfg.onReject != nil {
				ours.OnReject = func(error) { cfg.onReject() }
			}
			b, err := bulkhead.NewBulkhead(ours)
			return ourBulkhead{b}, err
		},
		full:        func(err error) bool { return errors.Is(err, bulkhead.ErrBulkheadFull) },
		queueBound:  true,
		inFlight:    func(c compartment) int64 { return int64(c.(ourBulkhead).InFlight()) },
		rejectsHook: true,
	},
	{
		library: library{
			name:     calls.Failsafe,
			settings: "bulkhead with WithMaxWaitTime, timeout policy inside, used through an executor with the context",
			lacks: map[string]string{
				"B-7":  "its queue has no bound",
				"B-10": "it tells of rejections alone, not how many calls run",
			},
		},
		new:         newFailsafeBulkhead,
		full:        func(err error) bool { return errors.Is(err, failsafebulkhead.ErrFull) },
		rejectsHook: true,
	},
	{
		library: library{
			name:     calls.Circuit,
			settings: "MaxConcurrentRequests and Timeout of a circuit that never opens",
			cannot: map[string]string{
				"B-6": "it never waits for a place",
				"B-8": "it never waits for a place",
				"B-9": "it never waits for a place",
			},
			lacks: map[string]string{
				"B-7":  "it never waits: at once is all it can",
				"B-12": "a limit of 0 is the default of 10, as documented",
			},
		},
		new: newCircuitBulkhead,
		full: func(err error) bool {
			var rejection circuit.Error
			return errors.As(err, &rejection) && rejection.ConcurrencyLimitReached()
		},
		noWait:      true,
		inFlight:    func(c compartment) int64 { return c.(cepBreaker).ConcurrentCommands() },
		rejectsHook: true,
	},
	{
		library: library{
			name:     calls.Semaphore,
			settings: "TryAcquire where the rule is to fail at once, otherwise Acquire with the context; Release deferred",
			cannot: map[string]string{
				"B-3":  "it hands out permits and calls nothing",
				"B-6":  "it has no longest wait but the context",
				"B-10": "it tells no numbers and has no hook",
				"B-13": "permits are released by hand, and twice is possible while others hold theirs",
			},
			lacks: map[string]string{
				"B-2": "it calls nothing: the caller does",
				"B-4": "by the caller's own defer",
				"B-7": "it has no bound of the queue and no longest wait but the context",
			},
		},
		new: func(cfg bulkheadConfig) (compartment, error) {
			return semaphoreBulkhead{semaphore.NewWeighted(int64(cfg.limit)), cfg.maxWait > 0}, nil
		},
		full:      func(err error) bool { return err == errNoPlace },
		noMaxWait: true,
	},
}

type ourBulkhead struct{ *bulkhead.Bulkhead }

func (b ourBulkhead) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return bulkhead.CallBulkhead(ctx, b.Bulkhead, fn)
}

type failsafeExecutor struct{ failsafe.Executor[int] }

func newFailsafeBulkhead(cfg bulkheadConfig) (compartment, error) {
	builder := failsafebulkhead.NewBuilder[int](uint(cfg.limit)).WithMaxWaitTime(cfg.maxWait)
	if cfg.onReject != nil {
		builder.OnFull(func(failsafe.ExecutionEvent[int]) { cfg.onReject() })
	}
	policies := []failsafe.Policy[int]{builder.Build()}
	if cfg.callTimeout > 0 {
		policies = append(policies, timeout.New[int](cfg.callTimeout))
	}
	return failsafeExecutor{failsafe.With(policies...)}, nil
}

func (e failsafeExecutor) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return e.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[int]) (int, error) { return fn(e.Context()) })
}

func newCircuitBulkhead(cfg bulkheadConfig) (compartment, error) {
	config := circuit.Config{Execution: circuit.ExecutionConfig{Timeout: -1, MaxConcurrentRequests: int64(cfg.limit)}}
	if cfg.callTimeout > 0 {
		config.Execution.Timeout = cfg.callTimeout
	}
	if cfg.onReject != nil {
		config.Metrics.Run = []circuit.RunMetrics{rejectHook(cfg.onReject)}
	}
	return cepBreaker{circuit.NewCircuitFromConfig("rules", config)}, nil
}

// rejectHook listens to rejections alone.
type rejectHook func()

func (rejectHook) Success(context.Context, time.Time, time.Duration)          {}
func (rejectHook) ErrFailure(context.Context, time.Time, time.Duration)       {}
func (rejectHook) ErrTimeout(context.Context, time.Time, time.Duration)       {}
func (rejectHook) ErrBadRequest(context.Context, time.Time, time.Duration)    {}
func (rejectHook) ErrInterrupt(context.Context, time.Time, time.Duration)     {}
func (rejectHook) ErrShortCircuit(context.Context, time.Time)                 {}
func (h rejectHook) ErrConcurrencyLimitReject(_ context.Context, _ time.Time) { h() }

type semaphoreBulkhead struct {
	*semaphore.Weighted
	waits bool
}

func (s semaphoreBulkhead) Do(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	if !s.waits {
		if !s.TryAcquire(1) {
			return 0, errNoPlace
		}
	} else if err := s.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	defer s.Release(1)
	return fn(ctx)
}
