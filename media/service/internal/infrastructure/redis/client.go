// Package redis opens, bounds, pings and closes the connections to Redis. What
// the keys mean is known to internal/adapter/repository.
package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
)

// Config says where Redis is and how long this process waits for it.
type Config struct {
	URL     string
	Timeout time.Duration // for connecting, reading and writing each
}

// Open returns a client. It does not wait for Redis: the service works without.
func Open(c Config) (*redis.Client, error) {
	options, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, errors.New("redis: the URL cannot be parsed") // its error may quote the password
	}
	options.DialTimeout = c.Timeout
	options.ReadTimeout = c.Timeout
	options.WriteTimeout = c.Timeout
	options.PoolTimeout = c.Timeout
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1 // a cache that fails is answered by the database
	options.DialerRetries = 1
	client := redis.NewClient(options)
	err = redisotel.InstrumentTracing(client,
		redisotel.WithDBStatement(false), // keys and values may be personal data
		redisotel.WithCallerEnabled(false),
		redisotel.WithCommandFilter(untraced),
		redisotel.WithCommandsFilter(func(all []redis.Cmder) bool { return slices.ContainsFunc(all, untraced) }))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redis: trace: %w", err), client.Close())
	}
	return client, nil
}

// untraced reports whether a command belongs to a connection, not to a request.
func untraced(c redis.Cmder) bool {
	return c.Name() == "ping" || c.Name() == "client" || redisotel.DefaultCommandFilter(c)
}

// Ping returns a check that asks Redis for a sign of life.
func Ping(client *redis.Client) func(context.Context) error {
	return func(ctx context.Context) error { return client.Ping(ctx).Err() }
}
