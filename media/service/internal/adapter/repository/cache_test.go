package repository_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/domain"
	infraredis "example.com/shopfront/internal/infrastructure/redis"
	"example.com/shopfront/internal/usecase"
)

func openRedis(t *testing.T, address string) *redis.Client {
	t.Helper()
	client, err := infraredis.Open(infraredis.Config{URL: address, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// cacheTest is a cache before a memory store whose reads can be watched.
type cacheTest struct {
	store

	cache    *repository.Cache
	redis    *miniredis.Miniredis
	backing  *watchedReader
	outcomes []string
	mu       sync.Mutex
}

type watchedReader struct {
	usecase.UserReader

	before, after func()
	reads         int
}

func (r *watchedReader) Get(ctx context.Context, id domain.UserID) (domain.User, error) {
	r.reads++
	if r.before != nil {
		r.before()
	}
	user, err := r.UserReader.Get(ctx, id)
	if r.after != nil {
		r.after()
	}
	if ctx.Err() != nil {
		return domain.User{}, ctx.Err()
	}
	return user, err
}

func newCache(t *testing.T, client redis.Cmdable) *cacheTest {
	t.Helper()
	memory := repository.NewMemory()
	c := &cacheTest{backing: &watchedReader{UserReader: memory.Users()}}
	c.cache = repository.NewCache(c.backing, memory, client, repository.CacheConfig{
		TTL:         time.Minute,
		LoadTimeout: 5 * time.Second,
		OnRead: func(outcome string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.outcomes = append(c.outcomes, outcome)
		},
	}, slog.New(slog.DiscardHandler))
	c.store = store{users: c.cache, orders: memory.Orders(), tx: c.cache}
	return c
}

func newCacheTest(t *testing.T) *cacheTest {
	t.Helper()
	server := miniredis.RunT(t)
	c := newCache(t, openRedis(t, "redis://"+server.Addr()))
	c.redis = server
	return c
}

func (c *cacheTest) rename(t *testing.T, id domain.UserID, name string) {
	t.Helper()
	c.do(t, func(ctx context.Context, r usecase.Repositories) error {
		u, err := r.Users.Get(ctx, id)
		if err != nil {
			return err
		}
		u.Name = name
		return r.Users.Update(ctx, &u)
	})
}

func (c *cacheTest) wantName(t *testing.T, id domain.UserID, want string) {
	t.Helper()
	if u, err := c.users.Get(t.Context(), id); err != nil || u.Name != want {
		t.Errorf("got %q, %v; want %q", u.Name, err, want)
	}
}

func TestCache(t *testing.T) {
	testContract(t, func(t *testing.T) store { return newCacheTest(t).store })
}

func TestCacheInRedis(t *testing.T) {
	address := os.Getenv("REDIS_URL")
	if address == "" {
		t.Skip("REDIS_URL is not set")
	}
	testContract(t, func(t *testing.T) store { return newCache(t, openRedis(t, address)).store })
}

func TestCacheAnswersTheSecondRead(t *testing.T) {
	c := newCacheTest(t)
	ada := c.createUser(t, "ada@example.com")
	for range 3 {
		if got, err := c.users.Get(t.Context(), ada.ID); err != nil || got != ada {
			t.Errorf("got %+v, %v; want %+v", got, err, ada)
		}
	}
	if c.backing.reads != 1 {
		t.Errorf("%d reads of the store, want 1", c.backing.reads)
	}
	c.redis.FastForward(time.Minute)
	c.wantName(t, ada.ID, "Ada")
	if c.backing.reads != 2 {
		t.Errorf("%d reads of the store after the TTL, want 2", c.backing.reads)
	}
}

func TestCacheForgetsWhatChanged(t *testing.T) {
	c := newCacheTest(t)
	ada := c.createUser(t, "ada@example.com")
	c.wantName(t, ada.ID, "Ada")
	c.rename(t, ada.ID, "Ada Lovelace")
	c.wantName(t, ada.ID, "Ada Lovelace")
}

func TestSlowReaderDoesNotBringTheOldUserBack(t *testing.T) {
	c := newCacheTest(t)
	ada := c.createUser(t, "ada@example.com")
	c.backing.after = func() { // the old user is read, not yet in the cache
		c.backing.after = nil
		c.rename(t, ada.ID, "Ada Lovelace")
	}
	c.wantName(t, ada.ID, "Ada")
	c.wantName(t, ada.ID, "Ada Lovelace")
}

func TestStoreAnswersWithoutRedis(t *testing.T) {
	c := newCacheTest(t)
	ada := c.createUser(t, "ada@example.com")
	c.redis.Close()
	c.wantName(t, ada.ID, "Ada")
	c.rename(t, ada.ID, "Ada Lovelace")
	c.wantName(t, ada.ID, "Ada Lovelace")
	if c.outcomes[0] != "error" {
		t.Errorf("outcomes %v", c.outcomes)
	}
}

func TestStoreAnswersForABrokenEntry(t *testing.T) {
	c := newCacheTest(t)
	ada := c.createUser(t, "ada@example.com")
	if err := c.redis.Set("user:1:"+string(ada.ID), "{"); err != nil {
		t.Fatal(err)
	}
	c.wantName(t, ada.ID, "Ada")
}

func TestPanicOfTheStoreIsAnError(t *testing.T) {
	c := newCacheTest(t)
	ada := c.createUser(t, "ada@example.com")
	c.backing.before = func() { panic("kaboom") }
	if _, err := c.users.Get(t.Context(), ada.ID); err == nil || !strings.Contains(err.Error(), "kaboom") {
		t.Errorf("got %v", err)
	}
	c.backing.before = nil
	c.wantName(t, ada.ID, "Ada")
}

// emptyRedis answers without a network, so that synctest can see who waits.
type emptyRedis struct{ redis.Cmdable }

func (emptyRedis) Get(context.Context, string) *redis.StringCmd {
	return redis.NewStringResult("", redis.Nil)
}

func (emptyRedis) SetNX(context.Context, string, any, time.Duration) *redis.BoolCmd {
	return redis.NewBoolResult(true, nil)
}

func TestImpatientReaderSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, emptyRedis{})
		ada := c.createUser(t, "ada@example.com")
		leave := make(chan struct{})
		c.backing.before = func() { <-leave }
		ctx, cancel := context.WithCancel(t.Context())
		impatient, patient := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := c.users.Get(ctx, ada.ID)
			impatient <- err
		}()
		synctest.Wait() // the impatient one loads
		go func() {
			_, err := c.users.Get(t.Context(), ada.ID)
			patient <- err
		}()
		synctest.Wait() // the patient one waits for the same load
		cancel()
		wantError(t, "the impatient reader", <-impatient, context.Canceled)
		close(leave)
		if err := <-patient; err != nil {
			t.Errorf("the patient reader: %v", err)
		}
		if c.backing.reads != 1 {
			t.Errorf("%d reads of the store, want 1", c.backing.reads)
		}
	})
}
