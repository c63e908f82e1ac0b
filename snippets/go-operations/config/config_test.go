package config

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Rules.
//
//	CF-1  only required variables need to be set; the rest have defaults that pass their own checks
//	CF-2  every value comes from environ, the first of duplicates wins, others' variables are ignored
//	CF-3  all mistakes come back at once, each a ConfigError with its key, in a stable order
//	CF-4  with a mistake the Config is zero
//	CF-5  a required variable that is missing or empty is ErrConfigMissing
//	CF-6  a variable with the prefix that nothing reads is ErrConfigUnknown
//	CF-7  formats and ranges are checked, both ends included
//	CF-8  a rule across variables is checked when each is valid by itself
//	CF-9  no printer, logger or encoder shows a Secret, however it is nested; Reveal does
//	CF-10 no error quotes a secret, however malformed
//	CF-11 a secret comes from a file too: trailing newline cut, bounded, not together with the variable
//	CF-12 a Config holds no reference, so copies share nothing
//	CF-13 a secret set in place of the path of its file is not quoted

const (
	password = "hunter2-correct-horse"
	validURL = "postgres://app:" + password + "@db:5432/orders"
	required = "APP_DATABASE_URL=" + validURL
)

// keysOf lists the keys of all ConfigErrors that err joins.
func keysOf(t *testing.T, err error) (keys []string) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v (%T) joins nothing", err, err)
	}
	for _, err := range joined.Unwrap() {
		var mistake *ConfigError
		if !errors.As(err, &mistake) {
			t.Fatalf("%v is no ConfigError", err)
		}
		keys = append(keys, mistake.Key)
	}
	return keys
}

func TestCF01_Defaults(t *testing.T) {
	cfg, err := LoadConfig([]string{required})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Addr: ":8080", LogLevel: slog.LevelInfo, DatabaseURL: cfg.DatabaseURL,
		MaxConns: 10, DrainDelay: 5 * time.Second, ShutdownTimeout: 25 * time.Second,
	}
	if cfg != want || cfg.DatabaseURL.Reveal() != validURL {
		t.Errorf("got %+v, %q", cfg, cfg.DatabaseURL.Reveal())
	}
}

