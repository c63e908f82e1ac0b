package leaderelection

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Rules. Those marked (server) are held against PostgreSQL in postgres_test.go.
//
//	LE-1  of many candidates one leads; the next one does when it stops (also server)
//	LE-2  every acquisition has a greater token, also the same holder's (server)
//	LE-3  a lease that has not ended by the server's clock is not taken over; one that has is (server)
//	LE-4  a leader whose lease was given away is deposed at the next renewal (also server)
//	LE-5  a leader that cannot renew is deposed before its lease can have ended, counted from when it asked
//	LE-6  a renewal that fails once is tried again without losing the lease
//	LE-7  on shutdown lead is cancelled, the lease is renewed until lead has returned, then released
//	LE-8  releasing an old token leaves the new holder alone (server)
//	LE-9  lead returning by itself ends Run with its error; panic and runtime.Goexit release and go on
//	LE-10 Fence refuses an old token, and keeps others from taking over during the transaction (server)
//	LE-11 candidates ask every TTL/6 to TTL/3, not in step; store errors are reported, not fatal
//	LE-12 a wrong configuration is refused
//	LE-13 a deposed leader campaigns again; one that does not stop keeps nobody out
//	LE-14 no goroutine is left (TestMain, and the bubbles)
//	LE-15 open fenced transactions hold up neither renewal nor release (server)

const ttl = 9 * time.Second

// fakeStore is a LeaseStore in memory; set the fields to make it fail.
type fakeStore struct {
	mu         sync.Mutex
	token      int64
	held       bool
	expires    time.Time
	begin      time.Time
	log        []string
	acquireErr error
	renewErr   error
	renewDelay time.Duration
	deaf       bool // does not hear that a renewal's ctx ended
}

func (s *fakeStore) note(what string) {
	s.log = append(s.log, what+" "+time.Since(s.begin).Truncate(time.Second).String())
}

func (s *fakeStore) Acquire(_ context.Context, _, holder string, ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acquireErr != nil {
		return 0, s.acquireErr
	}
	if s.held && time.Now().Before(s.expires) {
		return 0, ErrLeaseHeld
	}
	s.token++
	s.held, s.expires = true, time.Now().Add(ttl)
	s.note("acquire " + holder)
	return s.token, nil
}

func (s *fakeStore) Renew(ctx context.Context, _ string, token int64, ttl time.Duration) error {
	s.mu.Lock()
	delay := s.renewDelay
	if s.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("renew")
	switch {
	case s.renewErr != nil:
		return s.renewErr
	case token != s.token:
		return ErrLeaseLost
	}
	s.expires = time.Now().Add(ttl)
	return nil
}

func (s *fakeStore) Release(_ context.Context, _ string, token int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("release")
	if token == s.token {
		s.held = false
	}
	return nil
}

func (s *fakeStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func newElection(s *fakeStore, holder string) Election {
	s.begin = time.Now()
	return Election{Store: s, Name: "billing", Holder: holder, TTL: ttl}
}

// untilDone leads until its ctx ends and returns the cause.
func untilDone(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestRenewsAndReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Second, cancel)
		err := newElection(s, "a").Run(ctx, func(ctx context.Context, token int64) error {
			<-ctx.Done()
			time.Sleep(6 * time.Second) // lead needs longer to stop than the last renewal lasts
			return errors.New("stopped")
		})
		if err == nil || err.Error() != "stopped" { // LE-9
			t.Errorf("got %v", err)
		}
		want := []string{"acquire a 0s", "renew 3s", "renew 6s", "renew 9s", "renew 12s", "renew 15s", "release 16s"}
		if !slices.Equal(s.log, want) { // LE-7
			t.Errorf("got %q", s.log)
		}
	})
}

func TestReleaseComesAfterTheLastRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{renewDelay: 2 * time.Second, deaf: true}
		_ = newElection(s, "a").Run(context.Background(), func(context.Context, int64) error {
			time.Sleep(4 * time.Second)
			return nil
		})
		if want := []string{"acquire a 0s", "renew 5s", "release 5s"}; !slices.Equal(s.log, want) { // LE-7
			t.Errorf("got %q", s.log)
		}
	})
}

func TestOneLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var mu sync.Mutex
		leading, most, terms := 0, 0, 0
		var tokens []int64
		var wg sync.WaitGroup
		e := newElection(s, "x")
		for range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					_ = e.Run(ctx, func(leadCtx context.Context, token int64) error {
						mu.Lock()
						leading++
						most = max(most, leading)
						if terms++; terms == 20 {
							cancel()
						}
						tokens = append(tokens, token)
						mu.Unlock()
						select {
						case <-time.After(20 * time.Second):
						case <-leadCtx.Done():
						}
						mu.Lock()
						leading--
						mu.Unlock()
						return nil
					})
				}
			})
		}
		wg.Wait()
		if most != 1 || terms != 20 || !slices.IsSorted(tokens) { // LE-1
			t.Errorf("%d at once, %d terms, tokens %v", most, terms, tokens)
		}
	})
}

func TestDeposedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{}
		e := newElection(s, "a")
		time.AfterFunc(4*time.Second, func() {
			s.set(func() { s.token++; s.expires = time.Now().Add(ttl) }) // somebody else took over
		})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var reported []error
		e.Report = func(err error) { reported = append(reported, err) }
		var ends []time.Duration
		_ = e.Run(ctx, func(leadCtx context.Context, token int64) error {
			if token != 1 { // LE-13: leads again, under a new token
				cancel()
				return nil
			}
			<-leadCtx.Done()
			ends = append(ends, time.Since(s.begin))
			return context.Cause(leadCtx)
		})
		if !slices.Equal(ends, []time.Duration{6 * time.Second}) || s.token != 3 { // LE-4
			t.Errorf("deposed at %v, token %d", ends, s.token)
		}
		if len(reported) != 1 || !errors.Is(reported[0], ErrLeaseLost) {
			t.Errorf("reported %v", reported)
		}
	})
}

func TestDeposedWhenStoreIsGone(t *testing.T) {
	for name, fail := range map[string]func(s *fakeStore){
		"fails": func(s *fakeStore) { s.renewErr = errors.New("connection refused") },
		"hangs": func(s *fakeStore) { s.renewDelay = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeStore{renewDelay: 500 * time.Millisecond}
				e := newElection(s, "a")
				reports := 0
				e.Report = func(error) { reports++ }
				time.AfterFunc(4*time.Second, func() {
					s.set(func() { fail(s); s.acquireErr = errors.New("connection refused") })
				})
				ctx, cancel := context.WithCancel(context.Background())
				err := e.Run(ctx, func(leadCtx context.Context, _ int64) error {
					<-leadCtx.Done()
					// The last renewal was asked for at 3 s and may have ended at 12 s.
					if at := time.Since(s.begin); at != 3*time.Second+ttl*9/10 || context.Cause(leadCtx) != ErrLeaseLost { // LE-5
						t.Errorf("deposed after %v by %v", at, context.Cause(leadCtx))
					}
					time.AfterFunc(time.Minute, cancel)
					return nil
				})
				if !errors.Is(err, context.Canceled) || reports < 10 { // LE-11: it went on asking
					t.Errorf("%d reports, %v", reports, err)
				}
			})
		})
	}
}

func TestSlowAcquireShortensTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowStore{fakeStore{renewErr: errors.New("connection refused")}}
		e := newElection(&s.fakeStore, "a")
		e.Store = s
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_ = e.Run(ctx, func(leadCtx context.Context, _ int64) error {
			<-leadCtx.Done()
			if at := time.Since(s.begin); at != ttl*9/10 { // LE-5: from the question, not from the answer
				t.Errorf("deposed after %v", at)
			}
			cancel()
			return nil
		})
	})
}

type slowStore struct{ fakeStore }

func (s *slowStore) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (int64, error) {
	token, err := s.fakeStore.Acquire(ctx, name, holder, ttl)
	time.Sleep(2 * time.Second) // the answer takes its time
	return token, err
}

