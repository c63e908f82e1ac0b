package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// migrationLock is the key of the advisory lock that keeps two deployments from
// migrating at the same time. Any constant does.
const migrationLock = 7_294_108_315

// Migrate applies the *.sql files at the root of files that were not applied
// before, in the sequence of their names, each in a transaction of its own. It
// returns the names it applied.
func Migrate(ctx context.Context, pool *pgxpool.Pool, files fs.FS) ([]string, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("postgres: connect: %w", err)
	}
	defer conn.Release()
	// The session holds the lock and the settings; end it instead of handing it
	// back to the pool.
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Conn().Close(closing) // the server releases the lock in any case
	}()
	// Migrations, also those of others, may take longer than a request's statement.
	if _, err := conn.Exec(ctx, "SET statement_timeout = 0"); err != nil {
		return nil, fmt.Errorf("postgres: set timeouts: %w", err)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return nil, fmt.Errorf("postgres: wait for other migrations: %w", err)
	}
	// What waits for a table makes all that come later wait for it too.
	if _, err := conn.Exec(ctx, "SET lock_timeout = '10s'"); err != nil {
		return nil, fmt.Errorf("postgres: set timeouts: %w", err)
	}

	pending, err := pendingMigrations(ctx, conn.Conn(), files)
	if err != nil {
		return nil, err
	}
	for i, name := range pending {
		if err := applyMigration(ctx, conn.Conn(), files, name); err != nil {
			return pending[:i], err
		}
	}
	return pending, nil
}

// Pending returns the migrations that were not applied yet.
func Pending(ctx context.Context, pool *pgxpool.Pool, files fs.FS) ([]string, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("postgres: connect: %w", err)
	}
	defer conn.Release()
	return pendingMigrations(ctx, conn.Conn(), files)
}

func pendingMigrations(ctx context.Context, conn *pgx.Conn, files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("postgres: list migrations: %w", err)
	}
	slices.Sort(names)
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('schema_migrations') IS NOT NULL").Scan(&exists); err != nil {
		return nil, fmt.Errorf("postgres: look for the migration table: %w", err)
	}
	if !exists {
		return names, nil
	}
	rows, err := conn.Query(ctx, "SELECT name FROM schema_migrations")
	if err != nil {
		return nil, fmt.Errorf("postgres: read applied migrations: %w", err)
	}
	applied, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("postgres: read applied migrations: %w", err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(applied, name) }), nil
}

func applyMigration(ctx context.Context, conn *pgx.Conn, files fs.FS, name string) error {
	sql, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("postgres: read migration: %w", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		statements := []string{
			"CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
			strings.TrimSpace(string(sql)),
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_migrations (name) VALUES ($1)", name)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: apply %s: %w", name, err)
	}
	return nil
}
