package deploy

import (
	"testing"
)

// actionlint is run by its version: it cannot be built with the modules of the
// other tests.
const actionlint = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"

func TestWorkflows(t *testing.T) {
	everyService(t, func(t *testing.T, service string) {
		mustRun(t, service, "go", "run", actionlint, "-no-color", "-shellcheck=", "-pyflakes=", ".github/workflows/ci.yml")
	})
}
