// Package saga carries out steps in several services as one undertaking: done
// to the end or undone in reverse, also when the process dies in between.
package saga

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

var (
	// ErrSagaAbort, when Do returns it, says that trying again is useless: undo what was done.
	ErrSagaAbort = errors.New("saga aborted")
	// ErrSagaExists says that another kind of saga has this id.
	ErrSagaExists = errors.New("saga id is taken")
	// ErrSagaLost says that another runner has taken the saga over.
	ErrSagaLost = errors.New("saga was taken over")
)

// SagaStep is one effect elsewhere. Do and Undo may be called again after a
// crash, with the same key: pass it on as idempotency key. Undo must cope with
// an effect that never happened.
type SagaStep[D any] struct {
	Name  string // stored: never rename it while sagas are under way
	Do    func(ctx context.Context, key string, data *D) error
	Undo  func(ctx context.Context, key string, data *D) error // nil if there is nothing to undo
	Pivot bool                                                 // once done there is no way back: the rest is tried until it succeeds
}

// Saga runs sagas of one name. Any number of runners may run. D is stored as JSON.
type Saga[D any] struct {
	DB    *sql.DB
	Name  string
	Steps []SagaStep[D]
	// Report hears of failures, and of sagas that are stuck and need a person.
	Report func(err error)

	StepTimeout time.Duration // of one Do or Undo; 10 s if zero
	Lease       time.Duration // after a crash others wait so long; 30 s if zero
	Poll        time.Duration // between looks for work; 1 s if zero
	MaxAttempts int           // of one step, then it is aborted or stuck; 12 if zero: 9 to 19 minutes
	MaxDelay    time.Duration // between attempts, which start at Poll and double; 5 min if zero
}

