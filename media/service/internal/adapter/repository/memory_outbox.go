package repository

import (
	"context"
	"slices"
	"time"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/tracing"
)

// memoryOutbox holds events in the sequence of their commits. The store's lock
// guards it.
type memoryOutbox struct {
	entries []memoryOutboxEntry
}

type memoryOutboxEntry struct {
	usecase.OutboxEntry

	leasedUntil time.Time
}

type memoryTxOutbox struct{ tx *memoryTx }

func (o memoryTxOutbox) Add(ctx context.Context, event domain.OrderEvent) error {
	outbox := &o.tx.store.outbox
	entry := usecase.OutboxEntry{OrderEvent: event, Trace: tracing.Carry(ctx)}
	o.tx.onCommit = append(o.tx.onCommit, func() {
		outbox.entries = append(outbox.entries, memoryOutboxEntry{OutboxEntry: entry})
	})
	return nil
}

// Outbox hands out the events that wait to be published.
func (m *Memory) Outbox() usecase.OutboxQueue { return memoryOutboxQueue{m} }

type memoryOutboxQueue struct{ m *Memory }

func (q memoryOutboxQueue) Claim(_ context.Context, limit int, lease time.Duration) ([]usecase.OutboxEntry, error) {
	q.m.mu.Lock()
	defer q.m.mu.Unlock()
	now := time.Now()
	held := map[domain.OrderID]bool{}
	var events []usecase.OutboxEntry
	for i := range q.m.outbox.entries {
		if len(events) == limit {
			break
		}
		entry := &q.m.outbox.entries[i]
		if now.Before(entry.leasedUntil) {
			held[entry.OrderID] = true
		}
		if held[entry.OrderID] {
			continue
		}
		entry.leasedUntil = now.Add(lease)
		events = append(events, entry.OutboxEntry)
	}
	return events, nil
}

func (q memoryOutboxQueue) Delete(_ context.Context, events []usecase.OutboxEntry) error {
	q.m.mu.Lock()
	defer q.m.mu.Unlock()
	ids := eventIDs(events)
	q.m.outbox.entries = slices.DeleteFunc(q.m.outbox.entries, func(e memoryOutboxEntry) bool {
		return slices.Contains(ids, e.ID)
	})
	return nil
}

func (q memoryOutboxQueue) Release(_ context.Context, events []usecase.OutboxEntry) error {
	q.m.mu.Lock()
	defer q.m.mu.Unlock()
	ids := eventIDs(events)
	for i := range q.m.outbox.entries {
		if slices.Contains(ids, q.m.outbox.entries[i].ID) {
			q.m.outbox.entries[i].leasedUntil = time.Time{}
		}
	}
	return nil
}

func (q memoryOutboxQueue) Backlog(context.Context) (int, time.Time, error) {
	q.m.mu.RLock()
	defer q.m.mu.RUnlock()
	if len(q.m.outbox.entries) == 0 {
		return 0, time.Time{}, nil
	}
	return len(q.m.outbox.entries), q.m.outbox.entries[0].OccurredAt, nil
}
