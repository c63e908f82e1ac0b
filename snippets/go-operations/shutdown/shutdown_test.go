package shutdown

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Rules.
//
//	GS-1  Run serves until ctx ends; a clean stop is nil
//	GS-2  order: not ready, drain delay, server, workers, closers as listed
//	GS-3  new requests are served during the drain delay and refused after it
//	GS-4  a request in flight ends before anything it needs is stopped; neither its context nor a worker's ends with the signal
//	GS-5  a request that outlasts its share is cut off; the error says so and the rest is still taken down
//	GS-6  a closer or worker that hangs is left behind; the others run; Run ends within Timeout
//	GS-7  the error of a worker stops the App, comes back under its name, and everything is taken down; one that it ends with comes back too
//	GS-8  a broken listener stops the App without the drain delay, also in the middle of it
//	GS-9  a panic of a worker or closer is an error with its stack; the rest is still taken down
//	GS-10 a worker that returns its context's error when told to stop, or nil early, is no failure
//	GS-11 closers get a live context with a deadline and the values of ctx; all their errors come back
//	GS-12 the second signal ends the process at once, even if it hangs
//	GS-13 AppContext names the signal, ends with its parent and its stop function, and leaves no handler
//	GS-14 no server, no listener, a drain delay that eats the timeout: an error before the start
//	GS-15 a server with a certificate serves TLS
//	GS-16 NotReady that hangs or panics is an error; the rest is taken down within Timeout
//	GS-17 a worker that ends by itself is logged; Goexit in a worker or closer is an error
//	GS-18 each worker runs once, also in a module of go 1.21; the cause of AppContext matches context.Canceled

// pipeListener is a listener in memory, so that a synctest bubble sees its waits.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, errors.New("connection refused")
	}
}

// service is an App under test, with what happened to it in order.
type service struct {
	App
	listener *pipeListener
	client   *http.Client
	stop     context.CancelFunc
	result   chan error

	mu     sync.Mutex
	events []string
}

func (s *service) note(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

func (s *service) part(name string) AppPart {
	return AppPart{name, func(context.Context) error { s.note(name); return nil }}
}

func newService(handler http.HandlerFunc) *service {
	s := &service{listener: newPipeListener(), result: make(chan error, 1)}
	s.client = &http.Client{Transport: &http.Transport{DialContext: s.listener.dial, DisableKeepAlives: true}}
	s.App = App{
		Server:   &http.Server{Handler: handler},
		Listener: s.listener,
		NotReady: func() { s.note("not ready") },
		Log:      slog.New(slog.DiscardHandler),
	}
	return s
}

func (s *service) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	t.Cleanup(cancel)
	go func() { s.result <- s.Run(ctx) }()
	synctest.Wait()
}

func (s *service) get() error {
	resp, err := s.client.Get("http://service/")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func TestGS01_CleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(ok)
		s.start(t)
		time.Sleep(time.Hour) // virtual
		if err := s.get(); err != nil {
			t.Errorf("while running: %v", err)
		}
		s.stop()
		if err := <-s.result; err != nil {
			t.Errorf("clean stop = %v", err)
		}
	})
}

func TestGS02_GS03_Order(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(ok)
		s.Server.RegisterOnShutdown(func() { s.note("server") })
		s.Workers = []AppPart{{"worker", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(2 * time.Second) // what it has in hand; virtual
			s.note("worker")
			return nil
		}}}
		s.Closers = []AppPart{s.part("telemetry"), s.part("pool")}
		s.start(t)
		start := time.Now()
		s.stop()
		synctest.Wait()
		if !slices.Equal(s.events, []string{"not ready"}) {
			t.Fatalf("first: %v", s.events)
		}
		time.Sleep(5*time.Second - time.Nanosecond)
		if err := s.get(); err != nil {
			t.Errorf("at the end of the drain delay: %v", err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if err := s.get(); err == nil {
			t.Error("served after the drain delay")
		}
		if err := <-s.result; err != nil {
			t.Error(err)
		}
		if want := []string{"not ready", "server", "worker", "telemetry", "pool"}; !slices.Equal(s.events, want) {
			t.Errorf("order %v, want %v", s.events, want)
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("took %v, want the drain delay and the worker's 2s", took)
		}
	})
}

func TestGS04_InFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *service
		workerEnded := make(chan struct{})
		s = newService(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Second) // virtual; outlasts the signal and the drain delay
			select {
			case <-workerEnded:
				t.Error("the worker ended under a request")
			default:
			}
			if err := r.Context().Err(); err != nil {
				t.Errorf("the request's context: %v", err)
			}
			s.note("request")
			ok(w, r)
		})
		s.Workers = []AppPart{{"worker", func(ctx context.Context) error {
			<-ctx.Done()
			close(workerEnded)
			return nil
		}}}
		s.Closers = []AppPart{s.part("pool")}
		s.start(t)
		answer := make(chan error, 1)
		go func() { answer <- s.get() }()
		synctest.Wait()
		s.stop()
		if err := <-answer; err != nil {
			t.Errorf("request in flight: %v", err)
		}
		if err := <-s.result; err != nil {
			t.Error(err)
		}
		if want := []string{"not ready", "request", "pool"}; !slices.Equal(s.events, want) {
			t.Errorf("order %v, want %v", s.events, want)
		}
	})
}

