package fallback

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The rules; each test carries the number of the one it proves.
//
//	FB-1  A real answer calls no step, is not degraded and allocates nothing.
//	FB-2  Steps are tried in order, each is told why the one before failed, and the first answer wins.
//	FB-3  When the caller has gone no step is tried, and nobody is told of a degraded answer.
//	FB-4  Errors that are answers pass through.
//	FB-5  A step that hangs is left for the next one.
//	FB-6  The real call leaves Reserve of the caller's time to the steps.
//	FB-7  A degraded answer says where it is from and why, and is told once.
//	FB-8  If all fail the error matches each of them.
//	FB-9  The last good value is served up to its age, not longer; a late answer does not replace a newer one.
//	FB-10 Panic and Goexit pass through and leave nothing behind.
//	FB-11 Without steps the call is what it was.

var (
	errFallbackTest = errors.New("the dependency failed")
	errFallbackStep = errors.New("the step failed")
)

func realAnswer(context.Context) (string, error) { return "real", nil }
func noAnswer(context.Context) (string, error)   { return "", errFallbackTest }

func answerStep(name string) FallbackStep[string] {
	return FallbackStep[string]{name, func(context.Context, error) (string, error) { return "from " + name, nil }}
}

func failingStep(name string) FallbackStep[string] {
	return FallbackStep[string]{name, func(context.Context, error) (string, error) { return "", errFallbackStep }}
}

// forbiddenStep fails the test when it is called.
func forbiddenStep(t testing.TB) FallbackStep[string] {
	return FallbackStep[string]{"forbidden", func(context.Context, error) (string, error) {
		t.Error("the step was called")
		return "", nil
	}}
}

func TestFB01_RealAnswer(t *testing.T) {
	policy := FallbackPolicy[string]{
		Steps:      []FallbackStep[string]{forbiddenStep(t)},
		OnDegraded: func(string, error) { t.Error("told of a degraded answer") },
	}
	got, err := CallWithFallback(t.Context(), policy, realAnswer)
	if err != nil || got != (FallbackResult[string]{Value: "real"}) || got.Degraded() {
		t.Errorf("got %+v, %v", got, err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = CallWithFallback(ctx, policy, realAnswer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFB02_InOrder(t *testing.T) {
	var told []error
	listen := func(step FallbackStep[string]) FallbackStep[string] {
		return FallbackStep[string]{step.Name, func(ctx context.Context, failed error) (string, error) {
			told = append(told, failed)
			return step.Call(ctx, failed)
		}}
	}
	policy := FallbackPolicy[string]{Steps: []FallbackStep[string]{
		listen(failingStep("replica")), listen(answerStep("cache")), forbiddenStep(t),
	}}
	got, err := CallWithFallback(t.Context(), policy, noAnswer)
	if err != nil || got.Value != "from cache" || got.Source != "cache" {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(told) != 2 || told[0] != errFallbackTest || !errors.Is(told[1], errFallbackStep) {
		t.Errorf("the steps were told %v", told)
	}
}

func TestFB03_CallerHasGone(t *testing.T) {
	policy := FallbackPolicy[string]{
		Steps:      []FallbackStep[string]{forbiddenStep(t)},
		OnDegraded: func(string, error) { t.Error("told of a degraded answer") },
	}
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := CallWithFallback(ctx, policy, func(context.Context) (string, error) {
		cancel(cause)
		return "", errFallbackTest
	})
	if err != errFallbackTest {
		t.Errorf("cancelled during the call: %v, want fn's error", err)
	}
	_, err = CallWithFallback(ctx, policy, func(context.Context) (string, error) {
		t.Error("fn was called")
		return "", nil
	})
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v, want context.Canceled and the cause", err)
	}
	ctx, cancel = context.WithCancelCause(t.Context())
	policy = FallbackPolicy[string]{Steps: []FallbackStep[string]{
		{"cancels", func(context.Context, error) (string, error) { cancel(nil); return "", errFallbackStep }},
		forbiddenStep(t),
	}}
	if _, err = CallWithFallback(ctx, policy, noAnswer); !errors.Is(err, errFallbackTest) || !errors.Is(err, errFallbackStep) {
		t.Errorf("cancelled during a step: %v", err)
	}
}

func TestFB04_AnswersPassThrough(t *testing.T) {
	notFound := errors.New("not found")
	policy := FallbackPolicy[string]{
		Steps:   []FallbackStep[string]{forbiddenStep(t)},
		Degrade: func(err error) bool { return !errors.Is(err, notFound) },
	}
	got, err := CallWithFallback(t.Context(), policy, func(context.Context) (string, error) { return "partial", notFound })
	if err != notFound || got.Value != "partial" || got.Degraded() {
		t.Errorf("got %+v, %v: want fn's own value and error", got, err)
	}
	policy.Steps = []FallbackStep[string]{answerStep("cache")}
	if got, err := CallWithFallback(t.Context(), policy, noAnswer); err != nil || !got.Degraded() {
		t.Errorf("got %+v, %v: want the fallback", got, err)
	}
}

func TestFB05_HangingStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		policy := FallbackPolicy[string]{StepTimeout: time.Second, Steps: []FallbackStep[string]{
			{"hangs", func(ctx context.Context, _ error) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			}},
			answerStep("cache"),
		}}
		got, err := CallWithFallback(t.Context(), policy, noAnswer)
		if err != nil || got.Source != "cache" || time.Since(start) != time.Second {
			t.Errorf("got %+v, %v after %v", got, err, time.Since(start))
		}
	})
}

