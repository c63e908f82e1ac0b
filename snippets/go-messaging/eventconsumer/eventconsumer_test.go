package eventconsumer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

// Rules; nearly all need the server:
//
//	EC-1  nil acknowledges: the server forgets the event
//	EC-2  an error brings the event back after a delay that grows, up to MaxDelay, with jitter
//	EC-3  ErrPoisonEvent is a dead letter at once: payload and headers as they came, with reason, attempts and origin
//	EC-4  so is any event after MaxAttempts
//	EC-5  an event that cannot be buried is not lost: it comes back
//	EC-6  Workers events at once, never more
//	EC-7  Handle's ctx ends after HandleTimeout and not with Run's
//	EC-8  on shutdown what was fetched is finished and acknowledged, and the rest is there for the next consumer
//	EC-9  panic and runtime.Goexit cost the event an attempt and nothing else
//	EC-10 an unfit consumer or configuration is refused
//	EC-11 Run ends with an error when the consumer or the connection is gone
//	EC-12 no goroutine is left (TestMain)
//	EC-13 the defaults give a dependency 9 to 19 minutes: longer than a failover
//	EC-14 an event that kills its process at every attempt is a dead letter after MaxAttempts, without another call
//	EC-15 a reason that is long, or no text, is cut and cleaned: the event is buried all the same

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	ctx      context.Context
	nc       *nats.Conn
	stream   jetstream.Stream
	dead     jetstream.Stream
	consumer EventConsumer
	name     string
	reports  chan error
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

func newConsumer(t *testing.T) *fixture {
	_, admin := connect(t)
	nc, js := connect(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	f := &fixture{ctx: ctx, nc: nc, name: "test" + rand.Text(), reports: make(chan error, 1000)}
	create := func(name string) jetstream.Stream {
		stream, err := admin.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.MemoryStorage,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = admin.DeleteStream(context.Background(), name) })
		return stream
	}
	f.stream, f.dead = create(f.name), create(f.name+"-dead")
	if _, err := admin.CreateConsumer(ctx, f.name, jetstream.ConsumerConfig{
		Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute,
	}); err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(ctx, f.name, "billing")
	if err != nil {
		t.Fatal(err)
	}
	f.consumer = EventConsumer{
		JetStream: js, Consumer: consumer, DeadLetters: f.name + "-dead.billing",
		Handle:    func(context.Context, jetstream.Msg) error { return nil },
		Report:    func(err error) { f.reports <- err },
		BaseDelay: 20 * time.Millisecond,
	}
	return f
}

func (f *fixture) publish(t *testing.T, payloads ...string) {
	t.Helper()
	for _, payload := range payloads {
		msg := &nats.Msg{Subject: f.name + ".placed", Data: []byte(payload), Header: nats.Header{"traceparent": {"00-ab"}}}
		if _, err := f.consumer.JetStream.PublishMsg(f.ctx, msg, jetstream.WithMsgID(payload), jetstream.WithExpectStream(f.name)); err != nil { // EC-3: must not follow it to the dead letters
			t.Fatal(err)
		}
	}
}

// start runs the consumer; stop ends its ctx and returns what Run returns.
func (f *fixture) start() (stop func() error) {
	ctx, cancel := context.WithCancel(f.ctx)
	result := make(chan error, 1)
	go func() { result <- f.consumer.Run(ctx) }()
	return func() error { cancel(); return <-result }
}

// pending returns how many events are neither acknowledged nor ended.
func (f *fixture) pending(t *testing.T) int {
	t.Helper()
	info, err := f.consumer.Consumer.Info(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.NumPending) + info.NumAckPending
}

// waitUntilNonePending waits for the server, which ends a dead event without an answer.
func (f *fixture) waitUntilNonePending(t *testing.T) {
	t.Helper()
	for f.pending(t) != 0 {
		if f.ctx.Err() != nil {
			t.Fatal("still pending")
		}
	}
}

func receive[T any](t *testing.T, f *fixture, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-f.ctx.Done():
		t.Fatal("nothing came")
	}
	return value
}

