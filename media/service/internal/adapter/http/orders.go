package http

import (
	"net/http"
	"time"

	"example.com/shopfront/internal/domain"
)

type orderLine struct {
	SKU       string `json:"sku"`
	Quantity  int    `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

type orderInput struct {
	UserID   string      `json:"user_id"`
	Currency string      `json:"currency"`
	Lines    []orderLine `json:"lines"`
}

type orderOutput struct {
	ID        string      `json:"id"`
	UserID    string      `json:"user_id"`
	Status    string      `json:"status"`
	Currency  string      `json:"currency"`
	Total     int64       `json:"total"`
	Lines     []orderLine `json:"lines"`
	Version   int64       `json:"version"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
}

type statusInput struct {
	Status string `json:"status"`
}

func toOrder(o domain.Order) orderOutput {
	lines := make([]orderLine, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = orderLine(l)
	}
	return orderOutput{
		ID:        string(o.ID),
		UserID:    string(o.UserID),
		Status:    string(o.Status),
		Currency:  o.Total.Currency,
		Total:     o.Total.Amount,
		Lines:     lines,
		Version:   o.Version,
		CreatedAt: o.CreatedAt,
		UpdatedAt: o.UpdatedAt,
	}
}

func (a *api) placeOrder(w http.ResponseWriter, r *http.Request) error {
	var in orderInput
	if err := decode(r, &in); err != nil {
		return err
	}
	userID, err := domain.ParseUserID(in.UserID)
	if err != nil {
		return err
	}
	lines := make([]domain.Line, len(in.Lines))
	for i, l := range in.Lines {
		lines[i] = domain.Line(l)
	}
	order, err := a.orders.Place(r.Context(), userID, in.Currency, lines)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/orders/"+string(order.ID))
	setVersion(w, order.Version)
	encode(w, http.StatusCreated, toOrder(order))
	return nil
}

func (a *api) getOrder(w http.ResponseWriter, r *http.Request) error {
	id, err := domain.ParseOrderID(r.PathValue("id"))
	if err != nil {
		return err
	}
	order, err := a.orders.Get(r.Context(), id)
	if err != nil {
		return err
	}
	setVersion(w, order.Version)
	encode(w, http.StatusOK, toOrder(order))
	return nil
}

func (a *api) changeOrderStatus(w http.ResponseWriter, r *http.Request) error {
	id, err := domain.ParseOrderID(r.PathValue("id"))
	if err != nil {
		return err
	}
	version, err := ifMatch(r)
	if err != nil {
		return err
	}
	var in statusInput
	if err := decode(r, &in); err != nil {
		return err
	}
	status, err := domain.ParseStatus(in.Status)
	if err != nil {
		return err
	}
	order, err := a.orders.ChangeStatus(r.Context(), id, version, status)
	if err != nil {
		return err
	}
	setVersion(w, order.Version)
	encode(w, http.StatusOK, toOrder(order))
	return nil
}

func (a *api) listOrders(w http.ResponseWriter, r *http.Request) error {
	id, err := domain.ParseUserID(r.PathValue("id"))
	if err != nil {
		return err
	}
	page, err := pageOf(r, domain.ParseOrderID)
	if err != nil {
		return err
	}
	orders, next, err := a.orders.ListByUser(r.Context(), id, page)
	if err != nil {
		return err
	}
	encode(w, http.StatusOK, listOf(orders, next, toOrder))
	return nil
}
