package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKafkaNeedsBothCredentials(t *testing.T) {
	if _, err := loadConfig(lookup(map[string]string{"KAFKA_USERNAME": "u"})); err == nil {
		t.Error("a user without a password was accepted")
	}
}

func TestKafkaBrokersAreAList(t *testing.T) {
	cfg, err := loadConfig(lookup(map[string]string{"KAFKA_BROKERS": "a:9092, b:9092,"}))
	if want := []string{"a:9092", "b:9092"}; err != nil || !slices.Equal(cfg.Kafka.Brokers, want) {
		t.Errorf("got %q, %v; want %q", cfg.Kafka.Brokers, err, want)
	}
}

func TestEventsReachKafkaAndPaymentsArrive(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders.events", "payments.events"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	i := start(t, map[string]string{"KAFKA_BROKERS": strings.Join(cluster.ListenAddrs(), ","), "OUTBOX_INTERVAL": "5ms"})
	defer i.stop(t) // before the brokers
	user, paid := i.shop(t)

	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("orders.events"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	next := func() *kgo.Record {
		for {
			fetches := client.PollRecords(t.Context(), 1)
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			if records := fetches.Records(); len(records) > 0 {
				return records[0]
			}
		}
	}
	for _, want := range []string{"order.pending", "order.paid"} {
		if r := next(); string(r.Key) != paid || !strings.Contains(string(r.Value), `"type":"`+want+`"`) {
			t.Errorf("%s: got %s %s", want, r.Key, r.Value)
		}
	}

	unpaid := fmt.Sprint(i.call(t, "POST", "/v1/orders",
		`{"user_id":"`+user+`","currency":"EUR","lines":[{"sku":"tea","quantity":1,"unit_price":1}]}`, 201)["id"])
	payment := &kgo.Record{
		Topic: "payments.events", Key: []byte(unpaid), Value: []byte(`{"order_id":"` + unpaid + `"}`),
		Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte("payment.captured")}},
	}
	if err := client.ProduceSync(t.Context(), payment).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"order.pending", "order.paid"} {
		if r := next(); string(r.Key) != unpaid || !strings.Contains(string(r.Value), `"type":"`+want+`"`) {
			t.Errorf("%s: got %s %s", want, r.Key, r.Value)
		}
	}
	if got := i.call(t, "GET", "/v1/orders/"+unpaid, "", 200); got["status"] != "paid" {
		t.Errorf("the order is %v", got["status"])
	}
}

func TestEventsGoToTheLogWithoutBrokers(t *testing.T) {
	i := start(t, map[string]string{"OUTBOX_INTERVAL": "1ms"})
	_, order := i.shop(t)
	i.eventually(t, "the event in the log", func() bool { return strings.Contains(i.logged(), `"order.paid"`) })
	if !strings.Contains(i.logged(), order) {
		t.Error("the log does not name the order")
	}
}
