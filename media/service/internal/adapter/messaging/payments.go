package messaging

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/infrastructure/kafka"
)

// StatusChanger moves orders on; usecase.OrderService is one.
type StatusChanger interface {
	ChangeStatus(ctx context.Context, id domain.OrderID, version int64, status domain.Status) (domain.Order, error)
}

// paymentCaptured is what the payment service says when it has the money.
type paymentCaptured struct {
	OrderID string `json:"order_id"`
}

// Payments marks orders as paid. A message that comes twice does no harm:
// paying a paid order changes nothing.
func Payments(orders StatusChanger) kafka.Handler {
	return func(ctx context.Context, m kafka.Message) error {
		if m.Headers[headerType] != "payment.captured" {
			return nil // other events of the same topic are for others
		}
		var p paymentCaptured
		if err := json.Unmarshal(m.Value, &p); err != nil {
			return kafka.Permanent(fmt.Errorf("decode payment.captured: %w", err))
		}
		id, err := domain.ParseOrderID(p.OrderID)
		if err != nil {
			return kafka.Permanent(err)
		}
		_, err = orders.ChangeStatus(ctx, id, 0, domain.StatusPaid)
		if domain.KindOf(err) != 0 {
			return kafka.Permanent(err) // a broken rule stays broken
		}
		return err
	}
}
