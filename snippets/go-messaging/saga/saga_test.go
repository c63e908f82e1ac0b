package saga

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/go-architect/snippets/internal/servertest"
)

// Rules; nearly all need the server:
//
//	SG-1  steps run in sequence, each once; what they learn is stored and handed on
//	SG-2  a saga starts with its caller's transaction, once per id
//	SG-3  on ErrSagaAbort everything is undone in reverse, the failed step included
//	SG-4  after a crash at any point, another runner ends the saga: nothing is skipped, and what is repeated has the same key
//	SG-5  other errors are tried again, later each time; after MaxAttempts they abort
//	SG-6  a failing Undo is tried again, then the saga is stuck and reported; RetrySaga goes on from there
//	SG-7  behind the pivot nothing is undone: the saga goes on or is stuck
//	SG-8  one runner at a time has a saga; one whose lease has ended cannot store anything
//	SG-9  on shutdown the step in hand is finished and stored, and the saga given back at once
//	SG-10 a panic is a failed attempt
//	SG-11 a failed step's changes to the data are dropped
//	SG-12 a stored step that the code no longer knows makes the saga stuck
//	SG-13 StepTimeout bounds a step
//	SG-14 a wrong configuration is refused
//	SG-15 the defaults give a service 9 to 19 minutes: longer than a failover
//	SG-16 text that PostgreSQL cannot store, in an error or in the data, decides nothing
//	SG-17 a step that kills its process at every attempt is undone after MaxAttempts, without another call
//	SG-18 an id that another kind of saga has is ErrSagaExists

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type trip struct{ Flight, Hotel string }

// fixture is a saga of three steps whose effects are noted; act can interfere with each.
type fixture struct {
	ctx  context.Context
	db   *sql.DB
	saga Saga[trip]

	mu  sync.Mutex
	log []string
	act func(what string, data *trip) error
}

