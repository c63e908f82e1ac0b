// Package eventsourcing keeps an aggregate as the events that happened to it,
// appended with optimistic concurrency.
package eventsourcing

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrStreamConflict says that the stream has grown, or is shorter, than expected.
	ErrStreamConflict = errors.New("event stream changed meanwhile")
	// ErrEventsRestored says that events or the cursor carry transaction ids of another server,
	// as after a restore: new events would be passed over. EventStore says how to repair that.
	ErrEventsRestored = errors.New("events with transaction ids of another server")
)

// RecordedEvent is one fact. Stream and Version identify it for ever.
type RecordedEvent struct {
	Stream  string
	Version int64 // 1, 2, 3, ... within the stream
	Type    string
	Data    json.RawMessage
	At      time.Time // set by the store
}

// EventLog is what an Aggregate needs from a store.
type EventLog interface {
	// Read calls yield for the events of stream above version after, in sequence, until yield fails.
	Read(ctx context.Context, stream string, after int64, yield func(RecordedEvent) error) error
	// Append adds all events or none; the stream must be at version expected.
	Append(ctx context.Context, stream string, expected int64, events []RecordedEvent) error
}

// Aggregate makes decisions from events: S is its state, C its commands, E its
// events. The functions are pure: no clock, no I/O, no randomness; what they
// need comes in the command.
type Aggregate[S, C, E any] struct {
	Log     EventLog
	Initial func() S
	Decide  func(state S, command C) ([]E, error)            // holds every rule
	Evolve  func(state S, event E) S                         // holds none: what happened cannot be refused
	Encode  func(event E) (kind string, data any, err error) // data is stored as JSON
	Decode  func(kind string, data []byte) (E, error)        // also turns old kinds into new ones

	Attempts int // on conflicts, in all; 3 if zero. Inside a transaction use 1: a conflict ends it.
}

// Execute loads the stream, decides and appends what was decided. When another
// writer was faster it does so again. It returns the new state and version.
func (a Aggregate[S, C, E]) Execute(ctx context.Context, stream string, command C) (S, int64, error) {
	attempts := a.Attempts
	if attempts <= 0 {
		attempts = 3
	}
	for {
		state, version, err := a.execute(ctx, stream, command)
		attempts--
		if !errors.Is(err, ErrStreamConflict) || attempts == 0 || ctx.Err() != nil {
			return state, version, err
		}
	}
}

func (a Aggregate[S, C, E]) execute(ctx context.Context, stream string, command C) (S, int64, error) {
	var none S
	state, version, err := a.Load(ctx, stream, a.Initial(), 0)
	if err != nil {
		return none, 0, err
	}
	events, err := a.Decide(state, command)
	if err != nil || len(events) == 0 {
		return state, version, err
	}
	records := make([]RecordedEvent, 0, len(events))
	for _, event := range events {
		kind, data, err := a.Encode(event)
		if err != nil {
			return none, 0, fmt.Errorf("encode event for %s: %w", stream, err)
		}
		encoded, err := json.Marshal(data)
		if err != nil {
			return none, 0, fmt.Errorf("encode %s for %s: %w", kind, stream, err)
		}
		records = append(records, RecordedEvent{Type: kind, Data: encoded})
		state = a.Evolve(state, event)
	}
	if err := a.Log.Append(ctx, stream, version, records); err != nil {
		return none, 0, fmt.Errorf("append to %s after version %d: %w", stream, version, err)
	}
	return state, version + int64(len(events)), nil
}

// Load applies the events above version to state: all of them to Initial() and
// 0, or the newer ones to a snapshot.
func (a Aggregate[S, C, E]) Load(ctx context.Context, stream string, state S, version int64) (S, int64, error) {
	err := a.Log.Read(ctx, stream, version, func(record RecordedEvent) error {
		if record.Version != version+1 {
			return fmt.Errorf("version %d follows %d", record.Version, version)
		}
		event, err := a.Decode(record.Type, record.Data)
		if err != nil {
			return fmt.Errorf("decode %s: %w", record.Type, err)
		}
		state, version = a.Evolve(state, event), record.Version
		return nil
	})
	if err != nil {
		var none S
		return none, 0, fmt.Errorf("load %s: %w", stream, err)
	}
	return state, version, nil
}

