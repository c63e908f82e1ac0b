package usecasetest

import (
	"context"
	"slices"

	"example.com/shopfront/internal/domain"
)

type outbox struct{ s *Store }

func (o outbox) Add(ctx context.Context, event domain.OrderEvent) error {
	if err := o.s.before(ctx, "outbox.add"); err != nil {
		return err
	}
	o.s.events = append(slices.Clone(o.s.events), event)
	return nil
}

// Events returns the events of all committed transactions.
func (s *Store) Events() []domain.OrderEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}
