package usecase

import (
	"context"
	"time"

	"example.com/shopfront/internal/domain"
)

// OrderService is what callers can do with orders.
type OrderService struct {
	users  UserReader
	orders OrderReader
	tx     UnitOfWork
	now    func() time.Time
}

// NewOrderService returns an OrderService. It reads the time from now.
func NewOrderService(users UserReader, orders OrderReader, tx UnitOfWork, now func() time.Time) *OrderService {
	return &OrderService{users: users, orders: orders, tx: tx, now: now}
}

// Place stores a new order and counts it with its user in one transaction, so
// that a user's open orders never exceed the limit.
func (s *OrderService) Place(ctx context.Context, userID domain.UserID, currency string, lines []domain.Line) (domain.Order, error) {
	order, err := domain.NewOrder(domain.NewOrderID(), userID, currency, lines, s.now())
	if err != nil {
		return domain.Order{}, err
	}
	err = s.tx.Do(ctx, func(ctx context.Context, r Repositories) error {
		user, err := r.Users.Get(ctx, userID)
		if err != nil {
			return err
		}
		if err := user.OpenOrder(s.now()); err != nil {
			return err
		}
		if err := r.Users.Update(ctx, &user); err != nil {
			return err
		}
		// scaffold:if kafka
		if err := r.Outbox.Add(ctx, domain.NewOrderEvent(order)); err != nil {
			return err
		}
		// scaffold:end
		return r.Orders.Create(ctx, order)
	})
	if err != nil {
		return domain.Order{}, err
	}
	return order, nil
}

// Get returns an order.
func (s *OrderService) Get(ctx context.Context, id domain.OrderID) (domain.Order, error) {
	return s.orders.Get(ctx, id)
}

// ListByUser returns a page of a user's orders, oldest first, and the After of
// the next page, which is empty on the last one.
func (s *OrderService) ListByUser(ctx context.Context, user domain.UserID, page Page) ([]domain.Order, string, error) {
	if _, err := s.users.Get(ctx, user); err != nil {
		return nil, "", err
	}
	return list(page, func(page Page) ([]domain.Order, error) {
		return s.orders.ListByUser(ctx, user, page)
	}, func(o domain.Order) string { return string(o.ID) })
}

// ChangeStatus moves an order on; an order that closes no longer counts with
// its user. With a version other than zero it fails with
// domain.ErrVersionConflict unless the stored order still has that version.
func (s *OrderService) ChangeStatus(ctx context.Context, id domain.OrderID, version int64, status domain.Status) (domain.Order, error) {
	var order domain.Order
	err := s.tx.Do(ctx, func(ctx context.Context, r Repositories) (err error) {
		if order, err = r.Orders.Get(ctx, id); err != nil {
			return err
		}
		if version != 0 && version != order.Version {
			return domain.ErrVersionConflict
		}
		changed, err := order.ChangeStatus(status, s.now())
		if err != nil || !changed {
			return err
		}
		if !order.Status.Open() {
			if err := s.closeOrder(ctx, r, order.UserID); err != nil {
				return err
			}
		}
		// scaffold:if kafka
		if err := r.Outbox.Add(ctx, domain.NewOrderEvent(order)); err != nil {
			return err
		}
		// scaffold:end
		return r.Orders.Update(ctx, &order)
	})
	if err != nil {
		return domain.Order{}, err
	}
	return order, nil
}

func (s *OrderService) closeOrder(ctx context.Context, r Repositories, id domain.UserID) error {
	user, err := r.Users.Get(ctx, id)
	if err != nil {
		return err
	}
	user.CloseOrder(s.now())
	return r.Users.Update(ctx, &user)
}
