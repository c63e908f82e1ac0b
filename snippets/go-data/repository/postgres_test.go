package repository

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newOrders returns a database with the table of the doc comment, and customers 1 and 2.
func newOrders(t *testing.T) (context.Context, *sql.DB) {
	db := servertest.Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for _, statement := range []string{
		`CREATE TABLE customers (id bigint PRIMARY KEY)`,
		`INSERT INTO customers VALUES (1), (2)`,
		`CREATE TABLE orders (
			id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
			customer_id bigint NOT NULL REFERENCES customers,
			number      text NOT NULL UNIQUE,
			note        text,
			total_cents bigint NOT NULL,
			version     bigint NOT NULL DEFAULT 1,
			created_at  timestamptz NOT NULL DEFAULT now()
		)`,
		`CREATE INDEX ON orders (customer_id, id)`,
		`CREATE TABLE invoices (order_id bigint REFERENCES orders)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	return ctx, db
}

func create(ctx context.Context, t *testing.T, r *OrderRepository, o Order) Order {
	t.Helper()
	o.CustomerID = 1
	o, err := r.Create(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPostgresTransaction(t *testing.T) {
	ctx, db := newOrders(t)
	for _, commit := range []bool{false, true} {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		o := create(ctx, t, NewOrderRepository(tx), Order{Number: "A-1"})
		if _, err := NewOrderRepository(tx).Get(ctx, o.ID); err != nil {
			t.Error(err)
		}
		if _, err := NewOrderRepository(db).Get(ctx, o.ID); !errors.Is(err, ErrOrderNotFound) {
			t.Errorf("seen outside before the commit: %v", err)
		}
		end := tx.Rollback
		if commit {
			end = tx.Commit
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := NewOrderRepository(db).Get(ctx, o.ID); errors.Is(err, ErrOrderNotFound) == commit { // RP-1
			t.Errorf("commit %v: %v", commit, err)
		}
	}
}

func TestPostgresRoundTrip(t *testing.T) {
	ctx, db := newOrders(t)
	r := NewOrderRepository(db)
	empty, text := "", "ring twice; DROP TABLE orders; $1"
	for i, note := range []*string{nil, &empty, &text} { // RP-10
		created := create(ctx, t, r, Order{Number: fmt.Sprintf("A-%d", i), Note: note, TotalCents: 1999})
		got, err := r.Get(ctx, created.ID)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Note == nil) != (note == nil) || note != nil && *got.Note != *note {
			t.Errorf("note %v came back as %v", note, got.Note)
		}
		if got.Version != 1 || got.TotalCents != 1999 || got.CreatedAt != created.CreatedAt || got.CreatedAt.Location() != time.UTC { // RP-15
			t.Errorf("created %+v, got %+v", created, got)
		}
	}
}

func TestPostgresConstraints(t *testing.T) {
	ctx, db := newOrders(t)
	r := NewOrderRepository(db)
	first := create(ctx, t, r, Order{Number: "secret-1"})
	second := create(ctx, t, r, Order{Number: "secret-2"})
	if _, err := db.ExecContext(ctx, `INSERT INTO invoices VALUES ($1)`, first.ID); err != nil {
		t.Fatal(err)
	}
	_, taken := r.Create(ctx, Order{CustomerID: 1, Number: "secret-1"})
	second.Number = "secret-1"
	_, takenByUpdate := r.Update(ctx, second)
	_, orphan := r.Create(ctx, Order{CustomerID: 99, Number: "secret-3"})
	inUse := r.Delete(ctx, first.ID, first.Version)
	for _, tc := range []struct{ got, want error }{
		{taken, ErrOrderTaken}, {takenByUpdate, ErrOrderTaken}, // RP-3
		{orphan, ErrOrderReference}, {inUse, ErrOrderReference}, // RP-4
	} {
		if !errors.Is(tc.got, tc.want) || strings.Contains(fmt.Sprintf("%+v", tc.got), "secret") { // RP-13
			t.Errorf("got %v, want %v", tc.got, tc.want)
		}
		var state interface{ SQLState() string }
		if errors.As(tc.got, &state) { // RP-13: pgx's error has the key in its Detail
			t.Errorf("%v still holds the server's error", tc.got)
		}
	}
}

func TestPostgresVersions(t *testing.T) {
	ctx, db := newOrders(t)
	r := NewOrderRepository(db)
	o := create(ctx, t, r, Order{Number: "A-1", TotalCents: 100})
	o.TotalCents = 200
	updated, err := r.Update(ctx, o)
	if err != nil || updated.Version != 2 { // RP-14
		t.Fatalf("got %+v, %v", updated, err)
	}
	if stored, err := r.Get(ctx, o.ID); err != nil || stored != updated {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if _, err := r.Update(ctx, o); !errors.Is(err, ErrOrderConflict) { // RP-6
		t.Errorf("stale update: %v", err)
	}
	if err := r.Delete(ctx, o.ID, o.Version); !errors.Is(err, ErrOrderConflict) {
		t.Errorf("stale delete: %v", err)
	}
	if err := r.Delete(ctx, o.ID, updated.Version); err != nil {
		t.Error(err)
	}
	if err := r.Delete(ctx, o.ID, updated.Version); !errors.Is(err, ErrOrderNotFound) {
		t.Errorf("second delete: %v", err)
	}
	if _, err := r.Update(ctx, updated); !errors.Is(err, ErrOrderNotFound) {
		t.Errorf("update of a deleted row: %v", err)
	}
}

func TestPostgresConcurrentUpdates(t *testing.T) {
	ctx, db := newOrders(t)
	r := NewOrderRepository(db)
	o := create(ctx, t, r, Order{Number: "A-1"})
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			switch _, err := r.Update(ctx, o); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, ErrOrderConflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 15 { // RP-7
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}

func TestPostgresPages(t *testing.T) {
	ctx, db := newOrders(t)
	r := NewOrderRepository(db)
	var want []int64
	for i := range 7 {
		want = append(want, create(ctx, t, r, Order{Number: fmt.Sprintf("A-%d", i)}).ID)
	}
	if _, err := r.Create(ctx, Order{CustomerID: 2, Number: "B-1"}); err != nil {
		t.Fatal(err)
	}
	var got []int64
	for after := int64(0); ; {
		page, next, err := r.List(ctx, 1, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			got = append(got, o.ID)
		}
		if next == 0 {
			break
		}
		if after == 0 { // a row that was read goes, a new one comes
			if err := r.Delete(ctx, want[0], 1); err != nil {
				t.Fatal(err)
			}
			want = append(want, create(ctx, t, r, Order{Number: "A-7"}).ID)
		}
		after = next
	}
	if !slices.Equal(got, want) { // RP-8
		t.Errorf("got %v, want %v", got, want)
	}
	var plan string
	if _, err := db.ExecContext(ctx, `ANALYZE orders`); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
		t.Fatal(err)
	}
	query := `EXPLAIN (FORMAT JSON) ` + selectOrder + `WHERE customer_id = $1 AND id > $2 ORDER BY id LIMIT $3`
	if err := tx.QueryRowContext(ctx, query, 1, 0, 3).Scan(&plan); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plan, `"Sort"`) || !strings.Contains(plan, "orders_customer_id_id_idx") { // RP-8: a page costs what it holds
		t.Errorf("plan %s", plan)
	}
}
