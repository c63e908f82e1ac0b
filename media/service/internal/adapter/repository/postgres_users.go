package repository

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

// postgresUsers implements both usecase.UserReader, on the pool, and
// usecase.UserRepository, in a transaction.
type postgresUsers struct {
	db        queryer
	forUpdate string // " FOR UPDATE" in a transaction
}

const userColumns = "id, email, name, open_orders, version, created_at, updated_at"

func scanUser(row pgx.CollectableRow) (u domain.User, err error) {
	err = row.Scan(&u.ID, &u.Email, &u.Name, &u.OpenOrders, &u.Version, &u.CreatedAt, &u.UpdatedAt)
	u.CreatedAt, u.UpdatedAt = utc(u.CreatedAt), utc(u.UpdatedAt)
	return u, err
}

func (r postgresUsers) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	return one(ctx, r.db, domain.ErrUserNotFound, scanUser,
		"SELECT "+userColumns+" FROM users WHERE id = $1"+r.forUpdate, id)
}

func (r postgresUsers) List(ctx context.Context, page usecase.Page) ([]domain.User, error) {
	return many(ctx, r.db, scanUser,
		"SELECT "+userColumns+" FROM users WHERE id > $1 ORDER BY id LIMIT $2",
		afterOrFirst(page.After), page.Limit)
}

func (r postgresUsers) Create(ctx context.Context, u domain.User) error {
	_, err := r.db.Exec(ctx,
		"INSERT INTO users ("+userColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
		u.ID, u.Email, u.Name, u.OpenOrders, u.Version, u.CreatedAt, u.UpdatedAt)
	return userError("insert a user", err)
}

func (r postgresUsers) Update(ctx context.Context, u *domain.User) error {
	tag, err := r.db.Exec(ctx,
		`UPDATE users SET email = $3, name = $4, open_orders = $5, updated_at = $6, version = version + 1
		WHERE id = $1 AND version = $2`,
		u.ID, u.Version, u.Email, u.Name, u.OpenOrders, u.UpdatedAt)
	if err != nil {
		return userError("update a user", err)
	}
	if err := changedOne(tag); err != nil {
		return err
	}
	u.Version++
	return nil
}

func userError(action string, err error) error {
	switch {
	case err == nil:
		return nil
	case violates(err, codeUniqueViolation, "users_email_key"):
		return domain.ErrEmailTaken // without the driver's error, whose detail quotes the address
	default:
		return fmt.Errorf("%s: %w", action, err)
	}
}
