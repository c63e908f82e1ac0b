package repository_test

import (
	"testing"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/usecase"
)

func TestPostgresOutbox(t *testing.T) {
	testOutbox(t, func(t *testing.T) (store, usecase.OutboxQueue) {
		t.Helper()
		p := repository.NewPostgres(openSchema(t))
		return store{users: p.Users(), orders: p.Orders(), tx: p}, p.Outbox()
	})
}
