package service

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// gate is an address of the brokers at which nobody answers until it opens.
type gate struct {
	address string
	open    atomic.Bool
}

func newGate(t *testing.T) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: listener.Addr().String()}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if !g.open.Load() {
				conn.Close()
				continue
			}
			passing.Go(func() { pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		passing.Wait()
	})
	return g
}

// pass copies both ways until either side ends.
func pass(conn net.Conn) {
	defer conn.Close()
	broker, err := net.Dial("tcp", brokers)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, broker)
		conn.Close()
	})
	_, _ = io.Copy(broker, conn)
	broker.Close()
	back.Wait()
}

// eventID returns the identifier of the only event that waits in the outbox.
func (w *world) eventID(t *testing.T) (id string) {
	t.Helper()
	if err := w.database.QueryRow(t.Context(), "SELECT id::text FROM outbox").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// waitForLease waits until the relay has taken the event to send it.
func (w *world) waitForLease(t *testing.T) {
	t.Helper()
	eventually(t, "the relay has leased the event", func() bool {
		var leased bool
		err := w.database.QueryRow(t.Context(), "SELECT leased_until > clock_timestamp() FROM outbox").Scan(&leased)
		return err == nil && leased
	})
}

func ofOrder(id any) func(*kgo.Record) bool {
	return func(r *kgo.Record) bool { return string(r.Key) == id }
}

func ofAny(*kgo.Record) bool { return true }

func TestEventsArePublishedInSequence(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	p := start(t, w.settings)
	order := p.placeOrder(p.createUser("ada")["id"])
	for _, status := range []string{"paid", "shipped"} {
		wantStatus(t, p.send(request{
			method: http.MethodPut, path: fmt.Sprintf("/v1/orders/%s/status", order["id"]), body: object{"status": status},
		}), http.StatusOK)
	}
	records := read(t, w.orders).wait("the order is shipped", func(r *kgo.Record) bool { return header(r, "ce_type") == "order.shipped" })
	var types []string
	for _, r := range records {
		var event struct {
			ID      string `json:"id"`
			Type    string `json:"type"`
			OrderID string `json:"order_id"`
			Total   int64  `json:"total"`
		}
		if err := json.Unmarshal(r.Value, &event); err != nil {
			t.Fatal(err)
		}
		if event.OrderID != order["id"] || event.Total != 998 || event.ID != header(r, "ce_id") || event.Type != header(r, "ce_type") {
			t.Errorf("event = %s with headers %v", r.Value, r.Headers)
		}
		types = append(types, event.Type)
	}
	if got := strings.Join(types, " "); got != "order.pending order.paid order.shipped" {
		t.Errorf("events = %s", got)
	}
}

func TestEventsWaitForTheBroker(t *testing.T) {
	t.Parallel()
	w, g := migrated(t), newGate(t)
	p := start(t, w.settings.with(settings{"KAFKA_BROKERS": g.address})) // ready without it
	order := p.placeOrder(p.createUser("ada")["id"])
	w.waitForLease(t)
	if records := read(t, w.orders).end(w.orders); len(records) != 0 {
		t.Fatalf("%d events before the broker could be reached", len(records))
	}
	g.open.Store(true)
	read(t, w.orders).wait("the event arrives", ofOrder(order["id"]))
}

// The order is stored and the process dies before its relay has looked.
func TestEventOutlivesACrashAfterTheCommit(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	first := start(t, w.settings.with(settings{"KAFKA_BROKERS": unreachable(t), "OUTBOX_INTERVAL": "1m"}))
	order := first.placeOrder(first.createUser("ada")["id"])
	first.kill()
	id := w.eventID(t)

	start(t, w.settings)
	topic := read(t, w.orders)
	topic.wait("the event arrives", ofOrder(order["id"]))
	eventually(t, "the outbox is empty", func() bool {
		var waiting int
		err := w.database.QueryRow(t.Context(), "SELECT count(*) FROM outbox").Scan(&waiting)
		return err == nil && waiting == 0
	})
	if records := topic.end(w.orders); len(records) != 1 || header(records[0], "ce_id") != id {
		t.Errorf("%d events, want one with id %s", len(records), id)
	}
}

// The event is sent and the process dies before it could note that: it comes
// again, under the same identifier.
func TestEventIsRepeatedAfterACrashBeforeItsDeletion(t *testing.T) {
	t.Parallel()
	w, g := migrated(t), newGate(t)
	first := start(t, w.settings.with(settings{"KAFKA_BROKERS": g.address}))
	order := first.placeOrder(first.createUser("ada")["id"])
	w.waitForLease(t)
	id := w.eventID(t)
	held, err := w.database.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), "SELECT FROM outbox FOR UPDATE"); err != nil { // nobody can delete it
		t.Fatal(err)
	}
	g.open.Store(true)
	topic := read(t, w.orders)
	topic.wait("the event arrives", ofOrder(order["id"]))
	first.kill()
	// A deletion that waits for the row would be made for the dead process.
	end := "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
	if _, err := held.Exec(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}

	start(t, w.settings)
	topic.wait("the event arrives again", func(r *kgo.Record) bool { return r.Offset > 0 })
	for _, r := range topic.end(w.orders) {
		if header(r, "ce_id") != id {
			t.Errorf("an event has the id %s, want %s", header(r, "ce_id"), id)
		}
	}
}

func TestPaymentsAreConsumedAndPoisonIsSetAside(t *testing.T) {
	t.Parallel()
	w := migrated(t)
	p := start(t, w.settings)
	user := p.createUser("ada")
	first, second := p.placeOrder(user["id"]), p.placeOrder(user["id"])
	send := func(value string) {
		t.Helper()
		record := &kgo.Record{
			Topic: w.payments, Key: []byte("k"), Value: []byte(value),
			Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte("payment.captured")}},
		}
		if err := openKafka(t).ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	paid := func(order object) func() bool {
		return func() bool { return p.get(fmt.Sprintf("/v1/orders/%s", order["id"])).body["status"] == "paid" }
	}

	captured := fmt.Sprintf(`{"order_id":%q}`, first["id"])
	send(captured)
	eventually(t, "the order is paid", paid(first))
	send("poison")
	send(captured) // again
	send(fmt.Sprintf(`{"order_id":%q}`, second["id"]))
	eventually(t, "the order behind the poison is paid", paid(second))

	letters := read(t, w.payments+".dead-letters").end(w.payments + ".dead-letters")
	if len(letters) != 1 || string(letters[0].Value) != "poison" {
		t.Fatalf("%d dead letters, want the poison alone", len(letters))
	}
	if header(letters[0], "dead-letter-topic") != w.payments || header(letters[0], "dead-letter-offset") != "1" ||
		header(letters[0], "dead-letter-error") == "" || header(letters[0], "ce_type") != "payment.captured" {
		t.Errorf("headers = %v", letters[0].Headers)
	}
	page := p.metrics()
	for _, want := range []string{`payment_messages_total{outcome="dead"} 1`, `payment_messages_total{outcome="handled"} 3`} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
