package cacheaside

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// throughRedis loads from Redis first and fills it on a miss. Redis that is
// slow or down costs its timeout, never the answer.
func throughRedis(client *redis.Client, prefix string, load func(context.Context, string) (int, error)) func(context.Context, string) (int, error) {
	return func(ctx context.Context, key string) (int, error) {
		redisCtx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		if value, err := client.Get(redisCtx, prefix+key).Int(); err == nil {
			return value, nil
		}
		value, err := load(ctx, key)
		if err != nil {
			return 0, err
		}
		_ = client.Set(redisCtx, prefix+key, value, time.Minute).Err()
		return value, nil
	}
}

func newRedis(t *testing.T) *redis.Client {
	options, err := redis.ParseURL(servertest.URL(t, "REDIS_URL"))
	if err != nil {
		t.Fatal("REDIS_URL is not valid")
	}
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

func TestRedisSharesEntries(t *testing.T) {
	prefix := "test:" + rand.Text() + ":"
	var loads atomic.Int32
	fromDatabase := func(context.Context, string) (int, error) { return int(loads.Add(1)), nil }
	var instances []*LoadingCache[string, int]
	for range 3 {
		instances = append(instances, newCache(t, LoadingCacheConfig[string, int]{
			Load: throughRedis(newRedis(t), prefix, fromDatabase),
		}))
	}
	for _, c := range instances { // CA-15: one instance loads, the others find it in Redis
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if v := get(t, c, "k"); v != 1 {
					t.Errorf("got %d", v)
				}
			})
		}
		wg.Wait()
	}
	if n := loads.Load(); n != 1 {
		t.Errorf("%d loads", n)
	}
	// A change goes to Redis first: a local cache emptied first could fill up from it again.
	if err := newRedis(t).Del(context.Background(), prefix+"k").Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range instances {
		c.Invalidate("k")
		if v := get(t, c, "k"); v != 2 { // CA-10
			t.Errorf("got %d", v)
		}
	}
}

func TestRedisDown(t *testing.T) {
	client := newRedis(t)
	client.Close() // every command fails from here on
	absent := false
	c := newCache(t, LoadingCacheConfig[string, int]{
		Load: throughRedis(client, "test:", func(context.Context, string) (int, error) {
			if absent {
				return 0, errAbsent
			}
			return 5, nil
		}),
	})
	if v := get(t, c, "k"); v != 5 { // CA-15
		t.Errorf("got %d", v)
	}
	absent = true
	if _, err := c.Get(context.Background(), "none"); !errors.Is(err, errAbsent) {
		t.Errorf("got %v", err)
	}
}
