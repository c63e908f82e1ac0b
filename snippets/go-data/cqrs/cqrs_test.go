package cqrs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Rules:
//
//	CQ-1 decorators run from the outside in, in the sequence given, once per call
//	CQ-2 results and errors pass through unchanged
//	CQ-3 a decorator that neither calls next nor fails is found out
//	CQ-4 one log line per call: name, duration, error, the level by outcome, never the message
//	CQ-5 every call is measured once: success, error, panic, runtime.Goexit
//	CQ-6 panic and runtime.Goexit go on through all decorators
//	CQ-7 an invalid message does not reach the handler
//	CQ-8 the limit reaches the handler's ctx with its own cause and never extends the caller's
//	CQ-9 decorated handlers are safe for concurrent use; calls share nothing
//	CQ-10 a call that fails for its limit is ErrHandlerTimeout and context.DeadlineExceeded; the caller's deadline is not
//	CQ-11 an invalid message is logged below ERROR and without what Validate said of it
//	CQ-12 Validate with a pointer receiver is called, too; a nil message is none
//	CQ-13 a nil logger and a nil clock are the default ones

type placeOrder struct {
	ID    string
	Cents int
	Email string
}

func (c placeOrder) Validate() error {
	if c.Cents <= 0 {
		return errors.New("cents must be positive")
	}
	return nil
}

// trace notes when a decorator is entered and left.
func trace(log *[]string, name string) HandlerDecorator {
	return func(ctx context.Context, call HandlerCall, next func(context.Context) error) error {
		*log = append(*log, name+" in "+call.Name)
		err := next(ctx)
		*log = append(*log, name+" out")
		return err
	}
}

func TestSequence(t *testing.T) {
	var log []string
	decorators := []HandlerDecorator{trace(&log, "a"), trace(&log, "b")}
	command := DecorateCommand("place", func(_ context.Context, c placeOrder) error {
		log = append(log, c.ID)
		return nil
	}, decorators...)
	query := DecorateQuery("total", func(_ context.Context, id string) (int, error) {
		log = append(log, id)
		return 7, nil
	}, decorators...)
	if err := command(context.Background(), placeOrder{ID: "o1"}); err != nil {
		t.Error(err)
	}
	if total, err := query(context.Background(), "o2"); total != 7 || err != nil { // CQ-2
		t.Errorf("got %d, %v", total, err)
	}
	want := []string{
		"a in place", "b in place", "o1", "b out", "a out",
		"a in total", "b in total", "o2", "b out", "a out",
	}
	if !slices.Equal(log, want) { // CQ-1
		t.Errorf("got %v", log)
	}
}

func TestResultsPassUnchanged(t *testing.T) {
	want := errors.New("sold out")
	everything := []HandlerDecorator{
		LogHandler(slog.New(slog.DiscardHandler), time.Now),
		MeasureHandler(time.Now, func(context.Context, string, time.Duration, error) {}),
		LimitHandler(time.Hour), ValidateHandler,
	}
	query := DecorateQuery("q", func(context.Context, int) (string, error) { return "partial", want }, everything...)
	if got, err := query(context.Background(), 1); got != "partial" || err != want { // CQ-2
		t.Errorf("got %q, %v", got, err)
	}
	command := DecorateCommand("c", func(context.Context, int) error { return want })
	if err := command(context.Background(), 1); err != want { // CQ-2: without decorators too
		t.Errorf("got %v", err)
	}
}

func TestSkippedHandler(t *testing.T) {
	lazy := func(context.Context, HandlerCall, func(context.Context) error) error { return nil }
	refusal := errors.New("forbidden")
	refusing := func(context.Context, HandlerCall, func(context.Context) error) error { return refusal }
	handle := func(context.Context, int) error { t.Error("called"); return nil }
	if err := DecorateCommand("c", handle, lazy)(context.Background(), 1); !errors.Is(err, ErrHandlerSkipped) { // CQ-3
		t.Errorf("got %v", err)
	}
	if err := DecorateCommand("c", handle, refusing)(context.Background(), 1); err != refusal {
		t.Errorf("got %v", err)
	}
}

