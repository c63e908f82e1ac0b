package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"example.com/shopfront/pkg/logger"
	"example.com/shopfront/pkg/metrics"
)

const requestIDHeader = "X-Request-ID"

type routeKey struct{}

// withRoute finds the route before anything else runs. ServeMux sets
// Request.Pattern on the copy it is handed, so a middleware outside of it would
// read an empty one.
func withRoute(next http.Handler, mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := mux.Handler(r)
		_, route, _ := strings.Cut(pattern, " ")
		if route == "" {
			route = "unmatched" // one label for all that clients may invent
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), routeKey{}, route)))
	})
}

func routeOf(ctx context.Context) string {
	route, _ := ctx.Value(routeKey{}).(string)
	return route
}

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "_OTHER" // as OpenTelemetry names all that clients may invent
	}
}

func closeWhenDraining(next http.Handler, draining func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// identify gives each request an identifier: the caller's, if it is harmless in
// a log and a header, or a new one.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !validRequestID(id) {
			id = uuid.NewString()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(logger.WithRequestID(r.Context(), id)))
	})
}

func validRequestID(id string) bool {
	return len(id) >= 1 && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

func traceRequests(next http.Handler) http.Handler {
	tracer := otel.Tracer("http")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, methodOf(r)+" "+routeOf(ctx),
			trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(
				attribute.String("http.request.method", methodOf(r)),
				attribute.String("http.route", routeOf(ctx)),
			))
		defer span.End()
		rec := record(w)
		defer func() {
			span.SetAttributes(attribute.Int("http.response.status_code", rec.statusCode()))
			if rec.statusCode() >= http.StatusInternalServerError {
				span.SetStatus(codes.Error, http.StatusText(rec.statusCode()))
				span.SetAttributes(attribute.String("error.type", strconv.Itoa(rec.statusCode())))
			}
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

func measure(next http.Handler, requests *metrics.Requests) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer requests.Start()()
		ctx, began, rec := r.Context(), time.Now(), record(w)
		defer func() {
			requests.Observe(ctx, methodOf(r), routeOf(ctx), strconv.Itoa(rec.statusCode()), time.Since(began))
		}()
		next.ServeHTTP(rec, r)
	})
}

// logRequests writes one record per request. It names the route, not the path:
// paths hold identifiers, queries may hold anything.
func logRequests(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, began, rec := r.Context(), time.Now(), record(w)
		defer func() {
			level := slog.LevelInfo
			switch status := rec.statusCode(); {
			case status >= http.StatusInternalServerError:
				level = slog.LevelError
			case status >= http.StatusBadRequest:
				level = slog.LevelWarn
			}
			log.LogAttrs(ctx, level, "request",
				slog.String("method", methodOf(r)),
				slog.String("route", routeOf(ctx)),
				slog.Int("status", rec.statusCode()),
				slog.Int64("bytes", rec.bytes),
				slog.Duration("took", time.Since(began)))
		}()
		next.ServeHTTP(rec, r)
	})
}

// recoverPanics turns a panic into a 500, or cuts the connection when the answer
// has already begun, so that the client does not take half of it for all.
func recoverPanics(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, rec := r.Context(), record(w)
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				rec.aborted = true
				panic(p)
			}
			log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if rec.status != 0 {
				rec.aborted = true
				panic(http.ErrAbortHandler)
			}
			writeProblem(ctx, rec, http.StatusInternalServerError, "internal", "the service failed")
		}()
		next.ServeHTTP(rec, r)
	})
}

func limit(next http.Handler, timeout time.Duration, maxBody int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), timeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// problemsFor answers requests that match no route in this API's error format.
func problemsFor(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if routeOf(r.Context()) != "unmatched" {
			mux.ServeHTTP(w, r)
			return
		}
		// The mux knows whether it is 404 or 405 and which methods are allowed.
		found := &discard{header: http.Header{}}
		mux.ServeHTTP(found, r)
		if allow := found.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			writeProblem(r.Context(), w, http.StatusMethodNotAllowed, "method_not_allowed", "the resource does not support this method")
			return
		}
		writeProblem(r.Context(), w, http.StatusNotFound, "no_such_resource", "there is no such resource")
	})
}
