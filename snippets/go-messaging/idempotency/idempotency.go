// Package idempotency makes the effect of a message or request happen once,
// however often it arrives: an inbox in the database of the effect.
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	// ErrKeyInProgress says that another transaction is doing this very work:
	// answer 409, or have the message redelivered a little later.
	ErrKeyInProgress = errors.New("idempotency key is in progress")
	// ErrKeyReused says that the key came with another request before: answer 422, or treat the message as poison.
	ErrKeyReused = errors.New("idempotency key was used for another request")
	// ErrKeyInvalid refuses a key that cannot be stored: answer 400, or treat the message as poison.
	ErrKeyInvalid = errors.New("idempotency key: scope and key must be 1 to 255 bytes of text")
)

// IdempotencyKey names a piece of work. The sender chooses Key; Scope keeps
// senders and operations apart, for instance tenant and route, or the consumer's name.
type IdempotencyKey struct {
	Scope, Key string
}

// InboxTx is the part of *sql.Tx that Once needs.
type InboxTx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Once calls do unless the work was done before, in which case it returns the
// result of then and replayed. Everything do changes has to go through tx, a
// transaction in PostgreSQL: then effect and key are stored together or not at
// all. When do fails nothing is remembered. A refusal that must be the same
// next time is a result, not an error.
//
//	CREATE TABLE inbox (
//		scope   text NOT NULL,
//		key     text NOT NULL,
//		request bytea NOT NULL, -- SHA-256, never the request itself
//		result  bytea NOT NULL,
//		done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
//		PRIMARY KEY (scope, key)
//	);
//	CREATE INDEX ON inbox (done_at);
func Once(ctx context.Context, tx InboxTx, id IdempotencyKey, request []byte, do func(ctx context.Context) ([]byte, error)) (result []byte, replayed bool, err error) {
	if !storable(id.Scope) || !storable(id.Key) {
		return nil, false, ErrKeyInvalid
	}
	// The lock ends with the transaction, also when the process dies. Waiting
	// for it would only tie up a connection.
	var locked bool
	err = tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended($2, hashtextextended($1, 0)))`,
		id.Scope, id.Key).Scan(&locked)
	if err != nil {
		return nil, false, fmt.Errorf("lock idempotency key: %w", err)
	}
	if !locked {
		return nil, false, ErrKeyInProgress
	}
	fingerprint := sha256.Sum256(request)
	var known []byte
	err = tx.QueryRowContext(ctx, `SELECT request, result FROM inbox WHERE scope = $1 AND key = $2`,
		id.Scope, id.Key).Scan(&known, &result)
	switch {
	case err == nil && !bytes.Equal(known, fingerprint[:]):
		return nil, false, ErrKeyReused
	case err == nil:
		return result, true, nil
	case !errors.Is(err, sql.ErrNoRows):
		return nil, false, fmt.Errorf("look up idempotency key: %w", err)
	}
	if result, err = do(ctx); err != nil {
		return nil, false, err
	}
	if result == nil {
		result = []byte{}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO inbox (scope, key, request, result) VALUES ($1, $2, $3, $4)`,
		id.Scope, id.Key, fingerprint[:], result)
	var state interface{ SQLState() string }
	if errors.As(err, &state) && state.SQLState() == "23505" {
		return nil, false, ErrKeyInProgress // it was done after the snapshot of tx: seen in the next transaction
	}
	if err != nil {
		return nil, false, fmt.Errorf("store idempotency key: %w", err)
	}
	return result, false, nil
}

// storable says whether PostgreSQL takes the text; keys come from strangers.
func storable(text string) bool {
	return text != "" && len(text) <= 255 && utf8.ValidString(text) && !strings.Contains(text, "\x00")
}

// PurgeInbox forgets up to limit keys that are older than age and returns how
// many. Call it from a job until it returns less than limit; age must exceed
// the longest time in which a repeat can arrive.
func PurgeInbox(ctx context.Context, db InboxTx, age time.Duration, limit int) (int64, error) {
	result, err := db.ExecContext(ctx, `DELETE FROM inbox WHERE (scope, key) IN (
		SELECT scope, key FROM inbox WHERE done_at < clock_timestamp() - $1 * interval '1 millisecond'
		ORDER BY done_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, age.Milliseconds(), limit)
	if err != nil {
		return 0, fmt.Errorf("purge inbox: %w", err)
	}
	return result.RowsAffected()
}
