package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// newDatabase returns the URL of an empty schema.
func newDatabase(t *testing.T) string {
	t.Helper()
	address := os.Getenv("DATABASE_URL")
	if address == "" {
		t.Skip("DATABASE_URL is not set")
	}
	schema := "test_" + strings.ToLower(rand.Text())
	exec := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(context.Background(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.Background()) }()
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE SCHEMA " + schema)
	t.Cleanup(func() { exec("DROP SCHEMA " + schema + " CASCADE") })
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

func TestServiceOnPostgres(t *testing.T) {
	settings := map[string]string{"DATABASE_URL": newDatabase(t)}
	assertStartFails(t, settings, settings["DATABASE_URL"]) // the schema is missing
	if err := run(t.Context(), []string{"migrate"}, lookup(settings), io.Discard); err != nil {
		t.Fatal(err)
	}
	i := start(t, settings)
	user, order := i.shop(t)
	i.stop(t)

	again := start(t, settings)
	if got := again.call(t, "GET", "/v1/orders/"+order, "", 200); got["status"] != "paid" || got["user_id"] != user {
		t.Errorf("after a restart: %v", got)
	}
}

func TestMigrateNeedsADatabase(t *testing.T) {
	if err := run(t.Context(), []string{"migrate"}, lookup(nil), io.Discard); !errors.Is(err, errNoDatabase) {
		t.Errorf("got %v", err)
	}
}

func TestBrokenDatabaseURLIsNotShown(t *testing.T) {
	assertStartFails(t, map[string]string{"DATABASE_URL": "postgres://u:hunter2@h:port"}, "hunter2")
}
