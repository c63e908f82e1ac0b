// Package config reads a service's settings from its environment, once, and
// reports every mistake at once.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// configPrefix marks the variables that belong to this service.
const configPrefix = "APP_"

var (
	// ErrConfigMissing marks a required variable that is not set, or empty.
	ErrConfigMissing = errors.New("required, but not set")
	// ErrConfigUnknown marks a variable with the prefix that nothing reads: a misspelling.
	ErrConfigUnknown = errors.New("unknown variable")
)

// ConfigError is one mistake. It never holds the value of a Secret.
type ConfigError struct {
	Key string
	Err error
}

// Error implements error.
func (e *ConfigError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

// Config is all that can be set. It holds values only, so a copy shares nothing
// with another: load it once, and pass each part what it needs.
type Config struct {
	Addr            string
	LogLevel        slog.Level
	DatabaseURL     Secret
	MaxConns        int
	DrainDelay      time.Duration
	ShutdownTimeout time.Duration
}

// LoadConfig reads the settings from environ, usually os.Environ(). The error
// joins a ConfigError for each mistake; then the Config is zero.
func LoadConfig(environ []string) (Config, error) {
	r := newConfigReader(environ)
	cfg := Config{
		Addr:            readConfig(r, "ADDR", ":8080", parseConfigAddr),
		LogLevel:        readConfig(r, "LOG_LEVEL", "info", parseConfigLevel),
		DatabaseURL:     readConfigSecret(r, "DATABASE_URL", "a postgres:// URL with a host", isConfigPostgresURL),
		MaxConns:        readConfig(r, "MAX_CONNS", "10", configWithin(1, 100, strconv.Atoi)),
		DrainDelay:      readConfig(r, "DRAIN_DELAY", "5s", configWithin(0, time.Minute, time.ParseDuration)),
		ShutdownTimeout: readConfig(r, "SHUTDOWN_TIMEOUT", "25s", configWithin(time.Second, 10*time.Minute, time.ParseDuration)),
	}
	if len(r.errs) == 0 && cfg.DrainDelay >= cfg.ShutdownTimeout {
		r.fail("DRAIN_DELAY", fmt.Errorf("%v is not below %sSHUTDOWN_TIMEOUT (%v)", cfg.DrainDelay, configPrefix, cfg.ShutdownTimeout))
	}
	if err := r.err(); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

func parseConfigAddr(text string) (string, error) {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", err
	}
	_, err = configWithin(0, 65535, strconv.Atoi)(port)
	return text, err
}

func parseConfigLevel(text string) (level slog.Level, err error) {
	return level, level.UnmarshalText([]byte(text))
}

func isConfigPostgresURL(text string) bool {
	u, err := url.Parse(text) // its error quotes the password
	return err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Hostname() != ""
}

// configWithin adds limits to a parser.
func configWithin[T cmp.Ordered](low, high T, parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (T, error) {
		value, err := parse(text)
		if err == nil && !(value >= low && value <= high) { // also for NaN
			err = fmt.Errorf("%v is not between %v and %v", value, low, high)
		}
		return value, err
	}
}

// configReader hands out variables by name, and collects what is wrong with them.
type configReader struct {
	values map[string]string // with the prefix, not yet read
	errs   []error
}

func newConfigReader(environ []string) *configReader {
	r := &configReader{values: make(map[string]string)}
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		if _, seen := r.values[key]; strings.HasPrefix(key, configPrefix) && !seen { // the first wins, as in os.Getenv
			r.values[key] = value
		}
	}
	return r
}

func (r *configReader) take(key string) string {
	key = configPrefix + key
	defer delete(r.values, key)
	return r.values[key]
}

func (r *configReader) fail(key string, err error) {
	r.errs = append(r.errs, &ConfigError{configPrefix + key, err})
}

// err joins all mistakes, with those of the variables that nothing has read.
func (r *configReader) err() error {
	unknown := make([]string, 0, len(r.values))
	for key := range r.values {
		unknown = append(unknown, strings.TrimPrefix(key, configPrefix))
	}
	slices.Sort(unknown)
	for _, key := range unknown {
		r.fail(key, ErrConfigUnknown)
	}
	return errors.Join(r.errs...)
}

// readConfig reads one variable. Without a fallback it is required.
func readConfig[T any](r *configReader, key, fallback string, parse func(string) (T, error)) T {
	var zero T
	text := cmp.Or(r.take(key), fallback)
	if text == "" {
		r.fail(key, ErrConfigMissing)
		return zero
	}
	value, err := parse(text)
	if err != nil {
		r.fail(key, err)
		return zero
	}
	return value
}

// readConfigSecret reads a required secret from the variable, or from the file
// that the variable with _FILE added names.
func readConfigSecret(r *configReader, key, want string, valid func(string) bool) Secret {
	text, path := r.take(key), r.take(key+"_FILE")
	if text != "" && path != "" {
		r.fail(key, fmt.Errorf("set together with %s%s_FILE", configPrefix, key))
		return Secret{}
	}
	if path != "" {
		var err error
		if text, err = readConfigFile(path); err != nil {
			var withPath *fs.PathError
			if errors.As(err, &withPath) {
				err = withPath.Err // the path may be the secret, set under the wrong name
			}
			r.fail(key+"_FILE", err)
			return Secret{}
		}
	}
	switch {
	case text == "":
		r.fail(key, ErrConfigMissing)
	case !valid(text):
		r.fail(key, errors.New("not "+want)) // the reason could quote it
	}
	return NewSecret(text)
}

func readConfigFile(path string) (string, error) {
	const limit = 64 << 10
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && len(text) > limit {
		err = fmt.Errorf("file is larger than %d bytes", limit)
	}
	return strings.TrimRight(string(text), "\r\n"), err
}

const secretRedacted = "[redacted]"

// Secret is a setting that never shows by accident: printed, logged or encoded
// it is a placeholder, whether it is set or not.
type Secret struct {
	value *string // a pointer, because fmt looks into unexported fields past all methods
}

// NewSecret hides value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns what is hidden, for the one call that needs it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String implements fmt.Stringer.
func (Secret) String() string { return secretRedacted }

// Format implements fmt.Formatter for every verb, %#v too.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secretRedacted) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(secretRedacted) }

// MarshalText implements encoding.TextMarshaler, for XML, YAML and map keys.
func (Secret) MarshalText() ([]byte, error) { return []byte(secretRedacted), nil }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + secretRedacted + `"`), nil }
