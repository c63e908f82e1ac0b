package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that happens at once on an idle machine.
const patience = 60 * time.Second

// settings are environment variables.
type settings map[string]string

// with returns the settings and others, which win.
func (s settings) with(others settings) settings {
	all := maps.Clone(s)
	maps.Copy(all, others)
	return all
}

// process is the service, running.
type process struct {
	t                 *testing.T
	cmd               *exec.Cmd
	http, admin, grpc string // addresses
	exited            chan struct{}
	log               *output
}

// output is what a process has written.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// command returns the service's program with these settings and no others. It
// ends with the test at the latest.
func command(t *testing.T, s settings, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = endWithParent
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=exitcode=66"}
	for name, value := range s {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// start runs the service until the test ends and waits until it is ready.
func start(t *testing.T, s settings) *process {
	t.Helper()
	p := launch(t, s)
	eventually(t, "the service is ready", func() bool { return p.ready() == http.StatusOK })
	return p
}

// launch runs the service and waits until it listens.
func launch(t *testing.T, s settings) *process {
	t.Helper()
	defaults := settings{
		"HTTP_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "GRPC_ADDR": "127.0.0.1:0",
		"DRAIN_DELAY": "0s", "OUTBOX_INTERVAL": "20ms",
	}
	p := &process{t: t, cmd: command(t, defaults.with(s), "serve"), exited: make(chan struct{}), log: &output{}}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan [2]string, 3)
	go func() {
		defer close(p.exited)
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = p.log.Write(append(lines.Bytes(), '\n'))
			var record struct{ Msg, Server, Address string }
			if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "listening" {
				listening <- [2]string{record.Server, record.Address}
			}
		}
		_ = p.cmd.Wait() // the exit code is in ProcessState
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the service wrote:\n%s", p.log)
		}
		if strings.Contains(p.log.String(), "WARNING: DATA RACE") {
			t.Error("the service has a data race")
		}
	})
	deadline := time.After(patience)
	for range 3 {
		select {
		case l := <-listening:
			switch l[0] {
			case "http":
				p.http = l[1]
			case "admin":
				p.admin = l[1]
			case "grpc":
				p.grpc = l[1]
			}
		case <-p.exited:
			t.Fatalf("the service ended with code %d:\n%s", p.cmd.ProcessState.ExitCode(), p.log)
		case <-deadline:
			t.Fatalf("the service does not listen:\n%s", p.log)
		}
	}
	return p
}

// kill ends the process without a chance to do anything about it.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	<-p.exited
}

// terminate asks the process to stop.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatal("the service does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// ready returns the status of the readiness probe, or zero when there is no answer.
func (p *process) ready() int {
	response, err := probes.Get("http://" + p.admin + "/readyz")
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

// Each probe has a connection of its own, like those of an orchestrator.
var probes = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
