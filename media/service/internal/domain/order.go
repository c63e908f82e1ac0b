package domain

import (
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/google/uuid"
)

const (
	maxLines    = 100
	maxQuantity = 10_000
)

var (
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	skuForm      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// OrderID identifies an order. It sorts by creation time.
type OrderID string

// NewOrderID returns an identifier that was never used before.
func NewOrderID() OrderID { return OrderID(uuid.Must(uuid.NewV7()).String()) }

// ParseOrderID checks that s has the form of an order identifier.
func ParseOrderID(s string) (OrderID, error) {
	id, err := parseID("order_id", s)
	return OrderID(id), err
}

// Money is an amount in the currency's minor unit: 1999 EUR is 19.99 euro.
type Money struct {
	Amount   int64
	Currency string // ISO 4217
}

// Status is where an order stands.
type Status string

// The life of an order: pending, paid, shipped; cancelled until it is shipped.
const (
	StatusPending   Status = "pending"
	StatusPaid      Status = "paid"
	StatusShipped   Status = "shipped"
	StatusCancelled Status = "cancelled"
)

// ParseStatus checks that s is a status.
func ParseStatus(s string) (Status, error) {
	switch status := Status(s); status {
	case StatusPending, StatusPaid, StatusShipped, StatusCancelled:
		return status, nil
	default:
		return "", Invalid("status", "must be pending, paid, shipped or cancelled")
	}
}

// Open reports whether an order in this status still counts as open.
func (s Status) Open() bool { return s == StatusPending || s == StatusPaid }

func (s Status) mayBecome(next Status) bool {
	switch s {
	case StatusPending:
		return next == StatusPaid || next == StatusCancelled
	case StatusPaid:
		return next == StatusShipped || next == StatusCancelled
	case StatusShipped, StatusCancelled:
		return false
	default:
		return false
	}
}

// Line is one position of an order. UnitPrice is in minor units.
type Line struct {
	SKU       string
	Quantity  int
	UnitPrice int64
}

// Order belongs to a user. Its total is the sum of its lines and never changes.
type Order struct {
	ID        OrderID
	UserID    UserID
	Lines     []Line
	Total     Money
	Status    Status
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewOrder returns a valid pending order or a ValidationError.
func NewOrder(id OrderID, user UserID, currency string, lines []Line, now time.Time) (Order, error) {
	total, err := sum(currency, lines)
	if err != nil {
		return Order{}, err
	}
	return Order{
		ID:        id,
		UserID:    user,
		Lines:     append([]Line(nil), lines...),
		Total:     total,
		Status:    StatusPending,
		Version:   1,
		CreatedAt: now,
		UpdatedAt: now,
	}, nil
}

// ChangeStatus moves the order on. It reports whether anything changed: asking
// for the status the order already has is not an error, so that a repeated
// request or message does no harm.
func (o *Order) ChangeStatus(next Status, now time.Time) (changed bool, err error) {
	if o.Status == next {
		return false, nil
	}
	if !o.Status.mayBecome(next) {
		return false, ErrStatusChange
	}
	o.Status, o.UpdatedAt = next, now
	return true, nil
}

func sum(currency string, lines []Line) (Money, error) {
	var p problems
	if !currencyForm.MatchString(currency) {
		p.add("currency", "must be a three-letter ISO 4217 code")
	}
	if len(lines) == 0 || len(lines) > maxLines {
		p.add("lines", "must hold 1 to %d lines", maxLines)
		return Money{}, p.err()
	}
	var total int64
	for i, l := range lines {
		field := fmt.Sprintf("lines[%d].", i)
		if !skuForm.MatchString(l.SKU) {
			p.add(field+"sku", "must be 1 to 64 letters, digits, dots, dashes or underscores")
		}
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			p.add(field+"quantity", "must be 1 to %d", maxQuantity)
			continue
		}
		if l.UnitPrice < 0 || l.UnitPrice > (math.MaxInt64-total)/int64(l.Quantity) {
			p.add(field+"unit_price", "must not be negative and the total must fit in 64 bits")
			continue
		}
		total += l.UnitPrice * int64(l.Quantity)
	}
	return Money{Amount: total, Currency: currency}, p.err()
}
