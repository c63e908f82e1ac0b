package repository_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/tracing"
)

func TestMemoryOutbox(t *testing.T) {
	testOutbox(t, func(*testing.T) (store, usecase.OutboxQueue) {
		m := repository.NewMemory()
		return store{users: m.Users(), orders: m.Orders(), tx: m}, m.Outbox()
	})
}

// outboxTest is an outbox with the events of two orders, a before b:
// a pending, b pending, a paid.
type outboxTest struct {
	usecase.OutboxQueue

	a1, b1, a2 usecase.OutboxEntry
}

func newOutboxTest(t *testing.T, s store, queue usecase.OutboxQueue) *outboxTest {
	t.Helper()
	ada := s.createUser(t, "ada@example.com")
	a, b := newOrder(t, ada.ID), newOrder(t, ada.ID)
	paid := a
	if _, err := paid.ChangeStatus(domain.StatusPaid, later); err != nil {
		t.Fatal(err)
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	add := func(o domain.Order, headers map[string]string) usecase.OutboxEntry {
		entry := usecase.OutboxEntry{OrderEvent: domain.NewOrderEvent(o), Trace: headers}
		s.do(t, func(ctx context.Context, r usecase.Repositories) error {
			return r.Outbox.Add(tracing.Resume(ctx, headers), entry.OrderEvent)
		})
		return entry
	}
	return &outboxTest{
		OutboxQueue: queue,
		a1: add(a, map[string]string{
			"traceparent": "00-0102030405060708090a0b0c0d0e0f10-0102030405060708-01", "tracestate": "vendor=1",
		}),
		b1: add(b, nil), // in no trace
		a2: add(paid, map[string]string{"traceparent": "00-11111111111111111111111111111111-2222222222222222-00"}),
	}
}

func (o *outboxTest) wantClaim(t *testing.T, limit int, lease time.Duration, want ...usecase.OutboxEntry) {
	t.Helper()
	got, err := o.Claim(t.Context(), limit, lease)
	if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("claimed %+v, %v; want %+v", got, err, want)
	}
}

// expired is a lease that has already ended: it stands for a relay that died.
const expired = -time.Second

func testOutbox(t *testing.T, open func(t *testing.T) (store, usecase.OutboxQueue)) {
	start := func(t *testing.T) *outboxTest {
		s, queue := open(t)
		return newOutboxTest(t, s, queue)
	}
	t.Run("keeps the sequence", func(t *testing.T) {
		o := start(t)
		o.wantClaim(t, 10, expired, o.a1, o.b1, o.a2)
		o.wantClaim(t, 2, expired, o.a1, o.b1)
	})
	t.Run("takes part in the transaction", func(t *testing.T) {
		s, queue := open(t)
		err := s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
			if err := r.Outbox.Add(ctx, domain.NewOrderEvent(newOrder(t, domain.NewUserID()))); err != nil {
				t.Error(err)
			}
			return errStop
		})
		wantError(t, "an error of fn", err, errStop)
		if waiting, _, err := queue.Backlog(t.Context()); err != nil || waiting != 0 {
			t.Errorf("%d events of a transaction that failed; %v", waiting, err)
		}
	})
	t.Run("leases to one caller", func(t *testing.T) {
		o := start(t)
		o.wantClaim(t, 10, time.Hour, o.a1, o.b1, o.a2)
		o.wantClaim(t, 10, time.Hour)
	})
	t.Run("holds back what follows a leased event", func(t *testing.T) {
		o := start(t)
		o.wantClaim(t, 1, time.Hour, o.a1)
		o.wantClaim(t, 10, time.Hour, o.b1)
		if err := o.Delete(t.Context(), []usecase.OutboxEntry{o.a1}); err != nil {
			t.Fatal(err)
		}
		o.wantClaim(t, 10, time.Hour, o.a2)
	})
	t.Run("releases at once", func(t *testing.T) {
		o := start(t)
		o.wantClaim(t, 10, time.Hour, o.a1, o.b1, o.a2)
		if err := o.Release(t.Context(), []usecase.OutboxEntry{o.a1, o.b1, o.a2}); err != nil {
			t.Fatal(err)
		}
		o.wantClaim(t, 10, time.Hour, o.a1, o.b1, o.a2)
	})
	t.Run("counts what waits", func(t *testing.T) {
		o := start(t)
		o.wantClaim(t, 1, time.Hour, o.a1)
		waiting, oldest, err := o.Backlog(t.Context())
		if err != nil || waiting != 3 || !oldest.Equal(noon) {
			t.Errorf("%d events since %v; %v", waiting, oldest, err)
		}
		if err := errors.Join(o.Delete(t.Context(), []usecase.OutboxEntry{o.a1, o.b1, o.a2}), o.Delete(t.Context(), nil)); err != nil {
			t.Fatal(err)
		}
		if waiting, oldest, err := o.Backlog(t.Context()); err != nil || waiting != 0 || !oldest.IsZero() {
			t.Errorf("%d events since %v; %v", waiting, oldest, err)
		}
	})
}
