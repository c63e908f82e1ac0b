package main

import "log/slog"

// secret is a setting that must not be shown. It hides itself from fmt, slog and
// encoding/json; reveal returns it to the code that needs it.
type secret string

const hidden = "[hidden]"

func (s secret) reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString implements fmt.GoStringer.
func (s secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s secret) MarshalText() ([]byte, error) { //nolint:unparam // the interface has the error
	return []byte(s.String()), nil
}
