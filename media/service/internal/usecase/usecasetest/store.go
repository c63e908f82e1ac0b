// Package usecasetest holds a store for tests of the use cases and of what
// stands before them. It keeps to the ports' contracts and fails on demand.
package usecasetest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

// Store implements the ports in maps. Its transactions run one at a time.
type Store struct {
	// Before, if set, runs before each operation, which is named like
	// "orders.create". Its error, or panic, is the operation's.
	Before func(ctx context.Context, operation string) error

	mu sync.Mutex
	state
}

type state struct {
	users  map[domain.UserID]domain.User
	orders map[domain.OrderID]domain.Order
	// scaffold:if kafka
	events []domain.OrderEvent
	// scaffold:end
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{state: state{
		users:  map[domain.UserID]domain.User{},
		orders: map[domain.OrderID]domain.Order{},
	}}
}

// Users reads users.
func (s *Store) Users() usecase.UserReader { return userReader{s} }

// Orders reads orders.
func (s *Store) Orders() usecase.OrderReader { return orderReader{s} }

// Do implements usecase.UnitOfWork.
func (s *Store) Do(ctx context.Context, fn func(context.Context, usecase.Repositories) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.state
	s.users, s.orders = maps.Clone(s.users), maps.Clone(s.orders)
	committed := false
	defer func() {
		if !committed {
			s.state = before
		}
	}()
	err := fn(ctx, usecase.Repositories{
		Users:  users{s},
		Orders: orders{s},
		// scaffold:if kafka
		Outbox: outbox{s},
		// scaffold:end
	})
	committed = err == nil
	return err
}

func (s *Store) before(ctx context.Context, operation string) error {
	if s.Before == nil {
		return nil
	}
	return s.Before(ctx, operation)
}

type userReader struct{ s *Store }

func (r userReader) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	if err := r.s.before(ctx, "users.read"); err != nil {
		return domain.User{}, err
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return find(r.s.users, id, domain.ErrUserNotFound)
}

func (r userReader) List(_ context.Context, page usecase.Page) ([]domain.User, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	all := slices.SortedFunc(maps.Values(r.s.users), func(a, b domain.User) int {
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return cut(all, page, func(u domain.User) string { return string(u.ID) }), nil
}

type orderReader struct{ s *Store }

func (r orderReader) Get(_ context.Context, id domain.OrderID) (domain.Order, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return find(r.s.orders, id, domain.ErrOrderNotFound)
}

func (r orderReader) ListByUser(_ context.Context, user domain.UserID, page usecase.Page) ([]domain.Order, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	all := slices.SortedFunc(maps.Values(r.s.orders), func(a, b domain.Order) int {
		return strings.Compare(string(a.ID), string(b.ID))
	})
	all = slices.DeleteFunc(all, func(o domain.Order) bool { return o.UserID != user })
	return cut(all, page, func(o domain.Order) string { return string(o.ID) }), nil
}

type users struct{ s *Store }

func (r users) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	if err := r.s.before(ctx, "users.get"); err != nil {
		return domain.User{}, err
	}
	return find(r.s.users, id, domain.ErrUserNotFound)
}

func (r users) Create(ctx context.Context, u domain.User) error {
	if err := r.s.before(ctx, "users.create"); err != nil {
		return err
	}
	for _, other := range r.s.users {
		if other.Email == u.Email {
			return domain.ErrEmailTaken
		}
	}
	r.s.users[u.ID] = u
	return nil
}

func (r users) Update(ctx context.Context, u *domain.User) error {
	if err := r.s.before(ctx, "users.update"); err != nil {
		return err
	}
	if r.s.users[u.ID].Version != u.Version {
		return domain.ErrVersionConflict
	}
	u.Version++
	r.s.users[u.ID] = *u
	return nil
}

type orders struct{ s *Store }

func (r orders) Get(ctx context.Context, id domain.OrderID) (domain.Order, error) {
	if err := r.s.before(ctx, "orders.get"); err != nil {
		return domain.Order{}, err
	}
	return find(r.s.orders, id, domain.ErrOrderNotFound)
}

func (r orders) Create(ctx context.Context, o domain.Order) error {
	if err := r.s.before(ctx, "orders.create"); err != nil {
		return err
	}
	r.s.orders[o.ID] = o
	return nil
}

func (r orders) Update(ctx context.Context, o *domain.Order) error {
	if err := r.s.before(ctx, "orders.update"); err != nil {
		return err
	}
	if r.s.orders[o.ID].Version != o.Version {
		return domain.ErrVersionConflict
	}
	o.Version++
	r.s.orders[o.ID] = *o
	return nil
}

func find[K comparable, V any](records map[K]V, id K, none error) (V, error) {
	record, ok := records[id]
	if !ok {
		return record, none
	}
	return record, nil
}

func cut[T any](sorted []T, page usecase.Page, id func(T) string) []T {
	rest := slices.DeleteFunc(sorted, func(record T) bool { return id(record) <= page.After })
	return rest[:min(page.Limit, len(rest))]
}
