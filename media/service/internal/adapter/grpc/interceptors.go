package grpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"example.com/shopfront/internal/domain"

	"example.com/shopfront/pkg/logger"
	"example.com/shopfront/pkg/metrics"
)

const requestIDKey = "x-request-id"

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives each call an identifier: the caller's, if it is harmless in a
// log and a header, or a new one.
func identify(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := ""
	if values := metadata.ValueFromIncomingContext(ctx, requestIDKey); len(values) > 0 {
		id = values[0]
	}
	if !requestIDForm.MatchString(id) {
		id = uuid.NewString()
	}
	if err := grpc.SetHeader(ctx, metadata.Pairs(requestIDKey, id)); err != nil {
		return nil, err
	}
	return handler(logger.WithRequestID(ctx, id), req)
}

func measure(requests *metrics.Requests) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		defer requests.Start()()
		began := time.Now()
		response, err := handler(ctx, req)
		requests.Observe(ctx, "unary", info.FullMethod, status.Code(err).String(), time.Since(began))
		return response, err
	}
}

// logCalls writes one record per call, and nothing of what is in it.
func logCalls(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		began := time.Now()
		response, err := handler(ctx, req)
		code := status.Code(err)
		log.LogAttrs(ctx, levelOf(code), "call",
			slog.String("method", info.FullMethod),
			slog.String("code", code.String()),
			slog.Duration("took", time.Since(began)))
		return response, err
	}
}

func levelOf(code codes.Code) slog.Level {
	switch code {
	case codes.OK:
		return slog.LevelInfo
	case codes.Unknown, codes.Internal, codes.DataLoss, codes.Unavailable, codes.DeadlineExceeded:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// recoverPanics turns a panic into an error, which toStatus hides.
func recoverPanics(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
		defer func() {
			if p := recover(); p != nil {
				log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				err = errors.New("panic")
			}
		}()
		return handler(ctx, req)
	}
}

func limit(timeout time.Duration) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return handler(ctx, req)
	}
}

// toStatus turns errors into statuses. The text of technical failures stays in
// the log.
func toStatus(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		response, err := handler(ctx, req)
		if err == nil {
			return response, nil
		}
		s := statusOf(err)
		if s.Code() == codes.Internal {
			log.ErrorContext(ctx, "call failed", "error", err)
		}
		return nil, s.Err()
	}
}

func codeOf(kind domain.Kind) codes.Code {
	switch kind {
	case domain.KindInvalid:
		return codes.InvalidArgument
	case domain.KindNotFound:
		return codes.NotFound
	case domain.KindConflict:
		return codes.AlreadyExists
	case domain.KindForbidden:
		return codes.FailedPrecondition
	case domain.KindStaleWrite:
		return codes.Aborted
	default:
		return codes.Internal
	}
}
