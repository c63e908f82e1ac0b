package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/infrastructure/postgres"
)

type postgresConfig struct {
	URL              secret
	MaxConns         int32
	StatementTimeout time.Duration
}

var errNoDatabase = errors.New("DATABASE_URL is not set")

func (e *env) postgres() postgresConfig {
	return postgresConfig{
		URL:              secret(e.text("DATABASE_URL", "")),
		MaxConns:         int32(e.integer("DATABASE_MAX_CONNS", 10, 1, 1000)), //nolint:gosec // bounded by the line itself
		StatementTimeout: e.duration("DATABASE_STATEMENT_TIMEOUT", 5*time.Second, time.Millisecond, time.Minute),
	}
}

func openPool(ctx context.Context, c postgresConfig) (*pgxpool.Pool, error) {
	return postgres.Open(ctx, postgres.Config{
		URL:              c.URL.reveal(),
		MaxConns:         c.MaxConns,
		StatementTimeout: c.StatementTimeout,
	})
}

func (a *app) openPostgres(ctx context.Context) (store, error) {
	pool, err := openPool(ctx, a.cfg.Postgres)
	if err != nil {
		return store{}, err
	}
	a.onClose("postgres", func(ctx context.Context) error {
		var closing sync.WaitGroup
		closing.Go(pool.Close) // waits for every connection in use
		return wait(ctx, "connections", &closing)
	})
	pending, err := postgres.Pending(ctx, pool, repository.Migrations())
	if err != nil {
		return store{}, err
	}
	if len(pending) > 0 {
		return store{}, fmt.Errorf("the database lacks %d migrations; run: server migrate", len(pending))
	}
	a.health.Add("postgres", pool.Ping)
	p := repository.NewPostgres(pool)
	return store{
		users:  p.Users(),
		orders: p.Orders(),
		tx:     p,
		// scaffold:if kafka

		outbox:  p.Outbox(),
		durable: true,
		// scaffold:end
	}, nil
}

// migrate brings the schema up to date. It is a step of its own, so that a
// deployment runs it once and before the first new instance starts.
func migrate(ctx context.Context, cfg config, log *slog.Logger) error {
	if cfg.Postgres.URL == "" {
		return fmt.Errorf("migrate: %w", errNoDatabase)
	}
	pool, err := openPool(ctx, cfg.Postgres)
	if err != nil {
		return err
	}
	defer pool.Close()
	applied, err := postgres.Migrate(ctx, pool, repository.Migrations())
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "migrated", "applied", applied)
	return nil
}
