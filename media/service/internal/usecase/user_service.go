package usecase

import (
	"context"
	"time"

	"example.com/shopfront/internal/domain"
)

const (
	defaultPageSize = 20
	maxPageSize     = 100
)

// UserService is what callers can do with users.
type UserService struct {
	users UserReader
	tx    UnitOfWork
	now   func() time.Time
}

// NewUserService returns a UserService. It reads the time from now.
func NewUserService(users UserReader, tx UnitOfWork, now func() time.Time) *UserService {
	return &UserService{users: users, tx: tx, now: now}
}

// Create stores a new user.
func (s *UserService) Create(ctx context.Context, email, name string) (domain.User, error) {
	user, err := domain.NewUser(domain.NewUserID(), email, name, s.now())
	if err != nil {
		return domain.User{}, err
	}
	err = s.tx.Do(ctx, func(ctx context.Context, r Repositories) error {
		return r.Users.Create(ctx, user)
	})
	if err != nil {
		return domain.User{}, err
	}
	return user, nil
}

// Get returns a user.
func (s *UserService) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	return s.users.Get(ctx, id)
}

// List returns a page of users, oldest first, and the After of the next page,
// which is empty on the last one.
func (s *UserService) List(ctx context.Context, page Page) ([]domain.User, string, error) {
	return list(page, func(page Page) ([]domain.User, error) {
		return s.users.List(ctx, page)
	}, func(u domain.User) string { return string(u.ID) })
}

// Update changes email and name. With a version other than zero it fails with
// domain.ErrVersionConflict unless the stored user still has that version.
func (s *UserService) Update(ctx context.Context, id domain.UserID, version int64, email, name string) (domain.User, error) {
	var user domain.User
	err := s.tx.Do(ctx, func(ctx context.Context, r Repositories) (err error) {
		if user, err = r.Users.Get(ctx, id); err != nil {
			return err
		}
		if version != 0 && version != user.Version {
			return domain.ErrVersionConflict
		}
		if err := user.Change(email, name, s.now()); err != nil {
			return err
		}
		return r.Users.Update(ctx, &user)
	})
	if err != nil {
		return domain.User{}, err
	}
	return user, nil
}

// list reads one record more than the page holds to learn whether there is a
// next page.
func list[T any](page Page, read func(Page) ([]T, error), id func(T) string) ([]T, string, error) {
	size := page.Limit
	if size == 0 {
		size = defaultPageSize
	}
	if size < 1 || size > maxPageSize {
		return nil, "", domain.Invalid("limit", "must be 1 to 100")
	}
	records, err := read(Page{After: page.After, Limit: size + 1})
	if err != nil {
		return nil, "", err
	}
	if len(records) <= size {
		return records, "", nil
	}
	records = records[:size]
	return records, id(records[size-1]), nil
}
