package repository_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is an implementation of the repository ports.
type store struct {
	users  usecase.UserReader
	orders usecase.OrderReader
	tx     usecase.UnitOfWork
}

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
	later   = noon.Add(time.Hour)
	tea     = []domain.Line{{SKU: "tea-1", Quantity: 2, UnitPrice: 499}, {SKU: "cup", Quantity: 1, UnitPrice: 1200}}
	errStop = errors.New("stop")
)

func newUser(t *testing.T, email string) domain.User {
	t.Helper()
	u, err := domain.NewUser(domain.NewUserID(), email, "Ada", noon)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func newOrder(t *testing.T, user domain.UserID) domain.Order {
	t.Helper()
	o, err := domain.NewOrder(domain.NewOrderID(), user, "EUR", tea, noon)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (s store) do(t *testing.T, fn func(ctx context.Context, r usecase.Repositories) error) {
	t.Helper()
	if err := s.tx.Do(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (s store) createUser(t *testing.T, email string) domain.User {
	t.Helper()
	u := newUser(t, email)
	s.do(t, func(ctx context.Context, r usecase.Repositories) error { return r.Users.Create(ctx, u) })
	return u
}

func (s store) createOrder(t *testing.T, user domain.UserID) domain.Order {
	t.Helper()
	o := newOrder(t, user)
	s.do(t, func(ctx context.Context, r usecase.Repositories) error { return r.Orders.Create(ctx, o) })
	return o
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// testContract checks what every implementation must do. open returns an empty
// store.
func testContract(t *testing.T, open func(t *testing.T) store) {
	t.Run("users", func(t *testing.T) { testUsers(t, open(t)) })
	t.Run("user pages", func(t *testing.T) { testUserPages(t, open(t)) })
	t.Run("orders", func(t *testing.T) { testOrders(t, open(t)) })
	t.Run("order pages", func(t *testing.T) { testOrderPages(t, open(t)) })
	t.Run("all or nothing", func(t *testing.T) { testAllOrNothing(t, open(t)) })
	t.Run("isolation", func(t *testing.T) { testIsolation(t, open(t)) })
	t.Run("no lost update", func(t *testing.T) { testNoLostUpdate(t, open(t)) })
	t.Run("cancelled", func(t *testing.T) { testCancelled(t, open(t)) })
}

func testUsers(t *testing.T, s store) {
	ada, bob := s.createUser(t, "ada@example.com"), s.createUser(t, "bob@example.com")
	if got, err := s.users.Get(t.Context(), ada.ID); err != nil || got != ada {
		t.Errorf("got %+v, %v; want %+v", got, err, ada)
	}
	_, err := s.users.Get(t.Context(), domain.NewUserID())
	wantError(t, "read an absent user", err, domain.ErrUserNotFound)

	err = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		return r.Users.Create(ctx, newUser(t, "ada@example.com"))
	})
	wantError(t, "create with a taken address", err, domain.ErrEmailTaken)

	s.do(t, func(ctx context.Context, r usecase.Repositories) error {
		u, err := r.Users.Get(ctx, ada.ID)
		if err != nil {
			return err
		}
		if err := u.Change("ada@example.org", "Ada Lovelace", later); err != nil {
			return err
		}
		if err := u.OpenOrder(later); err != nil {
			return err
		}
		if err := r.Users.Update(ctx, &u); err != nil {
			return err
		}
		again, err := r.Users.Get(ctx, ada.ID)
		if err != nil || again != u || u.Version != 2 {
			t.Errorf("its own write: got %+v, %v; want %+v", again, err, u)
		}
		return nil
	})
	got, err := s.users.Get(t.Context(), ada.ID)
	if err != nil || got.Email != "ada@example.org" || got.OpenOrders != 1 || got.Version != 2 || got.UpdatedAt != later || got.CreatedAt != noon {
		t.Errorf("after the change: %+v, %v", got, err)
	}

	err = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		stale := ada
		return r.Users.Update(ctx, &stale)
	})
	wantError(t, "update an old version", err, domain.ErrVersionConflict)
	err = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		got.Email = bob.Email
		return r.Users.Update(ctx, &got)
	})
	wantError(t, "update to a taken address", err, domain.ErrEmailTaken)
	err = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		_, err := r.Users.Get(ctx, domain.NewUserID())
		return err
	})
	wantError(t, "get an absent user", err, domain.ErrUserNotFound)

	s.createUser(t, "ada@example.com") // the address is free again
}

func testUserPages(t *testing.T, s store) {
	if got, err := s.users.List(t.Context(), usecase.Page{Limit: 3}); err != nil || len(got) != 0 {
		t.Errorf("an empty store: %v, %v", got, err)
	}
	var want, got []domain.UserID
	for i := range 5 {
		want = append(want, s.createUser(t, fmt.Sprintf("user%d@example.com", i)).ID)
	}
	for page := (usecase.Page{Limit: 2}); ; page.After = string(got[len(got)-1]) {
		users, err := s.users.List(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range users {
			got = append(got, u.ID)
		}
		if len(users) < page.Limit {
			break
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func testOrders(t *testing.T, s store) {
	ada := s.createUser(t, "ada@example.com")
	o := s.createOrder(t, ada.ID)
	got, err := s.orders.Get(t.Context(), o.ID)
	if err != nil || !reflect.DeepEqual(got, o) {
		t.Fatalf("got %+v, %v; want %+v", got, err, o)
	}
	got.Lines[0].Quantity = 99
	if again, err := s.orders.Get(t.Context(), o.ID); err != nil || again.Lines[0].Quantity != 2 {
		t.Errorf("a caller changed the stored order: %+v, %v", again, err)
	}
	_, err = s.orders.Get(t.Context(), domain.NewOrderID())
	wantError(t, "read an absent order", err, domain.ErrOrderNotFound)
	err = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		return r.Orders.Create(ctx, newOrder(t, domain.NewUserID()))
	})
	wantError(t, "create for an absent user", err, domain.ErrUserNotFound)

	s.do(t, func(ctx context.Context, r usecase.Repositories) error {
		o, err := r.Orders.Get(ctx, o.ID)
		if err != nil {
			return err
		}
		if _, err := o.ChangeStatus(domain.StatusPaid, later); err != nil {
			return err
		}
		return r.Orders.Update(ctx, &o)
	})
	got, err = s.orders.Get(t.Context(), o.ID)
	if err != nil || got.Status != domain.StatusPaid || got.Version != 2 || got.UpdatedAt != later {
		t.Errorf("after the change: %+v, %v", got, err)
	}
	err = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		stale := o
		return r.Orders.Update(ctx, &stale)
	})
	wantError(t, "update an old version", err, domain.ErrVersionConflict)
}

func testOrderPages(t *testing.T, s store) {
	ada, bob := s.createUser(t, "ada@example.com"), s.createUser(t, "bob@example.com")
	first := s.createOrder(t, ada.ID)
	s.createOrder(t, bob.ID)
	second := s.createOrder(t, ada.ID)
	orders, err := s.orders.ListByUser(t.Context(), ada.ID, usecase.Page{Limit: 10})
	if err != nil || len(orders) != 2 || orders[0].ID != first.ID || orders[1].ID != second.ID {
		t.Errorf("got %v, %v", orders, err)
	}
	orders, err = s.orders.ListByUser(t.Context(), ada.ID, usecase.Page{Limit: 10, After: string(first.ID)})
	if err != nil || len(orders) != 1 || orders[0].ID != second.ID {
		t.Errorf("the second page: %v, %v", orders, err)
	}
}
