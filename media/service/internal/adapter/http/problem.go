package http

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"example.com/shopfront/internal/domain"

	"example.com/shopfront/pkg/logger"
)

// problem is an error as RFC 9457 describes it. Code is this API's own member:
// stable, for programs to act on.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id,omitempty"`
	Errors    []fieldProblem `json:"errors,omitempty"`
}

type fieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// requestError is a request that is wrong before any rule is asked.
type requestError struct {
	status int
	code   string
	detail string
}

func (e *requestError) Error() string { return e.detail }

// fail answers with the problem that err is. The text of technical failures
// stays in the log.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, code, detail, fields := explain(err)
	if status >= http.StatusInternalServerError {
		a.log.ErrorContext(r.Context(), "request failed", "error", err)
	}
	writeProblem(r.Context(), w, status, code, detail, fields...)
}

func explain(err error) (status int, code, detail string, fields []fieldProblem) {
	if e, ok := errors.AsType[*requestError](err); ok {
		return e.status, e.code, e.detail, nil
	}
	if e, ok := errors.AsType[*domain.ValidationError](err); ok {
		for _, f := range e.Fields {
			fields = append(fields, fieldProblem{f.Field, f.Reason})
		}
		return http.StatusUnprocessableEntity, "invalid_input", "the input breaks a rule", fields
	}
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return statusOf(e.Kind), e.Code, e.Message, nil
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "timeout", "the service did not finish in time", nil
	case errors.Is(err, context.Canceled):
		return statusClientClosedRequest, "cancelled", "the request was cancelled", nil
	default:
		return http.StatusInternalServerError, "internal", "the service failed; the request id finds the cause in its log", nil
	}
}

// statusClientClosedRequest marks requests whose client went away, so that they
// are not counted as failures of the service. Nobody reads the answer.
const statusClientClosedRequest = 499

func statusOf(kind domain.Kind) int {
	switch kind {
	case domain.KindInvalid:
		return http.StatusUnprocessableEntity
	case domain.KindNotFound:
		return http.StatusNotFound
	case domain.KindConflict, domain.KindForbidden:
		return http.StatusConflict
	case domain.KindStaleWrite:
		return http.StatusPreconditionFailed
	default:
		return http.StatusInternalServerError
	}
}

func writeProblem(ctx context.Context, w http.ResponseWriter, status int, code, detail string, fields ...fieldProblem) {
	title := http.StatusText(status)
	if title == "" {
		title = "Client Closed Request"
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("ETag")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{ // the client has gone; nobody is left to tell
		Type:      "about:blank",
		Title:     title,
		Status:    status,
		Detail:    detail,
		Code:      code,
		RequestID: logger.RequestID(ctx),
		Errors:    fields,
	})
}
