package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"

	"example.com/go-architect/live/queries"
)

// promtool copies the service's Prometheus files to a folder of their own, where
// the paths inside them lead to the copies, and returns the program and the folder.
func promtool(t *testing.T, service string) (program, folder string) {
	t.Helper()
	program = os.Getenv("PROMTOOL")
	if program == "" {
		t.Skip("PROMTOOL is not set")
	}
	folder = t.TempDir()
	for _, name := range []string{"prometheus.yaml", "alerts.yaml"} {
		text := bytes.ReplaceAll(mustRead(t, service, "deploy/prometheus", name), []byte("/etc/prometheus"), []byte(folder))
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return program, folder
}

func TestPrometheusConfiguration(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		program, folder := promtool(t, service)
		mustRun(t, folder, program, "check", "config", "prometheus.yaml")
		mustRun(t, folder, program, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")
	})
}

// Alerts fire when they must and at no other time: the files in testdata.
func TestAlerts(t *testing.T) {
	program, folder := promtool(t, filepath.Join(os.Getenv("SERVICES"), "full"))
	for _, name := range []string{"alerts.test.yaml", "alerts-days.test.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := os.WriteFile(filepath.Join(folder, name), mustRead(t, "testdata", name), 0o600); err != nil {
				t.Fatal(err)
			}
			mustRun(t, folder, program, "test", "rules", name)
		})
	}
}

// Every expression is PromQL, and every job it names is scraped.
func TestExpressions(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		var config struct {
			ScrapeConfigs []struct {
				JobName string `json:"job_name"`
			} `json:"scrape_configs"`
		}
		if err := yaml.Unmarshal(mustRead(t, service, "deploy/prometheus/prometheus.yaml"), &config); err != nil {
			t.Fatal(err)
		}
		var jobs []string
		for _, c := range config.ScrapeConfigs {
			jobs = append(jobs, c.JobName)
		}
		expressions, recorded, err := queries.All(service)
		if err != nil {
			t.Fatal(err)
		}
		if len(expressions) < 10 || len(recorded) == 0 {
			t.Errorf("found only %d expressions and %d recorded names", len(expressions), len(recorded))
		}
		for _, e := range expressions {
			selectors, err := queries.Selectors(e.Text)
			if err != nil {
				t.Errorf("%s: %v", e.Where, err)
			}
			for _, s := range selectors {
				for _, m := range s.Matchers {
					if m.Name == "job" && !slices.ContainsFunc(jobs, m.Matches) {
						t.Errorf("%s: no job is %s", e.Where, m)
					}
				}
			}
		}
	})
}
