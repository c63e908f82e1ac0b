// Package usecase holds what the service does for its callers. It declares the
// ports it needs as interfaces; adapters implement them.
package usecase

import (
	"context"

	"example.com/shopfront/internal/domain"
)

// Page asks for at most Limit records after the one with the identifier After.
type Page struct {
	After string
	Limit int
}

// UserReader reads users outside of a transaction. It may answer from a cache.
type UserReader interface {
	Get(ctx context.Context, id domain.UserID) (domain.User, error)
	List(ctx context.Context, page Page) ([]domain.User, error)
}

// OrderReader reads orders outside of a transaction.
type OrderReader interface {
	Get(ctx context.Context, id domain.OrderID) (domain.Order, error)
	ListByUser(ctx context.Context, user domain.UserID, page Page) ([]domain.Order, error)
}

// UserRepository reads and writes users inside a transaction.
type UserRepository interface {
	// Get returns the stored user or domain.ErrUserNotFound. No other transaction
	// changes that user before this one ends. Lock orders before their users.
	Get(ctx context.Context, id domain.UserID) (domain.User, error)
	// Create stores a new user or returns domain.ErrEmailTaken.
	Create(ctx context.Context, user domain.User) error
	// Update stores the user if the stored version is still user.Version, and
	// sets the new version; otherwise it returns domain.ErrVersionConflict.
	Update(ctx context.Context, user *domain.User) error
}

// OrderRepository reads and writes orders inside a transaction.
type OrderRepository interface {
	// Get returns the stored order or domain.ErrOrderNotFound. No other
	// transaction changes that order before this one ends.
	Get(ctx context.Context, id domain.OrderID) (domain.Order, error)
	// Create stores a new order or returns domain.ErrUserNotFound.
	Create(ctx context.Context, order domain.Order) error
	// Update stores the order if the stored version is still order.Version, and
	// sets the new version; otherwise it returns domain.ErrVersionConflict.
	Update(ctx context.Context, order *domain.Order) error
}

// Repositories are the repositories of one transaction. They are not safe for
// use by several goroutines and must not be kept.
type Repositories struct {
	Users  UserRepository
	Orders OrderRepository
	// scaffold:if kafka
	Outbox Outbox
	// scaffold:end
}

// UnitOfWork runs fn in one transaction: all of its writes are stored when it
// returns nil, none when it returns an error or panics. It may run fn again
// after a conflict with another transaction, so fn must change nothing else, and
// fn must not call Do.
type UnitOfWork interface {
	Do(ctx context.Context, fn func(ctx context.Context, r Repositories) error) error
}
