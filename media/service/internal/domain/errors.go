// Package domain holds the business rules: users, orders and the events they
// cause. It knows nothing of HTTP, gRPC, SQL or any other technology.
package domain

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what class of failure an Error is, so that an adapter can map a
// whole class to a status instead of every single error.
type Kind int

// The kinds of failure that the domain reports.
const (
	KindInvalid    Kind = iota + 1 // the input breaks a rule by itself
	KindNotFound                   // what was asked for does not exist
	KindConflict                   // the rule clashes with what is stored
	KindForbidden                  // the rule never allows it in this state
	KindStaleWrite                 // somebody else changed it first
)

// Error is a broken business rule. Its code is stable and may be shown to
// callers; its message holds no personal data.
type Error struct {
	Kind    Kind
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Message }

// The rules that can be broken. Match them with errors.Is.
var (
	ErrUserNotFound    = &Error{KindNotFound, "user_not_found", "the user does not exist"}
	ErrOrderNotFound   = &Error{KindNotFound, "order_not_found", "the order does not exist"}
	ErrEmailTaken      = &Error{KindConflict, "email_taken", "another user has this email address"}
	ErrVersionConflict = &Error{KindStaleWrite, "version_conflict", "the record was changed by someone else"}
	ErrOpenOrderLimit  = &Error{KindForbidden, "open_order_limit", fmt.Sprintf("a user may have at most %d open orders", MaxOpenOrders)}
	ErrStatusChange    = &Error{KindForbidden, "status_change", "the order cannot change to this status"}
)

// FieldError says what is wrong with one field of the input.
type FieldError struct {
	Field  string
	Reason string
}

// ValidationError lists everything that is wrong with the input at once.
type ValidationError struct {
	Fields []FieldError
}

func (e *ValidationError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Field + ": " + f.Reason
	}
	return "invalid input: " + strings.Join(parts, "; ")
}

// Invalid returns a ValidationError for a single field.
func Invalid(field, reason string) error {
	return &ValidationError{Fields: []FieldError{{field, reason}}}
}

// KindOf returns the kind of the domain error in err's chain, or zero when err
// is not a broken rule but a technical failure.
func KindOf(err error) Kind {
	if _, ok := errors.AsType[*ValidationError](err); ok {
		return KindInvalid
	}
	if rule, ok := errors.AsType[*Error](err); ok {
		return rule.Kind
	}
	return 0
}

// problems collects field errors while a value is checked.
type problems []FieldError

func (p *problems) add(field, reason string, args ...any) {
	*p = append(*p, FieldError{field, fmt.Sprintf(reason, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &ValidationError{Fields: p}
}
