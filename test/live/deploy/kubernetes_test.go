package deploy

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are the objects that `kubectl apply -k` sends.
type manifests struct {
	deployment appsv1.Deployment
	service    corev1.Service
	config     corev1.ConfigMap
	autoscaler autoscalingv2.HorizontalPodAutoscaler
	disruption policyv1.PodDisruptionBudget
	network    networkingv1.NetworkPolicy
	migration  batchv1.Job
}

// build runs kustomize and decodes what comes out, where no field may be unknown.
func build(t *testing.T, service string) (*manifests, map[string]bool) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
		Run(filesys.MakeFsOnDisk(), filepath.Join(service, "deploy/kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	m := &manifests{}
	into := map[string]any{
		"apps/v1 Deployment":                     &m.deployment,
		"v1 Service":                             &m.service,
		"v1 ConfigMap":                           &m.config,
		"autoscaling/v2 HorizontalPodAutoscaler": &m.autoscaler,
		"policy/v1 PodDisruptionBudget":          &m.disruption,
		"networking.k8s.io/v1 NetworkPolicy":     &m.network,
		"batch/v1 Job":                           &m.migration,
	}
	seen := map[string]bool{}
	for _, resource := range built.Resources() {
		kind := fmt.Sprintf("%s %s", resource.GetApiVersion(), resource.GetKind())
		if into[kind] == nil || seen[kind] {
			t.Errorf("an unexpected %s", kind)
			continue
		}
		seen[kind] = true
		text, err := resource.AsYAML()
		if err == nil {
			err = yaml.UnmarshalStrict(text, into[kind])
		}
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	return m, seen
}

func TestManifests(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		m, seen := build(t, service)
		for _, kind := range []string{"apps/v1 Deployment", "v1 Service", "v1 ConfigMap", "policy/v1 PodDisruptionBudget"} {
			if !seen[kind] {
				t.Fatalf("there is no %s", kind)
			}
		}
		pod := m.deployment.Spec.Template
		selects := func(what string, s *metav1.LabelSelector) {
			t.Helper()
			selector, err := metav1.LabelSelectorAsSelector(s)
			if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
				t.Errorf("the %s does not select the pods; %v", what, err)
			}
			if what != "network policy" && selector.Matches(labels.Set(m.migration.Spec.Template.Labels)) {
				t.Errorf("the %s selects the pod of the migration", what)
			}
		}
		selects("deployment", m.deployment.Spec.Selector)
		selects("disruption budget", m.disruption.Spec.Selector)
		selects("network policy", &m.network.Spec.PodSelector)
		selects("service", &metav1.LabelSelector{MatchLabels: m.service.Spec.Selector})
		if ref := m.autoscaler.Spec.ScaleTargetRef; ref.Name != m.deployment.Name || ref.Kind != m.deployment.Kind {
			t.Errorf("the autoscaler scales %s %s", ref.Kind, ref.Name)
		}

		server := pod.Spec.Containers[0]
		if !strings.Contains(server.Image, "/") {
			t.Errorf("the image %q comes from no registry", server.Image)
		}
		hasPort := func(what string, port intstr.IntOrString) {
			t.Helper()
			if !slices.ContainsFunc(server.Ports, func(p corev1.ContainerPort) bool { return p.Name == port.StrVal }) {
				t.Errorf("the %s means port %q, which no container has", what, port.String())
			}
		}
		for name, probe := range map[string]*corev1.Probe{
			"startup probe": server.StartupProbe, "readiness probe": server.ReadinessProbe, "liveness probe": server.LivenessProbe,
		} {
			hasPort(name, probe.HTTPGet.Port)
		}
		for _, port := range m.service.Spec.Ports {
			hasPort("service", port.TargetPort)
		}
		for _, rule := range m.network.Spec.Ingress {
			for _, port := range rule.Ports {
				hasPort("network policy", *port.Port)
			}
		}
		// A pod is killed only after its own bound.
		grace := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
		drain, bound := duration(t, m.config, "DRAIN_DELAY"), duration(t, m.config, "SHUTDOWN_TIMEOUT")
		if drain >= bound || bound >= grace {
			t.Errorf("drain delay %s, shutdown timeout %s and grace period %s do not grow", drain, bound, grace)
		}
		wantSettings(t, service, m.config)
	})
}

// The migration runs with the image, the settings and the secrets of the service;
// it is what `kubectl apply` with the selector of the README applies first.
func TestMigrationJob(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		m, seen := build(t, service)
		readme := string(mustRead(t, service, "deploy/kubernetes/README.md"))
		if !seen["batch/v1 Job"] {
			if strings.Contains(readme, "migrate") {
				t.Error("the README speaks of a migration that is not there")
			}
			return
		}
		found := regexp.MustCompile(`kubectl apply -l '([^']+)' -f -`).FindStringSubmatch(readme)
		if found == nil {
			t.Fatal("the README does not tell how to migrate")
		}
		selector, err := labels.Parse(found[1])
		if err != nil {
			t.Fatal(err)
		}
		for what, first := range map[string]metav1.ObjectMeta{
			"job": m.migration.ObjectMeta, "config map": m.config.ObjectMeta, "network policy": m.network.ObjectMeta,
		} {
			if !selector.Matches(labels.Set(first.Labels)) {
				t.Errorf("%q leaves out the %s", found[1], what)
			}
		}
		if selector.Matches(labels.Set(m.deployment.Labels)) {
			t.Errorf("%q applies the deployment before the migration", found[1])
		}
		server, migrate := m.deployment.Spec.Template.Spec.Containers[0], m.migration.Spec.Template.Spec.Containers[0]
		if migrate.Image != server.Image {
			t.Errorf("the migration has the image %s, the service %s", migrate.Image, server.Image)
		}
		for i, from := range server.EnvFrom {
			if i >= len(migrate.EnvFrom) || from.String() != migrate.EnvFrom[i].String() {
				t.Errorf("the migration lacks the settings %v", from)
			}
			// Without its secrets the service would start, and keep everything in memory.
			if from.SecretRef != nil && from.SecretRef.Optional != nil {
				t.Error("the secrets are optional")
			}
		}
	})
}

func duration(t *testing.T, config corev1.ConfigMap, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(config.Data[name])
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return d
}

// wantSettings checks that the service knows every setting of the ConfigMap.
func wantSettings(t *testing.T, service string, config corev1.ConfigMap) {
	t.Helper()
	readme := string(mustRead(t, service, "README.md"))
	for name := range config.Data {
		if name != "GOMEMLIMIT" && !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("the service has no setting %s", name)
		}
	}
}
