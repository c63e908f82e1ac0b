package repository

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/tracing"
)

// postgresOutbox implements usecase.Outbox in a transaction.
type postgresOutbox struct{ tx pgx.Tx }

const entryColumns = "id, type, order_id, user_id, status, currency, total, occurred_at, trace_context"

func (o postgresOutbox) Add(ctx context.Context, e domain.OrderEvent) error {
	_, err := o.tx.Exec(ctx,
		"INSERT INTO outbox ("+entryColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		e.ID, e.Type, e.OrderID, e.UserID, e.Status, e.Total.Currency, e.Total.Amount, e.OccurredAt, tracing.Carry(ctx))
	if err != nil {
		return fmt.Errorf("insert an event: %w", err)
	}
	return nil
}

// Outbox hands out the events that wait to be published.
func (p *Postgres) Outbox() usecase.OutboxQueue { return postgresOutboxQueue{p} }

type postgresOutboxQueue struct{ p *Postgres }

// claimLock makes claims run one after another, so that each sees the leases of
// the one before. Any constant does.
const claimLock = 7_294_108_316

// Claim never remembers where it left off: sequence numbers are given out before
// the commit, so a lower one can appear later. Transactions on the same order
// follow one another, so its events do have the right sequence.
func (q postgresOutboxQueue) Claim(ctx context.Context, limit int, lease time.Duration) ([]usecase.OutboxEntry, error) {
	var events []usecase.OutboxEntry
	err := pgx.BeginFunc(ctx, q.p.pool, func(tx pgx.Tx) (err error) {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", claimLock); err != nil {
			return err
		}
		events, err = many(ctx, tx, scanEntry, `
			WITH due AS (
				SELECT sequence FROM outbox o
				WHERE (leased_until IS NULL OR leased_until <= clock_timestamp())
				AND NOT EXISTS (
					SELECT FROM outbox earlier
					WHERE earlier.order_id = o.order_id AND earlier.sequence < o.sequence
					AND earlier.leased_until > clock_timestamp())
				ORDER BY sequence LIMIT $1
			), claimed AS (
				UPDATE outbox SET leased_until = clock_timestamp() + $2::interval
				WHERE sequence IN (SELECT sequence FROM due)
				RETURNING sequence, `+entryColumns+`
			)
			SELECT `+entryColumns+` FROM claimed ORDER BY sequence`, limit, lease)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim events: %w", err)
	}
	return events, nil
}

func scanEntry(row pgx.CollectableRow) (e usecase.OutboxEntry, err error) {
	err = row.Scan(&e.ID, &e.Type, &e.OrderID, &e.UserID, &e.Status, &e.Total.Currency, &e.Total.Amount,
		&e.OccurredAt, &e.Trace)
	e.OccurredAt = utc(e.OccurredAt)
	return e, err
}

func (q postgresOutboxQueue) Delete(ctx context.Context, events []usecase.OutboxEntry) error {
	if _, err := q.p.pool.Exec(ctx, "DELETE FROM outbox WHERE id = ANY($1::uuid[])", eventIDs(events)); err != nil {
		return fmt.Errorf("delete events: %w", err)
	}
	return nil
}

func (q postgresOutboxQueue) Release(ctx context.Context, events []usecase.OutboxEntry) error {
	_, err := q.p.pool.Exec(ctx, "UPDATE outbox SET leased_until = NULL WHERE id = ANY($1::uuid[])", eventIDs(events))
	if err != nil {
		return fmt.Errorf("release events: %w", err)
	}
	return nil
}

// Backlog stops counting at ten thousand: it is asked often.
func (q postgresOutboxQueue) Backlog(ctx context.Context) (waiting int, oldest time.Time, err error) {
	var since *time.Time
	err = q.p.pool.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT 10000) AS counted),
			(SELECT occurred_at FROM outbox ORDER BY sequence LIMIT 1)`).Scan(&waiting, &since)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count events: %w", err)
	}
	if since != nil {
		oldest = *since
	}
	return waiting, oldest, nil
}
