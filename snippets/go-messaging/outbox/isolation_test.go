package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// fill adds n messages by one statement, with $ as the number of each.
func (f *fixture) fill(t testing.TB, n int, topic, key string) {
	t.Helper()
	_, err := f.db.ExecContext(f.ctx, `INSERT INTO outbox (message_id, topic, key, payload, headers)
		SELECT replace($2 || ' ' || $3 || ' $', '$', i::text), $2, nullif(replace($3, '$', i::text), ''), '', 'null' FROM generate_series(1, $1) i`, n, topic, key)
	if err != nil {
		t.Fatal(err)
	}
}

func TestOneTopicDoesNotStarveTheOthers(t *testing.T) {
	for _, key := range []string{"", "same key", "key $"} {
		t.Run("key "+key, func(t *testing.T) {
			f := newOutbox(t)
			f.fill(t, 500, "broken", key)
			f.fill(t, 20, "healthy", key)
			attempts := map[string]int{}
			broken := true
			f.broker.fail = func(m OutboxMessage) error {
				attempts[m.Topic]++
				if m.Topic == "broken" && broken {
					return errors.New("not authorised")
				}
				return nil
			}
			for range 30 {
				_, _ = f.round(t)
			}
			if attempts["healthy"] != 20 || attempts["broken"] > 30 { // OB-17
				t.Errorf("attempts %v", attempts)
			}
			broken = false
			f.retryNow(t)
			f.wakeTopics()
			f.drain(t)
			if n := len(f.broker.ids()); n < 100 { // OB-17: it is back
				t.Errorf("%d published", n)
			}
		})
	}
}

func TestHangingTopicRests(t *testing.T) {
	f := newOutbox(t)
	f.relay.PublishTimeout, f.relay.Lease, f.relay.Poll = 100*time.Millisecond, 10*time.Second, time.Minute
	f.fill(t, 200, "hangs", "")
	f.fill(t, 20, "healthy", "")
	hung := 0
	f.relay.Publish = func(ctx context.Context, m OutboxMessage) error {
		if m.Topic == "hangs" {
			hung++
			<-ctx.Done()
			return ctx.Err()
		}
		return f.broker.publish(ctx, m)
	}
	for range 5 {
		_, _ = f.round(t)
	}
	if n := len(f.broker.ids()); n != 20 || hung != 3 { // OB-17
		t.Errorf("%d published, %d attempts at the other topic", n, hung)
	}
	for _, row := range f.rows(t) {
		if !strings.HasSuffix(row, " 0") && !strings.HasSuffix(row, " 1") { // OB-17: the rest was given back
			t.Errorf("left %s", row)
		}
	}
}

func TestSomeRefusedWithinATopic(t *testing.T) {
	f := newOutbox(t)
	f.fill(t, 1000, "orders", "")
	f.broker.fail = func(m OutboxMessage) error {
		if strings.HasSuffix(m.ID, "7") { // one in ten
			return errors.New("too large")
		}
		return nil
	}
	for range 25 {
		_, _ = f.round(t)
	}
	if n := len(f.broker.ids()); n != 900 { // OB-17: the topic itself is well
		t.Errorf("%d published", n)
	}
}

// hostile is an error whose text is whatever it is.
type hostile string

func (h hostile) Error() string { return string(h) }

// silent panics when it is asked for its text, as a nil pointer does.
type silent struct{ text string }

func (s *silent) Error() string { return s.text }

func TestForeignTextDecidesNothing(t *testing.T) {
	for name, cause := range map[string]error{
		"latin1": hostile("caf\xe9"), "nul": hostile("a\x00b"), "long": hostile(strings.Repeat("ż", 1<<20)),
		"nil pointer": (*silent)(nil), "empty": hostile(""), "quotes": hostile(`"'; DROP TABLE outbox --`), "surrogate": hostile("\xed\xa0\x80"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newOutbox(t)
			f.relay.MaxAttempts = 2
			f.add(t, f.db, "", "m")
			f.relay.Publish = func(context.Context, OutboxMessage) error { return cause }
			for range 2 {
				_, _ = f.round(t)
				f.retryNow(t)
			}
			expect(t, "left", f.rows(t), "m 2 dead") // OB-18
			var note string
			if err := f.db.QueryRowContext(f.ctx, `SELECT last_error FROM outbox`).Scan(&note); err != nil || len(note) > 6000 {
				t.Errorf("note of %d bytes, %v", len(note), err)
			}
		})
	}
	f := newOutbox(t)
	f.add(t, f.db, "", "m")
	f.relay.Publish = func(context.Context, OutboxMessage) error { return fmt.Errorf("caf\xe9: %w", ErrUndeliverable) }
	if _, err := f.round(t); !errors.Is(err, ErrUndeliverable) {
		t.Errorf("got %v", err)
	}
	expect(t, "undeliverable", f.rows(t), "m 1 dead") // OB-18
}