func TestLog(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		err  error
		want string
	}{
		{"success", context.Background(), nil, `level=INFO msg=handled handler=place took=1s`},
		{"failure", context.Background(), errors.New("sold out"), `level=ERROR msg=handled handler=place took=1s error="sold out"`},
		{"caller gone", cancelled, context.Canceled, `level=INFO msg=handled handler=place took=1s error="context canceled"`},
		{"cancelled by itself", context.Background(), context.Canceled, `level=ERROR msg=handled handler=place took=1s error="context canceled"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))
			now := time.Now()
			clock := func() time.Time { now = now.Add(time.Second); return now }
			command := DecorateCommand("place", func(context.Context, placeOrder) error { return tc.err }, LogHandler(logger, clock))
			_ = command(tc.ctx, placeOrder{Email: "someone@example.com"})
			if got := strings.TrimSpace(out.String()); got != tc.want { // CQ-4
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestMeasure(t *testing.T) {
	failure := errors.New("sold out")
	for name, tc := range map[string]struct {
		handle CommandHandler[int]
		failed bool
	}{
		"success": {func(context.Context, int) error { return nil }, false},
		"failure": {func(context.Context, int) error { return failure }, true},
		"panic":   {func(context.Context, int) error { panic("boom") }, true},
		"goexit":  {func(context.Context, int) error { runtime.Goexit(); return nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			var records []string
			clock := time.Unix(0, 0)
			measure := MeasureHandler(
				func() time.Time { clock = clock.Add(time.Second); return clock },
				func(_ context.Context, name string, took time.Duration, err error) {
					records = append(records, fmt.Sprint(name, " ", took, " ", err != nil))
				})
			command := DecorateCommand("place", tc.handle, measure, LimitHandler(time.Hour), ValidateHandler)
			returned := false
			var recovered any
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { recovered = recover() }()
				_ = command(context.Background(), 1)
				returned = true
			})
			wg.Wait()
			if want := []string{fmt.Sprint("place 1s ", tc.failed)}; !slices.Equal(records, want) { // CQ-5
				t.Errorf("got %v, want %v", records, want)
			}
			if ends := name == "panic" || name == "goexit"; returned == ends || (recovered == "boom") != (name == "panic") { // CQ-6
				t.Errorf("returned %v, recovered %v", returned, recovered)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	calls := 0
	command := DecorateCommand("place", func(context.Context, placeOrder) error { calls++; return nil }, ValidateHandler)
	if err := command(context.Background(), placeOrder{}); !errors.Is(err, ErrInvalidMessage) || !strings.Contains(err.Error(), "positive") || calls != 0 { // CQ-7
		t.Errorf("%d calls, %v", calls, err)
	}
	if err := command(context.Background(), placeOrder{Cents: 1}); err != nil || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestLimit(t *testing.T) {
	for _, tc := range []struct{ caller, limit, want time.Duration }{
		{time.Hour, time.Second, time.Second}, {time.Second, time.Hour, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), tc.caller)
			defer cancel()
			start := time.Now()
			query := DecorateQuery("q", func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}, LimitHandler(tc.limit))
			_, err := query(ctx, 1)
			if time.Since(start) != tc.want || errors.Is(err, ErrHandlerTimeout) != (tc.limit < tc.caller) { // CQ-8
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

func TestConcurrentCalls(t *testing.T) {
	query := DecorateQuery("q", func(_ context.Context, n int) (int, error) { return n * 2, nil },
		LimitHandler(time.Hour), ValidateHandler)
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			if got, err := query(context.Background(), n); got != n*2 || err != nil { // CQ-9
				t.Errorf("%d: got %d, %v", n, got, err)
			}
		})
	}
	wg.Wait()
}

func TestLimitIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context, _ int) error { <-ctx.Done(); return fmt.Errorf("query: %w", ctx.Err()) }
		h := DecorateCommand("slow", wait, LimitHandler(time.Second))
		if err := h(context.Background(), 1); !errors.Is(err, ErrHandlerTimeout) || !errors.Is(err, context.DeadlineExceeded) { // CQ-10
			t.Errorf("limit: got %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := h(ctx, 1); errors.Is(err, ErrHandlerTimeout) || !errors.Is(err, context.DeadlineExceeded) { // CQ-10
			t.Errorf("caller's deadline: got %v", err)
		}
	})
}

type pointerCommand struct{ Email string }

func (c *pointerCommand) Validate() error { return fmt.Errorf("address %q has no domain", c.Email) }

func TestInvalidMessages(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&out, nil))
	h := DecorateCommand("place", func(context.Context, pointerCommand) error {
		t.Error("the handler was called")
		return nil
	}, LogHandler(logger, nil), ValidateHandler)
	if err := h(context.Background(), pointerCommand{"jane@example.com"}); !errors.Is(err, ErrInvalidMessage) { // CQ-12
		t.Errorf("got %v", err)
	}
	if line := out.String(); strings.Contains(line, "ERROR") || strings.Contains(line, "jane") || !strings.Contains(line, "invalid message") { // CQ-11
		t.Errorf("logged %s", line)
	}
	none := DecorateCommand("none", func(context.Context, error) error { return nil }, LogHandler(nil, nil), ValidateHandler)
	if err := none(context.Background(), nil); err != nil { // CQ-12, CQ-13
		t.Errorf("got %v", err)
	}
}