func TestGS05_RequestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		s.Closers = []AppPart{s.part("pool")}
		s.start(t)
		answer := make(chan error, 1)
		go func() { answer <- s.get() }()
		synctest.Wait()
		start := time.Now()
		s.stop()
		err := <-s.result
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "server") {
			t.Errorf("got %v, want a deadline under the server's name", err)
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("took %v, want 5s and three quarters of the other 20s", took)
		}
		if err := <-answer; err == nil {
			t.Error("the request was not cut off")
		}
		if !slices.Contains(s.events, "pool") {
			t.Error("the pool was not closed")
		}
	})
}

func TestGS06_Hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		hang := func(context.Context) error { <-release; return nil }
		s := newService(ok)
		s.Workers = []AppPart{{"worker", hang}}
		s.Closers = []AppPart{{"telemetry", hang}, s.part("pool"), {"audit", hang}, s.part("last")}
		s.start(t)
		start := time.Now()
		s.stop()
		err := <-s.result
		if took := time.Since(start); took > 25*time.Second {
			t.Errorf("took %v, more than the timeout", took)
		}
		for _, name := range []string{"workers", "telemetry", "audit"} {
			if err == nil || !strings.Contains(err.Error(), name+": not stopped in time") {
				t.Errorf("%s is not in %v", name, err)
			}
		}
		if want := []string{"not ready", "pool", "last"}; !slices.Equal(s.events, want) {
			t.Errorf("events %v, want %v", s.events, want)
		}
	})
}

func TestGS07_WorkerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("subscription lost")
		s := newService(ok)
		s.Workers = []AppPart{
			{"consumer", func(context.Context) error { time.Sleep(time.Minute); return lost }},
			{"relay", func(ctx context.Context) error { <-ctx.Done(); s.note("relay"); return nil }},
		}
		s.Closers = []AppPart{s.part("pool")}
		s.start(t)
		err := <-s.result
		if !errors.Is(err, lost) || !strings.Contains(err.Error(), "consumer: ") {
			t.Errorf("got %v", err)
		}
		if want := []string{"not ready", "relay", "pool"}; !slices.Equal(s.events, want) {
			t.Errorf("events %v, want %v", s.events, want)
		}
	})
}

func TestGS07_WorkerFailsToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("offsets not committed")
		s := newService(ok)
		s.Workers = []AppPart{{"consumer", func(ctx context.Context) error { <-ctx.Done(); return errors.Join(lost, ctx.Err()) }}}
		s.start(t)
		s.stop()
		if err := <-s.result; !errors.Is(err, lost) {
			t.Errorf("got %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newService(ok)
		s.Workers = []AppPart{{"consumer", func(context.Context) error { return context.Canceled }}}
		s.start(t)
		if err := <-s.result; !errors.Is(err, context.Canceled) { // nobody had told it to stop
			t.Errorf("got %v", err)
		}
	})
}

func TestGS08_ListenerFails(t *testing.T) {
	for _, stopFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(ok)
			s.Closers = []AppPart{s.part("pool")}
			s.start(t)
			start := time.Now()
			if stopFirst {
				s.stop()
				synctest.Wait()
			}
			_ = s.listener.Close()
			if err := <-s.result; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want the listener's error", err)
			}
			if took := time.Since(start); took != 0 {
				t.Errorf("took %v: nobody is served, so there is nothing to drain", took)
			}
			if want := []string{"not ready", "pool"}; !slices.Equal(s.events, want) {
				t.Errorf("events %v, want %v", s.events, want)
			}
		})
	}
}

func TestGS09_Panics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(ok)
		s.Workers = []AppPart{{"worker", func(context.Context) error { panic("nil map") }}}
		s.Closers = []AppPart{{"telemetry", func(context.Context) error { panic("closed twice") }}, s.part("pool")}
		s.start(t)
		err := <-s.result
		for _, want := range []string{"worker: panic: nil map", "telemetry: panic: closed twice", "shutdown_test.go"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
		if !slices.Contains(s.events, "pool") {
			t.Error("the pool was not closed")
		}
	})
}

func TestGS10_WorkerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(ok)
		s.Workers = []AppPart{
			{"once", func(context.Context) error { return nil }},
			{"loop", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		}
		s.start(t)
		time.Sleep(time.Hour)
		select {
		case err := <-s.result:
			t.Fatalf("a worker that was done stopped the App: %v", err)
		default:
		}
		s.stop()
		if err := <-s.result; err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestGS11_Closers(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		first, second := errors.New("flush failed"), errors.New("close failed")
		s := newService(ok)
		closer := func(result error) func(context.Context) error {
			return func(ctx context.Context) error {
				if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil || ctx.Value(key{}) != "trace" {
					t.Errorf("closer's context: bounded %v, err %v, value %v", bounded, ctx.Err(), ctx.Value(key{}))
				}
				return result
			}
		}
		s.Closers = []AppPart{{"telemetry", closer(first)}, {"pool", closer(second)}}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "trace"))
		cancel()
		if err := s.Run(ctx); !errors.Is(err, first) || !errors.Is(err, second) {
			t.Errorf("got %v", err)
		}
	})
}

