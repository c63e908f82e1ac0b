package cacheaside

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	valueMark = "v" // before what is a value in Redis
	leaseMark = "l" // before what a reader leaves there while it loads
)

// store puts a value in the place of the reader's own lease. A delete in the
// meantime took the lease away, so that nothing older than the delete is stored.
var store = redis.NewScript(`
	if redis.call('GET', KEYS[1]) == ARGV[1] then
		redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
	end
	return 0`)

// throughRedis looks into Redis first and fills it on a miss. Redis that is
// slow or down costs its timeout, never the answer.
func throughRedis(client *redis.Client, prefix string, load func(context.Context, string) (int, error)) func(context.Context, string) (int, error) {
	const timeout = 500 * time.Millisecond
	return func(ctx context.Context, key string) (int, error) {
		lookCtx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		lease := leaseMark + rand.Text()
		found, err := client.SetArgs(lookCtx, prefix+key, lease, redis.SetArgs{Mode: "NX", Get: true, TTL: 10 * time.Second}).Result()
		if value, ok := strings.CutPrefix(found, valueMark); err == nil && ok {
			return strconv.Atoi(value)
		}
		value, loadErr := load(ctx, key)
		if loadErr != nil || !errors.Is(err, redis.Nil) { // the lease is another's, or Redis is down
			return value, loadErr
		}
		storeCtx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		_ = store.Run(storeCtx, client, []string{prefix + key}, lease, valueMark+strconv.Itoa(value), time.Minute.Milliseconds()).Err()
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

func TestRedisKeepsNothingOlderThanADelete(t *testing.T) {
	ctx := t.Context()
	client := newRedis(t)
	prefix := "test:" + rand.Text() + ":"
	var row atomic.Int64
	row.Store(1)
	hasRead, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := newCache(t, LoadingCacheConfig[string, int]{
		Load: throughRedis(client, prefix, func(context.Context, string) (int, error) {
			value := int(row.Load())
			once.Do(func() { close(hasRead); <-goOn })
			return value, nil
		}),
	})
	slow := make(chan struct{})
	go func() {
		defer close(slow)
		_, _ = c.Get(ctx, "k")
	}()
	<-hasRead
	row.Store(2) // the change: commit, delete in Redis, Invalidate
	if err := client.Del(ctx, prefix+"k").Err(); err != nil {
		t.Fatal(err)
	}
	c.Invalidate("k")
	close(goOn)
	<-slow
	for range 2 {
		if v := get(t, c, "k"); v != 2 { // CA-16
			t.Errorf("got %d", v)
		}
		c.Invalidate("k") // so that the next one comes from Redis
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
