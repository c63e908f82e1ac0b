// Package loadshedder refuses requests when the service has become slow, and
// finds by itself how many it can work on at once.
package loadshedder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"
)

// ErrLoadShed is the error of a request that was refused.
var ErrLoadShed = errors.New("overloaded")

// ShedPriority says what is refused first.
type ShedPriority int

// The priorities, and the share of the limit that each may fill.
const (
	ShedNormal   ShedPriority = iota // 90 %
	ShedFirst                        // 70 %: what can wait, such as prefetching and batches
	ShedCritical                     // 100 %: what must not fail, such as paying
)

// LoadShedderConfig configures a LoadShedder. Zero fields take their defaults.
type LoadShedderConfig struct {
	// Target is the time within which nine of ten calls should be done. It is
	// required: about twice what a call takes on an idle instance.
	Target   time.Duration
	MinLimit int           // the limit begins here and never falls below (default 10)
	MaxLimit int           // nor rises above this (default 1000)
	Window   time.Duration // how often the limit is adapted (default 1*time.Second)
	// OnShed is told the priority of each refused call.
	OnShed func(ShedPriority)
	Now    func() time.Time // default time.Now
}

// LoadShedder limits the calls in flight. After each window in which calls
// were quick and at least half of the limit was in use, the limit grows by its
// square root. It shrinks by a tenth if more than one call of ten was slow, and
// by half if most took more than twice the target. Calls from before the last cut are not judged: they
// tell of the limit that has been cut already. Nothing is queued:
// waiting would make the next request late too. It is safe for concurrent use
// and starts no goroutine.
type LoadShedder struct {
	cfg LoadShedderConfig

	mu         sync.Mutex
	limit      float64
	inFlight   int
	windowEnds time.Time
	cutAt      time.Time // of the last shrinking
	done, slow int       // calls of this window
	late       int       // of the slow ones, those above twice the target
	mostAtOnce int
}

// shedSample is the fewest calls that say something about a window.
const shedSample = 10

// NewLoadShedder returns a LoadShedder whose limit begins at MinLimit.
func NewLoadShedder(cfg LoadShedderConfig) (*LoadShedder, error) {
	cfg.MinLimit = cmp.Or(cfg.MinLimit, 10)
	cfg.MaxLimit = cmp.Or(cfg.MaxLimit, max(1000, cfg.MinLimit))
	cfg.Window = cmp.Or(cfg.Window, 1*time.Second)
	if cfg.Target <= 0 || cfg.Window < 0 || cfg.MinLimit < 0 || cfg.MaxLimit < cfg.MinLimit {
		return nil, errors.New("load shedder: want a positive Target and Window, and 0 < MinLimit <= MaxLimit")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &LoadShedder{cfg: cfg, limit: float64(cfg.MinLimit), windowEnds: cfg.Now().Add(cfg.Window)}, nil
}

// CallLoadShedder calls fn unless too much is going on for priority. A call
// that fails or whose caller cancels counts only if it was slow: a quick
// failure is no sign of health.
func CallLoadShedder[T any](ctx context.Context, s *LoadShedder, priority ShedPriority, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if ctx.Err() != nil {
		return zero, shedEnded(ctx)
	}
	if !s.admit(priority) {
		if s.cfg.OnShed != nil {
			s.cfg.OnShed(priority)
		}
		return zero, ErrLoadShed
	}
	began, ok := s.cfg.Now(), false
	defer func() { s.settle(began, ok) }()
	result, err := fn(ctx)
	ok = err == nil
	return result, err
}

// ShedRequests passes requests on to next, or answers 503 when there are too
// many for their priority, or their context has ended; without a priority
// function all are normal. It looks at how long they take, not at their status.
func ShedRequests(s *LoadShedder, priority func(*http.Request) ShedPriority, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := ShedNormal
		if priority != nil {
			p = priority(r)
		}
		_, err := CallLoadShedder(r.Context(), s, p, func(context.Context) (struct{}, error) {
			next.ServeHTTP(w, r)
			return struct{}{}, nil
		})
		if err != nil { // next was not called: the server would answer 200
			w.Header().Set("Retry-After", "1")
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		}
	})
}

// Limit returns how many calls may be in flight now.
func (s *LoadShedder) Limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.limit)
}

// InFlight returns how many calls are running.
func (s *LoadShedder) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inFlight
}

func (s *LoadShedder) admit(priority ShedPriority) bool {
	share := 0.9
	switch priority {
	case ShedFirst:
		share = 0.7
	case ShedCritical:
		share = 1
	case ShedNormal:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight >= max(1, int(share*s.limit)) {
		return false
	}
	s.inFlight++
	s.mostAtOnce = max(s.mostAtOnce, s.inFlight)
	return true
}

func (s *LoadShedder) settle(began time.Time, ok bool) {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	if began.Before(s.cutAt) {
		return
	}
	if took := now.Sub(began); took > s.cfg.Target {
		s.slow++
		s.done++
		if took/2 > s.cfg.Target {
			s.late++
		}
	} else if ok {
		s.done++
	}
	if s.done < shedSample || now.Before(s.windowEnds) {
		return
	}
	if 10*s.slow > s.done {
		keep := 0.9
		if 2*s.late > s.done {
			keep = 0.5
		}
		s.limit, s.cutAt = max(s.limit*keep, float64(s.cfg.MinLimit)), now
	} else if float64(s.mostAtOnce) >= s.limit/2 {
		s.limit = min(s.limit+math.Sqrt(s.limit), float64(s.cfg.MaxLimit))
	}
	s.done, s.slow, s.late, s.mostAtOnce = 0, 0, 0, s.inFlight
	s.windowEnds = now.Add(s.cfg.Window)
}

// shedEnded returns why ctx is done: ctx.Err(), and its cause if that is another.
func shedEnded(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return context.Cause(ctx)
}
