package eventsourcing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Rules. Those marked (server) are held against PostgreSQL in postgres_test.go.
//
//	ES-1  Execute: load in sequence, decide on that state, append at that version
//	ES-2  an append at another version than the stream's, behind or ahead, is ErrStreamConflict and adds nothing (server)
//	ES-3  concurrent writers of one stream: no decision lost, versions without a gap (server)
//	ES-4  all events of one decision or none (server)
//	ES-5  on a conflict load and decide again, at most Attempts times, never after ctx is done
//	ES-6  an error of Decide comes back unchanged and appends nothing; neither does a decision without events
//	ES-7  a kind that Decode does not know, or a gap, is an error: never half a state
//	ES-8  old kinds become new ones in Decode
//	ES-9  a snapshot goes on from its version: older events are not read
//	ES-10 data comes back as it was stored (server)
//	ES-11 Since passes over nothing that commits later, page by page (server)
//	ES-12 projection rows and cursor share the fate of one transaction (server)
//	ES-13 ctx reaches the log; a read that breaks off is an error (also server)
//	ES-14 of one stream Since never gives a higher version first, whichever transaction began first (server)
//	ES-15 after a restore into another server Since fails until the repair, which loses nothing (server)

// The sample aggregate: an account that must not be overdrawn.
type account struct{ balance, entries int }

type move struct{ cents int }

type moved struct{ Cents int }

var errOverdrawn = errors.New("overdrawn")

func newAccounts(log EventLog) Aggregate[account, move, moved] {
	return Aggregate[account, move, moved]{
		Log:     log,
		Initial: func() account { return account{} },
		Decide: func(a account, m move) ([]moved, error) {
			switch {
			case m.cents == 0:
				return nil, nil
			case a.balance+m.cents < 0:
				return nil, errOverdrawn
			case m.cents > 100: // large amounts arrive in two parts
				return []moved{{100}, {m.cents - 100}}, nil
			}
			return []moved{{m.cents}}, nil
		},
		Evolve: func(a account, e moved) account { return account{a.balance + e.Cents, a.entries + 1} },
		Encode: func(e moved) (string, any, error) { return "moved.v2", e, nil },
		Decode: func(kind string, data []byte) (e moved, err error) {
			switch kind {
			case "moved.v2":
				err = json.Unmarshal(data, &e)
			case "moved": // once in whole euros
				var old struct{ Euros int }
				err = json.Unmarshal(data, &old)
				e.Cents = old.Euros * 100
			default:
				err = errors.New("unknown kind")
			}
			return e, err
		},
	}
}

// fakeLog is one stream in memory.
type fakeLog struct {
	events       []RecordedEvent
	conflicts    int // how many appends another writer wins
	appends      int
	firstRead    int64
	readErr      error
	beforeAppend func()
}

func (l *fakeLog) Read(ctx context.Context, _ string, after int64, yield func(RecordedEvent) error) error {
	l.firstRead = after + 1
	for _, event := range l.events[after:] {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := yield(event); err != nil {
			return err
		}
	}
	return l.readErr
}

func (l *fakeLog) Append(_ context.Context, _ string, expected int64, events []RecordedEvent) error {
	l.appends++
	if l.beforeAppend != nil {
		l.beforeAppend()
	}
	if l.conflicts > 0 {
		l.conflicts--
		l.add("moved.v2", `{"Cents":-10}`) // the other writer
	}
	if expected != int64(len(l.events)) {
		return ErrStreamConflict
	}
	for _, event := range events {
		l.add(event.Type, string(event.Data))
	}
	return nil
}

func (l *fakeLog) add(kind, data string) {
	l.events = append(l.events, RecordedEvent{Version: int64(len(l.events)) + 1, Type: kind, Data: json.RawMessage(data)})
}

func TestExecute(t *testing.T) {
	log := &fakeLog{}
	accounts := newAccounts(log)
	for _, step := range []struct {
		cents, balance int
		version        int64
		err            error
	}{
		{50, 50, 1, nil}, {150, 200, 3, nil}, {-201, 200, 3, errOverdrawn}, {0, 200, 3, nil}, {-200, 0, 4, nil},
	} {
		before := log.appends
		state, version, err := accounts.Execute(context.Background(), "account-1", move{step.cents})
		if state.balance != step.balance || version != step.version || err != step.err { // ES-1, ES-6
			t.Errorf("%+v: got %+v at %d, %v", step, state, version, err)
		}
		if appended := log.appends > before; appended == (step.err != nil || step.cents == 0) { // ES-6
			t.Errorf("%+v: %d appends", step, log.appends-before)
		}
	}
	if len(log.events) != 4 {
		t.Errorf("%d events", len(log.events))
	}
}