func TestHandled(t *testing.T) {
	f := newConsumer(t)
	handled := make(chan string, 10)
	f.consumer.Handle = func(_ context.Context, msg jetstream.Msg) error {
		handled <- string(msg.Data())
		return nil
	}
	stop := f.start()
	f.publish(t, "a", "b", "c")
	for range 3 {
		receive(t, f, handled)
	}
	if err := stop(); err != nil || f.pending(t) != 0 || len(f.reports) != 0 { // EC-1
		t.Errorf("%v, %d pending, %d reports", err, f.pending(t), len(f.reports))
	}
}

func TestRedelivery(t *testing.T) {
	f := newConsumer(t)
	f.consumer.BaseDelay = 200 * time.Millisecond
	times := make(chan time.Time, 10)
	f.consumer.Handle = func(_ context.Context, msg jetstream.Msg) error {
		times <- time.Now()
		meta, err := msg.Metadata()
		if err != nil || meta.NumDelivered < 3 {
			return errors.Join(errors.New("database is down"), err)
		}
		return nil
	}
	stop := f.start()
	f.publish(t, "a")
	first, second, third := receive(t, f, times), receive(t, f, times), receive(t, f, times)
	if second.Sub(first) < 100*time.Millisecond || third.Sub(second) < 200*time.Millisecond { // EC-2: not at once
		t.Errorf("after %v and %v", second.Sub(first), third.Sub(second))
	}
	if err := receive(t, f, f.reports); !strings.Contains(err.Error(), "attempt 1: database is down") {
		t.Errorf("reported %v", err)
	}
	if err := stop(); err != nil || f.pending(t) != 0 {
		t.Errorf("%v, %d pending", err, f.pending(t))
	}
}

func TestDelay(t *testing.T) {
	c := EventConsumer{BaseDelay: time.Second, MaxDelay: 5 * time.Minute}
	for attempt, want := range map[uint64]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, math.MaxUint64: 5 * time.Minute} {
		least, most := time.Hour, time.Duration(0)
		for range 500 {
			d := c.delay(attempt)
			least, most = min(least, d), max(most, d)
		}
		if least < want/2 || most > want || most-least < want/4 { // EC-2
			t.Errorf("attempt %d: from %v to %v", attempt, least, most)
		}
	}
}

func TestDefaultsOutliveAFailover(t *testing.T) {
	c := EventConsumer{}.withDefaults()
	for range 100 {
		var sum time.Duration
		for attempt := 1; attempt < c.MaxAttempts; attempt++ {
			sum += c.delay(uint64(attempt))
		}
		if sum < 9*time.Minute || sum > 19*time.Minute { // EC-13, as the page says
			t.Errorf("dead letter after %v", sum)
		}
	}
}

func TestDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct {
		failure  error
		attempts string
	}{
		"poison":          {fmt.Errorf("decode:\r\n x: %w", ErrPoisonEvent), "1"},
		"tried too often": {errors.New("database is down"), "3"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newConsumer(t)
			f.consumer.MaxAttempts = 3
			f.consumer.Handle = func(context.Context, jetstream.Msg) error { return tc.failure }
			stop := f.start()
			f.publish(t, "a")
			var msg *jetstream.RawStreamMsg
			for msg == nil {
				msg, _ = f.dead.GetLastMsgForSubject(f.ctx, f.consumer.DeadLetters)
				if f.ctx.Err() != nil {
					t.Fatal("nothing was buried")
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			f.waitUntilNonePending(t)                         // EC-3, EC-4
			if string(msg.Data) != "a" || msg.Sequence != 1 { // EC-3
				t.Errorf("got %+v", msg)
			}
			for header, want := range map[string]string{ // EC-3
				"traceparent": "00-ab", "dead-letter-attempts": tc.attempts, "dead-letter-subject": f.name + ".placed",
				"dead-letter-reason": strings.Join(strings.Fields(tc.failure.Error()), " "),
				"dead-letter-origin": f.name + ".1.billing", "Nats-Msg-Id": f.name + ".1.billing",
			} {
				if got := msg.Header[header]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: got %q, want %q", header, got, want)
				}
			}
		})
	}
}

