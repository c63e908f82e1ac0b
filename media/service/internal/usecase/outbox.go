package usecase

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"example.com/shopfront/internal/domain"
)

// Outbox takes events in the transaction that causes them. What it has taken
// is published later, so that an event is sent if and only if its change was
// stored.
type Outbox interface {
	Add(ctx context.Context, event domain.OrderEvent) error
}

// OutboxEntry is an event in the outbox, with the trace of the request that
// caused it, which only adapters understand.
type OutboxEntry struct {
	domain.OrderEvent

	Trace map[string]string
}

// OutboxQueue hands out the events that an Outbox has taken.
type OutboxQueue interface {
	// Claim leases up to limit events, oldest first, to this caller. It holds
	// back an event while an earlier one of the same order is leased, so that
	// several relays keep the sequence of each order.
	Claim(ctx context.Context, limit int, lease time.Duration) ([]OutboxEntry, error)
	// Delete removes events for good.
	Delete(ctx context.Context, events []OutboxEntry) error
	// Release ends the lease of events at once.
	Release(ctx context.Context, events []OutboxEntry) error
	// Backlog returns how many events wait and when the oldest occurred.
	Backlog(ctx context.Context) (waiting int, oldest time.Time, err error)
}

// EventPublisher sends events in sequence. After an error any of them may have
// been sent, so consumers must recognise a repeated event by its ID.
type EventPublisher interface {
	Publish(ctx context.Context, events []OutboxEntry) error
}

// RelayConfig bounds what an OutboxRelay does.
type RelayConfig struct {
	Batch    int           // most events in one pass
	Interval time.Duration // pause after a pass that found less than a batch
	Lease    time.Duration // a crashed relay's events are taken over after this
	// OnPass is told the outcome of every pass, for metrics.
	OnPass func(published, waiting int, oldest time.Duration, err error)
}

// OutboxRelay publishes what an outbox holds. It delivers each event at least
// once: a crash between publishing and deleting repeats it.
type OutboxRelay struct {
	queue     OutboxQueue
	publisher EventPublisher
	config    RelayConfig
	log       *slog.Logger
}

// NewOutboxRelay returns a relay from queue to publisher.
func NewOutboxRelay(queue OutboxQueue, publisher EventPublisher, config RelayConfig, log *slog.Logger) *OutboxRelay {
	return &OutboxRelay{queue: queue, publisher: publisher, config: config, log: log}
}

// Run publishes until ctx ends.
func (r *OutboxRelay) Run(ctx context.Context) error {
	for failures := 0; ; {
		n, err := r.pass(ctx)
		pause := r.config.Interval
		switch {
		case err != nil && ctx.Err() == nil:
			r.log.ErrorContext(ctx, "outbox relay failed, will try again", "error", err)
			pause = backoff(r.config.Interval, failures)
			failures++
		case n == r.config.Batch:
			pause, failures = 0, 0
		default:
			failures = 0
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

func (r *OutboxRelay) pass(ctx context.Context) (published int, err error) {
	defer func() { r.report(ctx, published, err) }()
	events, err := r.queue.Claim(ctx, r.config.Batch, r.config.Lease)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	// Stop well before the lease ends, so that no other relay sends the same
	// events while this one still tries.
	sending, cancel := context.WithTimeout(ctx, r.config.Lease/2)
	defer cancel()
	err = r.publisher.Publish(sending, events)

	// The outcome is recorded even when the service is stopping.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.Lease/4)
	defer cancel()
	if err != nil {
		return 0, errors.Join(err, r.queue.Release(recording, events))
	}
	return len(events), r.queue.Delete(recording, events)
}

func (r *OutboxRelay) report(ctx context.Context, published int, err error) {
	if r.config.OnPass == nil || ctx.Err() != nil {
		return
	}
	waiting, since, backlogErr := r.queue.Backlog(ctx)
	var age time.Duration
	if waiting > 0 {
		age = time.Since(since)
	}
	r.config.OnPass(published, waiting, age, errors.Join(err, backlogErr))
}

// backoff grows from base by at most a minute, at random so that several relays
// do not come back at the same moment.
func backoff(base time.Duration, failures int) time.Duration {
	return base + rand.N(min(base<<min(failures, 6), time.Minute)) //nolint:gosec // jitter, no secret
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
