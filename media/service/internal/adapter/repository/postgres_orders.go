package repository

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

// postgresOrders implements both usecase.OrderReader, on the pool, and
// usecase.OrderRepository, in a transaction.
type postgresOrders struct {
	db        queryer
	forUpdate string // " FOR UPDATE" in a transaction
}

// lineRow is how a line is stored: as JSON, for lines are only ever read and
// written together with their order.
type lineRow struct {
	SKU       string `json:"sku"`
	Quantity  int    `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

const orderColumns = "id, user_id, status, currency, total, lines, version, created_at, updated_at"

func scanOrder(row pgx.CollectableRow) (o domain.Order, err error) {
	var lines []lineRow
	err = row.Scan(&o.ID, &o.UserID, &o.Status, &o.Total.Currency, &o.Total.Amount, &lines,
		&o.Version, &o.CreatedAt, &o.UpdatedAt)
	for _, l := range lines {
		o.Lines = append(o.Lines, domain.Line(l))
	}
	o.CreatedAt, o.UpdatedAt = utc(o.CreatedAt), utc(o.UpdatedAt)
	return o, err
}

func (r postgresOrders) Get(ctx context.Context, id domain.OrderID) (domain.Order, error) {
	return one(ctx, r.db, domain.ErrOrderNotFound, scanOrder,
		"SELECT "+orderColumns+" FROM orders WHERE id = $1"+r.forUpdate, id)
}

func (r postgresOrders) ListByUser(ctx context.Context, user domain.UserID, page usecase.Page) ([]domain.Order, error) {
	return many(ctx, r.db, scanOrder,
		"SELECT "+orderColumns+" FROM orders WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3",
		user, afterOrFirst(page.After), page.Limit)
}

func (r postgresOrders) Create(ctx context.Context, o domain.Order) error {
	lines := make([]lineRow, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = lineRow(l)
	}
	_, err := r.db.Exec(ctx,
		"INSERT INTO orders ("+orderColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		o.ID, o.UserID, o.Status, o.Total.Currency, o.Total.Amount, lines, o.Version, o.CreatedAt, o.UpdatedAt)
	if violates(err, codeForeignKeyViolation, "orders_user_id_fkey") {
		return domain.ErrUserNotFound
	}
	if err != nil {
		return fmt.Errorf("insert an order: %w", err)
	}
	return nil
}

// Update stores the status: nothing else of an order ever changes.
func (r postgresOrders) Update(ctx context.Context, o *domain.Order) error {
	tag, err := r.db.Exec(ctx,
		"UPDATE orders SET status = $3, updated_at = $4, version = version + 1 WHERE id = $1 AND version = $2",
		o.ID, o.Version, o.Status, o.UpdatedAt)
	if err != nil {
		return fmt.Errorf("update an order: %w", err)
	}
	if err := changedOne(tag); err != nil {
		return err
	}
	o.Version++
	return nil
}
