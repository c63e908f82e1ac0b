package eventpublisher

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

// Rules; nearly all need the server:
//
//	EP-1 nil means stored: the stream has subject, data and headers
//	EP-2 the same ID again is stored once and reported as a duplicate
//	EP-3 ctx is honoured; without a deadline Timeout bounds the call, also when the server is gone
//	EP-4 id, type, source, time in UTC and content type travel as CloudEvents headers, the context's headers beside them
//	EP-5 an event without ID, type or time, a subject with wildcards, spaces or empty tokens, and line breaks in headers
//	     are refused before anything is sent
//	EP-6 an event that no stream, or another stream, takes is an error
//	EP-7 an event too large for the server or for the stream is ErrEventInvalid
//	EP-8 safe for concurrent use
//	EP-9 a publisher without stream or name is an error, and not the event's

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	ctx       context.Context
	nc        *nats.Conn
	stream    jetstream.Stream
	publisher EventPublisher
	prefix    string // of the stream's subjects
}

func connect(t *testing.T) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(servertest.URL(t, "NATS_URL"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func newStream(t *testing.T) *fixture {
	_, admin := connect(t)
	nc, js := connect(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	name := "test" + rand.Text()
	stream, err := admin.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.MemoryStorage, Duplicates: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.DeleteStream(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return &fixture{ctx, nc, stream, EventPublisher{Stream: js, Name: name, Source: "/billing"}, name}
}

func (f *fixture) event(id string) Event {
	return Event{
		ID: id, Type: "order.placed.v1", Subject: f.prefix + ".placed.4711", Data: []byte(`{"total":1}`),
		Time: time.Date(2026, 3, 1, 12, 0, 0, 5000, time.FixedZone("", 2*60*60)),
	}
}

func (f *fixture) stored(t *testing.T) uint64 {
	t.Helper()
	info, err := f.stream.Info(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestPublish(t *testing.T) {
	f := newStream(t)
	f.publisher.NewHeader = func(context.Context) nats.Header {
		return nats.Header{"traceparent": []string{"00-ab-cd-01"}, "ce-id": []string{"forged"}}
	}
	for i, wantDuplicate := range []bool{false, true} {
		if duplicate, err := f.publisher.Publish(f.ctx, f.event("e1")); duplicate != wantDuplicate || err != nil { // EP-2
			t.Errorf("%d: duplicate %v, %v", i, duplicate, err)
		}
	}
	if n := f.stored(t); n != 1 { // EP-2
		t.Errorf("%d stored", n)
	}
	msg, err := f.stream.GetMsg(f.ctx, 1)
	if err != nil || msg.Subject != f.prefix+".placed.4711" || string(msg.Data) != `{"total":1}` { // EP-1
		t.Fatalf("got %+v, %v", msg, err)
	}
	for name, want := range map[string]string{ // EP-4
		"ce-specversion": "1.0", "ce-id": "e1", "ce-type": "order.placed.v1", "ce-source": "/billing",
		"ce-time": "2026-03-01T10:00:00.000005Z", "Content-Type": "application/json",
		"traceparent": "00-ab-cd-01", "Nats-Msg-Id": "e1",
	} {
		if got := msg.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestInvalidEvents(t *testing.T) {
	valid := (&fixture{prefix: "orders"}).event("e1")
	if err := validateEvent(valid); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Event){
		"no id": func(e *Event) { e.ID = "" }, "no type": func(e *Event) { e.Type = "" }, "no time": func(e *Event) { e.Time = time.Time{} },
		"no subject": func(e *Event) { e.Subject = "" }, "wildcard": func(e *Event) { e.Subject = "orders.*" },
		"full wildcard": func(e *Event) { e.Subject = "orders.>" }, "space": func(e *Event) { e.Subject = "orders. x" },
		"empty token": func(e *Event) { e.Subject = "orders..x" }, "dot at the end": func(e *Event) { e.Subject = "orders." },
		"line break in the subject": func(e *Event) { e.Subject = "orders\r\nPUB x" },
		"line break in the id":      func(e *Event) { e.ID = "a\r\nce-type: forged" },
		"line break in the type":    func(e *Event) { e.Type = "a\nb" },
		"line break in the content": func(e *Event) { e.ContentType = "a\rb" },
	} {
		e := valid
		change(&e)
		if _, err := (EventPublisher{}).Publish(context.Background(), e); !errors.Is(err, ErrEventInvalid) { // EP-5: there is no stream to ask
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNoStreamTakesIt(t *testing.T) {
	f := newStream(t)
	elsewhere := f.event("e1")
	elsewhere.Subject = "nowhere." + f.prefix
	if _, err := f.publisher.Publish(f.ctx, elsewhere); !errors.Is(err, jetstream.ErrNoStreamResponse) { // EP-6
		t.Errorf("got %v", err)
	}
	f.publisher.Name = "another"
	if _, err := f.publisher.Publish(f.ctx, f.event("e1")); err == nil || f.stored(t) != 0 { // EP-6
		t.Errorf("got %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	f := newStream(t)
	e := f.event("e1")
	e.Data = bytes.Repeat([]byte("x"), int(f.nc.MaxPayload())+1)
	if _, err := f.publisher.Publish(f.ctx, e); !errors.Is(err, ErrEventInvalid) || !errors.Is(err, nats.ErrMaxPayload) { // EP-7
		t.Errorf("got %v", err)
	}
}

func TestTooLargeForTheStream(t *testing.T) {
	f := newStream(t)
	name := "small" + rand.Text()
	_, admin := connect(t)
	if _, err := admin.CreateStream(f.ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.MemoryStorage, MaxMsgSize: 1000,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.DeleteStream(context.Background(), name) })
	f.publisher.Name = name
	e := f.event("e1")
	e.Subject, e.Data = name+".placed", make([]byte, 2000)
	if _, err := f.publisher.Publish(f.ctx, e); !errors.Is(err, ErrEventInvalid) { // EP-7
		t.Errorf("got %v", err)
	}
}

func TestUnfitPublisher(t *testing.T) {
	f := newStream(t)
	for name, p := range map[string]EventPublisher{
		"zero": {}, "no name": {Stream: f.publisher.Stream, Source: "/x"},
		"source": {Stream: f.publisher.Stream, Name: f.publisher.Name, Source: "/x\r\nNats-Rollup: all"},
	} {
		if _, err := p.Publish(f.ctx, f.event("e1")); err == nil || errors.Is(err, ErrEventInvalid) { // EP-9
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestContext(t *testing.T) {
	f := newStream(t)
	cause := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(f.ctx)
	cancel(cause)
	if _, err := f.publisher.Publish(ctx, f.event("e1")); err != cause || f.stored(t) != 0 { // EP-3
		t.Errorf("got %v", err)
	}
	// Nobody acknowledges on this subject: a responder that stays silent stands for a server that hangs.
	silent := "silent." + f.prefix
	sub, err := f.nc.SubscribeSync(silent)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	e := f.event("e1")
	e.Subject = silent
	f.publisher.Timeout = 50 * time.Millisecond
	if _, err := f.publisher.Publish(context.Background(), e); !errors.Is(err, context.DeadlineExceeded) { // EP-3: would take 5 s
		t.Errorf("got %v", err)
	}
	short, stop := context.WithTimeout(f.ctx, 50*time.Millisecond)
	defer stop()
	f.publisher.Timeout = time.Hour
	if _, err := f.publisher.Publish(short, e); !errors.Is(err, context.DeadlineExceeded) { // EP-3
		t.Errorf("got %v", err)
	}
	f.nc.Close()
	if _, err := f.publisher.Publish(context.Background(), f.event("e1")); !errors.Is(err, nats.ErrConnectionClosed) { // EP-3
		t.Errorf("got %v", err)
	}
}

func TestConcurrentPublish(t *testing.T) {
	f := newStream(t)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 2 { // each ID twice
				if _, err := f.publisher.Publish(f.ctx, f.event(fmt.Sprint("e", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := f.stored(t); n != 32 { // EP-8
		t.Errorf("%d stored", n)
	}
}