func TestConflict(t *testing.T) {
	for _, tc := range []struct {
		conflicts, attempts, appends int
		err                          error
	}{
		{0, 0, 1, nil}, {2, 0, 3, nil}, {3, 0, 3, ErrStreamConflict},
		{1, 1, 1, ErrStreamConflict}, {4, 5, 5, nil},
	} {
		log := &fakeLog{conflicts: tc.conflicts}
		log.add("moved.v2", `{"Cents":100}`)
		accounts := newAccounts(log)
		accounts.Attempts = tc.attempts
		state, _, err := accounts.Execute(context.Background(), "account-1", move{-10})
		if !errors.Is(err, tc.err) || log.appends != tc.appends { // ES-5
			t.Errorf("%+v: %d appends, %v", tc, log.appends, err)
		}
		if want := 100 - 10*(tc.conflicts+1); err == nil && state.balance != want { // ES-5: decided on what the others left
			t.Errorf("%+v: balance %d", tc, state.balance)
		}
	}
}

func TestConflictDecidesAgain(t *testing.T) {
	log := &fakeLog{conflicts: 1}
	log.add("moved.v2", `{"Cents":10}`)
	if _, _, err := newAccounts(log).Execute(context.Background(), "account-1", move{-10}); err != errOverdrawn { // ES-5
		t.Errorf("got %v", err)
	}
}

func TestNoRetryAfterCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	log := &fakeLog{conflicts: 1, beforeAppend: cancel}
	if _, _, err := newAccounts(log).Execute(ctx, "account-1", move{10}); !errors.Is(err, ErrStreamConflict) || log.appends != 1 { // ES-5
		t.Errorf("%d appends, %v", log.appends, err)
	}
	if _, _, err := newAccounts(log).Execute(ctx, "account-1", move{10}); !errors.Is(err, context.Canceled) { // ES-13
		t.Errorf("got %v", err)
	}
}

func TestLoad(t *testing.T) {
	lost := errors.New("connection reset")
	for name, tc := range map[string]struct {
		prepare func(*fakeLog)
		balance int
		wants   string
	}{
		"old kind":     {func(l *fakeLog) { l.add("moved", `{"Euros":3}`) }, 302, ""}, // ES-8
		"unknown kind": {func(l *fakeLog) { l.add("renamed", `{}`) }, 0, "decode renamed"},
		"broken data":  {func(l *fakeLog) { l.add("moved.v2", `{"Cents":"x"}`) }, 0, "decode moved.v2"},
		"gap": {func(l *fakeLog) {
			l.add("moved.v2", `{"Cents":1}`)
			l.events[1].Version = 3
		}, 0, "version 3 follows 1"},
		"breaks off": {func(l *fakeLog) { l.readErr = lost }, 0, "connection reset"}, // ES-13
	} {
		log := &fakeLog{}
		log.add("moved.v2", `{"Cents":2}`)
		tc.prepare(log)
		state, version, err := newAccounts(log).Load(context.Background(), "account-1", account{}, 0)
		if state.balance != tc.balance || fmt.Sprint(err != nil) != fmt.Sprint(tc.wants != "") { // ES-7
			t.Errorf("%s: %+v at %d, %v", name, state, version, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tc.wants) || version != 0) {
			t.Errorf("%s: version %d, %v", name, version, err)
		}
	}
}

func TestSnapshot(t *testing.T) {
	log := &fakeLog{}
	for range 5 {
		log.add("moved.v2", `{"Cents":2}`)
	}
	state, version, err := newAccounts(log).Load(context.Background(), "account-1", account{balance: 6, entries: 3}, 3)
	if err != nil || state != (account{10, 5}) || version != 5 || log.firstRead != 4 { // ES-9
		t.Errorf("got %+v at %d from %d, %v", state, version, log.firstRead, err)
	}
}

func TestEncodeErrors(t *testing.T) {
	log := &fakeLog{}
	accounts := newAccounts(log)
	refused := errors.New("refused")
	for _, encode := range []func(moved) (string, any, error){
		func(moved) (string, any, error) { return "", nil, refused },
		func(moved) (string, any, error) { return "moved.v2", func() {}, nil },
	} {
		accounts.Encode = encode
		if _, _, err := accounts.Execute(context.Background(), "account-1", move{200}); err == nil || len(log.events) != 0 { // ES-4
			t.Errorf("%d events, %v", len(log.events), err)
		}
	}
}