func TestFB06_Reserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		policy := FallbackPolicy[string]{Reserve: 200 * time.Millisecond, Steps: []FallbackStep[string]{
			{"rest", func(ctx context.Context, _ error) (string, error) {
				deadline, _ := ctx.Deadline()
				return time.Until(deadline).String(), nil
			}},
		}}
		got, err := CallWithFallback(ctx, policy, func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		if err != nil || got.Value != "200ms" || !errors.Is(got.Failed, context.DeadlineExceeded) {
			t.Errorf("got %+v, %v: want 200ms left for the step", got, err)
		}
	})
}

func TestFB07_DegradedIsTold(t *testing.T) {
	var told []string
	policy := FallbackPolicy[string]{
		Steps:      []FallbackStep[string]{failingStep("replica"), answerStep("cache")},
		OnDegraded: func(source string, failed error) { told = append(told, source+": "+failed.Error()) },
	}
	got, err := CallWithFallback(t.Context(), policy, noAnswer)
	if err != nil || !got.Degraded() || got.Failed != errFallbackTest {
		t.Errorf("got %+v, %v", got, err)
	}
	policy.Steps = policy.Steps[:1]
	_, _ = CallWithFallback(t.Context(), policy, noAnswer)
	want := []string{"cache: the dependency failed", ": the dependency failed"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestFB08_AllFail(t *testing.T) {
	policy := FallbackPolicy[string]{Steps: []FallbackStep[string]{
		failingStep("replica"),
		{"cache", func(context.Context, error) (string, error) { return "", ErrFallbackStale }},
	}}
	_, err := CallWithFallback(t.Context(), policy, noAnswer)
	for _, want := range []error{errFallbackTest, errFallbackStep, ErrFallbackStale} {
		if !errors.Is(err, want) {
			t.Errorf("%v does not match %v", err, want)
		}
	}
	want := "the dependency failed\nfallback replica: the step failed\nfallback cache: no answer that is recent enough"
	if err.Error() != want {
		t.Errorf("message %q", err)
	}
}

func TestFB09_LastGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last, err := NewLastGood[string](time.Minute, nil)
		if err != nil {
			t.Fatal(err)
		}
		policy := FallbackPolicy[string]{Steps: []FallbackStep[string]{last.Step("stale")}}
		if _, err := CallWithFallback(t.Context(), policy, last.Remember(noAnswer)); !errors.Is(err, ErrFallbackStale) {
			t.Errorf("before any answer: %v, want ErrFallbackStale", err)
		}
		if _, err := CallWithFallback(t.Context(), policy, last.Remember(realAnswer)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		got, err := CallWithFallback(t.Context(), policy, last.Remember(noAnswer))
		if err != nil || got.Value != "real" || got.Source != "stale" {
			t.Errorf("at its age: %+v, %v", got, err)
		}
		time.Sleep(time.Nanosecond)
		if _, err := CallWithFallback(t.Context(), policy, last.Remember(noAnswer)); !errors.Is(err, ErrFallbackStale) {
			t.Errorf("beyond its age: %v, want ErrFallbackStale", err)
		}

		var wg sync.WaitGroup
		for i, answer := range []string{"slow", "quick"} { // asked in this order, answered in the other
			wg.Go(func() {
				_, _ = last.Remember(func(context.Context) (string, error) {
					time.Sleep(time.Duration(10-5*i) * time.Second)
					return answer, nil
				})(t.Context())
			})
			time.Sleep(time.Second)
		}
		wg.Wait()
		if got, _ := CallWithFallback(t.Context(), policy, noAnswer); got.Value != "quick" {
			t.Errorf("the value is %q, want that of the later question", got.Value)
		}
		for range 64 {
			wg.Go(func() {
				_, _ = last.Remember(realAnswer)(t.Context())
				_, _ = CallWithFallback(t.Context(), policy, noAnswer)
			})
		}
		wg.Wait()
	})
	for _, age := range []time.Duration{0, -1} {
		if _, err := NewLastGood[string](age, nil); err == nil {
			t.Errorf("no error for the age %v", age)
		}
	}
}

func TestFB10_PanicAndGoexit(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		for _, where := range []string{"call", "step"} {
			t.Run(name+" in the "+where, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				var inner context.Context
				policy := FallbackPolicy[string]{Reserve: time.Minute, StepTimeout: time.Minute, Steps: []FallbackStep[string]{
					{"ends", func(ctx context.Context, _ error) (string, error) { inner = ctx; end(); return "", nil }},
				}}
				done := make(chan any)
				go func() {
					defer func() { done <- recover() }()
					_, _ = CallWithFallback(ctx, policy, func(ctx context.Context) (string, error) {
						if where == "call" {
							inner = ctx
							end()
						}
						return noAnswer(ctx)
					})
					t.Error("returned")
				}()
				if got := <-done; (got == "boom") != (name == "panic") {
					t.Errorf("recovered %v", got)
				}
				if inner.Err() == nil {
					t.Error("a context is left behind")
				}
			})
		}
	}
}

func TestFB11_NoSteps(t *testing.T) {
	policy := FallbackPolicy[string]{OnDegraded: func(string, error) { t.Error("told of a degraded answer") }}
	if _, err := CallWithFallback(t.Context(), policy, noAnswer); err != errFallbackTest {
		t.Errorf("error = %v, want fn's own", err)
	}
	if got, err := CallWithFallback(t.Context(), policy, realAnswer); err != nil || got.Value != "real" {
		t.Errorf("got %+v, %v", got, err)
	}
}
