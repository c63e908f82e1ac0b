package grpc

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	ordersv1 "example.com/shopfront/api/proto/orders/v1"
	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

type userServer struct {
	ordersv1.UnimplementedUserServiceServer

	users *usecase.UserService
}

func toUser(u domain.User) *ordersv1.User {
	return &ordersv1.User{
		Id:         string(u.ID),
		Email:      u.Email,
		Name:       u.Name,
		OpenOrders: int32(u.OpenOrders), //nolint:gosec // at most domain.MaxOpenOrders
		Version:    u.Version,
		CreateTime: timestamppb.New(u.CreatedAt),
		UpdateTime: timestamppb.New(u.UpdatedAt),
	}
}

func (s *userServer) CreateUser(ctx context.Context, r *ordersv1.CreateUserRequest) (*ordersv1.CreateUserResponse, error) {
	user, err := s.users.Create(ctx, r.GetEmail(), r.GetName())
	if err != nil {
		return nil, err
	}
	return &ordersv1.CreateUserResponse{User: toUser(user)}, nil
}

func (s *userServer) GetUser(ctx context.Context, r *ordersv1.GetUserRequest) (*ordersv1.GetUserResponse, error) {
	id, err := domain.ParseUserID(r.GetId())
	if err != nil {
		return nil, err
	}
	user, err := s.users.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return &ordersv1.GetUserResponse{User: toUser(user)}, nil
}

func (s *userServer) UpdateUser(ctx context.Context, r *ordersv1.UpdateUserRequest) (*ordersv1.UpdateUserResponse, error) {
	id, err := domain.ParseUserID(r.GetId())
	if err != nil {
		return nil, err
	}
	user, err := s.users.Update(ctx, id, r.GetVersion(), r.GetEmail(), r.GetName())
	if err != nil {
		return nil, err
	}
	return &ordersv1.UpdateUserResponse{User: toUser(user)}, nil
}

func (s *userServer) ListUsers(ctx context.Context, r *ordersv1.ListUsersRequest) (*ordersv1.ListUsersResponse, error) {
	page, err := pageOf(r.GetPageSize(), r.GetPageToken(), domain.ParseUserID)
	if err != nil {
		return nil, err
	}
	users, next, err := s.users.List(ctx, page)
	if err != nil {
		return nil, err
	}
	response := &ordersv1.ListUsersResponse{NextPageToken: next}
	for _, u := range users {
		response.Users = append(response.Users, toUser(u))
	}
	return response, nil
}

// pageOf reads the paging fields. parse checks the form of the identifier in
// the token.
func pageOf[T ~string](size int32, token string, parse func(string) (T, error)) (usecase.Page, error) {
	if token != "" {
		if _, err := parse(token); err != nil {
			return usecase.Page{}, domain.Invalid("page_token", "must be next_page_token of an earlier page")
		}
	}
	return usecase.Page{After: token, Limit: int(size)}, nil
}
