// Package postgres opens, bounds, pings and closes the connection pool and
// applies migrations. What the rows mean is known to internal/adapter/repository.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where the database is and how much of it this process may use.
type Config struct {
	URL              string
	MaxConns         int32
	StatementTimeout time.Duration
}

// Open returns a pool that has reached the database at least once.
func Open(ctx context.Context, c Config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("postgres: the URL cannot be parsed") // its error may quote the password
	}
	pc.MaxConns = c.MaxConns
	pc.MaxConnLifetime = 30 * time.Minute // follows failovers and rotated passwords
	pc.MaxConnLifetimeJitter = 5 * time.Minute
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.HealthCheckPeriod = 30 * time.Second
	pc.ConnConfig.ConnectTimeout = 5 * time.Second
	pc.ConnConfig.Tracer = newTracer()
	ms := fmt.Sprint(c.StatementTimeout.Milliseconds())
	pc.ConnConfig.RuntimeParams["statement_timeout"] = ms
	pc.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = ms
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("postgres: open the pool: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: ping: %w", err)
	}
	return pool, nil
}
