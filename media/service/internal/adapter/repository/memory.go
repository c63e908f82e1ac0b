// Package repository maps stored records to the domain and implements the
// repository ports of package usecase. It differs from internal/infrastructure:
// that opens, pools, pings and closes connections; this knows rows and keys.
package repository

import (
	"context"
	"slices"
	"sync"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

// Memory keeps everything in the process. It serves development and tests: what
// it holds is gone when the process ends.
type Memory struct {
	writer chan struct{} // holds one token: transactions run one after another

	mu     sync.RWMutex // guards what follows
	users  map[domain.UserID]domain.User
	emails map[string]domain.UserID
	orders map[domain.OrderID]domain.Order
	byUser map[domain.UserID][]domain.OrderID // sorted
	sorted []domain.UserID                    // sorted

	// scaffold:if kafka
	outbox memoryOutbox
	// scaffold:end
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		writer: make(chan struct{}, 1),
		users:  map[domain.UserID]domain.User{},
		emails: map[string]domain.UserID{},
		orders: map[domain.OrderID]domain.Order{},
		byUser: map[domain.UserID][]domain.OrderID{},
	}
}

// Users reads the stored users.
func (m *Memory) Users() usecase.UserReader { return memoryUsers{m} }

// Orders reads the stored orders.
func (m *Memory) Orders() usecase.OrderReader { return memoryOrders{m} }

// Do implements usecase.UnitOfWork. Changes are kept aside until fn succeeds.
func (m *Memory) Do(ctx context.Context, fn func(context.Context, usecase.Repositories) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case m.writer <- struct{}{}:
		defer func() { <-m.writer }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	tx := &memoryTx{
		store:  m,
		users:  map[domain.UserID]domain.User{},
		orders: map[domain.OrderID]domain.Order{},
	}
	repositories := usecase.Repositories{
		Users:  memoryTxUsers{tx},
		Orders: memoryTxOrders{tx},
		// scaffold:if kafka
		Outbox: memoryTxOutbox{tx},
		// scaffold:end
	}
	if err := fn(ctx, repositories); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx.commit()
	return nil
}

type memoryUsers struct{ m *Memory }

func (r memoryUsers) Get(_ context.Context, id domain.UserID) (domain.User, error) {
	r.m.mu.RLock()
	defer r.m.mu.RUnlock()
	user, ok := r.m.users[id]
	if !ok {
		return domain.User{}, domain.ErrUserNotFound
	}
	return user, nil
}

func (r memoryUsers) List(_ context.Context, page usecase.Page) ([]domain.User, error) {
	r.m.mu.RLock()
	defer r.m.mu.RUnlock()
	ids := after(r.m.sorted, domain.UserID(page.After), page.Limit)
	users := make([]domain.User, len(ids))
	for i, id := range ids {
		users[i] = r.m.users[id]
	}
	return users, nil
}

type memoryOrders struct{ m *Memory }

func (r memoryOrders) Get(_ context.Context, id domain.OrderID) (domain.Order, error) {
	r.m.mu.RLock()
	defer r.m.mu.RUnlock()
	order, ok := r.m.orders[id]
	if !ok {
		return domain.Order{}, domain.ErrOrderNotFound
	}
	return cloneOrder(order), nil
}

func (r memoryOrders) ListByUser(_ context.Context, user domain.UserID, page usecase.Page) ([]domain.Order, error) {
	r.m.mu.RLock()
	defer r.m.mu.RUnlock()
	ids := after(r.m.byUser[user], domain.OrderID(page.After), page.Limit)
	orders := make([]domain.Order, len(ids))
	for i, id := range ids {
		orders[i] = cloneOrder(r.m.orders[id])
	}
	return orders, nil
}

// after returns at most limit of the sorted ids that come after last.
func after[T ~string](ids []T, last T, limit int) []T {
	start, found := slices.BinarySearch(ids, last)
	if found {
		start++
	}
	return ids[start:min(start+limit, len(ids))]
}

func insertSorted[T ~string](ids []T, id T) []T {
	at, _ := slices.BinarySearch(ids, id)
	return slices.Insert(ids, at, id)
}

// cloneOrder keeps callers from changing a stored order through its lines.
func cloneOrder(o domain.Order) domain.Order {
	o.Lines = slices.Clone(o.Lines)
	return o
}