// EventDB is the part of *sql.DB and *sql.Tx that an EventStore needs.
type EventDB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// EventStore is an EventLog in PostgreSQL 13 or newer:
//
//	CREATE TABLE events (
//		stream         text NOT NULL,
//		version        bigint NOT NULL,
//		type           text NOT NULL,
//		data           jsonb NOT NULL,
//		recorded_at    timestamptz NOT NULL DEFAULT now(),
//		transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
//		position       bigint GENERATED ALWAYS AS IDENTITY,
//		PRIMARY KEY (stream, version)
//	);
//	CREATE INDEX ON events (transaction_id, position);
//
// After a restore into another server, before anybody writes:
//
//	UPDATE events SET transaction_id = pg_current_xact_id();
//
// and every projection is built anew from the zero EventCursor.
type EventStore struct {
	db EventDB
}

var _ EventLog = (*EventStore)(nil)

// NewEventStore works on db, which is a pool or a transaction.
func NewEventStore(db EventDB) *EventStore {
	return &EventStore{db: db}
}

// Append implements EventLog.
func (s *EventStore) Append(ctx context.Context, stream string, expected int64, events []RecordedEvent) error {
	batch, err := json.Marshal(events)
	if err != nil {
		return err
	}
	// The condition finds a stream that has moved on; the primary key, one that moves at this moment.
	// A transaction may be older than the one before it in the stream: Since must not see it earlier.
	result, err := s.db.ExecContext(ctx, `
		INSERT INTO events (stream, version, type, data, transaction_id)
		SELECT $1, $2::bigint + position, event->>'Type', event->'Data', greatest(pg_current_xact_id(),
			(SELECT transaction_id FROM events WHERE stream = $1 AND version = $2))
		FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY AS batch (event, position)
		WHERE $2 = (SELECT coalesce(max(version), 0) FROM events WHERE stream = $1)`,
		stream, expected, string(batch))
	var state interface{ SQLState() string }
	if errors.As(err, &state) && state.SQLState() == "23505" {
		return ErrStreamConflict
	}
	if err != nil {
		return err
	}
	if added, err := result.RowsAffected(); err != nil || added == int64(len(events)) {
		return err
	}
	return ErrStreamConflict
}

// Read implements EventLog. yield must not use the same transaction: the query is still open.
func (s *EventStore) Read(ctx context.Context, stream string, after int64, yield func(RecordedEvent) error) error {
	return s.query(ctx, func(event RecordedEvent, _ EventCursor) error { return yield(event) },
		`WHERE stream = $1 AND version > $2 ORDER BY version`, stream, after)
}

// EventCursor is a place in the sequence of all streams; the zero value is the
// start. A projection stores it in the transaction in which it writes its rows.
type EventCursor struct {
	TransactionID int64
	Position      int64
}

// Since returns up to limit events of all streams after cursor, at most 1,000,
// and where to go on. Positions are given out before COMMIT, so it holds back
// what an open transaction might still slip in front of. Of one stream a higher
// version never comes first.
func (s *EventStore) Since(ctx context.Context, after EventCursor, limit int) (events []RecordedEvent, next EventCursor, err error) {
	next = after
	err = s.query(ctx, func(event RecordedEvent, at EventCursor) error {
		events, next = append(events, event), at
		return nil
	}, `
		WHERE (transaction_id, position) > ($1::text::xid8, $2)
		AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
		ORDER BY transaction_id, position LIMIT $3`,
		fmt.Sprint(after.TransactionID), after.Position, max(1, min(limit, 1000)))
	if err != nil {
		return nil, after, fmt.Errorf("read events: %w", err)
	}
	if len(events) == 0 {
		return nil, after, s.checkServer(ctx, after)
	}
	return events, next, nil
}

// checkServer looks for transactions that this server has not come to yet.
func (s *EventStore) checkServer(ctx context.Context, after EventCursor) error {
	rows, err := s.db.QueryContext(ctx, `
		SELECT WHERE $1::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) OR EXISTS (
			SELECT FROM events WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
			AND transaction_id IS DISTINCT FROM pg_current_xact_id_if_assigned())`, fmt.Sprint(after.TransactionID))
	if err != nil {
		return fmt.Errorf("check events: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		return ErrEventsRestored
	}
	return rows.Err()
}

func (s *EventStore) query(ctx context.Context, yield func(RecordedEvent, EventCursor) error, where string, args ...any) error {
	rows, err := s.db.QueryContext(ctx, `SELECT stream, version, type, data, recorded_at,
		transaction_id::text::bigint, position FROM events `+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var event RecordedEvent
		var at EventCursor
		if err := rows.Scan(&event.Stream, &event.Version, &event.Type, (*[]byte)(&event.Data), &event.At,
			&at.TransactionID, &at.Position); err != nil {
			return err
		}
		event.At = event.At.UTC()
		if err := yield(event, at); err != nil {
			return err
		}
	}
	return rows.Err()
}
