package repository

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the SQL files that build the schema.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // impossible: the folder is embedded above
	}
	return files
}

// Postgres stores everything in PostgreSQL.
type Postgres struct {
	pool *pgxpool.Pool
}

// NewPostgres returns a store on the pool. The caller closes the pool.
func NewPostgres(pool *pgxpool.Pool) *Postgres { return &Postgres{pool: pool} }

// Users reads the stored users.
func (p *Postgres) Users() usecase.UserReader { return postgresUsers{db: p.pool} }

// Orders reads the stored orders.
func (p *Postgres) Orders() usecase.OrderReader { return postgresOrders{db: p.pool} }

const maxTries = 5

// Do implements usecase.UnitOfWork. It runs fn again when the database gave up
// the transaction in favour of another one.
func (p *Postgres) Do(ctx context.Context, fn func(context.Context, usecase.Repositories) error) error {
	for try := 1; ; try++ {
		err := p.once(ctx, fn)
		if err == nil || try == maxTries || !givenUp(err) {
			return err
		}
		jitter := rand.N(10 * time.Millisecond << try) //nolint:gosec // jitter, no secret
		if err := wait(ctx, jitter); err != nil {
			return err
		}
	}
}

func (p *Postgres) once(ctx context.Context, fn func(context.Context, usecase.Repositories) error) error {
	tx, err := p.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin the transaction: %w", err)
	}
	// Runs on return, panic and Goexit alike. Not with ctx: that may be the very
	// reason for rolling back.
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ending) // does nothing after a commit; the pool drops a broken connection
	}()
	repositories := usecase.Repositories{
		Users:  postgresUsers{db: tx, forUpdate: " FOR UPDATE"},
		Orders: postgresOrders{db: tx, forUpdate: " FOR UPDATE"},
		// scaffold:if kafka
		Outbox: postgresOutbox{tx},
		// scaffold:end
	}
	if err := fn(ctx, repositories); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// queryer is a pool or a transaction.
type queryer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// PostgreSQL's error codes that mean something to the domain.
const (
	codeUniqueViolation      = "23505"
	codeForeignKeyViolation  = "23503"
	codeSerializationFailure = "40001"
	codeDeadlock             = "40P01"
)

// violates reports whether err is a violation of the named constraint.
func violates(err error, code, constraint string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == code && e.ConstraintName == constraint
}

func givenUp(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == codeSerializationFailure || e.Code == codeDeadlock)
}

// one reads a single row, or none.
func one[T any](ctx context.Context, db queryer, none error, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err == nil {
		var record T
		if record, err = pgx.CollectExactlyOneRow(rows, scan); err == nil {
			return record, nil
		}
	}
	var zero T
	if errors.Is(err, pgx.ErrNoRows) {
		return zero, none
	}
	return zero, fmt.Errorf("read a row: %w", err)
}

func many[T any](ctx context.Context, db queryer, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("query rows: %w", err)
	}
	records, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return records, nil
}

// first is the value that After "" stands for: it sorts before every UUID.
const first = "00000000-0000-0000-0000-000000000000"

func afterOrFirst(after string) string {
	if after == "" {
		return first
	}
	return after
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// utc undoes the local zone that the driver gives to timestamps.
func utc(t time.Time) time.Time { return t.UTC() }

// changedOne maps the outcome of an update guarded by a version.
func changedOne(tag pgconn.CommandTag) error {
	if tag.RowsAffected() == 0 {
		return domain.ErrVersionConflict
	}
	return nil
}
