package usecase_test

import (
	"context"
	"errors"
	"testing"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
	"example.com/shopfront/internal/usecase/usecasetest"
)

var (
	tea     = []domain.Line{{SKU: "tea-1", Quantity: 2, UnitPrice: 499}}
	errDisk = errors.New("disk on fire")
)

type shop struct {
	store  *usecasetest.Store
	users  *usecase.UserService
	orders *usecase.OrderService
	user   domain.User
}

func newShop(t *testing.T) *shop {
	t.Helper()
	store, clock := usecasetest.NewStore(), newClock()
	s := &shop{
		store:  store,
		users:  usecase.NewUserService(store.Users(), store, clock.now),
		orders: usecase.NewOrderService(store.Users(), store.Orders(), store, clock.now),
	}
	s.user = createUser(t, s.users, "ada@example.com")
	return s
}

func (s *shop) place(t *testing.T) domain.Order {
	t.Helper()
	o, err := s.orders.Place(t.Context(), s.user.ID, "EUR", tea)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (s *shop) wantOpenOrders(t *testing.T, want int) {
	t.Helper()
	u, err := s.users.Get(t.Context(), s.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	if u.OpenOrders != want {
		t.Errorf("%d open orders, want %d", u.OpenOrders, want)
	}
}

func TestPlaceCountsTheOrderWithItsUser(t *testing.T) {
	s := newShop(t)
	o := s.place(t)
	if o.Total != (domain.Money{Amount: 998, Currency: "EUR"}) {
		t.Errorf("total %v", o.Total)
	}
	s.wantOpenOrders(t, 1)
	if got, err := s.orders.Get(t.Context(), o.ID); err != nil || got.ID != o.ID {
		t.Errorf("got %v, %v", got.ID, err)
	}
}

func TestPlaceNeedsAUser(t *testing.T) {
	s := newShop(t)
	if _, err := s.orders.Place(t.Context(), domain.NewUserID(), "EUR", tea); !errors.Is(err, domain.ErrUserNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestPlaceKeepsTheLimit(t *testing.T) {
	s := newShop(t)
	for range domain.MaxOpenOrders {
		s.place(t)
	}
	if _, err := s.orders.Place(t.Context(), s.user.ID, "EUR", tea); !errors.Is(err, domain.ErrOpenOrderLimit) {
		t.Errorf("got %v", err)
	}
	s.wantOpenOrders(t, domain.MaxOpenOrders)
}

func TestPlaceStoresAllOrNothing(t *testing.T) {
	operations := []string{"users.get", "users.update", "orders.create"}
	// scaffold:if kafka
	operations = append(operations, "outbox.add")
	// scaffold:end
	for _, failing := range operations {
		t.Run(failing, func(t *testing.T) {
			s := newShop(t)
			reached := false
			s.store.Before = func(_ context.Context, operation string) error {
				if operation == failing {
					reached = true
					return errDisk
				}
				return nil
			}
			if _, err := s.orders.Place(t.Context(), s.user.ID, "EUR", tea); !errors.Is(err, errDisk) {
				t.Errorf("got %v", err)
			}
			if !reached {
				t.Fatal("the operation was never reached")
			}
			s.wantOpenOrders(t, 0)
			orders, _, err := s.orders.ListByUser(t.Context(), s.user.ID, usecase.Page{})
			if err != nil || len(orders) != 0 {
				t.Errorf("orders %v, error %v", orders, err)
			}
		})
	}
}

func TestChangeStatusClosesTheOrder(t *testing.T) {
	for _, path := range [][]domain.Status{
		{domain.StatusCancelled},
		{domain.StatusPaid, domain.StatusCancelled},
		{domain.StatusPaid, domain.StatusShipped},
	} {
		s := newShop(t)
		o := s.place(t)
		for i, status := range path {
			s.wantOpenOrders(t, 1)
			changed, err := s.orders.ChangeStatus(t.Context(), o.ID, int64(i+1), status)
			if err != nil || changed.Status != status || changed.Version != int64(i+2) {
				t.Errorf("%v: got %+v, %v", path, changed, err)
			}
		}
		s.wantOpenOrders(t, 0)
	}
}

func TestChangeStatusAgainChangesNothing(t *testing.T) {
	s := newShop(t)
	o := s.place(t)
	for range 2 {
		cancelled, err := s.orders.ChangeStatus(t.Context(), o.ID, 0, domain.StatusCancelled)
		if err != nil || cancelled.Version != 2 {
			t.Errorf("version %d, error %v", cancelled.Version, err)
		}
	}
	s.wantOpenOrders(t, 0)
}

func TestChangeStatusRefuses(t *testing.T) {
	s := newShop(t)
	o := s.place(t)
	if _, err := s.orders.ChangeStatus(t.Context(), o.ID, 7, domain.StatusPaid); !errors.Is(err, domain.ErrVersionConflict) {
		t.Errorf("an old version: %v", err)
	}
	if _, err := s.orders.ChangeStatus(t.Context(), o.ID, 0, domain.StatusShipped); !errors.Is(err, domain.ErrStatusChange) {
		t.Errorf("an unpaid order is shipped: %v", err)
	}
	if _, err := s.orders.ChangeStatus(t.Context(), domain.NewOrderID(), 0, domain.StatusPaid); !errors.Is(err, domain.ErrOrderNotFound) {
		t.Errorf("an order that does not exist: %v", err)
	}
}

func TestListByUser(t *testing.T) {
	s := newShop(t)
	first, second := s.place(t), s.place(t)
	orders, next, err := s.orders.ListByUser(t.Context(), s.user.ID, usecase.Page{Limit: 1})
	if err != nil || len(orders) != 1 || orders[0].ID != first.ID || next != string(first.ID) {
		t.Fatalf("got %v, next %q, %v", orders, next, err)
	}
	orders, next, err = s.orders.ListByUser(t.Context(), s.user.ID, usecase.Page{Limit: 1, After: next})
	if err != nil || len(orders) != 1 || orders[0].ID != second.ID || next != "" {
		t.Errorf("got %v, next %q, %v", orders, next, err)
	}
	if _, _, err := s.orders.ListByUser(t.Context(), domain.NewUserID(), usecase.Page{}); !errors.Is(err, domain.ErrUserNotFound) {
		t.Errorf("a user that does not exist: %v", err)
	}
}
