package grpc

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"example.com/shopfront/internal/domain"
)

// errorDomain names this service in the details of its errors.
const errorDomain = "shopfront"

// statusOf returns the status that err is, with details for programs to act on:
// the fields that are wrong, or the code of the broken rule.
func statusOf(err error) *status.Status {
	if s, ok := status.FromError(err); ok {
		return s
	}
	if e, ok := errors.AsType[*domain.ValidationError](err); ok {
		fields := make([]*errdetails.BadRequest_FieldViolation, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = &errdetails.BadRequest_FieldViolation{Field: f.Field, Description: f.Reason}
		}
		return detailed(status.New(codes.InvalidArgument, "the input breaks a rule"),
			&errdetails.BadRequest{FieldViolations: fields})
	}
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return detailed(status.New(codeOf(e.Kind), e.Message),
			&errdetails.ErrorInfo{Reason: e.Code, Domain: errorDomain})
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, "the service did not finish in time")
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, "the call was cancelled")
	default:
		return status.New(codes.Internal, "the service failed; the request id finds the cause in its log")
	}
}

func detailed(s *status.Status, detail protoadapt.MessageV1) *status.Status {
	if with, err := s.WithDetails(detail); err == nil {
		return with
	}
	return s
}
