// Package queries reads the PromQL expressions of dashboards and rules and finds
// what they ask for.
package queries

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// Expression is a PromQL expression and where it stands.
type Expression struct {
	Where string
	Text  string
}

// All returns the expressions of a service's alerts and dashboards, and the
// names that its recording rules define.
func All(service string) (expressions []Expression, recorded map[string]bool, err error) {
	expressions, recorded, err = rules(filepath.Join(service, "deploy/prometheus/alerts.yaml"))
	if err != nil {
		return nil, nil, err
	}
	dashboards, err := filepath.Glob(filepath.Join(service, "deploy/grafana/dashboards/*.json"))
	if err != nil {
		return nil, nil, err
	}
	for _, file := range dashboards {
		found, err := panels(file)
		if err != nil {
			return nil, nil, err
		}
		expressions = append(expressions, found...)
	}
	return expressions, recorded, nil
}

func rules(file string) ([]Expression, map[string]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	var content struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string } `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal(text, &content); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	var expressions []Expression
	recorded := map[string]bool{}
	for _, group := range content.Groups {
		for _, rule := range group.Rules {
			expressions = append(expressions, Expression{rule.Record + rule.Alert, rule.Expr})
			if rule.Record != "" {
				recorded[rule.Record] = true
			}
		}
	}
	return expressions, recorded, nil
}

func panels(file string) ([]Expression, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var content struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var expressions []Expression
	for _, panel := range content.Panels {
		for _, target := range panel.Targets {
			// Grafana puts a duration in the place of its variable.
			text := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
			expressions = append(expressions, Expression{panel.Title, text})
		}
	}
	return expressions, nil
}

// Selector is a metric that an expression asks for.
type Selector struct {
	Metric   string
	Matchers []*labels.Matcher // without that of the name
	Grouping []string          // labels by which it is aggregated
}

// Selectors returns what the expression asks for, or why it is not PromQL.
func Selectors(expression string) ([]Selector, error) {
	parsed, err := parser.ParseExpr(expression)
	if err != nil {
		return nil, err
	}
	var found []Selector
	parser.Inspect(parsed, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		s := Selector{Metric: selector.Name}
		for _, m := range selector.LabelMatchers {
			if m.Name != labels.MetricName {
				s.Matchers = append(s.Matchers, m)
			}
		}
		for _, above := range path {
			if aggregation, ok := above.(*parser.AggregateExpr); ok && !aggregation.Without {
				s.Grouping = append(s.Grouping, aggregation.Grouping...)
			}
		}
		found = append(found, s)
		return nil
	})
	return found, nil
}
