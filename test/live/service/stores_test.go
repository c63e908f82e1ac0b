package service

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// world is what a service of one test has for itself.
type world struct {
	settings settings
	orders   string // topics
	payments string
	database *pgxpool.Pool
}

// newWorld creates an empty database and topics for one test.
func newWorld(t *testing.T) *world {
	t.Helper()
	name := "live_" + strings.ToLower(rand.Text()[:10])
	databaseURL, pool := createDatabase(t, name)
	w := &world{orders: name + ".orders", payments: name + ".payments", database: pool}
	createTopics(t, w.orders, w.payments, w.payments+".dead-letters")
	w.settings = settings{
		"DATABASE_URL":         databaseURL,
		"REDIS_URL":            redisURL(t),
		"KAFKA_BROKERS":        brokers,
		"KAFKA_ORDERS_TOPIC":   w.orders,
		"KAFKA_PAYMENTS_TOPIC": w.payments,
		"KAFKA_GROUP":          name,
	}
	return w
}

// migrated is a world whose database has its tables.
func migrated(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	if output, err := command(t, w.settings, "migrate").CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, output)
	}
	return w
}

func createDatabase(t *testing.T, name string) (string, *pgxpool.Pool) {
	t.Helper()
	server := os.Getenv("DATABASE_URL")
	if server == "" {
		t.Skip("DATABASE_URL is not set")
	}
	administer := func(sql string) {
		t.Helper()
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	administer("CREATE DATABASE " + name)
	t.Cleanup(func() { administer("DROP DATABASE " + name + " WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return u.String(), pool
}

func redisURL(t *testing.T) string {
	t.Helper()
	if os.Getenv("REDIS_URL") == "" {
		t.Skip("REDIS_URL is not set")
	}
	return os.Getenv("REDIS_URL")
}

func openRedis(t *testing.T) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(redisURL(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

func createTopics(t *testing.T, names ...string) {
	t.Helper()
	client := openKafka(t)
	created, err := kadm.NewClient(client).CreateTopics(t.Context(), 1, 1, nil, names...)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func openKafka(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(brokers))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// topic reads a topic from its beginning.
type topic struct {
	t      *testing.T
	client *kgo.Client
	seen   []*kgo.Record
}

func read(t *testing.T, name string) *topic {
	t.Helper()
	return &topic{t: t, client: openKafka(t, kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))}
}

// wait returns all records once one of them is what the caller waits for.
func (c *topic) wait(what string, wanted func(*kgo.Record) bool) []*kgo.Record {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		for _, record := range c.seen {
			if wanted(record) {
				return c.seen
			}
		}
		fetches := c.client.PollFetches(ctx)
		if ctx.Err() != nil {
			c.t.Fatalf("not within %s: %s; the topic has %d records", patience, what, len(c.seen))
		}
		c.seen = append(c.seen, fetches.Records()...)
	}
}

// end returns all records of the topic as it stands now.
func (c *topic) end(name string) []*kgo.Record {
	c.t.Helper()
	offsets, err := kadm.NewClient(c.client).ListEndOffsets(c.t.Context(), name)
	if err != nil {
		c.t.Fatal(err)
	}
	last, _ := offsets.Lookup(name, 0)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for int64(len(c.seen)) < last.Offset {
		c.seen = append(c.seen, c.client.PollFetches(ctx).Records()...)
		if ctx.Err() != nil {
			c.t.Fatalf("the topic has %d records, read %d", last.Offset, len(c.seen))
		}
	}
	return c.seen
}

// header returns the value of a record's header.
func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}
