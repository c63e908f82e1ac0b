package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsHideThemselves(t *testing.T) {
	settings := map[string]string{}
	// scaffold:if postgres
	settings["DATABASE_URL"] = "postgres://u:hunter2@db/x"
	// scaffold:end
	// scaffold:if redis
	settings["REDIS_URL"] = "redis://:hunter2@cache"
	// scaffold:end
	// scaffold:if kafka
	settings["KAFKA_USERNAME"], settings["KAFKA_PASSWORD"] = "u", "hunter2"
	// scaffold:end
	cfg, err := loadConfig(lookup(settings))
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(handler).Info("configuration", "cfg", cfg, "secret", secret("hunter2"))
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for how, text := range map[string]string{
		"%v": fmt.Sprintf("%v", cfg), "%+v": fmt.Sprintf("%+v", cfg), "%#v": fmt.Sprintf("%#v", cfg),
		"%q": fmt.Sprintf("%q", secret("hunter2")), "%x": fmt.Sprintf("%x", secret("hunter2")),
		"slog": logged.String(), "json": string(encoded),
	} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s shows the secret: %s", how, text)
		}
	}
	if secret("hunter2").reveal() != "hunter2" || secret("").String() != "" {
		t.Error("a secret is lost, or an empty one looks set")
	}
}