func TestHostileReason(t *testing.T) {
	f := newConsumer(t)
	f.consumer.Handle = func(context.Context, jetstream.Msg) error {
		return fmt.Errorf("answer \x00 caf\xe9\r\nForged: header %s: %w", strings.Repeat("ż", 2<<20), ErrPoisonEvent)
	}
	stop := f.start()
	f.publish(t, "a")
	f.waitUntilNonePending(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	msg, err := f.dead.GetLastMsgForSubject(f.ctx, f.consumer.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	reason := msg.Header.Get("dead-letter-reason")
	if !strings.HasPrefix(reason, "answer \ufffd caf\ufffd Forged: header") || len(reason) > 4000 || msg.Header.Get("Forged") != "" { // EC-15
		t.Errorf("reason of %d bytes, headers %d", len(reason), len(msg.Header))
	}
}

func TestEventThatKills(t *testing.T) {
	f := newConsumer(t)
	f.consumer.MaxAttempts = 2
	f.publish(t, "a")
	for range 2 { // taken, and never settled: the process died
		batch, err := f.consumer.Consumer.Fetch(1)
		if err != nil {
			t.Fatal(err)
		}
		for msg := range batch.Messages() {
			if err := msg.Nak(); err != nil { // in place of the wait for AckWait
				t.Fatal(err)
			}
		}
	}
	f.consumer.Handle = func(context.Context, jetstream.Msg) error {
		t.Error("handled once more")
		return nil
	}
	stop := f.start()
	f.waitUntilNonePending(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	msg, err := f.dead.GetLastMsgForSubject(f.ctx, f.consumer.DeadLetters)
	if err != nil || msg.Header.Get("dead-letter-attempts") != "3" { // EC-14
		t.Errorf("%v, %v", msg, err)
	}
}

func TestBurialFails(t *testing.T) {
	f := newConsumer(t)
	f.consumer.DeadLetters = "nowhere." + f.name
	attempts := make(chan struct{}, 10)
	var healed atomic.Bool
	f.consumer.Handle = func(context.Context, jetstream.Msg) error {
		attempts <- struct{}{}
		if healed.Load() {
			return nil
		}
		return ErrPoisonEvent
	}
	stop := f.start()
	f.publish(t, "a")
	receive(t, f, attempts)
	for err := receive(t, f, f.reports); !strings.Contains(err.Error(), "dead letter"); {
		err = receive(t, f, f.reports)
	}
	healed.Store(true)
	receive(t, f, attempts) // EC-5
	f.waitUntilNonePending(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestWorkers(t *testing.T) {
	f := newConsumer(t)
	f.consumer.Workers = 3
	var running, most atomic.Int64
	arrived, release := make(chan struct{}, 20), make(chan struct{})
	f.consumer.Handle = func(context.Context, jetstream.Msg) error {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-release
		running.Add(-1)
		return nil
	}
	stop := f.start()
	for i := range 12 {
		f.publish(t, fmt.Sprint(i))
	}
	for range 3 {
		receive(t, f, arrived) // EC-6: three at once, though none has finished
	}
	close(release)
	for range 9 {
		receive(t, f, arrived)
	}
	if err := stop(); err != nil || most.Load() != 3 || f.pending(t) != 0 { // EC-6
		t.Errorf("%v, %d at once, %d pending", err, most.Load(), f.pending(t))
	}
}

func TestHandleTimeout(t *testing.T) {
	f := newConsumer(t)
	f.consumer.HandleTimeout = 50 * time.Millisecond
	f.consumer.MaxAttempts = 1
	f.consumer.Handle = func(ctx context.Context, _ jetstream.Msg) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	stop := f.start()
	f.publish(t, "a")
	if err := receive(t, f, f.reports); !errors.Is(err, context.DeadlineExceeded) { // EC-7
		t.Errorf("reported %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestShutdown(t *testing.T) {
	f := newConsumer(t)
	f.consumer.Workers = 2
	started, release := make(chan struct{}, 100), make(chan struct{})
	var handled atomic.Int64
	f.consumer.Handle = func(ctx context.Context, _ jetstream.Msg) error {
		started <- struct{}{}
		<-release
		handled.Add(1)
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(f.ctx)
	result := make(chan error, 1)
	go func() { result <- f.consumer.Run(ctx) }()
	for i := range 20 {
		f.publish(t, fmt.Sprint(i))
	}
	receive(t, f, started)
	receive(t, f, started)
	cancel()
	close(release)
	if err := receive(t, f, result); err != nil || len(f.reports) != 0 { // EC-8, EC-7: the ctx was alive
		t.Errorf("%v, %d reports", err, len(f.reports))
	}
	first := int(handled.Load())
	if left := f.pending(t); first < 2 || first > 10 || left != 20-first { // EC-8
		t.Errorf("%d handled, %d left", first, left)
	}
	stop := f.start()
	for range 20 - 2 {
		receive(t, f, started)
	}
	if err := stop(); err != nil || handled.Load() != 20 || f.pending(t) != 0 { // EC-8: none had to wait for AckWait, none came twice
		t.Errorf("%v, %d handled, %d pending", err, handled.Load(), f.pending(t))
	}
}

func TestPanicAndGoexit(t *testing.T) {
	f := newConsumer(t)
	done := make(chan string, 10)
	var mu sync.Mutex
	seen := map[string]int{}
	f.consumer.Handle = func(_ context.Context, msg jetstream.Msg) error {
		payload := string(msg.Data())
		mu.Lock()
		seen[payload]++
		first := seen[payload] == 1
		mu.Unlock()
		switch {
		case first && payload == "panic":
			panic("boom")
		case first && payload == "goexit":
			runtime.Goexit()
		}
		done <- payload
		return nil
	}
	stop := f.start()
	f.publish(t, "panic", "goexit", "good")
	for range 3 {
		receive(t, f, done) // EC-9
	}
	if err := stop(); err != nil || f.pending(t) != 0 || seen["panic"] != 2 || seen["goexit"] != 2 || seen["good"] != 1 { // EC-9
		t.Errorf("%v, %d pending, seen %v", err, f.pending(t), seen)
	}
	if len(f.reports) != 2 {
		t.Errorf("%d reports", len(f.reports))
	}
}

func TestUnfit(t *testing.T) {
	f := newConsumer(t)
	fit := f.consumer
	for name, change := range map[string]func(*EventConsumer){
		"no JetStream": func(c *EventConsumer) { c.JetStream = nil }, "no consumer": func(c *EventConsumer) { c.Consumer = nil },
		"no handler": func(c *EventConsumer) { c.Handle = nil }, "no report": func(c *EventConsumer) { c.Report = nil },
		"no dead letters": func(c *EventConsumer) { c.DeadLetters = "" }, "workers": func(c *EventConsumer) { c.Workers = -1 },
		"attempts": func(c *EventConsumer) { c.MaxAttempts = -1 }, "delay": func(c *EventConsumer) { c.BaseDelay = -1 },
		"too slow for AckWait": func(c *EventConsumer) { c.HandleTimeout = 28 * time.Second },
	} {
		c := fit
		change(&c)
		if err := c.Run(f.ctx); err == nil { // EC-10
			t.Errorf("%s: accepted", name)
		}
	}
	for name, config := range map[string]jetstream.ConsumerConfig{
		"none":       {AckPolicy: jetstream.AckNonePolicy},
		"all":        {AckPolicy: jetstream.AckAllPolicy, AckWait: time.Minute},
		"maxdeliver": {AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxDeliver: 3},
	} {
		config.Durable = name
		consumer, err := f.consumer.JetStream.CreateConsumer(f.ctx, f.name, config)
		if err != nil {
			t.Fatal(err)
		}
		c := fit
		c.Consumer = consumer
		if err := c.Run(f.ctx); err == nil { // EC-10
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestGone(t *testing.T) {
	for name, end := range map[string]func(f *fixture) error{
		"consumer":   func(f *fixture) error { return f.stream.DeleteConsumer(f.ctx, "billing") },
		"connection": func(f *fixture) error { f.nc.Close(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newConsumer(t)
			handled := make(chan struct{}, 1)
			f.consumer.Handle = func(context.Context, jetstream.Msg) error { handled <- struct{}{}; return nil }
			result := make(chan error, 1)
			go func() { result <- f.consumer.Run(f.ctx) }()
			f.publish(t, "a")
			receive(t, f, handled)
			if err := end(f); err != nil {
				t.Fatal(err)
			}
			if err := receive(t, f, result); err == nil || f.ctx.Err() != nil { // EC-11
				t.Errorf("got %v", err)
			}
		})
	}
}
