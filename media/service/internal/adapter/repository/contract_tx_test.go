package repository_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

func testAllOrNothing(t *testing.T, s store) {
	ada := s.createUser(t, "ada@example.com")
	bob, o := newUser(t, "bob@example.com"), newOrder(t, ada.ID)
	write := func(ctx context.Context, r usecase.Repositories) {
		u, err := r.Users.Get(ctx, ada.ID)
		if err == nil {
			err = errors.Join(u.OpenOrder(later), r.Users.Update(ctx, &u), r.Users.Create(ctx, bob), r.Orders.Create(ctx, o))
		}
		if err != nil {
			t.Errorf("write: %v", err)
		}
	}
	wantNothing := func(when string) {
		t.Helper()
		if got, err := s.users.Get(t.Context(), ada.ID); err != nil || got != ada {
			t.Errorf("after %s: %+v, %v", when, got, err)
		}
		_, err := s.users.Get(t.Context(), bob.ID)
		wantError(t, "after "+when, err, domain.ErrUserNotFound)
		_, err = s.orders.Get(t.Context(), o.ID)
		wantError(t, "after "+when, err, domain.ErrOrderNotFound)
	}

	err := s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
		write(ctx, r)
		return errStop
	})
	wantError(t, "an error of fn", err, errStop)
	wantNothing("an error")

	func() {
		defer func() {
			if p := recover(); p != "kaboom" {
				t.Errorf("the panic became %v", p)
			}
		}()
		_ = s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
			write(ctx, r)
			panic("kaboom")
		})
	}()
	wantNothing("a panic")

	s.do(t, func(ctx context.Context, r usecase.Repositories) error {
		write(ctx, r)
		return nil
	})
	if got, err := s.users.Get(t.Context(), ada.ID); err != nil || got.OpenOrders != 1 {
		t.Errorf("after success: %+v, %v", got, err)
	}
	if _, err := s.orders.Get(t.Context(), o.ID); err != nil {
		t.Errorf("after success: %v", err)
	}
}

func testIsolation(t *testing.T, s store) {
	ada := s.createUser(t, "ada@example.com")
	s.do(t, func(ctx context.Context, r usecase.Repositories) error {
		u, err := r.Users.Get(ctx, ada.ID)
		if err != nil {
			return err
		}
		if err := errors.Join(u.Change("ada@example.com", "Changed", later), r.Users.Update(ctx, &u)); err != nil {
			return err
		}
		if got, err := s.users.Get(ctx, ada.ID); err != nil || got != ada {
			t.Errorf("a reader sees an open transaction: %+v, %v", got, err)
		}
		return nil
	})
	if got, err := s.users.Get(t.Context(), ada.ID); err != nil || got.Name != "Changed" {
		t.Errorf("a reader does not see a closed transaction: %+v, %v", got, err)
	}
}

func testNoLostUpdate(t *testing.T, s store) {
	const writers = 8
	ada := s.createUser(t, "ada@example.com")
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			err := s.tx.Do(t.Context(), func(ctx context.Context, r usecase.Repositories) error {
				u, err := r.Users.Get(ctx, ada.ID)
				if err != nil {
					return err
				}
				return errors.Join(u.OpenOrder(later), r.Users.Update(ctx, &u))
			})
			if err != nil {
				t.Errorf("a writer failed: %v", err)
			}
		})
	}
	wg.Wait()
	if got, err := s.users.Get(t.Context(), ada.ID); err != nil || got.OpenOrders != writers {
		t.Errorf("%d of %d updates are left; %v", got.OpenOrders, writers, err)
	}
}

func testCancelled(t *testing.T, s store) {
	bob := newUser(t, "bob@example.com")
	ctx, cancel := context.WithCancel(t.Context())
	err := s.tx.Do(ctx, func(ctx context.Context, r usecase.Repositories) error {
		err := r.Users.Create(ctx, bob)
		cancel()
		return err
	})
	wantError(t, "cancelled before the commit", err, context.Canceled)
	_, err = s.users.Get(t.Context(), bob.ID)
	wantError(t, "after the cancellation", err, domain.ErrUserNotFound)

	err = s.tx.Do(ctx, func(context.Context, usecase.Repositories) error {
		t.Error("a transaction began after the end of its context")
		return nil
	})
	wantError(t, "cancelled before the beginning", err, context.Canceled)
}
