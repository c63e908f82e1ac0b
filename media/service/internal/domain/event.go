package domain

import (
	"time"

	"github.com/google/uuid"
)

// OrderEvent says that something happened to an order. It carries what other
// services need to act on it, and no personal data.
type OrderEvent struct {
	ID         string // unique, so that a consumer can recognise a repetition
	Type       string // "order." and the status
	OrderID    OrderID
	UserID     UserID
	Status     Status
	Total      Money
	OccurredAt time.Time
}

// NewOrderEvent describes the order as it stands now.
func NewOrderEvent(o Order) OrderEvent {
	return OrderEvent{
		ID:         uuid.Must(uuid.NewV7()).String(),
		Type:       "order." + string(o.Status),
		OrderID:    o.ID,
		UserID:     o.UserID,
		Status:     o.Status,
		Total:      o.Total,
		OccurredAt: o.UpdatedAt,
	}
}
