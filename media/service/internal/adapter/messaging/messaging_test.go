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

	"example.com/shopfront/internal/adapter/messaging"
	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/infrastructure/kafka"
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

func event() domain.OrderEvent {
	return domain.NewOrderEvent(domain.Order{
		ID: domain.NewOrderID(), UserID: domain.NewUserID(), Status: domain.StatusPaid,
		Total: domain.Money{Amount: 998, Currency: "EUR"}, UpdatedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	})
}

func TestPublish(t *testing.T) {
	s := &sender{}
	first, second := event(), event()
	if err := messaging.NewKafkaPublisher(s, "orders").Publish(t.Context(), []domain.OrderEvent{first, second}); err != nil {
		t.Fatal(err)
	}
	if len(s.sent) != 2 || s.sent[1].Key != string(second.OrderID) {
		t.Fatalf("sent %v", s.sent)
	}
	m := s.sent[0]
	if m.Topic != "orders" || m.Key != string(first.OrderID) || m.Headers["ce_id"] != first.ID || m.Headers["ce_type"] != "order.paid" {
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
	if err := p.Publish(t.Context(), []domain.OrderEvent{event()}); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
}

func TestLogPublisher(t *testing.T) {
	var out bytes.Buffer
	e := event()
	p := messaging.NewLogPublisher(slog.New(slog.NewTextHandler(&out, nil)))
	if err := p.Publish(t.Context(), []domain.OrderEvent{e}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), e.ID) || !strings.Contains(out.String(), "order.paid") {
		t.Errorf("log: %s", out.String())
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
