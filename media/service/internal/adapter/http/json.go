package http

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"example.com/shopfront/internal/domain"
	"example.com/shopfront/internal/usecase"
)

// decode reads exactly one JSON object with no unknown fields. The body's size
// is limited by the middleware.
func decode(r *http.Request, into any) error {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return &requestError{http.StatusUnsupportedMediaType, "unsupported_media_type", "the content type must be application/json"}
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("more than one JSON value")
		}
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &requestError{http.StatusRequestEntityTooLarge, "body_too_large",
			"the body must not exceed " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes"}
	}
	return &requestError{http.StatusBadRequest, "malformed_body", "the body is not the JSON object expected here: " + jsonReason(err)}
}

// jsonReason says what is wrong without quoting what the caller sent.
func jsonReason(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "field " + strconv.Quote(e.Field) + " has the wrong type"
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "syntax error at byte " + strconv.FormatInt(e.Offset, 10)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok && len(field) < 100 {
		return "unknown field " + field
	}
	return "it is incomplete or has something after its end"
}

func encode(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone; nobody is left to tell
}

func setVersion(w http.ResponseWriter, version int64) {
	w.Header().Set("ETag", `"`+strconv.FormatInt(version, 10)+`"`)
}

// ifMatch returns the version in the If-Match header, or zero without one.
func ifMatch(r *http.Request) (int64, error) {
	header := r.Header.Get("If-Match")
	if header == "" || header == "*" {
		return 0, nil
	}
	version, err := strconv.ParseInt(strings.Trim(header, `"`), 10, 64)
	if err != nil || version < 1 || header != `"`+strconv.FormatInt(version, 10)+`"` {
		return 0, &requestError{http.StatusBadRequest, "malformed_if_match", `If-Match must be the ETag of an earlier answer`}
	}
	return version, nil
}

// pageOf reads the query parameters limit and after. parse checks the form of
// the identifier in after.
func pageOf[T ~string](r *http.Request, parse func(string) (T, error)) (usecase.Page, error) {
	var page usecase.Page
	query := r.URL.Query()
	if s := query.Get("limit"); s != "" {
		limit, err := strconv.Atoi(s)
		if err != nil || limit == 0 {
			return page, domain.Invalid("limit", "must be 1 to 100")
		}
		page.Limit = limit
	}
	if s := query.Get("after"); s != "" {
		after, err := parse(s)
		if err != nil {
			return page, domain.Invalid("after", "must be next_after of an earlier page")
		}
		page.After = string(after)
	}
	return page, nil
}

// list is one page of records. NextAfter is missing on the last one.
type list[T any] struct {
	Items     []T    `json:"items"`
	NextAfter string `json:"next_after,omitempty"`
}

func listOf[R, T any](records []R, next string, convert func(R) T) list[T] {
	items := make([]T, len(records))
	for i, record := range records {
		items[i] = convert(record)
	}
	return list[T]{items, next}
}
