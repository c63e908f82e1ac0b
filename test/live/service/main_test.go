// Package service tests the scaffolded service as its operators see it: the
// program, run with real stores and a real broker, and its signals, logs and
// answers.
package service

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

var (
	binary  string // the service, with the race detector
	brokers string // Kafka, or the stand-in
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	source := os.Getenv("SERVICES")
	if source == "" {
		fmt.Println("SERVICES is not set; run: npm test -- go-live")
		return 1
	}
	folder, err := os.MkdirTemp("", "service-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "server")
	build := exec.Command("go", "build", "-race", "-o", binary, "./cmd/server")
	build.Dir = filepath.Join(source, "full")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Printf("build the service: %v\n%s", err, output)
		return 1
	}
	if brokers = os.Getenv("KAFKA_BROKERS"); brokers == "" {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer fake.Close()
		brokers = fake.ListenAddrs()[0]
		fmt.Println("KAFKA_BROKERS is not set: franz-go's kfake stands in for Kafka")
	}
	return m.Run()
}

// unreachable returns a local address at which nobody listens.
func unreachable(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
