// Package eventconsumer handles events from a NATS JetStream consumer with a
// bounded number of workers: at least once, delayed redelivery, dead letters.
package eventconsumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrPoisonEvent, when Handle returns it, says that trying again is useless.
var ErrPoisonEvent = errors.New("event can never be handled")

// EventConsumer passes the events of one durable consumer to Handle.
type EventConsumer struct {
	JetStream jetstream.JetStream
	// Consumer acknowledges explicitly, has no MaxDeliver, so that the server
	// drops nothing on its own, and an AckWait of 2 x HandleTimeout + 5 s or
	// more: an event may wait for a worker before it is handled.
	Consumer jetstream.Consumer
	// Handle does the work; nil acknowledges. It sees an event again after a
	// crash or a lost acknowledgement, so its effect must be idempotent.
	Handle func(ctx context.Context, msg jetstream.Msg) error
	// DeadLetters is the subject for events that are given up; a stream must take it.
	DeadLetters string
	// Report hears of every failure, from several goroutines.
	Report func(err error)

	Workers       int           // 8 if zero
	HandleTimeout time.Duration // 20 s if zero
	MaxAttempts   int           // then the event is a dead letter; 12 if zero: 9 to 19 minutes
	BaseDelay     time.Duration // before the second attempt, then doubled; 1 s if zero
	MaxDelay      time.Duration // 5 min if zero
}

// Run handles events until ctx ends, then finishes those already fetched and
// returns nil. It returns an error when the consumer is unfit or gone.
func (c EventConsumer) Run(ctx context.Context) error {
	c = c.withDefaults()
	if err := c.check(ctx); err != nil {
		return err
	}
	// One event per worker is fetched ahead: what waits here is not handled elsewhere.
	// Two heartbeats missed, 10 s, and a server or consumer that fell silent is noticed.
	events, err := c.Consumer.Messages(jetstream.PullMaxMessages(c.Workers), jetstream.PullHeartbeat(5*time.Second))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer events.Stop()
	defer context.AfterFunc(ctx, events.Drain)()

	// Work in hand is finished after ctx has ended; HandleTimeout bounds it.
	workCtx := context.WithoutCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	free := make(chan struct{}, c.Workers) // one token per running worker
	for {
		msg, err := events.Next()
		switch {
		case err == nil:
			free <- struct{}{}
			workers.Add(1)
			go func() {
				defer func() { <-free; workers.Done() }()
				c.process(workCtx, msg)
			}()
		case ctx.Err() != nil && errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return nil
		case errors.Is(err, jetstream.ErrMsgIteratorClosed), errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConsumerNotFound):
			return fmt.Errorf("consume: %w", err)
		case ctx.Err() == nil:
			c.Report(fmt.Errorf("consume: %w", err)) // a lost connection: the client asks again by itself
		}
	}
}

func (c EventConsumer) withDefaults() EventConsumer {
	c.Workers = cmp.Or(c.Workers, 8)
	c.HandleTimeout = cmp.Or(c.HandleTimeout, 20*time.Second)
	c.MaxAttempts = cmp.Or(c.MaxAttempts, 12)
	c.BaseDelay = cmp.Or(c.BaseDelay, time.Second)
	c.MaxDelay = cmp.Or(c.MaxDelay, 5*time.Minute)
	return c
}

func (c EventConsumer) check(ctx context.Context) error {
	if c.JetStream == nil || c.Consumer == nil || c.Handle == nil || c.Report == nil || c.DeadLetters == "" {
		return errors.New("event consumer: JetStream, Consumer, Handle, DeadLetters and Report are required")
	}
	if min(c.Workers, c.MaxAttempts) < 0 || min(c.HandleTimeout, c.BaseDelay, c.MaxDelay) < 0 {
		return errors.New("event consumer: negative limit")
	}
	info, err := c.Consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("event consumer: %w", err)
	}
	switch config := info.Config; {
	case config.AckPolicy != jetstream.AckExplicitPolicy:
		return errors.New("event consumer: the consumer must acknowledge explicitly")
	case config.AckWait < 2*c.HandleTimeout+5*time.Second:
		return fmt.Errorf("event consumer: AckWait %v is below 2 x HandleTimeout %v + 5 s", config.AckWait, c.HandleTimeout)
	case config.MaxDeliver > 0:
		return errors.New("event consumer: MaxDeliver must be unlimited, MaxAttempts ends the attempts")
	}
	return nil
}