// SagaTx is the part of *sql.Tx that Start needs.
type SagaTx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Start stores a saga in the caller's transaction; it runs if that commits. A
// known id starts nothing; one of another kind of saga is ErrSagaExists.
//
//	CREATE TABLE sagas (
//		id              text PRIMARY KEY,
//		name            text NOT NULL,
//		data            jsonb NOT NULL,
//		status          text NOT NULL DEFAULT 'running', -- or done, undone, stuck
//		undoing         boolean NOT NULL DEFAULT false,
//		step            text NOT NULL, -- being done or undone
//		attempts        int NOT NULL DEFAULT 0,
//		token           bigint NOT NULL DEFAULT 0,
//		next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
//		last_error      text
//	);
//	CREATE INDEX ON sagas (name, next_attempt_at) WHERE status = 'running';
func (s Saga[D]) Start(ctx context.Context, tx SagaTx, id string, data D) error {
	if len(s.Steps) == 0 || id == "" {
		return errors.New("start saga: it needs an id and steps")
	}
	encoded, err := encodeSaga(data)
	if err != nil {
		return fmt.Errorf("start saga %s: %w", id, err)
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO sagas AS s (id, name, data, step) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET id = s.id WHERE s.name = excluded.name`,
		id, s.Name, string(encoded), s.Steps[0].Name)
	if err != nil {
		return fmt.Errorf("start saga %s: %w", id, err)
	}
	if n, err := result.RowsAffected(); err == nil && n == 0 {
		return fmt.Errorf("start saga %s: %w", id, ErrSagaExists)
	}
	return nil
}

// Run carries sagas on until ctx ends. The step in hand is finished.
func (s Saga[D]) Run(ctx context.Context) error {
	s, err := s.withDefaults()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		worked, err := s.carryOn(ctx)
		if err != nil && ctx.Err() == nil {
			s.Report(err)
		}
		if worked { // a saga that failed is not due again yet
			continue
		}
		wait := time.NewTimer(s.Poll/2 + rand.N(s.Poll/2+1))
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
	}
	return nil
}

func (s Saga[D]) withDefaults() (Saga[D], error) {
	s.StepTimeout = cmp.Or(s.StepTimeout, 10*time.Second)
	s.Lease = cmp.Or(s.Lease, 30*time.Second)
	s.Poll = cmp.Or(s.Poll, time.Second)
	s.MaxAttempts = cmp.Or(s.MaxAttempts, 12)
	s.MaxDelay = cmp.Or(s.MaxDelay, 5*time.Minute)
	if s.DB == nil || s.Report == nil || s.Name == "" || len(s.Steps) == 0 {
		return s, errors.New("saga: DB, Name, Steps and Report are required")
	}
	if min(s.StepTimeout, s.Poll, s.MaxDelay) < 0 || s.MaxAttempts < 0 || s.Lease < 2*s.StepTimeout {
		return s, errors.New("saga: limits must be positive, Lease at least twice StepTimeout")
	}
	for i, step := range s.Steps {
		if step.Name == "" || step.Do == nil || s.indexOf(step.Name) != i {
			return s, fmt.Errorf("saga: step %d needs Do and a name of its own", i)
		}
	}
	return s, nil
}

func (s Saga[D]) indexOf(name string) int {
	return slices.IndexFunc(s.Steps, func(step SagaStep[D]) bool { return step.Name == name })
}

// sagaState is a claimed row.
type sagaState struct {
	id       string
	data     []byte
	status   string
	undoing  bool
	step     string
	attempts int // begun at this step, the current one included
	token    int64
}

// carryOn claims one saga that is due and goes as far with it as it can.
func (s Saga[D]) carryOn(ctx context.Context) (worked bool, err error) {
	st := sagaState{status: "running"}
	err = s.DB.QueryRowContext(ctx, `
		UPDATE sagas SET token = token + 1, attempts = attempts + 1,
			next_attempt_at = clock_timestamp() + $2 * interval '1 millisecond'
		WHERE id = (SELECT id FROM sagas WHERE name = $1 AND status = 'running' AND next_attempt_at <= clock_timestamp()
			ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING id, data, undoing, step, attempts, token`, s.Name, s.Lease.Milliseconds()).
		Scan(&st.id, &st.data, &st.undoing, &st.step, &st.attempts, &st.token)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim saga: %w", err)
	}
	for st.status == "running" {
		if ctx.Err() != nil { // give it back, untried
			st.attempts--
			return true, s.save(ctx, st, 0, nil)
		}
		i := s.indexOf(st.step)
		if i < 0 {
			st.status = "stuck"
			cause := fmt.Errorf("saga %s is stuck: no step %q", st.id, st.step)
			return true, errors.Join(cause, s.save(ctx, st, 0, cause))
		}
		if st.attempts > s.MaxAttempts { // the step kills its process: it would never come to an end
			return true, s.failed(ctx, i, st, errors.New("the attempts before had no outcome"))
		}
		if stepErr := s.try(ctx, s.Steps[i], &st); stepErr != nil {
			return true, s.failed(ctx, i, st, stepErr)
		}
		st.attempts = 1
		switch {
		case st.undoing && i == 0:
			st.status = "undone"
		case st.undoing:
			st.step = s.Steps[i-1].Name
		case i == len(s.Steps)-1:
			st.status = "done"
		default:
			st.step = s.Steps[i+1].Name
		}
		if err := s.save(ctx, st, s.Lease, nil); err != nil {
			return true, err
		}
	}
	return true, nil
}

// try does or undoes one step. What it changes in the data is kept only if it succeeds.
func (s Saga[D]) try(ctx context.Context, step SagaStep[D], st *sagaState) (err error) {
	act := step.Do
	if st.undoing {
		if act = step.Undo; act == nil {
			return nil
		}
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	var data D
	if err := json.Unmarshal(st.data, &data); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.StepTimeout)
	defer cancel()
	if err := act(ctx, st.id+"/"+step.Name, &data); err != nil {
		return err
	}
	encoded, err := encodeSaga(data)
	if err == nil {
		st.data = encoded
	}
	return err
}

// encodeSaga writes data as JSON that PostgreSQL can store: without NUL, which
// would lose the progress of a step that succeeded.
func encodeSaga(data any) ([]byte, error) {
	encoded, err := json.Marshal(data)
	return []byte(withoutNUL.Replace(string(encoded))), err
}

// An escaped backslash is passed over, so that a text about \u0000 stays.
var withoutNUL = strings.NewReplacer(`\\`, `\\`, `\u0000`, `\ufffd`)

// sagaNote returns the first 1,000 characters of an error in ASCII, which every
// database can store. fmt survives an Error method that panics.
func sagaNote(err error) string {
	return strings.Trim(fmt.Sprintf("%+.1000q", err), `"`)
}

// failed decides what follows a failed attempt: another one later, the way back, or a person.
func (s Saga[D]) failed(ctx context.Context, i int, st sagaState, cause error) error {
	verb := "do"
	if st.undoing {
		verb = "undo"
	}
	cause = fmt.Errorf("saga %s, %s %s, attempt %d: %w", st.id, verb, st.step, st.attempts, cause)
	final := st.attempts >= s.MaxAttempts || !st.undoing && errors.Is(cause, ErrSagaAbort)
	committed := slices.ContainsFunc(s.Steps[:i], func(step SagaStep[D]) bool { return step.Pivot })
	delay := time.Duration(0)
	switch {
	case !final:
		delay = s.delay(st.attempts)
	case st.undoing || committed:
		st.status = "stuck"
		cause = fmt.Errorf("stuck: %w", cause)
	default: // the failed step is undone too: nobody knows how far it came
		st.undoing, st.attempts = true, 0
	}
	return errors.Join(cause, s.save(ctx, st, delay, cause))
}

// delay doubles with each attempt up to MaxDelay; half of it is random.
func (s Saga[D]) delay(attempt int) time.Duration {
	delay := s.Poll
	for ; attempt > 1 && delay < s.MaxDelay; attempt-- {
		delay *= 2
	}
	delay = min(delay, s.MaxDelay)
	return delay/2 + rand.N(delay/2+1)
}

// save stores progress unless another runner has the saga by now.
func (s Saga[D]) save(ctx context.Context, st sagaState, next time.Duration, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	var message sql.NullString
	if cause != nil {
		message = sql.NullString{String: sagaNote(cause), Valid: true}
	}
	result, err := s.DB.ExecContext(ctx, `
		UPDATE sagas SET data = $3, status = $4, undoing = $5, step = $6, attempts = $7,
			next_attempt_at = clock_timestamp() + $8 * interval '1 millisecond', last_error = coalesce($9, last_error)
		WHERE id = $1 AND token = $2`,
		st.id, st.token, string(st.data), st.status, st.undoing, st.step, st.attempts, next.Milliseconds(), message)
	if err != nil {
		return fmt.Errorf("save saga %s: %w", st.id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return fmt.Errorf("save saga %s: %w", st.id, ErrSagaLost)
}

// RetrySaga lets a stuck saga go on where it stands.
func RetrySaga(ctx context.Context, db *sql.DB, id string) error {
	_, err := db.ExecContext(ctx, `UPDATE sagas SET status = 'running', attempts = 0, next_attempt_at = clock_timestamp()
		WHERE id = $1 AND status = 'stuck'`, id)
	return err
}
