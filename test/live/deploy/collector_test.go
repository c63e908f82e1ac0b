package deploy

import (
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// What the collector's pipelines name is configured, and nothing else is.
func TestCollectorPipelines(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		var config struct {
			Receivers, Processors, Exporters map[string]any
			Service                          struct {
				Pipelines map[string]struct{ Receivers, Processors, Exporters []string }
			}
		}
		if err := yaml.UnmarshalStrict(mustRead(t, service, "deploy/otel/collector.yaml"), &config); err != nil {
			t.Fatal(err)
		}
		if len(config.Service.Pipelines) == 0 {
			t.Fatal("there is no pipeline")
		}
		var receivers, processors, exporters []string
		for _, p := range config.Service.Pipelines {
			receivers = append(receivers, p.Receivers...)
			processors = append(processors, p.Processors...)
			exporters = append(exporters, p.Exporters...)
		}
		for kind, both := range map[string]struct {
			configured map[string]any
			named      []string
		}{
			"receiver":  {config.Receivers, receivers},
			"processor": {config.Processors, processors},
			"exporter":  {config.Exporters, exporters},
		} {
			for _, name := range both.named {
				if _, ok := both.configured[name]; !ok {
					t.Errorf("a pipeline names the %s %s, which is not configured", kind, name)
				}
			}
			for name := range both.configured {
				if !slices.Contains(both.named, name) {
					t.Errorf("no pipeline has the %s %s", kind, name)
				}
			}
		}
	})
}
