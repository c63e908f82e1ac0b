// Package eventpublisher publishes events to NATS JetStream: nil means that the
// stream has the event on disk, and once.
package eventpublisher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrEventInvalid says that an event cannot be published as it is; trying again is useless.
var ErrEventInvalid = errors.New("event is invalid")

// streamMaxMessage is the server's code for an event above the stream's MaxMsgSize.
const streamMaxMessage = 10054

// Event is a fact that happened. ID and Type travel as CloudEvents headers.
type Event struct {
	ID          string // unique for ever and the same at every attempt: the stream drops repeats
	Type        string // past tense with a version: order.placed.v1
	Subject     string // NATS subject, the key last: orders.placed.4711
	Time        time.Time
	ContentType string // application/json if empty
	Data        []byte
}

// EventPublisher is safe for concurrent use.
type EventPublisher struct {
	Stream    jetstream.JetStream
	Name      string                                // of the stream that must take the events
	Source    string                                // of this service, for instance /billing
	Timeout   time.Duration                         // where ctx has no deadline; 5 s if zero
	NewHeader func(ctx context.Context) nats.Header // optional: headers of the context, such as traceparent
}

// Publish returns when the stream has stored the event. duplicate says that it
// had the same ID before, within the stream's duplicate window. After any other
// error than ErrEventInvalid the event may or may not be stored: publish it
// again with the same ID.
func (p EventPublisher) Publish(ctx context.Context, e Event) (duplicate bool, err error) {
	if err := validateEvent(e); err != nil {
		return false, err
	}
	if p.Stream == nil || p.Name == "" || strings.ContainsAny(p.Source, "\r\n") {
		return false, errors.New("event publisher: Stream and Name are required, Source is one line")
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if _, ok := ctx.Deadline(); !ok {
		timeout := p.Timeout
		if timeout == 0 {
			timeout = 5 * time.Second
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	header := nats.Header{}
	if p.NewHeader != nil {
		for name, values := range p.NewHeader(ctx) {
			header[name] = values
		}
	}
	contentType := e.ContentType
	if contentType == "" {
		contentType = "application/json"
	}
	for name, value := range map[string]string{
		"ce-specversion": "1.0",
		"ce-id":          e.ID,
		"ce-type":        e.Type,
		"ce-source":      p.Source,
		"ce-time":        e.Time.UTC().Format(time.RFC3339Nano),
		"Content-Type":   contentType,
	} {
		header[name] = []string{value} // Set would change the case
	}
	ack, err := p.Stream.PublishMsg(ctx, &nats.Msg{Subject: e.Subject, Header: header, Data: e.Data},
		jetstream.WithMsgID(e.ID), jetstream.WithExpectStream(p.Name))
	var refusal *jetstream.APIError
	if errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &refusal) && refusal.ErrorCode == streamMaxMessage {
		return false, fmt.Errorf("event %s: %w: %w", e.ID, ErrEventInvalid, err)
	}
	if err != nil {
		return false, fmt.Errorf("publish event %s to %s: %w", e.ID, e.Subject, err)
	}
	return ack.Duplicate, nil
}

func validateEvent(e Event) error {
	switch {
	case e.ID == "" || e.Type == "" || e.Time.IsZero():
		return fmt.Errorf("%w: ID, Type and Time are required", ErrEventInvalid)
	case strings.ContainsAny(e.ID+e.Type+e.ContentType, "\r\n"):
		return fmt.Errorf("%w: line break in a header", ErrEventInvalid)
	case strings.ContainsAny(e.Subject, "*> \t\r\n"):
		return fmt.Errorf("%w: subject with a wildcard or a space", ErrEventInvalid)
	}
	for _, token := range strings.Split(e.Subject, ".") {
		if token == "" {
			return fmt.Errorf("%w: subject with an empty token", ErrEventInvalid)
		}
	}
	return nil
}
