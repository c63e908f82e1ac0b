package main

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shopfront/internal/adapter/messaging"
	"example.com/shopfront/internal/infrastructure/kafka"
	"example.com/shopfront/internal/usecase"
)

type kafkaConfig struct {
	Brokers       []string
	TLS           bool
	Username      string
	Password      secret
	OrdersTopic   string
	PaymentsTopic string
	Group         string
	RelayInterval time.Duration
}

func (e *env) kafka() kafkaConfig {
	c := kafkaConfig{
		TLS:           e.choice("KAFKA_TLS", "false", "true") == "true",
		Username:      e.text("KAFKA_USERNAME", ""),
		Password:      secret(e.text("KAFKA_PASSWORD", "")),
		OrdersTopic:   e.text("KAFKA_ORDERS_TOPIC", "orders.events"),
		PaymentsTopic: e.text("KAFKA_PAYMENTS_TOPIC", "payments.events"),
		Group:         e.text("KAFKA_GROUP", "shopfront"),
		RelayInterval: e.duration("OUTBOX_INTERVAL", 500*time.Millisecond, time.Millisecond, time.Minute),
	}
	for broker := range strings.SplitSeq(e.text("KAFKA_BROKERS", ""), ",") {
		if broker = strings.TrimSpace(broker); broker != "" {
			c.Brokers = append(c.Brokers, broker)
		}
	}
	if (c.Username == "") != (c.Password == "") {
		e.fail("KAFKA_USERNAME", "and KAFKA_PASSWORD must be set together")
	}
	return c
}

// addEvents publishes what the outbox holds and listens to payments. Without
// brokers, events that a restart would lose go to the log; those in a database
// wait there until there are brokers.
func (a *app) addEvents(ctx context.Context, s store, orders *usecase.OrderService) error {
	if len(a.cfg.Kafka.Brokers) == 0 {
		if s.durable {
			a.log.WarnContext(ctx, "KAFKA_BROKERS is not set: events stay in the outbox")
			return nil
		}
		a.addRelay(s.outbox, messaging.NewLogPublisher(a.log))
		return nil
	}
	connection := kafka.Config{
		Brokers:  a.cfg.Kafka.Brokers,
		ClientID: a.cfg.Service,
		TLS:      a.cfg.Kafka.TLS,
		Username: a.cfg.Kafka.Username,
		Password: a.cfg.Kafka.Password.reveal(),
	}
	producer, err := kafka.OpenProducer(connection)
	if err != nil {
		return err
	}
	a.onClose("kafka", func(context.Context) error {
		producer.Close()
		return nil
	})
	a.health.AddOptional("kafka", producer.Ping)
	a.addRelay(s.outbox, messaging.NewKafkaPublisher(producer, a.cfg.Kafka.OrdersTopic))
	return a.addConsumer(ctx, connection, orders)
}

func (a *app) addRelay(outbox usecase.OutboxQueue, publisher usecase.EventPublisher) {
	published := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "outbox_published_total", Help: "Events published from the outbox.",
	})
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "outbox_failures_total", Help: "Passes of the outbox relay that failed.",
	})
	waiting := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "outbox_waiting", Help: "Events that wait in the outbox.",
	})
	age := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "outbox_oldest_seconds", Help: "Age of the oldest event that waits in the outbox.",
	})
	a.registry.MustRegister(published, failures, waiting, age)
	relay := usecase.NewOutboxRelay(outbox, publisher, usecase.RelayConfig{
		Batch:    100,
		Interval: a.cfg.Kafka.RelayInterval,
		Lease:    30 * time.Second,
		OnPass: func(n, backlog int, oldest time.Duration, err error) {
			published.Add(float64(n))
			waiting.Set(float64(backlog))
			age.Set(oldest.Seconds())
			if err != nil {
				failures.Inc()
			}
		},
	}, a.log)
	a.workers = append(a.workers, worker{"outbox relay", relay.Run})
}

func (a *app) addConsumer(ctx context.Context, connection kafka.Config, orders *usecase.OrderService) error {
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "payment_messages_total",
		Help: "Tries to handle payment messages, by outcome: handled, retried or dead.",
	}, []string{"outcome"})
	for _, outcome := range []string{"handled", "retried", "dead"} {
		outcomes.WithLabelValues(outcome) // from zero on: increase() does not see a series begin
	}
	a.registry.MustRegister(outcomes)
	consumer, err := kafka.OpenConsumer(ctx, connection, kafka.ConsumerConfig{
		Group:          a.cfg.Kafka.Group,
		Topic:          a.cfg.Kafka.PaymentsTopic,
		DeadLetters:    a.cfg.Kafka.PaymentsTopic + ".dead-letters",
		Attempts:       5,
		Backoff:        100 * time.Millisecond,
		MaxBackoff:     2 * time.Second,
		HandlerTimeout: 5 * time.Second,
		OnOutcome:      func(outcome string) { outcomes.WithLabelValues(outcome).Inc() },
	}, messaging.Payments(orders), a.log)
	if err != nil {
		return err
	}
	a.workers = append(a.workers, worker{"payments consumer", consumer.Run})
	return nil
}
