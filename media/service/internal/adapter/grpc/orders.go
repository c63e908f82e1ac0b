package grpc

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"
	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

type orderServer struct {
	ordersv1.UnimplementedOrderServiceServer

	orders *usecase.OrderService
}

func toStatusEnum(s domain.Status) ordersv1.OrderStatus {
	switch s {
	case domain.StatusPending:
		return ordersv1.OrderStatus_ORDER_STATUS_PENDING
	case domain.StatusPaid:
		return ordersv1.OrderStatus_ORDER_STATUS_PAID
	case domain.StatusShipped:
		return ordersv1.OrderStatus_ORDER_STATUS_SHIPPED
	case domain.StatusCancelled:
		return ordersv1.OrderStatus_ORDER_STATUS_CANCELLED
	default:
		return ordersv1.OrderStatus_ORDER_STATUS_UNSPECIFIED
	}
}

func fromStatusEnum(s ordersv1.OrderStatus) (domain.Status, error) {
	switch s {
	case ordersv1.OrderStatus_ORDER_STATUS_PENDING:
		return domain.StatusPending, nil
	case ordersv1.OrderStatus_ORDER_STATUS_PAID:
		return domain.StatusPaid, nil
	case ordersv1.OrderStatus_ORDER_STATUS_SHIPPED:
		return domain.StatusShipped, nil
	case ordersv1.OrderStatus_ORDER_STATUS_CANCELLED:
		return domain.StatusCancelled, nil
	case ordersv1.OrderStatus_ORDER_STATUS_UNSPECIFIED:
	}
	return "", domain.Invalid("status", "must be pending, paid, shipped or cancelled")
}

func toOrder(o domain.Order) *ordersv1.Order {
	lines := make([]*ordersv1.OrderLine, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = &ordersv1.OrderLine{
			Sku:       l.SKU,
			Quantity:  int32(l.Quantity), //nolint:gosec // the domain bounds it
			UnitPrice: l.UnitPrice,
		}
	}
	return &ordersv1.Order{
		Id:         string(o.ID),
		UserId:     string(o.UserID),
		Status:     toStatusEnum(o.Status),
		Currency:   o.Total.Currency,
		Total:      o.Total.Amount,
		Lines:      lines,
		Version:    o.Version,
		CreateTime: timestamppb.New(o.CreatedAt),
		UpdateTime: timestamppb.New(o.UpdatedAt),
	}
}

func (s *orderServer) PlaceOrder(ctx context.Context, r *ordersv1.PlaceOrderRequest) (*ordersv1.PlaceOrderResponse, error) {
	userID, err := domain.ParseUserID(r.GetUserId())
	if err != nil {
		return nil, err
	}
	lines := make([]domain.Line, len(r.GetLines()))
	for i, l := range r.GetLines() {
		lines[i] = domain.Line{SKU: l.GetSku(), Quantity: int(l.GetQuantity()), UnitPrice: l.GetUnitPrice()}
	}
	order, err := s.orders.Place(ctx, userID, r.GetCurrency(), lines)
	if err != nil {
		return nil, err
	}
	return &ordersv1.PlaceOrderResponse{Order: toOrder(order)}, nil
}

func (s *orderServer) GetOrder(ctx context.Context, r *ordersv1.GetOrderRequest) (*ordersv1.GetOrderResponse, error) {
	id, err := domain.ParseOrderID(r.GetId())
	if err != nil {
		return nil, err
	}
	order, err := s.orders.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &ordersv1.GetOrderResponse{Order: toOrder(order)}, nil
}

func (s *orderServer) ChangeOrderStatus(ctx context.Context, r *ordersv1.ChangeOrderStatusRequest) (*ordersv1.ChangeOrderStatusResponse, error) {
	id, err := domain.ParseOrderID(r.GetId())
	if err != nil {
		return nil, err
	}
	next, err := fromStatusEnum(r.GetStatus())
	if err != nil {
		return nil, err
	}
	order, err := s.orders.ChangeStatus(ctx, id, r.GetVersion(), next)
	if err != nil {
		return nil, err
	}
	return &ordersv1.ChangeOrderStatusResponse{Order: toOrder(order)}, nil
}

func (s *orderServer) ListOrders(ctx context.Context, r *ordersv1.ListOrdersRequest) (*ordersv1.ListOrdersResponse, error) {
	userID, err := domain.ParseUserID(r.GetUserId())
	if err != nil {
		return nil, err
	}
	page, err := pageOf(r.GetPageSize(), r.GetPageToken(), domain.ParseOrderID)
	if err != nil {
		return nil, err
	}
	orders, next, err := s.orders.ListByUser(ctx, userID, page)
	if err != nil {
		return nil, err
	}
	response := &ordersv1.ListOrdersResponse{NextPageToken: next}
	for _, o := range orders {
		response.Orders = append(response.Orders, toOrder(o))
	}
	return response, nil
}
