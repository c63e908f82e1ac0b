// Package repository keeps the orders of a service in SQL: the only place that
// knows the table, inside a transaction or outside one.
package repository

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// What a caller can act on. The errors carry ids, never the contents of a row.
var (
	// ErrOrderNotFound says that no Order has this id.
	ErrOrderNotFound = errors.New("order not found")
	// ErrOrderTaken says that another Order has this unique value already.
	ErrOrderTaken = errors.New("order already exists")
	// ErrOrderConflict says that the Order has changed since it was read: read it again and decide anew.
	ErrOrderConflict = errors.New("order changed meanwhile")
	// ErrOrderReference says that a row it refers to is missing, or that another row still refers to it.
	ErrOrderReference = errors.New("order reference violated")
)

// Order is one row. The repository sets ID, Version and CreatedAt.
type Order struct {
	ID         int64
	CustomerID int64
	Number     string // unique
	Note       *string
	TotalCents int64
	Version    int64
	CreatedAt  time.Time
}

// OrderStore is what use cases see. Declare it in their package, with the methods they need.
type OrderStore interface {
	Create(ctx context.Context, o Order) (Order, error)
	Get(ctx context.Context, id int64) (Order, error)
	List(ctx context.Context, customerID, after int64, limit int) (page []Order, next int64, err error)
	Update(ctx context.Context, o Order) (Order, error)
	Delete(ctx context.Context, id, version int64) error
}

var _ OrderStore = (*OrderRepository)(nil)

// OrderDB is the part of *sql.DB, *sql.Conn and *sql.Tx that a repository needs.
type OrderDB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// OrderRepository reads and writes the table orders:
//
//	CREATE TABLE orders (
//		id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
//		customer_id bigint NOT NULL REFERENCES customers,
//		number      text NOT NULL UNIQUE,
//		note        text,
//		total_cents bigint NOT NULL,
//		version     bigint NOT NULL DEFAULT 1,
//		created_at  timestamptz NOT NULL DEFAULT now()
//	);
//	CREATE INDEX ON orders (customer_id, id);
//
// It is as safe for concurrent use as its OrderDB: *sql.DB is, a transaction is not.
type OrderRepository struct {
	db OrderDB
}

// NewOrderRepository works on db, which is a pool or a transaction.
func NewOrderRepository(db OrderDB) *OrderRepository {
	return &OrderRepository{db: db}
}

const selectOrder = `SELECT id, customer_id, number, note, total_cents, version, created_at FROM orders `

// Create stores o and returns it with what the database added.
func (r *OrderRepository) Create(ctx context.Context, o Order) (Order, error) {
	err := r.db.QueryRowContext(ctx,
		`INSERT INTO orders (customer_id, number, note, total_cents) VALUES ($1, $2, $3, $4)
		RETURNING id, version, created_at`,
		o.CustomerID, o.Number, o.Note, o.TotalCents).Scan(&o.ID, &o.Version, &o.CreatedAt)
	if err != nil {
		return Order{}, fmt.Errorf("create order: %w", mapOrderError(err))
	}
	o.CreatedAt = o.CreatedAt.UTC()
	return o, nil
}

// Get returns the Order with this id, or ErrOrderNotFound.
func (r *OrderRepository) Get(ctx context.Context, id int64) (Order, error) {
	o, err := scanOrder(r.db.QueryRowContext(ctx, selectOrder+`WHERE id = $1`, id))
	if err != nil {
		return Order{}, fmt.Errorf("get order %d: %w", id, mapOrderError(err))
	}
	return o, nil
}

// List returns a customer's rows with ids above after, oldest first: at most
// limit, which is 50 if not positive and never more than 200. next continues
// the list; it is 0 on the last page.
func (r *OrderRepository) List(ctx context.Context, customerID, after int64, limit int) (page []Order, next int64, err error) {
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	rows, err := r.db.QueryContext(ctx,
		selectOrder+`WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT $3`,
		customerID, after, limit+1) // the one too many says that there is a next page
	if err != nil {
		return nil, 0, fmt.Errorf("list orders of customer %d: %w", customerID, err)
	}
	defer rows.Close()
	for rows.Next() {
		o, err := scanOrder(rows)
		if err != nil {
			return nil, 0, fmt.Errorf("list orders of customer %d: %w", customerID, err)
		}
		page = append(page, o)
	}
	if err := rows.Err(); err != nil { // a list that broke off must not pass for a short one
		return nil, 0, fmt.Errorf("list orders of customer %d: %w", customerID, err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	return page, next, nil
}

// Update stores o if its Version is still the current one, and returns it with the new Version.
func (r *OrderRepository) Update(ctx context.Context, o Order) (Order, error) {
	result, err := r.db.ExecContext(ctx,
		`UPDATE orders SET customer_id = $3, number = $4, note = $5, total_cents = $6, version = version + 1
		WHERE id = $1 AND version = $2`,
		o.ID, o.Version, o.CustomerID, o.Number, o.Note, o.TotalCents)
	if err := r.checkOneOrder(ctx, o.ID, result, err); err != nil {
		return Order{}, fmt.Errorf("update order %d: %w", o.ID, err)
	}
	o.Version++
	return o, nil
}

// Delete removes the Order if version is still the current one.
func (r *OrderRepository) Delete(ctx context.Context, id, version int64) error {
	result, err := r.db.ExecContext(ctx, `DELETE FROM orders WHERE id = $1 AND version = $2`, id, version)
	if err := r.checkOneOrder(ctx, id, result, err); err != nil {
		return fmt.Errorf("delete order %d: %w", id, err)
	}
	return nil
}

// checkOneOrder tells why a versioned statement touched no row.
func (r *OrderRepository) checkOneOrder(ctx context.Context, id int64, result sql.Result, err error) error {
	if err != nil {
		return mapOrderError(err)
	}
	affected, err := result.RowsAffected()
	if err != nil || affected > 0 {
		return err
	}
	var exists bool
	err = r.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM orders WHERE id = $1)`, id).Scan(&exists)
	switch {
	case err != nil:
		return err
	case exists:
		return ErrOrderConflict
	default:
		return ErrOrderNotFound
	}
}

func scanOrder(row interface{ Scan(dest ...any) error }) (o Order, err error) {
	err = row.Scan(&o.ID, &o.CustomerID, &o.Number, &o.Note, &o.TotalCents, &o.Version, &o.CreatedAt)
	o.CreatedAt = o.CreatedAt.UTC()
	return o, err
}

// mapOrderError replaces what a caller can act on. The server's own error quotes
// the row, so it is dropped there. pgx and lib/pq errors have SQLState.
func mapOrderError(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrOrderNotFound
	}
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		switch state.SQLState() {
		case "23505": // unique_violation
			return ErrOrderTaken
		case "23503": // foreign_key_violation
			return ErrOrderReference
		}
	}
	return err
}
