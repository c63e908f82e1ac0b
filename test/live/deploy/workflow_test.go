package deploy

import "testing"

// actionlint is run by its version: it cannot be built with the modules of the
// other tests.
const actionlint = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"

func lint(t *testing.T, folder string) {
	t.Helper()
	mustRun(t, folder, "go", "run", actionlint, "-no-color", "-shellcheck=", "-pyflakes=", ".github/workflows/ci.yml")
}

func TestWorkflows(t *testing.T) {
	everyService(t, lint)
}

func TestWorkflowOfThisProject(t *testing.T) {
	t.Parallel()
	lint(t, "../../..")
}