func TestCF02_Environment(t *testing.T) {
	cfg, err := LoadConfig([]string{
		"PATH=/bin", "=C:=C:\\", "broken", required,
		"APP_ADDR=127.0.0.1:9090", "APP_ADDR=:1", "APP_LOG_LEVEL=debug",
		"APP_MAX_CONNS=42", "APP_DRAIN_DELAY=0s", "APP_SHUTDOWN_TIMEOUT=1m30s",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Addr: "127.0.0.1:9090", LogLevel: slog.LevelDebug, DatabaseURL: cfg.DatabaseURL,
		MaxConns: 42, ShutdownTimeout: 90 * time.Second,
	}
	if cfg != want {
		t.Errorf("got %+v, want %+v", cfg, want)
	}
}

func TestCF03_CF04_AllAtOnce(t *testing.T) {
	environ := []string{
		"APP_ADDR=nonsense", "APP_LOG_LEVEL=loud", "APP_MAX_CONNS=many", "APP_DRAIN_DELAY=5", "APP_SHUTDOWN_TIMEOUT=1ms",
		"APP_TIMOUT=5s", "APP_DEBUG=1", "APP_Z=", "APP_Y=", "APP_X=", "APP_W=",
	}
	want := []string{
		"APP_ADDR", "APP_LOG_LEVEL", "APP_DATABASE_URL", "APP_MAX_CONNS", "APP_DRAIN_DELAY", "APP_SHUTDOWN_TIMEOUT",
		"APP_DEBUG", "APP_TIMOUT", "APP_W", "APP_X", "APP_Y", "APP_Z",
	}
	cfg, err := LoadConfig(environ)
	if keys := keysOf(t, err); !reflect.DeepEqual(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	for _, key := range want {
		if !strings.Contains(err.Error(), key+": ") {
			t.Errorf("%s is not in the message:\n%v", key, err)
		}
	}
	if cfg != (Config{}) {
		t.Errorf("half a Config came back: %+v", cfg)
	}
}

func TestCF05_Missing(t *testing.T) {
	for _, environ := range [][]string{nil, {"APP_DATABASE_URL="}, {"APP_DATABASE_URL=", "APP_DATABASE_URL_FILE="}} {
		_, err := LoadConfig(environ)
		if !errors.Is(err, ErrConfigMissing) || !reflect.DeepEqual(keysOf(t, err), []string{"APP_DATABASE_URL"}) {
			t.Errorf("%q: %v", environ, err)
		}
	}
	r := newConfigReader(nil)
	readConfig(r, "REGION", "", parseConfigAddr)
	if err := r.err(); !errors.Is(err, ErrConfigMissing) {
		t.Errorf("no fallback: %v", err)
	}
}

func TestCF06_Unknown(t *testing.T) {
	_, err := LoadConfig([]string{required, "APP_LOGLEVEL=debug"})
	if !errors.Is(err, ErrConfigUnknown) || !strings.Contains(err.Error(), "APP_LOGLEVEL") {
		t.Errorf("got %v", err)
	}
}

func TestCF07_Checks(t *testing.T) {
	for _, test := range []struct {
		variable string
		ok       bool
	}{
		{"APP_MAX_CONNS=1", true}, {"APP_MAX_CONNS=100", true}, {"APP_MAX_CONNS=0", false}, {"APP_MAX_CONNS=101", false},
		{"APP_MAX_CONNS=99999999999999999999", false}, {"APP_MAX_CONNS=1.5", false}, {"APP_MAX_CONNS= 5", false},
		{"APP_ADDR=:0", true}, {"APP_ADDR=[::1]:443", true}, {"APP_ADDR=:65536", false}, {"APP_ADDR=localhost", false}, {"APP_ADDR=:http", false},
		{"APP_DRAIN_DELAY=-1s", false}, {"APP_DRAIN_DELAY=61s", false}, {"APP_DRAIN_DELAY=10", false},
		{"APP_SHUTDOWN_TIMEOUT=10m", true}, {"APP_SHUTDOWN_TIMEOUT=10m1s", false},
		{"APP_LOG_LEVEL=WARN", true}, {"APP_LOG_LEVEL=warn+1", true}, {"APP_LOG_LEVEL=trace", false},
	} {
		_, err := LoadConfig([]string{required, test.variable})
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.variable, err)
		}
	}
	for url, ok := range map[string]bool{
		"postgresql://db/orders": true, "postgres:///orders": false, "mysql://db/orders": false, "db:5432": false,
	} {
		if _, err := LoadConfig([]string{"APP_DATABASE_URL=" + url}); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestCF08_AcrossVariables(t *testing.T) {
	_, err := LoadConfig([]string{required, "APP_DRAIN_DELAY=30s"})
	if err == nil || !strings.Contains(err.Error(), "APP_SHUTDOWN_TIMEOUT") {
		t.Errorf("got %v", err)
	}
	_, err = LoadConfig([]string{required, "APP_DRAIN_DELAY=30s", "APP_SHUTDOWN_TIMEOUT=soon"})
	if keys := keysOf(t, err); !reflect.DeepEqual(keys, []string{"APP_SHUTDOWN_TIMEOUT"}) {
		t.Errorf("a mistake that follows from another was reported: %v", keys)
	}
}

func TestCF09_Redacted(t *testing.T) {
	secret := NewSecret(password)
	type hidden struct{ secret Secret }
	type nested struct {
		Secret  Secret
		Pointer *Secret
		List    []Secret
		Map     map[string]Secret
		Any     any
		hidden  hidden
	}
	value := nested{secret, &secret, []Secret{secret}, map[string]Secret{"a": secret}, secret, hidden{secret}}
	var shown []string
	for _, v := range []any{secret, &secret, value, &value, hidden{secret}, &hidden{secret}, []any{secret}, Config{DatabaseURL: secret}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%w"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		if text, err := json.Marshal(v); err != nil {
			t.Error(err)
		} else {
			shown = append(shown, string(text))
		}
		var log strings.Builder
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).Info("starting", "value", v)
		}
		shown = append(shown, log.String())
	}
	text, err := xml.Marshal(Config{DatabaseURL: secret})
	if err != nil {
		t.Error(err)
	}
	key, err := json.Marshal(map[Secret]int{secret: 1})
	if err != nil {
		t.Error(err)
	}
	shown = append(shown, string(text), string(key), secret.String(), fmt.Sprint(fmt.Errorf("connect: %v", secret)))
	for _, text := range shown {
		for _, leak := range []string{password, "hunter", fmt.Sprintf("%x", password), fmt.Sprintf("%X", password), "104 117 110"} {
			if strings.Contains(text, leak) {
				t.Errorf("leaked: %s", text)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if got := fmt.Sprintf(verb, secret); got != "[redacted]" {
			t.Errorf("%s = %s", verb, got)
		}
	}
	if (Secret{}).String() != secret.String() || fmt.Sprint(Secret{}) != fmt.Sprint(secret) {
		t.Error("it shows whether a secret is set")
	}
	if secret.Reveal() != password || (Secret{}).Reveal() != "" {
		t.Error("Reveal does not reveal")
	}
}

func TestCF10_ErrorsKeepSecrets(t *testing.T) {
	for _, url := range []string{
		password, "postgres://app:" + password + "@db:port/x", "postgres://" + password + "%zz", "\x7f" + password, "mysql://app:" + password + "@db",
	} {
		_, err := LoadConfig([]string{"APP_DATABASE_URL=" + url})
		if err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestCF11_File(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "APP_DATABASE_URL_FILE=" + path
	}
	cfg, err := LoadConfig([]string{write("url", validURL+"\r\n")})
	if err != nil || cfg.DatabaseURL.Reveal() != validURL {
		t.Errorf("from file: %v, %q", err, cfg.DatabaseURL.Reveal())
	}
	if _, err := LoadConfig([]string{write("url", validURL), required}); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("both: %v", err)
	}
	if _, err := LoadConfig([]string{"APP_DATABASE_URL_FILE=" + dir + "/none"}); !errors.Is(err, fs.ErrNotExist) || len(keysOf(t, err)) != 1 {
		t.Errorf("no file: %v", err)
	}
	if _, err := LoadConfig([]string{write("empty", "\n")}); !errors.Is(err, ErrConfigMissing) {
		t.Errorf("empty file: %v", err)
	}
	if _, err := LoadConfig([]string{write("large", "postgres://db/"+strings.Repeat("x", 64<<10))}); err == nil {
		t.Error("a file of any size is read")
	}
}

func TestCF12_NoReferences(t *testing.T) {
	for field := range reflect.TypeFor[Config]().Fields() {
		switch field.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
			t.Errorf("%s is a %v", field.Name, field.Type)
		case reflect.Struct:
			if field.Type != reflect.TypeFor[Secret]() { // its pointer is never handed out nor written
				t.Errorf("%s is a %v", field.Name, field.Type)
			}
		}
	}
}

