// Package kafka opens, bounds, pings and closes the connections to Kafka, sends
// messages and runs consumers with retries and dead letters. What the messages
// mean is known to internal/adapter/messaging.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kotel"

	"example.com/shopfront/pkg/tracing"
)

// Config says where Kafka is and how to log in.
type Config struct {
	Brokers  []string
	ClientID string
	TLS      bool
	Username string // SASL SCRAM-SHA-512, if not empty
	Password string
}

// Message is what is sent and received. Messages with the same key keep their
// sequence. The headers carry the trace that a message belongs to.
type Message struct {
	Topic   string
	Key     string
	Value   []byte
	Headers map[string]string
}

func (c Config) options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.DialTimeout(5 * time.Second),
	}
	if c.TLS {
		options = append(options, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}))
	}
	if c.Username != "" {
		auth := scram.Auth{User: c.Username, Pass: c.Password}
		options = append(options, kgo.SASL(auth.AsSha512Mechanism()))
	}
	return options
}

var errNoKey = errors.New("keys are not traced")

// tracer adds spans for messages that are sent, received and processed, without
// their keys: those of other services may be personal data.
func (c Config) tracer(group string) *kotel.Tracer {
	return kotel.NewTracer(kotel.ClientID(c.ClientID), kotel.ConsumerGroup(group),
		kotel.KeyFormatter(func(*kgo.Record) (string, error) { return "", errNoKey }))
}

// Producer sends messages.
type Producer struct {
	client *kgo.Client
}

// OpenProducer returns a producer. It does not wait for the brokers.
func OpenProducer(c Config) (*Producer, error) {
	client, err := kgo.NewClient(append(c.options(),
		kgo.WithHooks(c.tracer("")),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordDeliveryTimeout(30*time.Second),
		kgo.MaxBufferedRecords(10_000),
		// A send must end in time. It may then have happened and be repeated,
		// which consumers expect anyway.
		kgo.AllowIdempotentProduceCancellation(),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka: open the producer: %w", err)
	}
	return &Producer{client}, nil
}

// Send returns when the brokers have stored every message, or with an error
// when some may be missing. A message goes on in the trace of its headers, or
// else in that of ctx.
func (p *Producer) Send(ctx context.Context, messages ...Message) error {
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		// The cause becomes the parent: OpenTelemetry allows that to a span of one
		// message and wants links for spans of several, which have no single cause.
		records[i] = m.record(tracing.Resume(ctx, m.Headers))
	}
	if err := p.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("kafka: send: %w", err)
	}
	return nil
}

// Ping asks the brokers for a sign of life.
func (p *Producer) Ping(ctx context.Context) error { return p.client.Ping(ctx) }

// Close ends the connections.
func (p *Producer) Close() { p.client.Close() }

func (m Message) record(ctx context.Context) *kgo.Record {
	r := &kgo.Record{Topic: m.Topic, Key: []byte(m.Key), Value: m.Value, Context: ctx}
	for key, value := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	return r
}

func messageOf(r *kgo.Record) Message {
	m := Message{Topic: r.Topic, Key: string(r.Key), Value: r.Value, Headers: make(map[string]string, len(r.Headers))}
	for _, h := range r.Headers {
		m.Headers[h.Key] = string(h.Value)
	}
	return m
}
