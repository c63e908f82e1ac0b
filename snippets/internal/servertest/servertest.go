// Package servertest connects tests to the real servers that
// DATABASE_URL, REDIS_URL and NATS_URL name.
package servertest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// URL returns the value of variable. Without one the test is skipped, or fails
// in CI, where the servers must be there.
func URL(t testing.TB, variable string) string {
	t.Helper()
	url := os.Getenv(variable)
	if url == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set", variable)
		}
		t.Skipf("%s is not set: run through scripts/services.mjs", variable)
	}
	return url
}

// Postgres opens a pool on an empty schema of its own, which ends with the test.
func Postgres(t testing.TB) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(URL(t, "DATABASE_URL"))
	if err != nil {
		t.Fatal("DATABASE_URL is not valid") // the error would show the password
	}
	schema := "test_" + rand.Text()[:12]
	admin := stdlib.OpenDB(*config)
	t.Cleanup(func() {
		exec(t, admin, "DROP SCHEMA "+pgx.Identifier{schema}.Sanitize()+" CASCADE")
		admin.Close()
	})
	exec(t, admin, "CREATE SCHEMA "+pgx.Identifier{schema}.Sanitize())

	config.RuntimeParams["search_path"] = pgx.Identifier{schema}.Sanitize()
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(20)
	t.Cleanup(func() { db.Close() })
	return db
}

// schemaLine is a line of a doc comment that gofmt keeps as code.
var schemaLine = regexp.MustCompile(`(?m)^//\t(.*)$`)

// Schema returns the SQL in the doc comments of a Go file, so that tests run on
// the very tables that the file tells its readers to create.
func Schema(t testing.TB, file string) (statements string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range schemaLine.FindAllSubmatch(source, -1) {
		statements += string(line[1]) + "\n"
	}
	if statements == "" {
		t.Fatalf("%s has no schema in a comment", file)
	}
	return statements
}

// PostgresWith is Postgres with the Schema of a Go file.
func PostgresWith(t testing.TB, file string) *sql.DB {
	t.Helper()
	db := Postgres(t)
	exec(t, db, Schema(t, file))
	return db
}

// BackendID returns the id of the server process behind a connection or transaction.
func BackendID(t testing.TB, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (pid int) {
	t.Helper()
	if err := q.QueryRowContext(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// WaitBlocked returns once some statement waits for a lock that the process pid holds.
func WaitBlocked(t testing.TB, db *sql.DB, pid int) {
	t.Helper()
	WaitFor(t, db, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`, pid)
}

// WaitFor returns once query, whose result is one boolean, says true.
func WaitFor(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for done := false; !done; {
		if err := db.QueryRowContext(ctx, query, args...).Scan(&done); err != nil {
			t.Fatalf("waiting for %s: %v", query, err)
		}
	}
}

func exec(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Fatal(err)
	}
}
