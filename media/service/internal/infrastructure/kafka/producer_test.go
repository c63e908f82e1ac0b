package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"example.com/shopfront/internal/infrastructure/kafka"
)

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
