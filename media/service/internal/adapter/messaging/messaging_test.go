package messaging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"example.com/shopfront/internal/adapter/messaging"
	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/infrastructure/kafka"
	"example.com/shopfront/internal/usecase"

	"example.com/shopfront/pkg/logger"
)

var errDown = errors.New("down")

type sender struct {
	sent []kafka.Message
	err  error
}

func (s *sender) Send(_ context.Context, messages ...kafka.Message) error {
	s.sent = append(s.sent, messages...)
	return s.err
}

const traceID = "0102030405060708090a0b0c0d0e0f10"

func event() usecase.OutboxEntry {
	return usecase.OutboxEntry{
		OrderEvent: domain.NewOrderEvent(domain.Order{
			ID: domain.NewOrderID(), UserID: domain.NewUserID(), Status: domain.StatusPaid,
			Total: domain.Money{Amount: 998, Currency: "EUR"}, UpdatedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		}),
		Trace: map[string]string{"traceparent": "00-" + traceID + "-0102030405060708-01"},
	}
}

func TestPublish(t *testing.T) {
	s := &sender{}
	first, second := event(), event()
	if err := messaging.NewKafkaPublisher(s, "orders").Publish(t.Context(), []usecase.OutboxEntry{first, second}); err != nil {
		t.Fatal(err)
	}
	if len(s.sent) != 2 || s.sent[1].Key != string(second.OrderID) {
		t.Fatalf("sent %v", s.sent)
	}
	m := s.sent[0]
	if m.Topic != "orders" || m.Key != string(first.OrderID) || m.Headers["ce_id"] != first.ID || m.Headers["ce_type"] != "order.paid" ||
		m.Headers["traceparent"] != first.Trace["traceparent"] {
		t.Errorf("message %+v", m)
	}
	var got map[string]any
	if err := json.Unmarshal(m.Value, &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]any{
		"id": first.ID, "type": "order.paid", "order_id": string(first.OrderID), "user_id": string(first.UserID),
		"status": "paid", "currency": "EUR", "total": 998.0, "occurred_at": "2026-03-01T12:00:00Z",
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
}

func TestPublishReportsFailure(t *testing.T) {
	p := messaging.NewKafkaPublisher(&sender{err: errDown}, "orders")
	if err := p.Publish(t.Context(), []usecase.OutboxEntry{event()}); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
}

func TestLogPublisher(t *testing.T) {
	otel.SetTextMapPropagator(propagation.TraceContext{})
	var out bytes.Buffer
	e := event()
	p := messaging.NewLogPublisher(logger.New(&out, slog.LevelInfo, true))
	if err := p.Publish(t.Context(), []usecase.OutboxEntry{e}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{e.ID, "order.paid", "trace_id=" + traceID} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in the log: %s", want, out.String())
		}
	}
}

type orders struct {
	paid []domain.OrderID
	err  error
}

func (o *orders) ChangeStatus(_ context.Context, id domain.OrderID, version int64, status domain.Status) (domain.Order, error) {
	if version == 0 && status == domain.StatusPaid {
		o.paid = append(o.paid, id)
	}
	return domain.Order{}, o.err
}

func TestPayments(t *testing.T) {
	id := domain.NewOrderID()
	captured := `{"order_id":"` + string(id) + `","amount":998}`
	tests := []struct {
		name, kind, body string
		failure          error
		paid, permanent  bool
		want             error
	}{
		{"captured", "payment.captured", captured, nil, true, false, nil},
		{"another event", "payment.refunded", captured, nil, false, false, nil},
		{"broken JSON", "payment.captured", "{", nil, false, true, nil},
		{"no order", "payment.captured", "{}", nil, false, true, nil},
		{"the order is gone", "payment.captured", captured, domain.ErrOrderNotFound, true, true, domain.ErrOrderNotFound},
		{"the store is down", "payment.captured", captured, errDown, true, false, errDown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &orders{err: tt.failure}
			err := messaging.Payments(o)(t.Context(), kafka.Message{
				Value: []byte(tt.body), Headers: map[string]string{"ce_type": tt.kind},
			})
			if (len(o.paid) == 1 && o.paid[0] == id) != tt.paid {
				t.Errorf("paid %v", o.paid)
			}
			if kafka.IsPermanent(err) != tt.permanent || !errors.Is(err, tt.want) && tt.want != nil || tt.want == nil && !tt.permanent && err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}