func newSaga(t *testing.T) *fixture {
	db := servertest.Postgres(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for _, statement := range []string{
		`CREATE TABLE sagas (
			id              text PRIMARY KEY,
			name            text NOT NULL,
			data            jsonb NOT NULL,
			status          text NOT NULL DEFAULT 'running',
			undoing         boolean NOT NULL DEFAULT false,
			step            text NOT NULL,
			attempts        int NOT NULL DEFAULT 0,
			token           bigint NOT NULL DEFAULT 0,
			next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
			last_error      text
		)`,
		`CREATE INDEX ON sagas (name, next_attempt_at) WHERE status = 'running'`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	f := &fixture{ctx: ctx, db: db, act: func(string, *trip) error { return nil }}
	step := func(name string) SagaStep[trip] {
		do := func(verb string) func(context.Context, string, *trip) error {
			return func(_ context.Context, key string, data *trip) error {
				f.mu.Lock()
				f.log = append(f.log, verb+" "+key)
				f.mu.Unlock()
				return f.act(verb+" "+name, data)
			}
		}
		return SagaStep[trip]{Name: name, Do: do("do"), Undo: do("undo")}
	}
	saga, err := Saga[trip]{
		DB: db, Name: "trip", Steps: []SagaStep[trip]{step("flight"), step("hotel"), step("car")},
		Poll: 10 * time.Millisecond, Report: func(error) {},
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f.saga = saga
	return f
}

func (f *fixture) start(t *testing.T) {
	t.Helper()
	if err := f.saga.Start(f.ctx, f.db, "s1", trip{}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := f.db.ExecContext(f.ctx, statement); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) query(t *testing.T, expression string) (value string) {
	t.Helper()
	if err := f.db.QueryRowContext(f.ctx, `SELECT `+expression+` FROM sagas WHERE id = 's1'`).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// carryOn works in a goroutine of its own, which a step may end with runtime.Goexit: a crash.
func (f *fixture) carryOn() (worked bool, err error) {
	var wg sync.WaitGroup
	wg.Go(func() { worked, err = f.saga.carryOn(f.ctx) })
	wg.Wait()
	return worked, err
}

// finish carries on, with all delays and leases over, until the saga is no longer running.
func (f *fixture) finish(t *testing.T) (status string, errs []error) {
	t.Helper()
	for range 100 {
		f.exec(t, `UPDATE sagas SET next_attempt_at = clock_timestamp() - interval '1 second'`)
		if _, err := f.carryOn(); err != nil {
			errs = append(errs, err)
		}
		if status := f.query(t, "status"); status != "running" {
			return status, errs
		}
	}
	t.Fatalf("the saga does not end: %q", f.log)
	return "", nil
}

func (f *fixture) expect(t *testing.T, want ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, entry := range f.log {
		f.log[i] = strings.Replace(entry, "s1/", "", 1)
	}
	if !slices.Equal(f.log, want) {
		t.Errorf("got  %q\nwant %q", f.log, want)
	}
}

func TestHappyPath(t *testing.T) {
	f := newSaga(t)
	f.act = func(what string, data *trip) error {
		switch what {
		case "do flight":
			data.Flight = "LH1"
		case "do hotel":
			data.Hotel = "near " + data.Flight
		}
		return nil
	}
	f.start(t)
	if worked, err := f.carryOn(); !worked || err != nil {
		t.Errorf("worked %v, %v", worked, err)
	}
	if f.log[0] != "do s1/flight" { // SG-4: the key
		t.Errorf("got %q", f.log)
	}
	f.expect(t, "do flight", "do hotel", "do car")                                                                  // SG-1
	if status, data := f.query(t, "status"), f.query(t, "data->>'Hotel'"); status != "done" || data != "near LH1" { // SG-1
		t.Errorf("%s with %s", status, data)
	}
	if worked, err := f.carryOn(); worked || err != nil {
		t.Errorf("worked %v, %v", worked, err)
	}
}

func TestStart(t *testing.T) {
	f := newSaga(t)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.saga.Start(f.ctx, tx, "s1", trip{}); err != nil {
		t.Fatal(err)
	}
	if worked, err := f.carryOn(); worked || err != nil { // SG-2
		t.Errorf("worked %v, %v", worked, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if worked, err := f.carryOn(); worked || err != nil { // SG-2
		t.Errorf("worked %v, %v", worked, err)
	}
	f.start(t)
	f.start(t)
	if status, errs := f.finish(t); status != "done" || errs != nil {
		t.Errorf("%s, %v", status, errs)
	}
	f.start(t) // SG-2: also after its end
	f.expect(t, "do flight", "do hotel", "do car")
	if worked, _ := f.carryOn(); worked {
		t.Error("it ran again")
	}
	if err := f.saga.Start(f.ctx, f.db, "", trip{}); err == nil {
		t.Error("no id, no error")
	}
	if err := (Saga[trip]{}).Start(f.ctx, f.db, "s2", trip{}); err == nil {
		t.Error("no steps, no error")
	}
}

func TestAbort(t *testing.T) {
	for failing, want := range map[string][]string{
		"flight": {"do flight", "undo flight"},
		"hotel":  {"do flight", "do hotel", "undo hotel", "undo flight"},
		"car":    {"do flight", "do hotel", "do car", "undo car", "undo hotel", "undo flight"},
	} {
		f := newSaga(t)
		f.act = func(what string, data *trip) error {
			data.Flight += "x"
			if what == "do "+failing {
				return fmt.Errorf("sold out: %w", ErrSagaAbort)
			}
			return nil
		}
		f.start(t)
		status, errs := f.finish(t)
		if status != "undone" || len(errs) != 1 || !errors.Is(errs[0], ErrSagaAbort) { // SG-3
			t.Errorf("%s: %s, %v", failing, status, errs)
		}
		f.expect(t, want...)                                                 // SG-3
		if data := f.query(t, "data->>'Flight'"); len(data) != len(want)-1 { // SG-11: the failed step's x is gone
			t.Errorf("%s: data %s", failing, data)
		}
		if !strings.Contains(f.query(t, "last_error"), "sold out") {
			t.Errorf("%s: last error %s", failing, f.query(t, "last_error"))
		}
	}
}

func TestNothingToUndo(t *testing.T) {
	f := newSaga(t)
	f.saga.Steps[1].Undo = nil
	f.act = func(what string, _ *trip) error {
		if what == "do car" {
			return ErrSagaAbort
		}
		return nil
	}
	f.start(t)
	if status, _ := f.finish(t); status != "undone" {
		t.Error(status)
	}
	f.expect(t, "do flight", "do hotel", "do car", "undo car", "undo flight") // SG-3
}

func TestCrash(t *testing.T) {
	forward := []string{"do flight", "do hotel", "do car"}
	backward := []string{"do flight", "do hotel", "do car", "undo car", "undo hotel", "undo flight"}
	for _, abort := range []bool{false, true} {
		path, wantStatus := forward, "done"
		if abort {
			path, wantStatus = backward, "undone"
		}
		for i, at := range path {
			if abort && at == "do car" {
				continue // aborts there
			}
			f := newSaga(t)
			crashed := false
			f.act = func(what string, _ *trip) error {
				if what == at && !crashed {
					crashed = true
					runtime.Goexit() // after the effect, before anything is stored
				}
				if abort && what == "do car" {
					return ErrSagaAbort
				}
				return nil
			}
			f.start(t)
			if status, _ := f.finish(t); status != wantStatus { // SG-4
				t.Errorf("%s: %s", at, status)
			}
			f.expect(t, slices.Insert(slices.Clone(path), i, at)...) // SG-4: that one twice, nothing skipped
		}
	}
}

func TestCrashWaitsForLease(t *testing.T) {
	f := newSaga(t)
	f.act = func(string, *trip) error { runtime.Goexit(); return nil }
	f.start(t)
	for range 3 {
		_, _ = f.carryOn()
	}
	f.expect(t, "do flight") // SG-8: nobody else may have it yet
}

func TestRetry(t *testing.T) {
	f := newSaga(t)
	f.saga.Poll, f.saga.MaxDelay, f.saga.MaxAttempts = 8*time.Second, 20*time.Second, 5
	f.act = func(what string, _ *trip) error {
		if what == "do hotel" {
			return errors.New("timeout")
		}
		return nil
	}
	f.start(t)
	for attempt, longest := range []float64{8, 16, 20, 20} {
		f.exec(t, `UPDATE sagas SET next_attempt_at = clock_timestamp()`)
		if _, err := f.carryOn(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("do hotel, attempt %d: timeout", attempt+1)) { // SG-5
			t.Errorf("got %v", err)
		}
		var delay float64
		err := f.db.QueryRowContext(f.ctx, `SELECT extract(epoch FROM next_attempt_at - clock_timestamp()) FROM sagas`).Scan(&delay)
		if err != nil || delay > longest || delay < longest/2-3 { // SG-5
			t.Errorf("attempt %d: next in %v s, %v", attempt+1, delay, err)
		}
	}
	if status, _ := f.finish(t); status != "undone" { // SG-5
		t.Error(status)
	}
	f.expect(t, "do flight", "do hotel", "do hotel", "do hotel", "do hotel", "do hotel", "undo hotel", "undo flight")
}

func TestAttemptsCountPerStep(t *testing.T) {
	f := newSaga(t)
	f.saga.MaxAttempts = 3
	calls := map[string]int{}
	f.act = func(what string, _ *trip) error {
		if calls[what]++; calls[what] < 3 {
			return errors.New("timeout")
		}
		return nil
	}
	f.start(t)
	if status, errs := f.finish(t); status != "done" || len(errs) != 6 { // SG-5: each step has its own three
		t.Errorf("%s, %v", status, errs)
	}

	f = newSaga(t)
	f.saga.MaxAttempts = 3
	clear(calls)
	f.act = func(what string, _ *trip) error {
		if calls[what]++; what == "do car" || calls[what] < 3 {
			return errors.New("timeout")
		}
		return nil
	}
	f.start(t)
	if status, errs := f.finish(t); status != "undone" || len(errs) != 2+2+3+2+2+2 { // SG-6: so has each step back
		t.Errorf("%s, %v", status, errs)
	}
}

func TestStuckUndo(t *testing.T) {
	f := newSaga(t)
	f.saga.MaxAttempts = 2
	broken := true
	f.act = func(what string, _ *trip) error {
		switch {
		case what == "do car":
			return ErrSagaAbort
		case what == "undo hotel" && broken:
			return ErrSagaAbort // an Undo cannot be aborted: it is tried like any other
		}
		return nil
	}
	f.start(t)
	status, errs := f.finish(t)
	if last := errs[len(errs)-1]; status != "stuck" || !strings.Contains(last.Error(), "stuck: saga s1, undo hotel, attempt 2") { // SG-6
		t.Errorf("%s, %v", status, last)
	}
	if worked, err := f.carryOn(); worked || err != nil {
		t.Errorf("worked %v, %v", worked, err)
	}
	broken = false
	if err := RetrySaga(f.ctx, f.db, "s1"); err != nil {
		t.Fatal(err)
	}
	if status, errs := f.finish(t); status != "undone" || errs != nil { // SG-6
		t.Errorf("%s, %v", status, errs)
	}
	f.expect(t, "do flight", "do hotel", "do car", "undo car", "undo hotel", "undo hotel", "undo hotel", "undo flight")
	if err := RetrySaga(f.ctx, f.db, "s1"); err != nil || f.query(t, "status") != "undone" { // SG-6: only stuck ones
		t.Errorf("%s, %v", f.query(t, "status"), err)
	}
}

func TestPivot(t *testing.T) {
	f := newSaga(t)
	f.saga.Steps[1].Pivot = true
	broken := true
	f.act = func(what string, _ *trip) error {
		if what == "do car" && broken {
			return ErrSagaAbort
		}
		return nil
	}
	f.start(t)
	if status, _ := f.finish(t); status != "stuck" { // SG-7
		t.Error(status)
	}
	broken = false
	if err := RetrySaga(f.ctx, f.db, "s1"); err != nil {
		t.Fatal(err)
	}
	if status, _ := f.finish(t); status != "done" { // SG-7
		t.Error(status)
	}
	f.expect(t, "do flight", "do hotel", "do car", "do car")

	f = newSaga(t)
	f.saga.Steps[1].Pivot = true
	f.act = func(what string, _ *trip) error {
		if what == "do hotel" {
			return ErrSagaAbort
		}
		return nil
	}
	f.start(t)
	if status, _ := f.finish(t); status != "undone" { // SG-7: the pivot itself failed
		t.Error(status)
	}
}

func TestSlowRunnerIsFenced(t *testing.T) {
	f := newSaga(t)
	inside, release := make(chan struct{}), make(chan struct{})
	first := true
	f.act = func(what string, data *trip) error {
		if what == "do flight" && first {
			first = false
			close(inside)
			<-release // the lease ends meanwhile
			data.Flight = "by the slow one"
		}
		return nil
	}
	f.start(t)
	slow := make(chan error, 1)
	go func() { _, err := f.saga.carryOn(f.ctx); slow <- err }()
	<-inside
	if status, errs := f.finish(t); status != "done" || errs != nil {
		t.Errorf("%s, %v", status, errs)
	}
	close(release)
	if err := <-slow; !errors.Is(err, ErrSagaLost) { // SG-8
		t.Errorf("got %v", err)
	}
	if data, status := f.query(t, "data->>'Flight'"), f.query(t, "status"); data != "" || status != "done" { // SG-8
		t.Errorf("%s with %q", status, data)
	}
}

func TestManyRunners(t *testing.T) {
	f := newSaga(t)
	ctx, stop := context.WithCancel(f.ctx)
	defer stop()
	const sagas = 30
	for i := range sagas {
		if err := f.saga.Start(f.ctx, f.db, fmt.Sprint("m", i), trip{}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := f.saga.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	servertest.WaitFor(t, f.db, `SELECT bool_and(status = 'done') FROM sagas`)
	stop()
	wg.Wait()
	if unique := len(slices.Compact(slices.Sorted(slices.Values(f.log)))); len(f.log) != sagas*3 || unique != sagas*3 { // SG-8
		t.Errorf("%d effects, %d different", len(f.log), unique)
	}
}

func TestShutdown(t *testing.T) {
	f := newSaga(t)
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	flight := f.saga.Steps[0].Do
	f.saga.Steps[0].Do = func(stepCtx context.Context, key string, data *trip) error {
		cancel()
		return errors.Join(stepCtx.Err(), flight(stepCtx, key, data)) // SG-9: the step's ctx is alive
	}
	f.start(t)
	if err := f.saga.Run(ctx); err != nil { // SG-9
		t.Error(err)
	}
	if step, attempts := f.query(t, "step"), f.query(t, "attempts"); step != "hotel" || attempts != "0" { // SG-9
		t.Errorf("at %s after %s attempts", step, attempts)
	}
	if worked, err := f.carryOn(); !worked || err != nil { // SG-9: at once
		t.Errorf("worked %v, %v", worked, err)
	}
	f.expect(t, "do flight", "do hotel", "do car")
}

func TestPanic(t *testing.T) {
	f := newSaga(t)
	first := true
	f.act = func(string, *trip) error {
		if first {
			first = false
			panic("boom")
		}
		return nil
	}
	f.start(t)
	status, errs := f.finish(t)
	if status != "done" || len(errs) != 1 || !strings.Contains(errs[0].Error(), "boom") { // SG-10
		t.Errorf("%s, %v", status, errs)
	}
}

func TestUnknownStep(t *testing.T) {
	f := newSaga(t)
	f.start(t)
	f.exec(t, `UPDATE sagas SET step = 'renamed'`)
	status, errs := f.finish(t)
	if status != "stuck" || len(errs) != 1 || !strings.Contains(errs[0].Error(), `no step "renamed"`) { // SG-12
		t.Errorf("%s, %v", status, errs)
	}
}

func TestStepTimeout(t *testing.T) {
	f := newSaga(t)
	f.saga.StepTimeout = 30 * time.Millisecond
	f.saga.Steps[0].Do = func(ctx context.Context, _ string, _ *trip) error {
		<-ctx.Done()
		return ctx.Err()
	}
	f.start(t)
	if _, err := f.carryOn(); !errors.Is(err, context.DeadlineExceeded) { // SG-13
		t.Errorf("got %v", err)
	}
}

func TestConfig(t *testing.T) {
	step := SagaStep[trip]{Name: "a", Do: func(context.Context, string, *trip) error { return nil }}
	valid := Saga[trip]{DB: &sql.DB{}, Name: "trip", Steps: []SagaStep[trip]{step}, Report: func(error) {}}
	if _, err := valid.withDefaults(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Saga[trip]){
		"no database": func(s *Saga[trip]) { s.DB = nil }, "no name": func(s *Saga[trip]) { s.Name = "" },
		"no steps": func(s *Saga[trip]) { s.Steps = nil }, "no report": func(s *Saga[trip]) { s.Report = nil },
		"same name":  func(s *Saga[trip]) { s.Steps = append(s.Steps, step) },
		"no do":      func(s *Saga[trip]) { s.Steps = []SagaStep[trip]{{Name: "a"}} },
		"no label":   func(s *Saga[trip]) { s.Steps = []SagaStep[trip]{{Do: step.Do}} },
		"negative":   func(s *Saga[trip]) { s.Poll = -1 },
		"attempts":   func(s *Saga[trip]) { s.MaxAttempts = -1 },
		"long steps": func(s *Saga[trip]) { s.StepTimeout = 20 * time.Second },
	} {
		s := valid
		change(&s)
		if err := s.Run(context.Background()); err == nil { // SG-14
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDefaultsOutliveAFailover(t *testing.T) {
	step := SagaStep[trip]{Name: "flight", Do: func(context.Context, string, *trip) error { return nil }}
	s, err := Saga[trip]{DB: &sql.DB{}, Name: "trip", Steps: []SagaStep[trip]{step}, Report: func(error) {}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		var sum time.Duration
		for attempt := 1; attempt < s.MaxAttempts; attempt++ {
			sum += s.delay(attempt)
		}
		if sum < 9*time.Minute || sum > 19*time.Minute { // SG-15, as the page says
			t.Errorf("aborted after %v", sum)
		}
	}
}

func TestTextThatCannotBeStored(t *testing.T) {
	f := newSaga(t)
	f.act = func(what string, data *trip) error {
		switch what {
		case "do flight":
			data.Flight, data.Hotel = "a\x00b\xff", `\u0000`
		case "do car":
			return fmt.Errorf("answer \x00 caf\xe9 %s: %w", strings.Repeat("ż", 1<<20), ErrSagaAbort)
		}
		return nil
	}
	f.start(t)
	if status, _ := f.finish(t); status != "undone" { // SG-16
		t.Error(status)
	}
	f.expect(t, "do flight", "do hotel", "do car", "undo car", "undo hotel", "undo flight")
	if flight, hotel := f.query(t, "data->>'Flight'"), f.query(t, "data->>'Hotel'"); flight != "a\ufffdb\ufffd" || hotel != `\u0000` { // SG-16
		t.Errorf("flight %q, hotel %q", flight, hotel)
	}
	if note := f.query(t, "last_error"); !strings.Contains(note, "answer") || len(note) > 10_000 { // SG-16
		t.Errorf("note of %d bytes", len(note))
	}
}

func TestStepThatKills(t *testing.T) {
	f := newSaga(t)
	f.saga.MaxAttempts = 3
	f.act = func(what string, _ *trip) error {
		if what == "do hotel" {
			runtime.Goexit()
		}
		return nil
	}
	f.start(t)
	if status, errs := f.finish(t); status != "undone" || len(errs) != 1 { // SG-17
		t.Errorf("%s, %v", status, errs)
	}
	f.expect(t, "do flight", "do hotel", "do hotel", "do hotel", "undo hotel", "undo flight") // SG-17
}

func TestIDOfAnotherKind(t *testing.T) {
	f := newSaga(t)
	f.start(t)
	other := f.saga
	other.Name = "refund"
	if err := other.Start(f.ctx, f.db, "s1", trip{}); !errors.Is(err, ErrSagaExists) { // SG-18
		t.Errorf("got %v", err)
	}
	f.start(t) // SG-2: the same again is nothing new
	if got := f.query(t, "name"); got != "trip" {
		t.Error(got)
	}
}
