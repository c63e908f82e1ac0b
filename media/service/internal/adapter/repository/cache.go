package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

// CacheConfig bounds what a Cache keeps and waits for.
type CacheConfig struct {
	TTL         time.Duration // longest life of an entry; spread by a tenth
	LoadTimeout time.Duration // longest time for reading from the store
	// OnRead is told whether a read was a hit, a miss or an error, for metrics.
	OnRead func(outcome string)
}

// Cache answers reads of single users from Redis and everything else from the
// store behind it. When Redis fails, the store answers.
//
// A user is cached by readers and dropped after the transaction that changed
// it. Dropping leaves a marker that outlives every load that may have begun
// before, so that a slow reader cannot put the old user back. Only if Redis
// fails at the moment of dropping may readers see the old user, until its TTL.
type Cache struct {
	users  usecase.UserReader
	tx     usecase.UnitOfWork
	redis  redis.Cmdable
	config CacheConfig
	log    *slog.Logger
	loads  singleflight.Group
}

// NewCache returns a cache in Redis before users and tx.
func NewCache(users usecase.UserReader, tx usecase.UnitOfWork, client redis.Cmdable, config CacheConfig, log *slog.Logger) *Cache {
	return &Cache{users: users, tx: tx, redis: client, config: config, log: log}
}

// userEntry is a cached user. A change of its form needs a new key prefix.
type userEntry struct {
	Email      string    `json:"e"`
	Name       string    `json:"n"`
	OpenOrders int       `json:"o"`
	Version    int64     `json:"v"`
	CreatedAt  time.Time `json:"c"`
	UpdatedAt  time.Time `json:"u"`
}

const dropped = "-" // the marker of a changed user

func userKey(id domain.UserID) string { return "user:1:" + string(id) }

// Get implements usecase.UserReader.
func (c *Cache) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	if user, ok := c.cached(ctx, id); ok {
		return user, nil
	}
	// One load serves all who wait for the same user. It does not end with the
	// caller who happened to start it.
	loading := c.loads.DoChan(string(id), func() (any, error) { return c.load(ctx, id) })
	select {
	case result := <-loading:
		user, _ := result.Val.(domain.User)
		return user, result.Err
	case <-ctx.Done():
		return domain.User{}, context.Cause(ctx)
	}
}

func (c *Cache) load(ctx context.Context, id domain.UserID) (user domain.User, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.LoadTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // singleflight would end the whole process
			c.log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if user, err = c.users.Get(ctx, id); err == nil {
		c.fill(ctx, user)
	}
	return user, err
}

// List implements usecase.UserReader.
func (c *Cache) List(ctx context.Context, page usecase.Page) ([]domain.User, error) {
	return c.users.List(ctx, page)
}

// Do implements usecase.UnitOfWork.
func (c *Cache) Do(ctx context.Context, fn func(context.Context, usecase.Repositories) error) error {
	var changed []domain.UserID
	err := c.tx.Do(ctx, func(ctx context.Context, r usecase.Repositories) error {
		changed = nil // fn may run again
		r.Users = watchedUsers{r.Users, &changed}
		return fn(ctx, r)
	})
	// Also after an error: a commit whose answer was lost may have happened.
	c.drop(ctx, changed)
	return err
}

func (c *Cache) cached(ctx context.Context, id domain.UserID) (domain.User, bool) {
	raw, err := c.redis.Get(ctx, userKey(id)).Bytes()
	if errors.Is(err, redis.Nil) || (err == nil && string(raw) == dropped) {
		c.config.OnRead("miss")
		return domain.User{}, false
	}
	var e userEntry
	if err == nil {
		err = json.Unmarshal(raw, &e)
	}
	if err != nil {
		c.config.OnRead("error")
		c.log.WarnContext(ctx, "read the cache", "error", err)
		return domain.User{}, false
	}
	c.config.OnRead("hit")
	return domain.User{
		ID: id, Email: e.Email, Name: e.Name, OpenOrders: e.OpenOrders,
		Version: e.Version, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}, true
}

func (c *Cache) fill(ctx context.Context, u domain.User) {
	raw, err := json.Marshal(userEntry{u.Email, u.Name, u.OpenOrders, u.Version, u.CreatedAt, u.UpdatedAt})
	if err == nil {
		ttl := c.config.TTL - rand.N(c.config.TTL/10+1) //nolint:gosec // spreads the ends of entries made together
		// Only if absent: a marker must stay.
		err = c.redis.SetNX(ctx, userKey(u.ID), raw, ttl).Err()
	}
	if err != nil {
		c.log.WarnContext(ctx, "fill the cache", "error", err)
	}
}

func (c *Cache) drop(ctx context.Context, ids []domain.UserID) {
	if len(ids) == 0 {
		return
	}
	// The change is stored: the caller's end must not keep the old user alive.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.LoadTimeout)
	defer cancel()
	_, err := c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range ids {
			p.Set(ctx, userKey(id), dropped, 2*c.config.LoadTimeout)
		}
		return nil
	})
	if err != nil {
		c.log.ErrorContext(ctx, "drop from the cache", "error", err)
	}
}

// watchedUsers notes which users a transaction changes.
type watchedUsers struct {
	usecase.UserRepository

	changed *[]domain.UserID
}

func (w watchedUsers) Update(ctx context.Context, user *domain.User) error {
	if err := w.UserRepository.Update(ctx, user); err != nil {
		return err
	}
	*w.changed = append(*w.changed, user.ID)
	return nil
}