// process handles one event and tells the server what became of it.
func (c EventConsumer) process(ctx context.Context, msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		c.Report(fmt.Errorf("event on %s: %w", msg.Subject(), err))
		return
	}
	name := fmt.Sprintf("event %d of %s, attempt %d", meta.Sequence.Stream, meta.Stream, meta.NumDelivered)
	settled := false
	settle := func(err error) {
		settled = true
		if settleErr := c.settle(ctx, msg, meta, err); settleErr != nil {
			c.Report(fmt.Errorf("%s: %w", name, settleErr)) // AckWait brings the event back
		}
	}
	defer func() { // a panic or runtime.Goexit costs this event an attempt, not the process
		if !settled {
			err := fmt.Errorf("handler panicked or exited: %v", recover())
			c.Report(fmt.Errorf("%s: %w", name, err))
			settle(err)
		}
	}()
	if meta.NumDelivered > uint64(c.MaxAttempts) { // it kills its process: Handle would never settle it
		settle(errors.New("the attempts before had no outcome"))
		return
	}
	handleCtx, cancel := context.WithTimeout(ctx, c.HandleTimeout)
	defer cancel()
	err = c.Handle(handleCtx, msg)
	if err != nil {
		c.Report(fmt.Errorf("%s: %w", name, err))
	}
	settle(err)
}

func (c EventConsumer) settle(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	if cause == nil {
		return msg.DoubleAck(ctx) // nil once the server knows
	}
	if errors.Is(cause, ErrPoisonEvent) || meta.NumDelivered >= uint64(c.MaxAttempts) {
		err := c.bury(ctx, msg, meta, cause)
		if err == nil {
			return msg.Term()
		}
		return errors.Join(fmt.Errorf("dead letter: %w", err), msg.NakWithDelay(c.delay(meta.NumDelivered)))
	}
	return msg.NakWithDelay(c.delay(meta.NumDelivered)) // a plain Nak comes back at once
}

// bury publishes the event as it came, with the reason, before it is ended.
func (c EventConsumer) bury(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, cause error) error {
	header := nats.Header{}
	for name, values := range msg.Headers() {
		if !strings.HasPrefix(name, "Nats-") { // those steer the first stream, not this one
			header[name] = values
		}
	}
	header["dead-letter-reason"] = []string{deadLetterReason(cause)}
	header["dead-letter-attempts"] = []string{strconv.FormatUint(meta.NumDelivered, 10)}
	header["dead-letter-subject"] = []string{msg.Subject()}
	header["dead-letter-stored"] = []string{meta.Timestamp.UTC().Format(time.RFC3339Nano)}
	origin := meta.Stream + "." + strconv.FormatUint(meta.Sequence.Stream, 10) + "." + meta.Consumer
	header["dead-letter-origin"] = []string{origin}
	_, err := c.JetStream.PublishMsg(ctx, &nats.Msg{Subject: c.DeadLetters, Header: header, Data: msg.Data()},
		jetstream.WithMsgID(origin))
	return err
}

// deadLetterReason returns the first 1,000 characters of an error as a header can hold them.
func deadLetterReason(err error) string {
	reason := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(fmt.Sprintf("%.1000v", err), string(utf8.RuneError)))
	return strings.Join(strings.Fields(reason), " ")
}

// delay doubles with each attempt up to MaxDelay; half of it is random, so that a batch does not come back as one.
func (c EventConsumer) delay(attempt uint64) time.Duration {
	delay := c.BaseDelay
	for ; attempt > 1 && delay < c.MaxDelay; attempt-- {
		delay *= 2
	}
	delay = min(delay, c.MaxDelay)
	return delay/2 + rand.N(delay/2+1)
}
