package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// lookup reads settings from a map in place of the environment.
func lookup(settings map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		value, ok := settings[key]
		return value, ok
	}
}

func TestConfigNeedsNothing(t *testing.T) {
	cfg, err := loadConfig(lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.HTTPAddr != ":8080" || cfg.AdminAddr != ":8081" || cfg.LogLevel != slog.LevelInfo || cfg.LogText || cfg.OTLPEndpoint != "" {
		t.Errorf("defaults: %+v", cfg)
	}
	if cfg.DrainDelay >= cfg.ShutdownTimeout {
		t.Errorf("drain %v, shutdown %v", cfg.DrainDelay, cfg.ShutdownTimeout)
	}
}

func TestConfigReadsEverything(t *testing.T) {
	cfg, err := loadConfig(lookup(map[string]string{
		"OTEL_SERVICE_NAME": "shop", "LOG_LEVEL": "debug", "LOG_FORMAT": "text",
		"HTTP_ADDR": "127.0.0.1:1", "ADMIN_ADDR": "[::1]:2", "REQUEST_TIMEOUT": "3s", "MAX_BODY_BYTES": "4",
		"DRAIN_DELAY": "5s", "SHUTDOWN_TIMEOUT": "6s", "OTEL_EXPORTER_OTLP_ENDPOINT": " http://collector:4318 ",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Service != "shop" || cfg.LogLevel != slog.LevelDebug || !cfg.LogText || cfg.HTTPAddr != "127.0.0.1:1" ||
		cfg.AdminAddr != "[::1]:2" || cfg.RequestTimeout != 3*time.Second || cfg.MaxBody != 4 ||
		cfg.DrainDelay != 5*time.Second || cfg.ShutdownTimeout != 6*time.Second || cfg.OTLPEndpoint != "http://collector:4318" {
		t.Errorf("got %+v", cfg)
	}
}

func TestConfigReportsEveryErrorAtOnce(t *testing.T) {
	bad := map[string]string{
		"LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "HTTP_ADDR": "8080", "ADMIN_ADDR": ":http9",
		"REQUEST_TIMEOUT": "10", "MAX_BODY_BYTES": "0", "DRAIN_DELAY": "-1s", "SHUTDOWN_TIMEOUT": "1h",
	}
	_, err := loadConfig(lookup(bad))
	if err == nil {
		t.Fatal("no error")
	}
	for key, value := range bad {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in: %v", key, err)
		}
		if strings.Contains(err.Error(), value+" ") {
			t.Errorf("the value of %s is shown in: %v", key, err)
		}
	}
	if _, err := loadConfig(lookup(map[string]string{"DRAIN_DELAY": "20s"})); err == nil {
		t.Error("a drain delay as long as the shutdown timeout was accepted")
	}
}
