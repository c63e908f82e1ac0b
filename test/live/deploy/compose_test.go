package deploy

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func TestCompose(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		options, err := cli.NewProjectOptions([]string{filepath.Join(service, "compose.yaml")}, cli.WithWorkingDirectory(service))
		if err != nil {
			t.Fatal(err)
		}
		project, err := options.LoadProject(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(project.ServiceNames(), "server") {
			t.Fatalf("services: %v", project.ServiceNames())
		}
		for name, s := range project.Services {
			for _, v := range s.Volumes {
				if v.Type == types.VolumeTypeBind {
					if _, err := os.Stat(v.Source); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
			for dependency, d := range s.DependsOn {
				if d.Condition == types.ServiceConditionHealthy && project.Services[dependency].HealthCheck == nil {
					t.Errorf("%s waits for %s to be healthy, which has no check", name, dependency)
				}
			}
			// `docker compose up --wait` takes the end of a container for a failure unless another waits for it.
			if s.Restart == types.RestartPolicyNo && !awaited(project, name) {
				t.Errorf("nobody waits for %s to end", name)
			}
		}
		// The broker of the tests is the one that is deployed.
		if kafka, ok := project.Services["kafka"]; ok {
			_, version, _ := strings.Cut(kafka.Image, ":")
			if pom := string(mustRead(t, "../kafka/pom.xml")); !strings.Contains(pom, "<version>"+version+"</version>") {
				t.Errorf("the tests have another Kafka than %s", version)
			}
		}
		for variable, value := range project.Services["server"].Environment {
			if host := hostOf(value); host != "" {
				if _, ok := project.Services[host]; !ok {
					t.Errorf("%s names the host %s, which is no service", variable, host)
				}
			}
		}
	})
}

func awaited(project *types.Project, name string) bool {
	for _, s := range project.Services {
		if d, ok := s.DependsOn[name]; ok && d.Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}

// hostOf returns the host of a setting that is a URL or an address.
func hostOf(value *string) string {
	if value == nil {
		return ""
	}
	if u, err := url.Parse(*value); err == nil && strings.Contains(*value, "://") {
		return u.Hostname()
	}
	host, _, err := net.SplitHostPort(*value)
	if err != nil {
		return ""
	}
	return host
}