func TestOneFailedRenewalIsSurvived(t *testing.T) {
	for name, fail := range map[string]func(s *fakeStore){
		"fails": func(s *fakeStore) { s.renewErr = errors.New("connection reset") },
		"hangs": func(s *fakeStore) { s.renewDelay = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeStore{}
				e := newElection(s, "a")
				time.AfterFunc(2*time.Second, func() { s.set(func() { fail(s) }) })
				time.AfterFunc(4*time.Second, func() { s.set(func() { s.renewErr, s.renewDelay = nil, 0 }) })
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				reports := 0
				e.Report = func(error) { reports++ }
				err := e.Run(ctx, untilDone)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(s.begin) != time.Minute || reports != 1 || s.token != 1 { // LE-6
					t.Errorf("%v after %v, %d reports", err, time.Since(s.begin), reports)
				}
			})
		})
	}
}

func TestStubbornLeaderKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{}
		e := newElection(s, "a")
		time.AfterFunc(time.Second, func() { s.set(func() { s.renewErr = errors.New("connection reset") }) })
		time.AfterFunc(10*time.Second, func() { s.set(func() { s.renewErr = nil }) }) // after it was deposed
		ctx, cancel := context.WithCancel(context.Background())
		_ = e.Run(ctx, func(context.Context, int64) error {
			time.Sleep(time.Hour)
			cancel()
			return nil
		})
		if last := s.log[len(s.log)-2]; last != "renew 6s" { // LE-13
			t.Errorf("got %q", s.log)
		}
	})
}

func TestLeadEnds(t *testing.T) {
	failure := errors.New("index is corrupt")
	for name, lead := range map[string]func(context.Context, int64) error{
		"error":  func(context.Context, int64) error { return failure },
		"panic":  func(context.Context, int64) error { panic("boom") },
		"goexit": func(context.Context, int64) error { runtime.Goexit(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeStore{}
				var err error
				var recovered any
				var wg sync.WaitGroup
				wg.Go(func() {
					defer func() { recovered = recover() }()
					err = newElection(s, "a").Run(context.Background(), lead)
				})
				wg.Wait()
				if (err == failure) != (name == "error") || (recovered == "boom") != (name == "panic") { // LE-9
					t.Errorf("got %v, recovered %v", err, recovered)
				}
				if want := []string{"acquire a 0s", "release 0s"}; !slices.Equal(s.log, want) { // LE-9
					t.Errorf("got %q", s.log)
				}
			})
		})
	}
}

func TestCampaignPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{acquireErr: errors.New("connection refused")}
		e := newElection(s, "a")
		var asked []time.Time
		e.Report = func(error) { asked = append(asked, time.Now()) }
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := e.Run(ctx, untilDone); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		least, most := time.Hour, time.Duration(0)
		for i := range asked[1:] {
			least, most = min(least, asked[i+1].Sub(asked[i])), max(most, asked[i+1].Sub(asked[i]))
		}
		if least < ttl/6 || most > ttl/3 || most-least < ttl/12 { // LE-11
			t.Errorf("from %v to %v", least, most)
		}
	})
}

// hangingStore answers no question.
type hangingStore struct{ fakeStore }

func (s *hangingStore) Acquire(ctx context.Context, _, _ string, _ time.Duration) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestAcquireIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		e := Election{Store: &hangingStore{}, Name: "billing", Holder: "a", TTL: ttl, Report: func(err error) { cancel() }}
		start := time.Now()
		if err := e.Run(ctx, untilDone); !errors.Is(err, context.Canceled) || time.Since(start) != ttl/3 { // LE-11
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestConfig(t *testing.T) {
	s := &fakeStore{}
	for _, e := range []Election{
		{Name: "n", Holder: "h"}, {Store: s, Holder: "h"}, {Store: s, Name: "n"},
		{Store: s, Name: "n", Holder: "h", TTL: time.Millisecond}, {Store: s, Name: "n", Holder: "h", TTL: -1},
	} {
		if err := e.Run(context.Background(), untilDone); err == nil || s.token != 0 { // LE-12
			t.Errorf("%+v was accepted", e)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("shutdown")
	cancel(cause)
	if err := newElection(s, "a").Run(ctx, untilDone); err != cause || s.token != 0 {
		t.Errorf("got %v", err)
	}
}