func TestOddRowsHoldUpNobody(t *testing.T) {
	f := newOutbox(t)
	for _, headers := range []string{`{"retries": 3}`, `[1]`, `"x"`, `{"a": null, "b": {}}`} {
		f.exec(t, `INSERT INTO outbox (message_id, topic, payload, headers) VALUES ('`+headers+`', 't', '', '`+headers+`')`)
	}
	f.exec(t, `INSERT INTO outbox (message_id, topic, payload, headers, created_at) VALUES ('endless', 'a', '', '{}', '-infinity')`)
	f.exec(t, `INSERT INTO outbox (message_id, topic, payload, headers, attempts) VALUES ('often', 'b', '', '{}', 2147483647)`)
	f.add(t, f.db, "", "good")
	_, _ = f.round(t)
	expect(t, "published", f.broker.ids(), "endless", "good") // OB-18
	for _, row := range f.rows(t) {
		if !strings.HasSuffix(row, "dead") { // OB-18
			t.Errorf("left %s", row)
		}
	}
	if _, err := ReadOutboxStats(f.ctx, f.db); err != nil { // OB-14
		t.Error(err)
	}
}

func TestMessageThatEndsTheProcess(t *testing.T) {
	for _, maxAttempts := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(maxAttempts), func(t *testing.T) {
			f := newOutbox(t)
			f.relay.MaxAttempts = maxAttempts
			relay, err := f.relay.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			f.relay = relay
			f.add(t, f.db, "", "a", "b", "killer", "d")
			f.add(t, f.db, "k", "k1", "k2")
			killed := 0
			f.broker.fail = func(m OutboxMessage) error {
				if m.ID == "killer" {
					killed++
					f.broker.mu.Unlock()
					defer f.broker.mu.Lock()
					runtime.Goexit() // nothing after Publish happens, as if the process had ended
				}
				return nil
			}
			for range 40 {
				var process sync.WaitGroup
				process.Go(func() { _, _ = f.round(t) })
				process.Wait()
				f.retryNow(t)
			}
			expect(t, "left", f.rows(t), fmt.Sprintf("killer %d dead", maxAttempts)) // OB-19
			if killed > maxAttempts {
				t.Errorf("killed %d times", killed)
			}
			unique := map[string]bool{}
			for _, id := range f.broker.ids() {
				unique[id] = true
			}
			if len(unique) != 5 { // OB-19: none of the neighbours died with it
				t.Errorf("published %v", unique)
			}
			if len(f.reported) != 1 || !strings.Contains(f.reported[0], "killer is dead") { // OB-19
				t.Errorf("reported %q", f.reported)
			}
		})
	}
}

// shapes are backlogs in which the messages that could go are the last ones.
var shapes = map[string]func(f *fixture, t testing.TB, n int){
	"one key": func(f *fixture, t testing.TB, n int) { f.fill(t, n, "orders", "hot") },
	"one key, claimed": func(f *fixture, t testing.TB, n int) {
		f.fill(t, n, "orders", "hot")
		f.mustExec(t, `UPDATE outbox SET next_attempt_at = clock_timestamp() + interval '1 hour' WHERE id = (SELECT min(id) FROM outbox)`)
	},
	"no key":   func(f *fixture, t testing.TB, n int) { f.fill(t, n, "orders", "") },
	"own keys": func(f *fixture, t testing.TB, n int) { f.fill(t, n, "orders", "key $") },
	"no key, all failed": func(f *fixture, t testing.TB, n int) {
		f.fill(t, n, "orders", "")
		f.mustExec(t, `UPDATE outbox SET attempts = 1, next_attempt_at = clock_timestamp() + interval '1 hour'`)
		f.mustExec(t, `VACUUM outbox`)
	},
	"topic rests": func(f *fixture, t testing.TB, n int) {
		f.fill(t, n/2, "refused", "")
		f.fill(t, n/2, "refused", "key $")
		f.relay.topic("refused").failures = 3
		f.relay.topic("refused").until = time.Now().Add(time.Hour)
	},
	"all dead": func(f *fixture, t testing.TB, n int) {
		f.fill(t, n, "orders", "")
		f.mustExec(t, `UPDATE outbox SET dead_at = clock_timestamp()`)
		f.mustExec(t, `VACUUM outbox`)
	},
}

