// Package resilience_test shows the patterns working together.
package resilience_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/go-architect/snippets/go-resilience/bulkhead"
	"example.com/go-architect/snippets/go-resilience/circuitbreaker"
	"example.com/go-architect/snippets/go-resilience/deadlinebudget"
	"example.com/go-architect/snippets/go-resilience/fallback"
	"example.com/go-architect/snippets/go-resilience/httpclient"
	"example.com/go-architect/snippets/go-resilience/ratelimiter"
	"example.com/go-architect/snippets/go-resilience/retry"
)

var errDependency = errors.New("the dependency failed")

// chain is bulkhead(retry(limiter(breaker(timeout(fn))))).
type chain struct {
	bulkhead *bulkhead.Bulkhead
	policy   retry.RetryPolicy
	limiter  *ratelimiter.RateLimiter
	breaker  *circuitbreaker.Breaker
	timeout  deadlinebudget.DeadlineBudget
	pauses   atomic.Int64
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newChain() *chain {
	c := &chain{
		limiter:  must(ratelimiter.NewRateLimiter(ratelimiter.RateLimiterConfig{Rate: 10, Burst: 10})),
		bulkhead: must(bulkhead.NewBulkhead(bulkhead.BulkheadConfig{Limit: 2, MaxWait: time.Minute})),
		breaker:  must(circuitbreaker.NewBreaker(circuitbreaker.BreakerConfig{ConsecutiveFailures: 3, CloseAfter: 1})),
		timeout:  deadlinebudget.DeadlineBudget{Timeout: time.Second},
	}
	c.policy = retry.RetryPolicy{
		Attempts: 3,
		Cap:      2 * time.Second,
		Budget:   must(retry.NewRetryBudget(0, 2)),
		OnRetry:  func(int, time.Duration, error) { c.pauses.Add(1) },
	}
	return c
}

func (c *chain) call(ctx context.Context, fn func(context.Context) (int, error)) (int, error) {
	return bulkhead.CallBulkhead(ctx, c.bulkhead, func(ctx context.Context) (int, error) {
		return retry.Retry(ctx, c.policy, func(ctx context.Context) (int, error) {
			return ratelimiter.CallRateLimiter(ctx, c.limiter, func(ctx context.Context) (int, error) {
				return circuitbreaker.CallBreaker(ctx, c.breaker, func(ctx context.Context) (int, error) {
					return deadlinebudget.CallWithDeadline(ctx, c.timeout, fn)
				})
			})
		})
	})
}

func succeed(context.Context) (int, error) { return 1, nil }
func fail(context.Context) (int, error)    { return 0, errDependency }

// outage makes the breaker open.
func (c *chain) outage(t *testing.T) {
	t.Helper()
	for range 3 {
		_, _ = circuitbreaker.CallBreaker(t.Context(), c.breaker, fail)
	}
	if c.breaker.State() != circuitbreaker.BreakerOpen {
		t.Fatal("the breaker did not open")
	}
}

func TestSuccessPassesThrough(t *testing.T) {
	c := newChain()
	if got, err := c.call(t.Context(), succeed); got != 1 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
}

func TestTimeoutIsRetriedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain()
		calls := 0
		start := time.Now()
		_, err := c.call(t.Context(), func(ctx context.Context) (int, error) {
			calls++
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if calls != 3 || !errors.Is(err, retry.ErrRetryExhausted) || !errors.Is(err, deadlinebudget.ErrDeadlineBudget) {
			t.Errorf("%v after %d calls", err, calls)
		}
		if took := time.Since(start); took < 3*time.Second || took > 3300*time.Millisecond {
			t.Errorf("took %v, want three timeouts and two short pauses", took)
		}
		if c.breaker.State() != circuitbreaker.BreakerOpen {
			t.Error("three timeouts did not open the breaker")
		}
	})
}

