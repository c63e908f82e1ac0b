package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"example.com/shopfront/internal/infrastructure/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	topic   = "payments"
	letters = "payments.dead-letters"
)

var errDown = errors.New("the store is down")

func newCluster(t *testing.T) (*kfake.Cluster, kafka.Config) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic, letters))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, kafka.Config{Brokers: cluster.ListenAddrs(), ClientID: "test"}
}

func send(t *testing.T, c kafka.Config, messages ...kafka.Message) {
	t.Helper()
	producer, err := kafka.OpenProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Send(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

func message(key, value string) kafka.Message {
	return kafka.Message{Topic: topic, Key: key, Value: []byte(value), Headers: map[string]string{"ce_type": "test"}}
}

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

// read returns the next n records of a topic.
func read(t *testing.T, c kafka.Config, from string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Brokers...), kgo.ConsumeTopics(from),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func TestSendKeepsTheSequenceOfAKey(t *testing.T) {
	_, c := newCluster(t)
	var want []string
	var messages []kafka.Message
	for i := range 20 {
		want = append(want, fmt.Sprint(i))
		messages = append(messages, message("order-1", fmt.Sprint(i)))
	}
	send(t, c, messages...)
	var got []string
	for _, r := range read(t, c, topic, 20) {
		got = append(got, string(r.Value))
		if string(r.Key) != "order-1" || header(r, "ce_type") != "test" {
			t.Errorf("record %s: key %s, type %s", r.Value, r.Key, header(r, "ce_type"))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSendReportsFailure(t *testing.T) {
	cluster, c := newCluster(t)
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		request, ok := r.(*kmsg.ProduceRequest)
		if !ok {
			return nil, nil, false
		}
		response, ok := request.ResponseKind().(*kmsg.ProduceResponse)
		if !ok {
			return nil, nil, false
		}
		for _, rt := range request.Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic, t.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode = rp.Partition, kerr.MessageTooLarge.Code
				t.Partitions = append(t.Partitions, p)
			}
			response.Topics = append(response.Topics, t)
		}
		return response, nil, true
	})
	producer, err := kafka.OpenProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Send(t.Context(), message("k", "v")); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	cluster, c := newCluster(t)
	entered := make(chan struct{})
	leave := make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		enter()
		cluster.SleepControl(func() { <-leave })
		return nil, nil, false
	})
	producer, err := kafka.OpenProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() { sent <- producer.Send(ctx, message("k", "v")) }()
	<-entered
	cancel()
	if err := <-sent; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(leave)
	producer.Close()
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

func TestPing(t *testing.T) {
	cluster, c := newCluster(t)
	producer, err := kafka.OpenProducer(c)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Ping(t.Context()); err != nil {
		t.Errorf("with brokers: %v", err)
	}
	cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := producer.Ping(ctx); err == nil {
		t.Error("without brokers: no error")
	}
}

// TestBrokers runs against real brokers, which must create topics by themselves.
func TestBrokers(t *testing.T) {
	brokers := os.Getenv("KAFKA_BROKERS")
	if brokers == "" {
		t.Skip("KAFKA_BROKERS is not set")
	}
	producer, err := kafka.OpenProducer(kafka.Config{Brokers: strings.Split(brokers, ","), ClientID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
