package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"example.com/shopfront/internal/infrastructure/kafka"
)

var errDown = errors.New("the store is down")

// running is a consumer that a test has started.
type running struct {
	cancel   context.CancelFunc
	done     chan error
	mu       sync.Mutex
	outcomes []string
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func start(t *testing.T, c kafka.Config, handler kafka.Handler) *running {
	t.Helper()
	r := &running{done: make(chan error, 1)}
	consumer, err := kafka.OpenConsumer(t.Context(), c, kafka.ConsumerConfig{
		Group:          "shop",
		Topic:          topic,
		DeadLetters:    letters,
		Attempts:       3,
		Backoff:        time.Millisecond,
		MaxBackoff:     4 * time.Millisecond,
		HandlerTimeout: 10 * time.Second,
		OnOutcome: func(outcome string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.outcomes = append(r.outcomes, outcome)
		},
	}, handler, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() { r.done <- consumer.Run(ctx) }()
	return r
}

func TestHandledMessagesDoNotComeAgain(t *testing.T) {
	_, c := newCluster(t)
	send(t, c, message("a", "1"), message("a", "2"))
	seen := make(chan string, 10)
	handler := func(_ context.Context, m kafka.Message) error {
		seen <- string(m.Value)
		return nil
	}
	first := start(t, c, handler)
	if got := []string{<-seen, <-seen}; !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %v", got)
	}
	first.stop(t)
	send(t, c, message("a", "3"))
	second := start(t, c, handler)
	if got := <-seen; got != "3" {
		t.Errorf("after a restart: got %s, want 3", got)
	}
	second.stop(t)
}

func TestFailingMessageIsTriedAgain(t *testing.T) {
	_, c := newCluster(t)
	send(t, c, message("a", "1"), message("a", "2"))
	seen, failures := make(chan string, 10), 2
	r := start(t, c, func(_ context.Context, m kafka.Message) error {
		if failures > 0 {
			failures--
			return errDown
		}
		seen <- string(m.Value)
		return nil
	})
	if got := []string{<-seen, <-seen}; !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("got %v", got)
	}
	r.stop(t)
	if want := []string{"retried", "retried", "handled", "handled"}; !slices.Equal(r.outcomes, want) {
		t.Errorf("outcomes %v, want %v", r.outcomes, want)
	}
}

func TestHopelessMessagesBecomeDeadLetters(t *testing.T) {
	tests := []struct {
		name, attempts, cause string
		fail                  func() error
	}{
		{"fails every time", "3", "the store is down", func() error { return errDown }},
		{"permanent", "1", "broken JSON", func() error { return fmt.Errorf("decode: %w", kafka.Permanent(errors.New("broken JSON"))) }},
		{"panics", "1", "kaboom", func() error { panic("kaboom") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, c := newCluster(t)
			send(t, c, message("a", "bad"), message("a", "good"))
			seen := make(chan string, 10)
			r := start(t, c, func(_ context.Context, m kafka.Message) error {
				if string(m.Value) == "bad" {
					return tt.fail()
				}
				seen <- string(m.Value)
				return nil
			})
			if got := <-seen; got != "good" { // the partition goes on
				t.Errorf("got %s", got)
			}
			r.stop(t)
			letter := read(t, c, letters, 1)[0]
			if string(letter.Key) != "a" || string(letter.Value) != "bad" || header(letter, "ce_type") != "test" ||
				header(letter, "dead-letter-topic") != topic || header(letter, "dead-letter-offset") != "0" ||
				header(letter, "dead-letter-attempts") != tt.attempts ||
				!strings.Contains(header(letter, "dead-letter-error"), tt.cause) {
				t.Errorf("letter %s %v", letter.Value, letter.Headers)
			}
		})
	}
}

func TestStopFinishesTheMessageInHand(t *testing.T) {
	_, c := newCluster(t)
	send(t, c, message("a", "1"), message("a", "2"))
	entered, leave := make(chan struct{}), make(chan struct{})
	r := start(t, c, func(ctx context.Context, m kafka.Message) error {
		if string(m.Value) == "2" {
			t.Error("a new message was begun after the stop")
		}
		close(entered)
		<-leave
		return ctx.Err()
	})
	<-entered
	r.cancel()
	close(leave)
	if err := <-r.done; err != nil {
		t.Errorf("run: %v", err)
	}

	seen := make(chan string, 1)
	next := start(t, c, func(_ context.Context, m kafka.Message) error {
		seen <- string(m.Value)
		return nil
	})
	if got := <-seen; got != "2" {
		t.Errorf("the next consumer began with %s, want 2", got)
	}
	next.stop(t)
}

// TestStopDoesNotWaitForOthers stops a consumer while its group waits for a
// member that died without leaving.
func TestStopDoesNotWaitForOthers(t *testing.T) {
	cluster, c := newCluster(t)
	send(t, c, message("a", "1"))
	dead, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.ConsumerGroup("shop"), kgo.ConsumeTopics(topic),
		kgo.InstanceID("dead"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())) // a static member does not leave when it closes
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.PollFetches(t.Context()).Err0(); err != nil {
		t.Fatal(err)
	}
	dead.Close()

	joining := make(chan struct{}, 10)
	cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		joining <- struct{}{}
		return nil, nil, false
	})
	r := start(t, c, func(context.Context, kafka.Message) error { return nil })
	<-joining // is told its identifier
	<-joining // waits for the dead member
	began := time.Now()
	r.stop(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
}