func (f *fixture) mustExec(t testing.TB, statement string) {
	t.Helper()
	if _, err := f.db.ExecContext(f.ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// pages returns how many pages the server touches to look for messages.
func (f *fixture) pages(t testing.TB) int {
	t.Helper()
	resting := map[string]bool{}
	for name, topic := range f.relay.topics {
		resting[name] = time.Now().Before(topic.until)
	}
	var text []byte
	err := f.db.QueryRowContext(f.ctx, `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) `+outboxLook,
		f.relay.Batch, outboxJSON(resting), outboxArray(nil), outboxJSON(map[string]string{})).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read
}

func TestLookingCostsTheSameAtAnyBacklog(t *testing.T) {
	for name, fill := range shapes {
		t.Run(name, func(t *testing.T) {
			var first int
			for _, n := range []int{1_000, 10_000, 100_000} {
				f := newOutbox(t)
				f.mustExec(t, `VACUUM ANALYZE outbox`) // the planner knows an empty table
				fill(f, t, n)
				f.fill(t, 1, "healthy", "")
				unaware := f.pages(t)
				f.mustExec(t, `ANALYZE outbox`)
				aware := f.pages(t)
				t.Logf("%d messages: %d pages with old statistics, %d with new ones", n, unaware, aware)
				first = cmp.Or(first, unaware)
				if max(unaware, aware) > 2*first+50 { // OB-20
					t.Errorf("the search grows with the backlog")
				}
			}
		})
	}
}

func TestEveryKeyHasItsTurn(t *testing.T) {
	f := newOutbox(t)
	const blocked = 25_000 // more than one look goes through
	f.fill(t, blocked, "orders", "a $")
	f.exec(t, `UPDATE outbox SET next_attempt_at = clock_timestamp() + interval '1 hour'`)
	f.fill(t, 1, "orders", "z")
	for range 3 {
		if _, err := f.round(t); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.broker.ids()); n != 1 { // OB-21
		t.Errorf("%d published", n)
	}
	f.fill(t, 1, "orders", "A first")
	for range 3 {
		if _, err := f.round(t); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.broker.ids()); n != 2 { // OB-21: the circle is closed
		t.Errorf("%d published", n)
	}
}

func TestPageSaysWhatTheDefaultsDo(t *testing.T) {
	r, err := OutboxRelay{DB: &sql.DB{}, Publish: func(context.Context, OutboxMessage) error { return nil }, Report: func(error) {}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	var all time.Duration
	const runs = 200
	for range runs {
		for attempt := 1; attempt < r.MaxAttempts; attempt++ {
			all += r.delay(attempt, r.MaxDelay)
		}
	}
	code, page := file(t, "outbox.go"), file(t, "pattern.md")
	for text, want := range map[string]string{
		code: fmt.Sprintf("%d if zero, which is about %.0f hours", r.MaxAttempts, (all / runs).Hours()),
		page: fmt.Sprintf("%d attempts take about %.0f hours", r.MaxAttempts, (all / runs).Hours()),
	} {
		if !strings.Contains(text, want) { // OB-22
			t.Errorf("missing: %s", want)
		}
	}
	for _, want := range []string{
		fmt.Sprintf("Latency is Poll (%.0f s)", r.Poll.Seconds()),
		fmt.Sprintf("rests for up to %.0f s", (r.MaxDelay / 10).Seconds()),
		fmt.Sprintf("%.1f GB a day", 1e3*100*24*3600/1e9),
	} {
		if !strings.Contains(page, want) { // OB-22
			t.Errorf("missing: %s", want)
		}
	}
}

func file(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func BenchmarkRelayOfABacklog(b *testing.B) {
	for _, name := range []string{"one key", "own keys", "no key"} {
		for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				f := newOutbox(b)
				shapes[name](f, b, n)
				f.relay.Publish = func(context.Context, OutboxMessage) error { return nil }
				b.ResetTimer()
				for b.Loop() {
					if _, err := f.relay.relay(f.ctx); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
