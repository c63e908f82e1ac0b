package repository_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/usecase"
)

func openMemory(*testing.T) store {
	m := repository.NewMemory()
	return store{users: m.Users(), orders: m.Orders(), tx: m}
}

func TestMemory(t *testing.T) { testContract(t, openMemory) }

func TestMemoryWaitsForTheOtherTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openMemory(t)
		entered, leave := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- s.tx.Do(t.Context(), func(context.Context, usecase.Repositories) error {
				close(entered)
				<-leave
				return nil
			})
		}()
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() {
			second <- s.tx.Do(ctx, func(context.Context, usecase.Repositories) error { return nil })
		}()
		synctest.Wait() // the second one waits
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting one: %v", err)
		}
		close(leave)
		if err := <-first; err != nil {
			t.Errorf("the first one: %v", err)
		}
	})
}
