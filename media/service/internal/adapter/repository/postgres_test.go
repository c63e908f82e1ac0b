package repository_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/infrastructure/postgres"
	"example.com/shopfront/internal/usecase"
)

// openSchema returns a pool on a schema that exists for this test alone.
func openSchema(t *testing.T) *pgxpool.Pool {
	t.Helper()
	address := os.Getenv("DATABASE_URL")
	if address == "" {
		t.Skip("DATABASE_URL is not set")
	}
	open := func(address string) *pgxpool.Pool {
		pool, err := postgres.Open(t.Context(), postgres.Config{URL: address, MaxConns: 4, StatementTimeout: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	schema := "test_" + strings.ToLower(rand.Text())
	admin := open(address)
	if _, err := admin.Exec(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	pool := open(u.String())
	if _, err := postgres.Migrate(t.Context(), pool, repository.Migrations()); err != nil {
		t.Fatal(err)
	}
	return pool
}

func openPostgres(t *testing.T) store {
	t.Helper()
	p := repository.NewPostgres(openSchema(t))
	return store{users: p.Users(), orders: p.Orders(), tx: p}
}

func TestPostgres(t *testing.T) { testContract(t, openPostgres) }

func TestPostgresTriesAgainWhenTheDatabaseGaveUp(t *testing.T) {
	s := openPostgres(t)
	deadlock := &pgconn.PgError{Code: "40P01"}
	tries := 0
	err := s.tx.Do(t.Context(), func(context.Context, usecase.Repositories) error {
		if tries++; tries < 3 {
			return deadlock
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
	tries = 0
	err = s.tx.Do(t.Context(), func(context.Context, usecase.Repositories) error {
		tries++
		return deadlock
	})
	if !errors.Is(err, deadlock) || tries != 5 {
		t.Errorf("%d tries, %v; want it to give up", tries, err)
	}
}

func TestPostgresKeepsNoConnection(t *testing.T) {
	pool := openSchema(t)
	p := repository.NewPostgres(pool)
	for range 10 { // more than the pool holds
		func() {
			defer func() { _ = recover() }()
			_ = p.Do(t.Context(), func(context.Context, usecase.Repositories) error { panic("kaboom") })
		}()
	}
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are still in use", n)
	}
}

func TestMigrationsWaitForOneAnother(t *testing.T) {
	pool := openSchema(t)
	if _, err := pool.Exec(t.Context(), "DROP TABLE schema_migrations, orders, users CASCADE; DROP TABLE IF EXISTS outbox"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var applied atomic.Int64
	for range 3 {
		wg.Go(func() {
			names, err := postgres.Migrate(t.Context(), pool, repository.Migrations())
			if err != nil {
				t.Error(err)
			}
			applied.Add(int64(len(names)))
		})
	}
	wg.Wait()
	all, err := fs.Glob(repository.Migrations(), "*.sql")
	if err != nil || int(applied.Load()) != len(all) {
		t.Errorf("applied %d of %d, %v", applied.Load(), len(all), err)
	}
	var timeout string
	if err := pool.QueryRow(t.Context(), "SHOW statement_timeout").Scan(&timeout); err != nil || timeout != "5s" {
		t.Errorf("a request's statement may take %s, %v", timeout, err)
	}
}

func TestMigrationsApplyOnce(t *testing.T) {
	pool := openSchema(t) // migrates
	for range 2 {
		applied, err := postgres.Migrate(t.Context(), pool, repository.Migrations())
		if err != nil || len(applied) != 0 {
			t.Errorf("applied %v again, %v", applied, err)
		}
	}
	if pending, err := postgres.Pending(t.Context(), pool, repository.Migrations()); err != nil || len(pending) != 0 {
		t.Errorf("pending %v, %v", pending, err)
	}
}
