package main

import (
	"errors"
	"log/slog"
	"time"
)

// config is everything the service can be told. Fields that hold secrets have
// the type secret, which hides itself wherever it is printed.
type config struct {
	Service  string
	LogLevel slog.Level
	LogText  bool

	HTTPAddr       string
	AdminAddr      string
	RequestTimeout time.Duration
	MaxBody        int64

	DrainDelay      time.Duration
	ShutdownTimeout time.Duration

	OTLPEndpoint string
	// scaffold:if grpc

	GRPC grpcConfig
	// scaffold:end
	// scaffold:if postgres

	Postgres postgresConfig
	// scaffold:end
	// scaffold:if redis

	Redis redisConfig
	// scaffold:end
	// scaffold:if kafka

	Kafka kafkaConfig
	// scaffold:end
}

// loadConfig reads the environment and reports everything wrong with it at once.
func loadConfig(lookup func(string) (string, bool)) (config, error) {
	e := &env{lookup: lookup}
	cfg := config{
		Service:  e.text("OTEL_SERVICE_NAME", "shopfront"),
		LogLevel: e.level("LOG_LEVEL", slog.LevelInfo),
		LogText:  e.choice("LOG_FORMAT", "json", "text") == "text",

		HTTPAddr:       e.address("HTTP_ADDR", ":8080"),
		AdminAddr:      e.address("ADMIN_ADDR", ":8081"),
		RequestTimeout: e.duration("REQUEST_TIMEOUT", 10*time.Second, time.Millisecond, 5*time.Minute),
		MaxBody:        e.integer("MAX_BODY_BYTES", 1<<20, 1, 64<<20),

		DrainDelay:      e.duration("DRAIN_DELAY", 2*time.Second, 0, time.Minute),
		ShutdownTimeout: e.duration("SHUTDOWN_TIMEOUT", 20*time.Second, time.Second, 5*time.Minute),

		OTLPEndpoint: e.text("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
	}
	// scaffold:if grpc
	cfg.GRPC = e.grpc()
	// scaffold:end
	// scaffold:if postgres
	cfg.Postgres = e.postgres()
	// scaffold:end
	// scaffold:if redis
	cfg.Redis = e.redis()
	// scaffold:end
	// scaffold:if kafka
	cfg.Kafka = e.kafka()
	// scaffold:end
	if cfg.DrainDelay >= cfg.ShutdownTimeout {
		e.fail("DRAIN_DELAY", "must be shorter than SHUTDOWN_TIMEOUT")
	}
	return cfg, errors.Join(e.errs...)
}
