package repository

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// Rules. Those marked (server) are held against PostgreSQL in postgres_test.go.
//
//	RP-1  works on a pool and inside a transaction, whose fate its writes share (server)
//	RP-2  no row is ErrOrderNotFound, also when sql.ErrNoRows comes wrapped
//	RP-3  SQLSTATE 23505 is ErrOrderTaken, with any driver (also server)
//	RP-4  SQLSTATE 23503 is ErrOrderReference, on both ends of the reference (also server)
//	RP-5  every other error stays in the chain
//	RP-6  Update and Delete tell a missing row from a stale version (also server)
//	RP-7  of concurrent updates of one version exactly one wins (server)
//	RP-8  pages by key: every row once, though rows come and go between the pages (server)
//	RP-9  the page size has a default and a limit
//	RP-10 NULL and the empty string stay apart (server)
//	RP-11 rows are closed on every path, and a list that broke off is an error
//	RP-12 ctx reaches the driver in every method
//	RP-13 no error quotes what is in a row (also server)
//	RP-14 a failed Update leaves the caller's value as it was; a good one returns the new version
//	RP-15 times are UTC

// The consumer's side of RP-1: a use case asks for no more than it needs.
type orderReader interface {
	Get(ctx context.Context, id int64) (Order, error)
}

var _ orderReader = (*OrderRepository)(nil)

type method struct {
	name string
	call func(context.Context, *OrderRepository) error
}

var methods = []method{
	{"create", func(ctx context.Context, r *OrderRepository) error { _, err := r.Create(ctx, Order{}); return err }},
	{"get", func(ctx context.Context, r *OrderRepository) error { _, err := r.Get(ctx, 7); return err }},
	{"list", func(ctx context.Context, r *OrderRepository) error { _, _, err := r.List(ctx, 1, 0, 2); return err }},
	{"update", func(ctx context.Context, r *OrderRepository) error { _, err := r.Update(ctx, Order{ID: 7}); return err }},
	{"delete", func(ctx context.Context, r *OrderRepository) error { return r.Delete(ctx, 7, 1) }},
}

func TestServerErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want error
	}{
		{stateError("23505"), ErrOrderTaken},                            // RP-3
		{stateError("23503"), ErrOrderReference},                        // RP-4
		{fmt.Errorf("middleware: %w", sql.ErrNoRows), ErrOrderNotFound}, // RP-2
		{stateError("57014"), stateError("57014")},                      // RP-5
		{io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
	} {
		for _, m := range methods {
			if m.name == "list" && tc.want != tc.err {
				continue // a query cannot violate a constraint, and finds no row without an error
			}
			r := newFakeRepository(t, &fakeDriver{err: tc.err})
			err := m.call(context.Background(), r)
			if !errors.Is(err, tc.want) {
				t.Errorf("%s, %v: got %v", m.name, tc.err, err)
			}
			if tc.want != tc.err && strings.Contains(err.Error(), "secret") { // RP-13
				t.Errorf("%s: %v", m.name, err)
			}
		}
	}
}

func TestNoRow(t *testing.T) {
	r := newFakeRepository(t, &fakeDriver{})
	if _, err := r.Get(context.Background(), 7); !errors.Is(err, ErrOrderNotFound) { // RP-2
		t.Errorf("got %v", err)
	}
}

func TestNoRowAffected(t *testing.T) {
	for _, tc := range []struct {
		exists bool
		want   error
	}{{true, ErrOrderConflict}, {false, ErrOrderNotFound}} {
		for _, m := range methods[3:] {
			r := newFakeRepository(t, &fakeDriver{rows: [][]driver.Value{{tc.exists}}})
			if err := m.call(context.Background(), r); !errors.Is(err, tc.want) { // RP-6
				t.Errorf("%s: got %v, want %v", m.name, err, tc.want)
			}
		}
	}
	lost := errors.New("connection reset")
	r := newFakeRepository(t, &fakeDriver{affectedErr: lost})
	if err := r.Delete(context.Background(), 7, 1); !errors.Is(err, lost) { // RP-5
		t.Errorf("got %v", err)
	}
	r = newFakeRepository(t, &fakeDriver{rows: [][]driver.Value{{true}}, rowsErr: lost, rowsErrAt: 0})
	if err := r.Delete(context.Background(), 7, 1); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}

func TestUpdateReturnsNewVersion(t *testing.T) {
	o := Order{ID: 7, Version: 3}
	r := newFakeRepository(t, &fakeDriver{affected: 1})
	if updated, err := r.Update(context.Background(), o); err != nil || updated.Version != 4 || o.Version != 3 { // RP-14
		t.Errorf("got %+v, %v", updated, err)
	}
}

