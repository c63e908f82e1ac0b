package service

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestBadConfigurationIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	const password = "hunter2-never-print-me"
	bad := settings{
		"HTTP_ADDR": "nowhere", "GRPC_ADDR": "localhost", "REQUEST_TIMEOUT": "soon", "MAX_BODY_BYTES": "-1",
		"LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "DRAIN_DELAY": "30s", "SHUTDOWN_TIMEOUT": "1s",
		"DATABASE_MAX_CONNS": "0", "DATABASE_STATEMENT_TIMEOUT": "never", "REDIS_TIMEOUT": "0", "CACHE_TTL": "forever",
		"KAFKA_TLS": "perhaps", "KAFKA_PASSWORD": password, "OUTBOX_INTERVAL": "now",
		"DATABASE_URL": "postgres://app:" + password + "@localhost/app", "REDIS_URL": "redis://:" + password + "@localhost",
	}
	output, code := end(t, bad)
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	for name := range bad {
		wrong := !slices.Contains([]string{"KAFKA_PASSWORD", "DATABASE_URL", "REDIS_URL", "SHUTDOWN_TIMEOUT"}, name)
		if wrong && !strings.Contains(output, name+" ") {
			t.Errorf("%s is not reported", name)
		}
	}
	if !strings.Contains(output, "KAFKA_USERNAME") {
		t.Error("the password without a user name is not reported")
	}
	if strings.Contains(output, password) {
		t.Error("a secret is printed")
	}
	if t.Failed() {
		t.Log(output)
	}
}

func TestFailedStartsPrintNoSecret(t *testing.T) {
	t.Parallel()
	const password = "hunter2-never-print-me"
	address := unreachable(t)
	for name, s := range map[string]settings{
		"malformed database URL":  {"DATABASE_URL": "postgres://app:" + password + "@local host:x/app"},
		"unreachable database":    {"DATABASE_URL": "postgres://app:" + password + "@" + address + "/app?sslmode=disable"},
		"malformed Redis URL":     {"REDIS_URL": "redis://:" + password + "@local host:x"},
		"secret in another place": {"HTTP_ADDR": password},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output, code := end(t, s)
			if code != 1 || strings.TrimSpace(output) == "" {
				t.Errorf("exit code %d with output %q, want 1 and a reason", code, output)
			}
			if strings.Contains(output, password) {
				t.Errorf("a secret is printed:\n%s", output)
			}
		})
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if output, code := end(t, w.settings); code != 1 || !strings.Contains(output, "server migrate") {
		t.Errorf("without its tables the service ends with code %d and says:\n%s", code, output)
	}

	// Two at once: each migration is applied by one of them.
	both := make(chan string, 2)
	for range cap(both) {
		cmd := command(t, w.settings, "migrate")
		go func() {
			output, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("migrate: %v\n%s", err, output)
			}
			both <- string(output)
		}()
	}
	said := <-both + <-both
	if n := strings.Count(said, "0001_users_and_orders.sql"); n != 1 {
		t.Errorf("the first migration was applied by %d of two:\n%s", n, said)
	}
	schema := w.applied(t)
	if len(schema) != 2 {
		t.Errorf("applied migrations: %v", schema)
	}

	// Again: nothing to do.
	if output, err := command(t, w.settings, "migrate").CombinedOutput(); err != nil {
		t.Errorf("migrate: %v\n%s", err, output)
	}
	if again := w.applied(t); !slices.Equal(again, schema) {
		t.Errorf("applied migrations were %v and are %v", schema, again)
	}
	start(t, w.settings)
}

// applied returns the migrations with the moments when they were applied.
func (w *world) applied(t *testing.T) []string {
	t.Helper()
	rows, err := w.database.Query(t.Context(), "SELECT name || ' ' || applied_at FROM schema_migrations ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// end runs a service that must end by itself.
func end(t *testing.T, s settings) (output string, code int) {
	t.Helper()
	cmd := command(t, s, "serve")
	raw, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the service ended well:\n%s", raw)
	}
	return string(raw), cmd.ProcessState.ExitCode()
}
