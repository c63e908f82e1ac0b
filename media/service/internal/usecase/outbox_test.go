package usecase_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

func TestEveryChangeLeavesOneEvent(t *testing.T) {
	s := newShop(t)
	o := s.place(t)
	for _, status := range []domain.Status{domain.StatusPaid, domain.StatusPaid, domain.StatusShipped} {
		if _, err := s.orders.ChangeStatus(t.Context(), o.ID, 0, status); err != nil {
			t.Fatal(err)
		}
	}
	var types, ids []string
	for _, e := range s.store.Events() {
		types, ids = append(types, e.Type), append(ids, e.ID)
		if e.OrderID != o.ID || e.UserID != s.user.ID || e.Total != o.Total {
			t.Errorf("event %+v", e)
		}
	}
	if want := []string{"order.pending", "order.paid", "order.shipped"}; !slices.Equal(types, want) {
		t.Errorf("events %v, want %v", types, want)
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Error("events share an ID")
	}
}

// queue is an outbox of which the test sees the leases.
type queue struct {
	waiting  []usecase.OutboxEntry
	leased   []usecase.OutboxEntry
	released int
}

func (q *queue) Claim(_ context.Context, limit int, _ time.Duration) ([]usecase.OutboxEntry, error) {
	n := min(limit, len(q.waiting))
	q.leased, q.waiting = q.waiting[:n], q.waiting[n:]
	return q.leased, nil
}

func (q *queue) Delete(ctx context.Context, _ []usecase.OutboxEntry) error {
	q.leased = nil
	return ctx.Err()
}

func (q *queue) Release(ctx context.Context, events []usecase.OutboxEntry) error {
	q.waiting, q.leased = append(slices.Clone(events), q.waiting...), nil
	q.released++
	return ctx.Err()
}

func (q *queue) Backlog(context.Context) (int, time.Time, error) {
	return len(q.waiting), time.Now(), nil
}

type publisher func(ctx context.Context, events []usecase.OutboxEntry) error

func (p publisher) Publish(ctx context.Context, events []usecase.OutboxEntry) error {
	return p(ctx, events)
}

func events(n int) []usecase.OutboxEntry {
	all := make([]usecase.OutboxEntry, n)
	for i := range all {
		all[i].OrderEvent = domain.NewOrderEvent(domain.Order{ID: domain.NewOrderID(), Status: domain.StatusPending})
		all[i].Trace = map[string]string{"traceparent": all[i].ID}
	}
	return all
}

var relayConfig = usecase.RelayConfig{Batch: 2, Interval: time.Second, Lease: 20 * time.Second}

// runRelay runs a relay for as long as the bubble's clock needs to reach stop.
func runRelay(t *testing.T, q *queue, p publisher, c usecase.RelayConfig, stop time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stop)
	defer cancel()
	if err := usecase.NewOutboxRelay(q, p, c, slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRelayPublishesFullBatchesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{waiting: events(5)}
		want := slices.Clone(q.waiting)
		began := time.Now()
		var sent []usecase.OutboxEntry
		runRelay(t, q, func(_ context.Context, events []usecase.OutboxEntry) error {
			sent = append(sent, events...)
			if took := time.Since(began); took != 0 {
				t.Errorf("a batch was sent after %v", took)
			}
			return nil
		}, relayConfig, 500*time.Millisecond)
		if !reflect.DeepEqual(sent, want) || len(q.leased) != 0 {
			t.Errorf("sent %d events, %d still leased", len(sent), len(q.leased))
		}
	})
}

func TestRelayTriesAgainAndKeepsTheSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{waiting: events(2)}
		want := slices.Clone(q.waiting)
		var at []time.Time
		var sent []usecase.OutboxEntry
		runRelay(t, q, func(_ context.Context, events []usecase.OutboxEntry) error {
			at = append(at, time.Now())
			if len(at) < 4 {
				return errDisk
			}
			sent = append(sent, events...)
			return nil
		}, relayConfig, time.Hour)
		if !reflect.DeepEqual(sent, want) || q.released != 3 {
			t.Errorf("sent %v, released %d times", sent, q.released)
		}
		for i := 1; i < 4; i++ {
			pause, longest := at[i].Sub(at[i-1]), relayConfig.Interval*(1+1<<(i-1))
			if pause < relayConfig.Interval || pause > longest {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, relayConfig.Interval, longest)
			}
		}
	})
}

func TestRelayGivesUpBeforeItsLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{waiting: events(1)}
		var took time.Duration
		runRelay(t, q, func(ctx context.Context, _ []usecase.OutboxEntry) error {
			began := time.Now()
			<-ctx.Done()
			took = time.Since(began)
			return ctx.Err()
		}, relayConfig, 15*time.Second)
		if took == 0 || took >= relayConfig.Lease {
			t.Errorf("a send could take %v of a lease of %v", took, relayConfig.Lease)
		}
	})
}

func TestRelayReleasesWhenItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{waiting: events(1)}
		runRelay(t, q, func(ctx context.Context, _ []usecase.OutboxEntry) error {
			<-ctx.Done()
			return ctx.Err()
		}, relayConfig, time.Second)
		if q.released != 1 || len(q.waiting) != 1 {
			t.Errorf("released %d times, %d waiting", q.released, len(q.waiting))
		}
	})
}

func TestRelayReportsItsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{waiting: events(3)}
		type pass struct {
			published, waiting int
			failed             bool
		}
		var passes []pass
		c := relayConfig
		c.OnPass = func(published, waiting int, _ time.Duration, err error) {
			passes = append(passes, pass{published, waiting, errors.Is(err, errDisk)})
		}
		failures := 1
		runRelay(t, q, func(context.Context, []usecase.OutboxEntry) error {
			if failures > 0 {
				failures--
				return errDisk
			}
			return nil
		}, c, 2500*time.Millisecond)
		want := []pass{{0, 3, true}, {2, 1, false}, {1, 0, false}}
		if len(passes) < 3 || !slices.Equal(passes[:3], want) {
			t.Errorf("passes %v, want %v", passes, want)
		}
	})
}
