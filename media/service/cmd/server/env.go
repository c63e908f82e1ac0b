package main

import (
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// env reads settings and collects what is wrong with them. Messages name the
// variable, never its value, which may be a secret in the wrong place.
type env struct {
	lookup func(string) (string, bool)
	errs   []error
}

func (e *env) fail(key, reason string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf("%s %s", key, fmt.Sprintf(reason, args...)))
}

// text returns the variable, or the default when it is not set or empty.
func (e *env) text(key, otherwise string) string {
	if value, _ := e.lookup(key); strings.TrimSpace(value) != "" {
		return strings.TrimSpace(value)
	}
	return otherwise
}

// choice returns one of the allowed values; the first is the default.
func (e *env) choice(key string, allowed ...string) string {
	value := e.text(key, allowed[0])
	if !slices.Contains(allowed, value) {
		e.fail(key, "must be one of: %s", strings.Join(allowed, ", "))
	}
	return value
}

func (e *env) integer(key string, otherwise, lowest, highest int64) int64 {
	s := e.text(key, "")
	if s == "" {
		return otherwise
	}
	value, err := strconv.ParseInt(s, 10, 64)
	if err != nil || value < lowest || value > highest {
		e.fail(key, "must be a whole number from %d to %d", lowest, highest)
	}
	return value
}

func (e *env) duration(key string, otherwise, shortest, longest time.Duration) time.Duration {
	s := e.text(key, "")
	if s == "" {
		return otherwise
	}
	value, err := time.ParseDuration(s)
	if err != nil || value < shortest || value > longest {
		e.fail(key, "must be a duration from %s to %s, such as 1.5s", shortest, longest)
	}
	return value
}

func (e *env) level(key string, otherwise slog.Level) slog.Level {
	level := otherwise
	if s := e.text(key, ""); s != "" && level.UnmarshalText([]byte(s)) != nil {
		e.fail(key, "must be debug, info, warn or error")
	}
	return level
}

func (e *env) address(key, otherwise string) string {
	value := e.text(key, otherwise)
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		e.fail(key, "must be host:port or :port")
	}
	return value
}