func TestListPageSize(t *testing.T) {
	for _, tc := range []struct{ limit, rows, page, next int }{
		{0, 51, 50, 50}, {-1, 51, 50, 50}, {1, 2, 1, 1}, {200, 201, 200, 200}, {1 << 40, 201, 200, 200},
		{2, 2, 2, 0}, {2, 1, 1, 0}, {2, 0, 0, 0},
	} {
		d := &fakeDriver{}
		for id := range tc.rows {
			d.rows = append(d.rows, row(id+1))
		}
		page, next, err := newFakeRepository(t, d).List(context.Background(), 1, 0, tc.limit)
		if err != nil || len(page) != tc.page || int(next) != tc.next { // RP-8
			t.Errorf("limit %d: %d rows, next %d, %v", tc.limit, len(page), next, err)
		}
		if asked := d.args[2]; asked.(int64) > 201 { // RP-9
			t.Errorf("limit %d asked for %d rows", tc.limit, asked)
		}
	}
}

func TestBrokenRows(t *testing.T) {
	lost := errors.New("connection reset")
	for name, d := range map[string]*fakeDriver{
		"breaks off": {rows: [][]driver.Value{row(1), row(2)}, rowsErr: lost, rowsErrAt: 1},
		"wrong type": {rows: [][]driver.Value{{"not a number", nil, nil, nil, nil, nil, nil}}},
	} {
		page, next, err := newFakeRepository(t, d).List(context.Background(), 1, 0, 5)
		if err == nil || page != nil || next != 0 { // RP-11
			t.Errorf("%s: got %v, %d, %v", name, page, next, err)
		}
		if d.rowsErr != nil && !errors.Is(err, lost) {
			t.Errorf("%s: got %v", name, err)
		}
		if d.opened != 1 || d.closed != 1 {
			t.Errorf("%s: %d of %d rows closed", name, d.closed, d.opened)
		}
	}
}

func TestContextReachesTheDriver(t *testing.T) {
	for _, m := range methods {
		d := &fakeDriver{}
		ctx, cancel := context.WithCancel(context.Background())
		d.onStatement = cancel                                                              // while the statement runs
		if err := m.call(ctx, newFakeRepository(t, d)); !errors.Is(err, context.Canceled) { // RP-12
			t.Errorf("%s: got %v", m.name, err)
		}
	}
}

func TestTimesAreUTC(t *testing.T) {
	r := newFakeRepository(t, &fakeDriver{rows: [][]driver.Value{row(1)}})
	o, err := r.Get(context.Background(), 1)
	if err != nil || o.CreatedAt.Location() != time.UTC || !o.CreatedAt.Equal(created) { // RP-15
		t.Errorf("got %v, %v", o.CreatedAt, err)
	}
}

var created = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 2*60*60))

func row(id int) []driver.Value {
	return []driver.Value{int64(id), int64(1), "A-1", nil, int64(100), int64(1), created}
}

// stateError is a server's error as pgx and lib/pq show it: an SQLSTATE and a text that quotes the row.
type stateError string

func (e stateError) Error() string    { return "Key (number)=(secret) " + string(e) }
func (e stateError) SQLState() string { return string(e) }

// fakeDriver answers every statement in the same way.
type fakeDriver struct {
	err         error // of each statement
	onStatement func()
	affected    int64
	affectedErr error
	rows        [][]driver.Value
	rowsErr     error // in place of row rowsErrAt
	rowsErrAt   int

	args           []driver.Value // of the last statement
	opened, closed int
}

// newFakeRepository works on a pool of one connection, which has to be free when the test ends.
func newFakeRepository(t *testing.T, d *fakeDriver) *OrderRepository {
	db := sql.OpenDB(d)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if n := db.Stats().InUse; n != 0 { // RP-11
			t.Errorf("%d connections are still in use", n)
		}
		db.Close()
	})
	return NewOrderRepository(db)
}

func (d *fakeDriver) Connect(context.Context) (driver.Conn, error) { return fakeConn{d}, nil }
func (d *fakeDriver) Driver() driver.Driver                        { return nil }

func (d *fakeDriver) statement(ctx context.Context, args []driver.NamedValue) error {
	d.args = nil
	for _, arg := range args {
		d.args = append(d.args, arg.Value)
	}
	if d.onStatement != nil {
		d.onStatement()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.err
}

type fakeConn struct{ d *fakeDriver }

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (c fakeConn) Close() error                        { return nil }

func (c fakeConn) ExecContext(ctx context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	return fakeResult(c), c.d.statement(ctx, args)
}

func (c fakeConn) QueryContext(ctx context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.d.statement(ctx, args); err != nil {
		return nil, err
	}
	c.d.opened++
	return &fakeRows{d: c.d}, nil
}

type fakeResult struct{ d *fakeDriver }

func (r fakeResult) LastInsertId() (int64, error) { return 0, errors.New("not supported") }
func (r fakeResult) RowsAffected() (int64, error) { return r.d.affected, r.d.affectedErr }

type fakeRows struct {
	d    *fakeDriver
	next int
}

func (r *fakeRows) Columns() []string {
	if len(r.d.rows) == 0 {
		return nil
	}
	return make([]string, len(r.d.rows[0]))
}

func (r *fakeRows) Close() error { r.d.closed++; return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if r.d.rowsErr != nil && r.next == r.d.rowsErrAt {
		return r.d.rowsErr
	}
	if r.next == len(r.d.rows) {
		return io.EOF
	}
	copy(dest, r.d.rows[r.next])
	r.next++
	return nil
}
