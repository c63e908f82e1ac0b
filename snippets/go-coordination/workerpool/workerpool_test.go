package workerpool

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// Rules:
//
//	WP-1  exactly Workers jobs at once when there are enough, never more
//	WP-2  the queue is bounded: Submit waits for room, TrySubmit returns ErrPoolFull
//	WP-3  Submit ends with ctx; a ctx that is done never enqueues
//	WP-4  when Run's ctx ends, every accepted job is still done, with a live ctx, before Run returns nil
//	WP-5  after DrainTimeout running jobs are cancelled, waiting ones reported, and Run returns ErrPoolDrainTimeout
//	WP-6  a closing pool refuses jobs and releases those waiting in Submit
//	WP-7  error, panic and runtime.Goexit of a job reach OnError once; the worker, or one in its place, goes on
//	WP-8  every job is refused, done or reported: nothing is lost in the race between Submit and closing
//	WP-9  one worker does jobs in the sequence they were accepted in
//	WP-10 a wrong configuration is refused, and so is a second Run
//	WP-11 no goroutine is left after Run (TestMain, and the bubbles)
//	WP-12 Waiting and Running are exact

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPool(t *testing.T, config WorkerPoolConfig[int]) *WorkerPool[int] {
	t.Helper()
	if config.OnError == nil {
		config.OnError = func(_ context.Context, job int, err error) { t.Errorf("job %d: %v", job, err) }
	}
	p, err := NewWorkerPool(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs the pool; stop ends its ctx and returns what Run returns.
func start(p *WorkerPool[int]) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- p.Run(ctx) }()
	return func() error { cancel(); return <-result }
}

func TestConcurrencyAndBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newPool(t, WorkerPoolConfig[int]{Workers: 3, Queue: 2, Handle: func(context.Context, int) error {
			<-release
			return nil
		}})
		stop := start(p)
		for job := range 5 {
			if err := p.Submit(context.Background(), job); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if p.Running() != 3 || p.Waiting() != 2 { // WP-1, WP-12
			t.Errorf("%d running, %d waiting", p.Running(), p.Waiting())
		}
		if err := p.TrySubmit(5); err != ErrPoolFull { // WP-2
			t.Errorf("got %v", err)
		}
		submitted := false
		go func() {
			if err := p.Submit(context.Background(), 5); err != nil {
				t.Error(err)
			}
			submitted = true
		}()
		synctest.Wait()
		if submitted { // WP-2
			t.Error("Submit did not wait for room")
		}
		release <- struct{}{}
		synctest.Wait()
		if !submitted || p.Running() != 3 || p.Waiting() != 2 { // WP-2
			t.Errorf("submitted %v, %d running, %d waiting", submitted, p.Running(), p.Waiting())
		}
		close(release)
		if err := stop(); err != nil || p.Running() != 0 || p.Waiting() != 0 {
			t.Errorf("%v, %d running, %d waiting", err, p.Running(), p.Waiting())
		}
	})
}

func TestSubmitContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, WorkerPoolConfig[int]{Workers: 1, Queue: 1, Handle: func(context.Context, int) error { return nil }})
		cause := errors.New("client went away")
		done, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		for range 100 { // there is room: a select would pick it half of the time
			if err := p.Submit(done, 1); err != cause || p.Waiting() != 0 { // WP-3
				t.Fatalf("%d waiting, %v", p.Waiting(), err)
			}
		}
		if err := p.TrySubmit(1); err != nil {
			t.Fatal(err)
		}
		ctx, stopWaiting := context.WithTimeout(context.Background(), time.Second)
		defer stopWaiting()
		begin := time.Now()
		if err := p.Submit(ctx, 2); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second { // WP-3
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		p := newPool(t, WorkerPoolConfig[int]{Workers: 1, Queue: 9, DrainTimeout: time.Minute, Handle: func(ctx context.Context, job int) error {
			time.Sleep(time.Second)
			order = append(order, job)
			return ctx.Err()
		}})
		for job := range 9 {
			if err := p.Submit(context.Background(), job); err != nil {
				t.Fatal(err)
			}
		}
		stop := start(p)
		synctest.Wait()
		if err := stop(); err != nil { // WP-4
			t.Error(err)
		}
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(order, want) { // WP-4, WP-9
			t.Errorf("did %v", order)
		}
		if err := p.Submit(context.Background(), 1); err != ErrPoolClosed { // WP-6
			t.Errorf("got %v", err)
		}
		if err := p.TrySubmit(1); err != ErrPoolClosed {
			t.Errorf("got %v", err)
		}
	})
}

func TestDrainTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []string
		p := newPool(t, WorkerPoolConfig[int]{
			Workers: 1, Queue: 2, DrainTimeout: time.Second,
			Handle: func(ctx context.Context, _ int) error {
				<-ctx.Done()
				return fmt.Errorf("cut short: %w", context.Cause(ctx))
			},
			OnError: func(_ context.Context, job int, err error) {
				reported = append(reported, fmt.Sprint(job, errors.Is(err, ErrPoolDrainTimeout), err))
			},
		})
		stop := start(p)
		for job := range 3 {
			if err := p.Submit(context.Background(), job); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		blocked := make(chan error, 1)
		go func() { blocked <- p.Submit(context.Background(), 3) }()
		synctest.Wait()
		begin := time.Now()
		if err := stop(); err != ErrPoolDrainTimeout || time.Since(begin) != time.Second { // WP-5
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := <-blocked; err != ErrPoolClosed { // WP-6
			t.Errorf("got %v", err)
		}
		want := []string{
			"0 true cut short: " + ErrPoolDrainTimeout.Error(),
			"1 true " + ErrPoolDrainTimeout.Error(),
			"2 true " + ErrPoolDrainTimeout.Error(),
		}
		if !slices.Equal(reported, want) { // WP-5
			t.Errorf("reported %q", reported)
		}
	})
}

func TestFailingJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("bad input")
		var mu sync.Mutex
		reported := map[int]error{}
		reports := 0
		p := newPool(t, WorkerPoolConfig[int]{
			Workers: 2, Queue: 10,
			Handle: func(_ context.Context, job int) error {
				switch job % 4 {
				case 1:
					return failure
				case 2:
					panic("boom")
				case 3:
					runtime.Goexit()
				}
				return nil
			},
			OnError: func(_ context.Context, job int, err error) {
				mu.Lock()
				defer mu.Unlock()
				reports++
				reported[job] = err
			},
		})
		stop := start(p)
		for job := range 40 { // far more Goexits than workers
			if err := p.Submit(context.Background(), job); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil { // WP-11: the bubble would not end with a worker left
			t.Error(err)
		}
		for job := range 40 {
			err := reported[job]
			var panicked *JobPanicError
			switch job % 4 { // WP-7
			case 0:
				if err != nil {
					t.Errorf("job %d: %v", job, err)
				}
			case 1:
				if err != failure {
					t.Errorf("job %d: %v", job, err)
				}
			case 2:
				if !errors.As(err, &panicked) || panicked.Value != "boom" || len(panicked.Stack) == 0 {
					t.Errorf("job %d: %v", job, err)
				}
			case 3:
				if err != ErrJobExited {
					t.Errorf("job %d: %v", job, err)
				}
			}
		}
		if reports != 30 || p.Running() != 0 { // WP-7, WP-12
			t.Errorf("%d reports, %d running", reports, p.Running())
		}
	})
}

func TestNothingIsLost(t *testing.T) {
	for range 200 {
		var done, accepted, refused, most, running atomic.Int64
		p := newPool(t, WorkerPoolConfig[int]{Workers: 4, Queue: 3, Handle: func(context.Context, int) error {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			runtime.Gosched()
			running.Add(-1)
			done.Add(1)
			return nil
		}})
		stop := start(p)
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				for range 20 {
					submit := p.Submit
					if g%2 == 0 {
						submit = func(_ context.Context, job int) error { return p.TrySubmit(job) }
					}
					switch err := submit(context.Background(), 1); err {
					case nil:
						accepted.Add(1)
					case ErrPoolClosed, ErrPoolFull:
						refused.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		if err := stop(); err != nil { // while the others are submitting
			t.Error(err)
		}
		wg.Wait()
		if done.Load() != accepted.Load() || accepted.Load()+refused.Load() != 320 || most.Load() > 4 { // WP-8, WP-1
			t.Fatalf("%d done of %d accepted, %d refused, %d at once", done.Load(), accepted.Load(), refused.Load(), most.Load())
		}
	}
}

func TestConfig(t *testing.T) {
	handle := func(context.Context, int) error { return nil }
	report := func(context.Context, int, error) {}
	for _, config := range []WorkerPoolConfig[int]{
		{Handle: handle, OnError: report},
		{Workers: -1, Handle: handle, OnError: report},
		{Workers: 1, Queue: -1, Handle: handle, OnError: report},
		{Workers: 1, DrainTimeout: -1, Handle: handle, OnError: report},
		{Workers: 1, OnError: report},
		{Workers: 1, Handle: handle},
	} {
		if p, err := NewWorkerPool(config); p != nil || err == nil { // WP-10
			t.Errorf("%+v was accepted", config)
		}
	}
	p := newPool(t, WorkerPoolConfig[int]{Workers: 1, Handle: handle})
	if err := start(p)(); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(context.Background()); err == nil { // WP-10
		t.Error("ran twice")
	}
}

func BenchmarkSubmit(b *testing.B) {
	p, err := NewWorkerPool(WorkerPoolConfig[int]{
		Workers: 4, Queue: 64,
		Handle:  func(context.Context, int) error { return nil },
		OnError: func(context.Context, int, error) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	stop := start(p)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Submit(ctx, 1)
	}
	_ = stop()
}
