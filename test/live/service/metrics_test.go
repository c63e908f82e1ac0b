package service

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"example.com/go-architect/live/queries"
)

// series returns what Prometheus reads from the service.
func (p *process) series() []labels.Labels {
	p.t.Helper()
	page := textparse.NewPromParser([]byte(p.metrics()), labels.NewSymbolTable(), false)
	var all []labels.Labels
	for {
		entry, err := page.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			p.t.Fatal(err)
		}
		if entry == textparse.EntrySeries {
			var l labels.Labels
			page.Labels(&l)
			all = append(all, l)
		}
	}
}

// inFlight returns how many HTTP requests the service is busy with.
func (p *process) inFlight() int {
	p.t.Helper()
	for line := range strings.Lines(p.metrics()) {
		if value, ok := strings.CutPrefix(line, "http_server_requests_in_flight "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Fatal("the metrics have no requests in flight")
	return 0
}

// Every metric, label and value that an alert or a dashboard asks for exists on
// the page of a service that has just begun to work: an alert on what is not
// there never fires, and a counter that appears with its first count hides it.
func TestAlertsAndDashboardsAskForWhatIsThere(t *testing.T) {
	t.Parallel()
	expressions, recorded, err := queries.All(filepath.Join(os.Getenv("SERVICES"), "full"))
	if err != nil {
		t.Fatal(err)
	}
	if len(expressions) < 10 || len(recorded) == 0 {
		t.Fatalf("found only %d expressions and %d recorded names", len(expressions), len(recorded))
	}
	w := migrated(t)
	p := start(t, w.settings)
	p.placeOrder(p.createUser("ada")["id"])
	read(t, w.orders).wait("the event arrives", ofAny)
	r := dial(t, p, "orders.v1.UserService")
	if _, err := r.call("orders.v1.UserService.ListUsers", object{}); err != nil {
		t.Fatal(err)
	}
	all := p.series()
	for _, e := range expressions {
		selectors, err := queries.Selectors(e.Text)
		if err != nil {
			t.Errorf("%s: %v", e.Where, err)
			continue
		}
		for _, s := range selectors {
			if s.Metric != "up" && !recorded[s.Metric] && !slices.ContainsFunc(all, func(l labels.Labels) bool { return has(l, s) }) {
				t.Errorf("%s: the service has no %s with labels %v and %v", e.Where, s.Metric, s.Matchers, s.Grouping)
			}
		}
	}
}

// has reports whether a series is one that the selector may mean. Prometheus adds
// the labels of the target.
func has(l labels.Labels, s queries.Selector) bool {
	if l.Get(labels.MetricName) != s.Metric {
		return false
	}
	target := []string{"job", "instance"}
	for _, name := range s.Grouping {
		if !l.Has(name) && !slices.Contains(target, name) {
			return false
		}
	}
	for _, m := range s.Matchers {
		if slices.Contains(target, m.Name) {
			continue
		}
		// An expression stands for values that may come yet, such as 5xx.
		if !l.Has(m.Name) || m.Type == labels.MatchEqual && !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}