func FuzzLoadConfig(f *testing.F) {
	f.Add("APP_ADDR", ":8080", "postgres://db/x")
	f.Add("APP_DRAIN_DELAY", "1h", "%")
	f.Add("APP_MAX_CONNS", "-5", "\x00")
	f.Fuzz(func(t *testing.T, key, value, url string) {
		if strings.Contains(key+value, password) {
			t.Skip()
		}
		cfg, err := LoadConfig([]string{key + "=" + value, "APP_DATABASE_URL=" + url + password})
		if err != nil && (cfg != Config{} || strings.Contains(err.Error(), password)) { // CF-4, CF-10
			t.Errorf("%+v, %v", cfg, err)
		}
	})
}

func TestCF13_SecretAsPath(t *testing.T) {
	for _, path := range []string{"postgres://u:hunter2@db/app", "hunter2\x00", strings.Repeat("hunter2", 1000)} {
		r := newConfigReader([]string{configPrefix + "DATABASE_URL_FILE=" + path})
		readConfigSecret(r, "DATABASE_URL", "a URL", func(string) bool { return true })
		err := r.err()
		var failed *ConfigError
		if !errors.As(err, &failed) || !strings.HasSuffix(failed.Key, "DATABASE_URL_FILE") {
			t.Errorf("the error does not name the variable: %T", err)
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Error("no error, or one that shows the secret")
		}
	}
}
