// Package cqrs separates what changes state from what reads it, and keeps what
// every use case needs (logs, metrics, limits) out of all of them.
package cqrs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"
)

var (
	// ErrInvalidMessage marks a command or query that its own Validate refused.
	ErrInvalidMessage = errors.New("invalid message")
	// ErrHandlerSkipped betrays a decorator that reported success without calling next.
	ErrHandlerSkipped = errors.New("handler was not called")
	// ErrHandlerTimeout marks a call that ran longer than its limit. It is a context.DeadlineExceeded.
	ErrHandlerTimeout = fmt.Errorf("handler timed out: %w", context.DeadlineExceeded)
)

// CommandHandler changes state. It answers with an error alone: what a caller
// wants to know next is a query. Ids are chosen by the caller.
type CommandHandler[C any] func(ctx context.Context, command C) error

// QueryHandler reads and changes nothing. R is made for the reader, not for the tables.
type QueryHandler[Q, R any] func(ctx context.Context, query Q) (R, error)

// HandlerCall describes a call to decorators. Message may hold personal data: do not log it.
type HandlerCall struct {
	Name    string // stable and short: it becomes a metric's label
	Message any
}

// HandlerDecorator surrounds calls of commands and queries alike. It calls next
// once or returns an error.
type HandlerDecorator func(ctx context.Context, call HandlerCall, next func(ctx context.Context) error) error

// DecorateCommand puts decorators around handle, the first outermost.
func DecorateCommand[C any](name string, handle CommandHandler[C], decorators ...HandlerDecorator) CommandHandler[C] {
	decorate := chainHandler(decorators)
	return func(ctx context.Context, command C) error {
		return decorate(ctx, HandlerCall{name, command}, func(ctx context.Context) error {
			return handle(ctx, command)
		})
	}
}

// DecorateQuery puts decorators around handle, the first outermost.
func DecorateQuery[Q, R any](name string, handle QueryHandler[Q, R], decorators ...HandlerDecorator) QueryHandler[Q, R] {
	decorate := chainHandler(decorators)
	return func(ctx context.Context, query Q) (R, error) {
		var result R
		err := decorate(ctx, HandlerCall{name, query}, func(ctx context.Context) (err error) {
			result, err = handle(ctx, query)
			return err
		})
		return result, err
	}
}

func chainHandler(decorators []HandlerDecorator) HandlerDecorator {
	chain := func(ctx context.Context, _ HandlerCall, handle func(context.Context) error) error {
		return handle(ctx)
	}
	for i := len(decorators) - 1; i >= 0; i-- {
		decorator, inner := decorators[i], chain
		chain = func(ctx context.Context, call HandlerCall, handle func(context.Context) error) error {
			called := false
			err := decorator(ctx, call, func(ctx context.Context) error {
				called = true
				return inner(ctx, call, handle)
			})
			if err == nil && !called {
				return fmt.Errorf("%s: %w", call.Name, ErrHandlerSkipped)
			}
			return err
		}
	}
	return chain
}

// LogHandler writes one line per call with its name, duration and error. A call
// whose caller went away or sent an invalid message is no error of the service.
// It never writes the message, nor what Validate said of it. A nil logger is
// slog.Default(), a nil now is time.Now.
func LogHandler(logger *slog.Logger, now func() time.Time) HandlerDecorator {
	return MeasureHandler(now, func(ctx context.Context, name string, took time.Duration, err error) {
		level, attrs := slog.LevelInfo, []slog.Attr{slog.String("handler", name), slog.Duration("took", took)}
		switch {
		case errors.Is(err, ErrInvalidMessage):
			attrs = append(attrs, slog.String("error", ErrInvalidMessage.Error())) // the rest may quote the message
		case err != nil:
			attrs = append(attrs, slog.String("error", err.Error()))
			if !errors.Is(err, context.Canceled) || ctx.Err() == nil {
				level = slog.LevelError
			}
		}
		if logger == nil {
			slog.LogAttrs(ctx, level, "handled", attrs...)
			return
		}
		logger.LogAttrs(ctx, level, "handled", attrs...)
	})
}

// MeasureHandler reports every call once, also one that panics or ends its
// goroutine, which goes on afterwards. A nil now is time.Now.
func MeasureHandler(now func() time.Time, record func(ctx context.Context, name string, took time.Duration, err error)) HandlerDecorator {
	if now == nil {
		now = time.Now
	}
	return func(ctx context.Context, call HandlerCall, next func(context.Context) error) error {
		start := now()
		err := fmt.Errorf("%s did not return", call.Name)
		defer func() { record(ctx, call.Name, now().Sub(start), err) }()
		err = next(ctx)
		return err
	}
}

// LimitHandler ends the context of a call after limit, or earlier if the
// caller's deadline is earlier. What fails for its limit is an ErrHandlerTimeout.
func LimitHandler(limit time.Duration) HandlerDecorator {
	return func(ctx context.Context, call HandlerCall, next func(context.Context) error) error {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrHandlerTimeout)
		defer cancel()
		err := next(ctx)
		// Most code returns ctx.Err(), which does not say whose deadline it was.
		if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrHandlerTimeout) && context.Cause(ctx) == ErrHandlerTimeout {
			return fmt.Errorf("%s: %w: %w", call.Name, ErrHandlerTimeout, err)
		}
		return err
	}
}

// ValidateHandler calls the message's Validate method, if it or a pointer to it has one, before the handler.
func ValidateHandler(ctx context.Context, call HandlerCall, next func(context.Context) error) error {
	if message, ok := validatable(call.Message); ok {
		if err := message.Validate(); err != nil {
			return fmt.Errorf("%s: %w: %w", call.Name, ErrInvalidMessage, err)
		}
	}
	return next(ctx)
}

type messageValidator interface{ Validate() error }

func validatable(message any) (messageValidator, bool) {
	if validator, ok := message.(messageValidator); ok || message == nil {
		return validator, ok
	}
	if !reflect.PointerTo(reflect.TypeOf(message)).Implements(reflect.TypeFor[messageValidator]()) {
		return nil, false
	}
	pointer := reflect.New(reflect.TypeOf(message))
	pointer.Elem().Set(reflect.ValueOf(message))
	return pointer.Interface().(messageValidator), true
}
