// Package workerpool runs jobs on a fixed number of goroutines behind a bounded
// queue, and loses none of them without a word.
package workerpool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrPoolFull says that the queue has no room; the job was not accepted.
	ErrPoolFull = errors.New("worker pool is full")
	// ErrPoolClosed says that the pool is draining; the job was not accepted.
	ErrPoolClosed = errors.New("worker pool is closed")
	// ErrPoolDrainTimeout is the cause of jobs cut short, and the error of jobs
	// never begun, when draining takes longer than DrainTimeout.
	ErrPoolDrainTimeout = errors.New("worker pool took too long to drain")
	// ErrJobExited is the error of a job that called runtime.Goexit.
	ErrJobExited = errors.New("job ended its goroutine")
)

// JobPanicError is the error of a job that panicked.
type JobPanicError struct {
	Value any
	Stack []byte
}

// Error implements error. The stack is left to whoever logs it.
func (e *JobPanicError) Error() string { return fmt.Sprintf("job panicked: %v", e.Value) }

// WorkerPoolConfig says what is done with jobs, how many at once, and how many may wait.
type WorkerPoolConfig[J any] struct {
	Workers      int           // required
	Queue        int           // jobs that wait; 0 means a job is accepted only by a free worker
	DrainTimeout time.Duration // how long accepted jobs may go on after Run's ctx ends; 20 s if zero

	// Handle does a job. Its ctx outlives Run's, until DrainTimeout; it must honour it.
	Handle func(ctx context.Context, job J) error
	// OnError hears of every accepted job that was not done, from a worker's goroutine. It must not panic.
	OnError func(ctx context.Context, job J, err error)
}

// WorkerPool is safe for concurrent use.
type WorkerPool[J any] struct {
	config  WorkerPoolConfig[J]
	jobs    chan J // as long as the queue: the buffer is the bound that callers wait for
	closing chan struct{}
	started atomic.Bool
	running atomic.Int64

	submitting sync.RWMutex // held for reading while a job is handed over
	closed     bool
}

// NewWorkerPool returns a pool that accepts jobs and does them once Run is called.
func NewWorkerPool[J any](config WorkerPoolConfig[J]) (*WorkerPool[J], error) {
	if config.Workers <= 0 || config.Queue < 0 || config.DrainTimeout < 0 {
		return nil, errors.New("worker pool: workers must be positive, limits not negative")
	}
	if config.Handle == nil || config.OnError == nil {
		return nil, errors.New("worker pool: Handle and OnError are required")
	}
	if config.DrainTimeout == 0 {
		config.DrainTimeout = 20 * time.Second
	}
	return &WorkerPool[J]{
		config:  config,
		jobs:    make(chan J, config.Queue),
		closing: make(chan struct{}),
	}, nil
}

// Submit waits for room in the queue, which slows the caller down to the pace
// of the workers. Nil means that the job will be done or reported to OnError.
func (p *WorkerPool[J]) Submit(ctx context.Context, job J) error {
	p.submitting.RLock()
	defer p.submitting.RUnlock()
	if p.closed {
		return ErrPoolClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case p.jobs <- job:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.closing:
		return ErrPoolClosed
	}
}

// TrySubmit is Submit without the wait: ErrPoolFull when there is no room.
func (p *WorkerPool[J]) TrySubmit(job J) error {
	p.submitting.RLock()
	defer p.submitting.RUnlock()
	if p.closed {
		return ErrPoolClosed
	}
	select {
	case p.jobs <- job:
		return nil
	default:
		return ErrPoolFull
	}
}

// Waiting returns the number of jobs in the queue.
func (p *WorkerPool[J]) Waiting() int { return len(p.jobs) }

// Running returns the number of jobs being done.
func (p *WorkerPool[J]) Running() int { return int(p.running.Load()) }

// Run does jobs until ctx ends, then closes the pool, finishes what was
// accepted and returns when no worker is left: ErrPoolDrainTimeout if jobs had
// to be cut short, nil otherwise. A pool runs once.
func (p *WorkerPool[J]) Run(ctx context.Context) error {
	if p.started.Swap(true) {
		return errors.New("worker pool: Run was called before")
	}
	jobCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var workers sync.WaitGroup
	for i := 0; i < p.config.Workers; i++ {
		workers.Add(1)
		go p.work(jobCtx, &workers)
	}
	<-ctx.Done()
	close(p.closing) // wakes those that wait in Submit
	p.submitting.Lock()
	p.closed = true
	close(p.jobs) // nobody is sending any more
	p.submitting.Unlock()

	defer time.AfterFunc(p.config.DrainTimeout, func() { cancel(ErrPoolDrainTimeout) }).Stop()
	workers.Wait()
	return context.Cause(jobCtx)
}

func (p *WorkerPool[J]) work(ctx context.Context, workers *sync.WaitGroup) {
	finished := false
	defer func() {
		if !finished { // a job called runtime.Goexit, which ends this goroutine: put another in its place
			go p.work(ctx, workers)
			return
		}
		workers.Done()
	}()
	for job := range p.jobs {
		p.do(ctx, job)
	}
	finished = true
}

func (p *WorkerPool[J]) do(ctx context.Context, job J) {
	if ctx.Err() != nil {
		p.config.OnError(ctx, job, context.Cause(ctx))
		return
	}
	p.running.Add(1)
	returned := false
	var err error
	defer func() {
		p.running.Add(-1)
		if !returned {
			err = ErrJobExited
			if value := recover(); value != nil {
				err = &JobPanicError{Value: value, Stack: debug.Stack()}
			}
		}
		if err != nil {
			p.config.OnError(ctx, job, err)
		}
	}()
	err = p.config.Handle(ctx, job)
	returned = true
}