func TestRejectionIsNotRetriedUnlessItsTimeFits(t *testing.T) {
	t.Run("open for longer than the cap", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain() // open for 5 s, cap of 2 s
			c.outage(t)
			start := time.Now()
			_, err := c.call(t.Context(), func(context.Context) (int, error) {
				t.Error("fn was called")
				return 0, nil
			})
			if !errors.Is(err, circuitbreaker.ErrBreakerOpen) || !errors.Is(err, retry.ErrRetryDeadline) {
				t.Errorf("error = %v", err)
			}
			if c.pauses.Load() != 0 || time.Since(start) != 0 {
				t.Errorf("%d pauses, %v", c.pauses.Load(), time.Since(start))
			}
		})
	})
	t.Run("longer than the caller's deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain()
			c.policy.Cap = time.Minute
			c.outage(t)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			start := time.Now()
			_, err := c.call(ctx, succeed)
			if !errors.Is(err, circuitbreaker.ErrBreakerOpen) || !errors.Is(err, retry.ErrRetryDeadline) || time.Since(start) != 0 {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
	t.Run("the rest of it fits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain()
			c.outage(t)
			time.Sleep(4 * time.Second)
			start := time.Now()
			got, err := c.call(t.Context(), succeed)
			took := time.Since(start)
			if got != 1 || err != nil || took < time.Second || took > 1100*time.Millisecond {
				t.Errorf("got %d, %v after %v, want the probe after 1 s", got, err, took)
			}
			if c.breaker.State() != circuitbreaker.BreakerClosed {
				t.Errorf("state %v", c.breaker.State())
			}
		})
	})
	t.Run("never, if the predicate says so", func(t *testing.T) {
		c := newChain()
		c.policy.Cap = time.Minute
		c.policy.IsRetryable = func(err error) bool { return !errors.Is(err, circuitbreaker.ErrBreakerOpen) }
		c.outage(t)
		_, err := c.call(t.Context(), succeed)
		if !errors.Is(err, circuitbreaker.ErrBreakerOpen) || !errors.Is(err, retry.ErrRetryPermanent) || c.pauses.Load() != 0 {
			t.Errorf("%v after %d pauses", err, c.pauses.Load())
		}
	})
}

func TestRetryStopsWhenTheBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain()
		c.policy.Attempts = 10
		c.policy.Budget = nil
		calls := 0
		_, err := c.call(t.Context(), func(context.Context) (int, error) { calls++; return 0, errDependency })
		if calls != 3 || !errors.Is(err, circuitbreaker.ErrBreakerOpen) {
			t.Errorf("%v after %d calls, want the breaker's end after 3", err, calls)
		}
	})
}

// neutral checks that nothing is left of a call: no place, no waiting call, no
// failure counted, no retry spent.
func (c *chain) neutral(t *testing.T) {
	t.Helper()
	if f, w := c.bulkhead.InFlight(), c.bulkhead.Waiting(); f != 0 || w != 0 {
		t.Errorf("%d in flight and %d waiting in the bulkhead", f, w)
	}
	for range 2 { // the third failure would open it
		_, _ = circuitbreaker.CallBreaker(t.Context(), c.breaker, fail)
	}
	if c.breaker.State() != circuitbreaker.BreakerClosed {
		t.Error("the breaker counted the call")
	}
	retries := 0
	policy := c.policy
	policy.OnRetry = func(int, time.Duration, error) { retries++ }
	_, _ = retry.Retry(t.Context(), policy, fail)
	if retries != 2 {
		t.Errorf("%d retries left in the budget, want 2", retries)
	}
}

func isCancelled(err, cause error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(err, cause)
}

func TestCancelledCallerIsNeutral(t *testing.T) {
	cause := errors.New("client went away")
	withCancel := func(t *testing.T) (context.Context, context.CancelCauseFunc) {
		ctx, cancel := context.WithCancelCause(t.Context())
		t.Cleanup(func() { cancel(nil) })
		return ctx, cancel
	}
	t.Run("before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain()
			ctx, cancel := withCancel(t)
			cancel(cause)
			if _, err := c.call(ctx, succeed); !isCancelled(err, cause) {
				t.Errorf("error = %v, want context.Canceled and the cause", err)
			}
			if !c.limiter.AllowN(10) {
				t.Error("a token is gone")
			}
			c.neutral(t)
		})
	})
	t.Run("during the call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain()
			ctx, cancel := withCancel(t)
			_, err := c.call(ctx, func(ctx context.Context) (int, error) {
				cancel(cause)
				<-ctx.Done()
				return 0, ctx.Err()
			})
			if !isCancelled(err, cause) {
				t.Errorf("error = %v, want context.Canceled and the cause", err)
			}
			c.neutral(t)
		})
	})
	t.Run("in the bulkhead's queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain()
			c.timeout.Timeout = time.Hour
			end := make(chan struct{})
			for range 2 {
				go func() {
					_, _ = c.call(t.Context(), func(context.Context) (int, error) { <-end; return 0, nil })
				}()
			}
			synctest.Wait()
			ctx, cancel := withCancel(t)
			time.AfterFunc(time.Second, func() { cancel(cause) })
			if _, err := c.call(ctx, succeed); !isCancelled(err, cause) {
				t.Errorf("error = %v, want context.Canceled and the cause", err)
			}
			close(end)
			synctest.Wait()
			c.neutral(t)
		})
	})
	t.Run("in the limiter's queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain()
			c.limiter.AllowN(10)
			ctx, cancel := withCancel(t)
			time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
			if _, err := c.call(ctx, succeed); !isCancelled(err, cause) {
				t.Errorf("error = %v, want context.Canceled and the cause", err)
			}
			if delay := c.limiter.Delay(); delay != 50*time.Millisecond {
				t.Errorf("the next call would wait %v, want 50ms: the token was not given back", delay)
			}
			c.neutral(t)
		})
	})
}

func TestOutageReachesTheDependencyAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain()
		var calls, rejected, other atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				_, err := c.call(t.Context(), func(context.Context) (int, error) {
					calls.Add(1)
					return 0, errDependency
				})
				switch {
				case errors.Is(err, circuitbreaker.ErrBreakerOpen), errors.Is(err, ratelimiter.ErrRateLimited), errors.Is(err, bulkhead.ErrBulkheadFull):
					rejected.Add(1)
				case err != nil:
					other.Add(1)
				}
			})
		}
		start := time.Now()
		wg.Wait()
		// Three calls open the breaker, then there is a probe every 5 s, and at
		// most one more for a caller who came at the same moment.
		if limit := int64(3 + 2*(time.Since(start)/(5*time.Second)+1)); calls.Load() > limit {
			t.Errorf("%d calls in %v, want at most %d", calls.Load(), time.Since(start), limit)
		}
		if rejected.Load() < 900 || rejected.Load()+other.Load() != 1000 {
			t.Errorf("%d rejected, %d other errors", rejected.Load(), other.Load())
		}
	})
}

func TestFallbackAroundTheChain(t *testing.T) {
	c := newChain()
	c.outage(t)
	policy := fallback.FallbackPolicy[int]{Steps: []fallback.FallbackStep[int]{
		{Name: "default", Call: func(context.Context, error) (int, error) { return 7, nil }},
	}}
	got, err := fallback.CallWithFallback(t.Context(), policy, func(ctx context.Context) (int, error) { return c.call(ctx, succeed) })
	if err != nil || got.Value != 7 || !errors.Is(got.Failed, circuitbreaker.ErrBreakerOpen) {
		t.Errorf("got %+v, %v", got, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestServiceClientWithPolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := must(circuitbreaker.NewBreaker(circuitbreaker.BreakerConfig{
			ConsecutiveFailures: 3, IsFailure: httpclient.IsServiceFailure, IsExcluded: httpclient.IsServiceUnsent,
		}))
		var status, calls int
		client := must(httpclient.NewServiceClient(httpclient.ServiceClientConfig{
			BaseURL: "http://users.example",
			Retry: func(ctx context.Context, call httpclient.ServiceCall) (*httpclient.ServiceResponse, error) {
				return retry.Retry(ctx, retry.RetryPolicy{IsRetryable: httpclient.IsServiceFailure}, call)
			},
			Breaker: func(ctx context.Context, call httpclient.ServiceCall) (*httpclient.ServiceResponse, error) {
				return circuitbreaker.CallBreaker(ctx, breaker, call)
			},
			HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				calls++
				return &http.Response{
					StatusCode: status,
					Header:     http.Header{"Retry-After": {"1"}},
					Body:       io.NopCloser(strings.NewReader("")),
				}, nil
			})},
		}))
		send := func(method string) (time.Duration, error) {
			calls = 0
			start := time.Now()
			_, err := client.Send(t.Context(), httpclient.ServiceRequest{Method: method})
			return time.Since(start), err
		}
		status = http.StatusNotFound
		for range 20 {
			if _, err := send(http.MethodGet); calls != 1 || !errors.Is(err, retry.ErrRetryPermanent) {
				t.Fatalf("404: %v after %d calls", err, calls)
			}
		}
		status = http.StatusServiceUnavailable
		var failed *httpclient.ServiceStatusError
		if _, err := send(http.MethodPost); calls != 1 || !errors.As(err, &failed) {
			t.Errorf("POST: %v after %d calls", err, calls)
		}
		// Two more failures open the breaker, so the third attempt is rejected.
		took, err := send(http.MethodGet)
		if calls != 2 || took < time.Second || !errors.Is(err, circuitbreaker.ErrBreakerOpen) {
			t.Errorf("GET: %v after %d calls and %v, want a wait of 1 s and the breaker", err, calls, took)
		}
		if took, err := send(http.MethodGet); calls != 0 || took != 0 || !errors.Is(err, circuitbreaker.ErrBreakerOpen) {
			t.Errorf("open: %v after %d calls and %v", err, calls, took)
		}
	})
}

func TestRetryWaitsForTheRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := must(ratelimiter.NewRateLimiter(ratelimiter.RateLimiterConfig{Rate: 1, MaxWait: time.Nanosecond}))
		limiter.Allow()
		start := time.Now()
		_, err := retry.Retry(t.Context(), retry.RetryPolicy{}, func(ctx context.Context) (int, error) {
			return ratelimiter.CallRateLimiter(ctx, limiter, succeed)
		})
		if took := time.Since(start); err != nil || took < time.Second || took > 1100*time.Millisecond {
			t.Errorf("%v after %v, want success after 1 s", err, took)
		}
	})
}

// refusedService is a service that refuses connections, behind a breaker that
// opens after three failures; without credentials nothing is sent to it.
type refusedService struct {
	client  *httpclient.ServiceClient
	breaker *circuitbreaker.Breaker
	noToken func() bool
	sent    atomic.Int64
}

func newRefusedService(cfg httpclient.ServiceClientConfig) *refusedService {
	s := &refusedService{noToken: func() bool { return false }}
	s.breaker = must(circuitbreaker.NewBreaker(circuitbreaker.BreakerConfig{
		ConsecutiveFailures: 3, IsFailure: httpclient.IsServiceFailure, IsExcluded: httpclient.IsServiceUnsent,
	}))
	cfg.BaseURL = "http://users.example"
	if cfg.Limiter == nil {
		cfg.Breaker = func(ctx context.Context, call httpclient.ServiceCall) (*httpclient.ServiceResponse, error) {
			return circuitbreaker.CallBreaker(ctx, s.breaker, call)
		}
	}
	cfg.Authorize = func(*http.Request) error {
		if s.noToken() {
			return errors.New("the token endpoint is down")
		}
		return nil
	}
	cfg.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		s.sent.Add(1)
		return nil, errors.New("connection refused")
	})}
	s.client = must(httpclient.NewServiceClient(cfg))
	return s
}

func (s *refusedService) send(ctx context.Context, times int) {
	for range times {
		_, _ = s.client.Send(ctx, httpclient.ServiceRequest{})
	}
}

func TestUnsentRequestsDoNotCloseTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRefusedService(httpclient.ServiceClientConfig{})
		s.send(t.Context(), 3)
		time.Sleep(6 * time.Second)
		s.noToken = func() bool { return true }
		s.send(t.Context(), 2)
		if s.breaker.State() != circuitbreaker.BreakerHalfOpen || s.sent.Load() != 3 {
			t.Errorf("%v, though nothing reached the service", s.breaker.State())
		}
	})
}

func TestUnsentRequestsDoNotBreakARowOfFailures(t *testing.T) {
	s := newRefusedService(httpclient.ServiceClientConfig{})
	calls := 0
	s.noToken = func() bool { calls++; return calls%3 == 0 }
	s.send(t.Context(), 30)
	if s.breaker.State() != circuitbreaker.BreakerOpen || s.sent.Load() != 3 {
		t.Errorf("%v after %d refused requests", s.breaker.State(), s.sent.Load())
	}
}

func TestQuotaHoldsWithRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := must(ratelimiter.NewRateLimiter(ratelimiter.RateLimiterConfig{Rate: 10, Burst: 1}))
		s := newRefusedService(httpclient.ServiceClientConfig{
			Limiter: func(ctx context.Context, call httpclient.ServiceCall) (*httpclient.ServiceResponse, error) {
				return ratelimiter.CallRateLimiter(ctx, limiter, call)
			},
			Retry: func(ctx context.Context, call httpclient.ServiceCall) (*httpclient.ServiceResponse, error) {
				return retry.Retry(ctx, retry.RetryPolicy{IsRetryable: httpclient.IsServiceFailure}, call)
			},
		})
		start := time.Now()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { s.send(t.Context(), 1) })
		}
		all.Wait()
		if limit := int64(1 + 10*time.Since(start).Seconds()); s.sent.Load() > limit || s.sent.Load() < 200 {
			t.Errorf("%d requests reached the service in %v, the quota is %d", s.sent.Load(), time.Since(start), limit)
		}
	})
}
