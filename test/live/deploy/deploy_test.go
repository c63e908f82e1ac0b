// Package deploy holds the files that deploy the scaffolded service to the tools
// and the types that read them.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// everyService runs a test on each rendered service, by its folder.
func everyService(t *testing.T, test func(t *testing.T, service string)) {
	t.Helper()
	folder := os.Getenv("SERVICES")
	if folder == "" {
		t.Fatal("SERVICES is not set; run: npm test -- go-live")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Fatalf("there are only %d services", len(entries))
	}
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) {
			t.Parallel()
			test(t, filepath.Join(folder, entry.Name()))
		})
	}
}

func mustRead(t *testing.T, elements ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func mustRun(t *testing.T, folder, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = folder
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", filepath.Base(program), args, err, output)
	}
}
