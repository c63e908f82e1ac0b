package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// ConsumerConfig says what a consumer reads and how hard it tries.
type ConsumerConfig struct {
	Group          string
	Topic          string
	DeadLetters    string        // topic for messages that cannot be handled
	Attempts       int           // tries for one message before it is a dead letter
	Backoff        time.Duration // pause before the second try; doubles, at random
	MaxBackoff     time.Duration
	HandlerTimeout time.Duration // for one try
	// OnOutcome is told handled, retried or dead, for metrics.
	OnOutcome func(outcome string)
}

const maxPoll = 20 // records in hand at once, so that the group never waits long

// slowest is how long the records of one poll can take at worst.
func (c ConsumerConfig) slowest() time.Duration {
	return maxPoll * time.Duration(c.Attempts) * (c.HandlerTimeout + c.MaxBackoff)
}

// Handler deals with one message. It must expect to see a message again. A
// message whose error is marked by Permanent is not tried again.
type Handler func(ctx context.Context, m Message) error

// Permanent marks an error that trying again cannot mend.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent reports whether err or an error in its chain was marked by
// Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// Consumer hands the messages of a topic to a handler: each at least once,
// messages with the same key in sequence, partitions side by side.
type Consumer struct {
	client  *kgo.Client
	tracer  *kotel.Tracer
	cancel  context.CancelFunc // ends everything the client still does
	config  ConsumerConfig
	handler Handler
	log     *slog.Logger
}

// OpenConsumer returns a consumer, which lives until Run ends. It takes the
// values of ctx, not its end.
func OpenConsumer(ctx context.Context, c Config, cc ConsumerConfig, handler Handler, log *slog.Logger) (*Consumer, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	tracer := c.tracer(cc.Group)
	client, err := kgo.NewClient(append(c.options(),
		kgo.WithContext(ctx),
		kgo.WithHooks(tracer),
		kgo.ConsumerGroup(cc.Group),
		kgo.ConsumeTopics(cc.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(500*time.Millisecond), // a partition that is added waits for the fetch in hand
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.RebalanceTimeout(cc.slowest()+30*time.Second),
		kgo.RecordDeliveryTimeout(30*time.Second), // of dead letters
		kgo.AllowIdempotentProduceCancellation(),
	)...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("kafka: open the consumer: %w", err)
	}
	return &Consumer{client, tracer, cancel, cc, handler, log}, nil
}

// Run handles messages until ctx ends. The message in hand is then finished and
// what was handled is committed.
func (c *Consumer) Run(ctx context.Context) error {
	defer c.close()
	for {
		fetches := c.client.PollRecords(ctx, maxPoll)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return nil
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			c.log.ErrorContext(ctx, "fetch", "topic", topic, "partition", partition, "error", err)
		})
		c.handleAll(ctx, fetches)
		c.client.AllowRebalance()
	}
}

// leaveTimeout bounds the wait for the group on closing: while a member that
// died holds up a rebalance, nobody can leave. The brokers then notice by
// themselves that this consumer has gone.
const leaveTimeout = 2 * time.Second

func (c *Consumer) close() {
	giveUp := time.AfterFunc(leaveTimeout, c.cancel)
	defer c.cancel()
	defer giveUp.Stop()
	c.client.CloseAllowingRebalance()
}

func (c *Consumer) handleAll(ctx context.Context, fetches kgo.Fetches) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var handled []*kgo.Record
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		wg.Go(func() { // at most maxPoll of them: every one has a record
			for _, record := range p.Records {
				if !c.handle(ctx, record) {
					return
				}
				mu.Lock()
				handled = append(handled, record)
				mu.Unlock()
			}
		})
	})
	wg.Wait()
	if len(handled) == 0 {
		return
	}
	committing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.client.CommitRecords(committing, handled...); err != nil {
		c.log.ErrorContext(ctx, "commit; the messages will come again", "error", err)
	}
}

// handle reports whether the record is dealt with, as a message or as a dead
// letter. It is not when ctx ended before.
func (c *Consumer) handle(ctx context.Context, record *kgo.Record) bool {
	_, span := c.tracer.WithProcessSpan(record)
	defer span.End()
	ctx = trace.ContextWithSpan(ctx, span)
	message := messageOf(record)
	for attempt := 1; ctx.Err() == nil; attempt++ {
		err := c.try(ctx, message)
		if err == nil {
			c.config.OnOutcome("handled")
			return true
		}
		if IsPermanent(err) || attempt >= c.config.Attempts {
			return c.bury(ctx, record, message, attempt, err)
		}
		c.config.OnOutcome("retried")
		c.log.WarnContext(ctx, "handler failed, will try again", "topic", record.Topic,
			"partition", record.Partition, "offset", record.Offset, "attempt", attempt, "error", err)
		sleep(ctx, backoff(c.config.Backoff, c.config.MaxBackoff, attempt))
	}
	return false
}

func (c *Consumer) try(ctx context.Context, m Message) (err error) {
	// A stop lets the message in hand finish.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.config.HandlerTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			c.log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = Permanent(fmt.Errorf("panic: %v", p))
		}
	}()
	return c.handler(ctx, m)
}

// bury sends the record to the dead letters. It holds up the partition rather
// than lose a message: without brokers nothing could be read anyway.
func (c *Consumer) bury(ctx context.Context, record *kgo.Record, m Message, attempts int, cause error) bool {
	letter := Message{Topic: c.config.DeadLetters, Key: m.Key, Value: m.Value, Headers: maps.Clone(m.Headers)}
	letter.Headers["dead-letter-topic"] = record.Topic
	letter.Headers["dead-letter-partition"] = strconv.Itoa(int(record.Partition))
	letter.Headers["dead-letter-offset"] = strconv.FormatInt(record.Offset, 10)
	letter.Headers["dead-letter-attempts"] = strconv.Itoa(attempts)
	letter.Headers["dead-letter-error"] = cause.Error()
	for try := 1; ctx.Err() == nil; try++ {
		err := c.client.ProduceSync(ctx, letter.record(ctx)).FirstErr()
		if err == nil {
			c.config.OnOutcome("dead")
			trace.SpanFromContext(ctx).SetStatus(codes.Error, "dead letter") // the log has the error
			c.log.ErrorContext(ctx, "message is a dead letter", "topic", record.Topic,
				"partition", record.Partition, "offset", record.Offset, "attempts", attempts, "error", cause)
			return true
		}
		c.log.ErrorContext(ctx, "send a dead letter, will try again", "error", err)
		sleep(ctx, backoff(c.config.Backoff, c.config.MaxBackoff, try))
	}
	return false
}

// backoff doubles from base up to highest, with jitter so that consumers that
// failed together do not come back together.
func backoff(base, highest time.Duration, attempt int) time.Duration {
	step := min(base<<min(attempt-1, 16), highest)
	return step/2 + rand.N(step/2+1) //nolint:gosec // jitter, no secret
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
