package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"

	"example.com/shopfront/internal/adapter/repository"
	"example.com/shopfront/internal/infrastructure/redis"
)

type redisConfig struct {
	URL     secret
	TTL     time.Duration
	Timeout time.Duration
}

func (e *env) redis() redisConfig {
	return redisConfig{
		URL:     secret(e.text("REDIS_URL", "")),
		TTL:     e.duration("CACHE_TTL", time.Minute, time.Second, time.Hour),
		Timeout: e.duration("REDIS_TIMEOUT", 200*time.Millisecond, time.Millisecond, 10*time.Second),
	}
}

// addCache puts the cache before the store. The service stays ready without it.
func (a *app) addCache(s store) (store, error) {
	logging.Disable() // errors come back to the callers, who log them
	client, err := redis.Open(redis.Config{URL: a.cfg.Redis.URL.reveal(), Timeout: a.cfg.Redis.Timeout})
	if err != nil {
		return store{}, err
	}
	a.onClose("redis", func(context.Context) error { return client.Close() })
	a.health.AddOptional("redis", redis.Ping(client))

	reads := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "cache_reads_total",
		Help: "Reads from the cache, by outcome: hit, miss or error.",
	}, []string{"outcome"})
	a.registry.MustRegister(reads)
	cache := repository.NewCache(s.users, s.tx, client, repository.CacheConfig{
		TTL:         a.cfg.Redis.TTL,
		LoadTimeout: min(a.cfg.RequestTimeout, 3*time.Second),
		OnRead:      func(outcome string) { reads.WithLabelValues(outcome).Inc() },
	}, a.log)
	s.users, s.tx = cache, cache
	return s, nil
}
