// Package messaging turns domain events into messages and messages into calls of
// the use cases.
package messaging

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"example.com/shopfront/internal/infrastructure/kafka"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/tracing"
)

// Names of headers, as CloudEvents has them for Kafka.
const (
	headerID          = "ce_id"
	headerType        = "ce_type"
	headerContentType = "content-type"
)

// Sender sends messages; kafka.Producer is one.
type Sender interface {
	Send(ctx context.Context, messages ...kafka.Message) error
}

// KafkaPublisher publishes events to a topic. It implements
// usecase.EventPublisher.
type KafkaPublisher struct {
	sender Sender
	topic  string
}

// NewKafkaPublisher returns a publisher to topic.
func NewKafkaPublisher(sender Sender, topic string) *KafkaPublisher {
	return &KafkaPublisher{sender, topic}
}

// orderMessage is an event as other services see it. Fields may be added, never
// changed.
type orderMessage struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	OrderID    string    `json:"order_id"`
	UserID     string    `json:"user_id"`
	Status     string    `json:"status"`
	Currency   string    `json:"currency"`
	Total      int64     `json:"total"`
	OccurredAt time.Time `json:"occurred_at"`
}

// Publish sends the events, keyed by their order so that one order's events keep
// their sequence.
func (p *KafkaPublisher) Publish(ctx context.Context, events []usecase.OutboxEntry) error {
	messages := make([]kafka.Message, len(events))
	for i, e := range events {
		value, err := json.Marshal(orderMessage{
			ID:         e.ID,
			Type:       e.Type,
			OrderID:    string(e.OrderID),
			UserID:     string(e.UserID),
			Status:     string(e.Status),
			Currency:   e.Total.Currency,
			Total:      e.Total.Amount,
			OccurredAt: e.OccurredAt,
		})
		if err != nil {
			return fmt.Errorf("encode event %s: %w", e.ID, err)
		}
		headers := map[string]string{
			headerID:          e.ID,
			headerType:        e.Type,
			headerContentType: "application/json",
		}
		maps.Copy(headers, e.Trace)
		messages[i] = kafka.Message{Topic: p.topic, Key: string(e.OrderID), Value: value, Headers: headers}
	}
	return p.sender.Send(ctx, messages...)
}

// LogPublisher stands in for Kafka in development: it writes events to the log.
type LogPublisher struct {
	log *slog.Logger
}

// NewLogPublisher returns a publisher to log.
func NewLogPublisher(log *slog.Logger) *LogPublisher { return &LogPublisher{log} }

// Publish implements usecase.EventPublisher.
func (p *LogPublisher) Publish(ctx context.Context, events []usecase.OutboxEntry) error {
	for _, e := range events {
		p.log.InfoContext(tracing.Resume(ctx, e.Trace), "event", "type", e.Type, "event_id", e.ID, "order_id", e.OrderID)
	}
	return nil
}