// hangAfterSignal makes the test binary the child that hangs after its first signal.
const hangAfterSignal = "SHUTDOWN_TEST_HANG"

func TestGS12_SecondSignal(t *testing.T) {
	if os.Getenv(hangAfterSignal) != "" {
		ctx, stop := AppContext(context.Background())
		defer stop()
		os.Stdout.WriteString("running\n")
		<-ctx.Done()
		os.Stdout.WriteString("stopping\n")
		<-make(chan struct{})
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), exe, "-test.run=^TestGS12_SecondSignal$", "-test.timeout=1m")
	child.Env = append(os.Environ(), hangAfterSignal+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"running", "stopping"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("child said %q, want %q", lines.Text(), want)
		}
		if err := child.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) {
		t.Fatalf("child ended with %v", err)
	}
	if status, isWait := exit.Sys().(syscall.WaitStatus); !isWait || status.Signal() != syscall.SIGTERM {
		t.Errorf("child ended with %v, want the signal's default action", exit)
	}
}

func TestGS13_AppContext(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		ctx, stop := AppContext(t.Context())
		if err := syscall.Kill(syscall.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		if cause := context.Cause(ctx); !strings.Contains(cause.Error(), sig.String()) {
			t.Errorf("cause %v does not name %v", cause, sig)
		}
		stop()
	}
	parent, cancel := context.WithCancel(t.Context())
	ctx, stop := AppContext(parent)
	defer stop()
	cancel()
	<-ctx.Done()
	ctx, stop = AppContext(t.Context())
	stop()
	if <-ctx.Done(); context.Cause(ctx) != context.Canceled {
		t.Errorf("cause after stop = %v", context.Cause(ctx))
	}
	// goleak in TestMain sees a goroutine that waits for signals for ever.
}

func TestGS14_Invalid(t *testing.T) {
	listener := newPipeListener()
	for name, app := range map[string]App{
		"no server":   {Listener: listener},
		"no listener": {Server: &http.Server{}},
		"drain delay": {Server: &http.Server{}, Listener: listener, DrainDelay: time.Minute},
		"timeout":     {Server: &http.Server{}, Listener: listener, DrainDelay: -1, Timeout: -1},
	} {
		app.NotReady = func() { t.Errorf("%s: it ran", name) }
		if err := app.Run(t.Context()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestGS15_TLS(t *testing.T) {
	certified := httptest.NewTLSServer(nil) // for its certificate
	defer certified.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	app := App{
		Server:     &http.Server{Handler: http.HandlerFunc(ok), TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates}},
		Listener:   listener,
		DrainDelay: -1,
		Log:        slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- app.Run(ctx) }()
	client := certified.Client()
	resp, err := client.Get("https://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("answer %v, %v", resp.Status, err)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestGS16_NotReadyHangsOrPanics(t *testing.T) {
	for name, want := range map[string]string{"hangs": "not ready: not stopped in time", "panics": "not ready: panic: nil map"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				s := newService(ok)
				s.Closers = []AppPart{s.part("pool")}
				s.NotReady = func() {
					if name == "panics" {
						panic("nil map")
					}
					<-release
				}
				s.start(t)
				begin := time.Now()
				s.stop()
				if err := <-s.result; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Run = %v, want %q", err, want)
				}
				if took := time.Since(begin); took > 10*time.Second || !slices.Equal(s.events, []string{"pool"}) {
					t.Errorf("took %v, closed %v", took, s.events)
				}
			})
		})
	}
}

func TestGS17_WorkerEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newService(ok)
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		s.Workers = []AppPart{{"consumer", func(context.Context) error { return nil }}}
		s.start(t)
		if err := s.get(); err != nil || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "worker=consumer") {
			t.Errorf("%v, logged %q", err, log.String())
		}
		s.stop()
		if err := <-s.result; err != nil {
			t.Error(err)
		}
	})
}

func TestGS17_Goexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exit := func(context.Context) error { runtime.Goexit(); return nil }
		s := newService(ok)
		s.Workers = []AppPart{{"consumer", exit}}
		s.Closers = []AppPart{{"telemetry", exit}, s.part("pool")}
		begin := time.Now()
		s.start(t)
		err := <-s.result
		for _, want := range []string{"consumer: did not return", "telemetry: did not return"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run = %v, want %q", err, want)
			}
		}
		if took := time.Since(begin); took > 6*time.Second || !slices.Contains(s.events, "pool") {
			t.Errorf("took %v, events %v", took, s.events)
		}
	})
}

func TestGS18_EachWorkerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(ok)
		want := []string{"a", "b", "c"}
		for _, name := range want {
			s.Workers = append(s.Workers, s.part(name))
		}
		s.start(t)
		s.stop()
		if err := <-s.result; err != nil {
			t.Error(err)
		}
		slices.Sort(s.events)
		if !slices.Equal(s.events, append(want, "not ready")) {
			t.Errorf("ran %v", s.events)
		}
	})
}
