// Command server runs the service.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"example.com/shopfront/pkg/logger"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

var errUnknownCommand = errors.New("unknown command")

// run is the program without its process: it ends when ctx does.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), out io.Writer) error {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	cfg, err := loadConfig(lookup)
	if err != nil {
		return fmt.Errorf("configuration:\n%w", err)
	}
	log := logger.New(out, cfg.LogLevel, cfg.LogText)
	switch command {
	case "serve":
		a, err := build(ctx, cfg, log)
		if err != nil {
			return err
		}
		return a.serve(ctx)
	// scaffold:if postgres
	case "migrate":
		return migrate(ctx, cfg, log)
	// scaffold:end
	default:
		return fmt.Errorf("%w %q", errUnknownCommand, command)
	}
}
