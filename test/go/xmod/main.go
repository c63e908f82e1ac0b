// Command xmod answers what golang.org/x/mod says about go.mod files, module
// paths and versions: the oracle of the extension's own reading. It reads one
// JSON object from standard input and writes one to standard output.
package main

import (
	"encoding/json"
	"log"
	"os"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

type questions struct {
	GoMods   []string    `json:"goMods"`
	GoWorks  []string    `json:"goWorks"`
	Paths    []string    `json:"paths"`
	Versions [][2]string `json:"versions"`
}

type answers struct {
	GoMods  []*goMod   `json:"goMods"`
	GoWorks []*goWork  `json:"goWorks"`
	Paths   []pathRule `json:"paths"`
	Older   []bool     `json:"older"`
}

// goMod has the fields that the extension reads.
type goMod struct {
	Path      string   `json:"path"`
	GoVersion string   `json:"goVersion"`
	Toolchain string   `json:"toolchain"`
	Requires  []string `json:"requires"`
	Indirect  []string `json:"indirect"`
	Replaces  []string `json:"replaces"`
	Tools     []string `json:"tools"`
	Ignores   []string `json:"ignores"`
}

type goWork struct {
	GoVersion string   `json:"goVersion"`
	Toolchain string   `json:"toolchain"`
	Uses      []string `json:"uses"`
}

// pathRule says whether a path may be that of a published module, whether its
// packages can be imported, and whether its major version is well formed.
type pathRule struct {
	Published  bool `json:"published"`
	Importable bool `json:"importable"`
	Major      bool `json:"major"`
}

func main() {
	var asked questions
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatalf("read questions: %v", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer(asked)); err != nil {
		log.Fatalf("write answers: %v", err)
	}
}

func answer(asked questions) answers {
	var out answers
	for _, text := range asked.GoMods {
		out.GoMods = append(out.GoMods, readGoMod(text))
	}
	for _, text := range asked.GoWorks {
		out.GoWorks = append(out.GoWorks, readGoWork(text))
	}
	for _, path := range asked.Paths {
		_, _, major := module.SplitPathVersion(path)
		out.Paths = append(out.Paths, pathRule{
			Published:  module.CheckPath(path) == nil,
			Importable: module.CheckImportPath(path) == nil,
			Major:      major,
		})
	}
	for _, pair := range asked.Versions {
		out.Older = append(out.Older, semver.Compare(pair[0], pair[1]) < 0)
	}
	return out
}

// keep leaves versions as they are written.
func keep(_, version string) (string, error) { return version, nil }

// readGoMod returns nil for a text that modfile refuses.
func readGoMod(text string) *goMod {
	file, err := modfile.Parse("go.mod", []byte(text), keep)
	if err != nil || file.Module == nil {
		return nil
	}
	out := &goMod{
		Path:     file.Module.Mod.Path,
		Requires: []string{}, Indirect: []string{}, Replaces: []string{}, Tools: []string{}, Ignores: []string{},
	}
	if file.Go != nil {
		out.GoVersion = file.Go.Version
	}
	if file.Toolchain != nil {
		out.Toolchain = file.Toolchain.Name
	}
	for _, one := range file.Require {
		line := one.Mod.Path + " " + one.Mod.Version
		if one.Indirect {
			out.Indirect = append(out.Indirect, line)
		} else {
			out.Requires = append(out.Requires, line)
		}
	}
	for _, one := range file.Replace {
		out.Replaces = append(out.Replaces, one.Old.Path)
	}
	for _, one := range file.Tool {
		out.Tools = append(out.Tools, one.Path)
	}
	for _, one := range file.Ignore {
		out.Ignores = append(out.Ignores, one.Path)
	}
	return out
}

func readGoWork(text string) *goWork {
	file, err := modfile.ParseWork("go.work", []byte(text), keep)
	if err != nil {
		return nil
	}
	out := &goWork{Uses: []string{}}
	if file.Go != nil {
		out.GoVersion = file.Go.Version
	}
	if file.Toolchain != nil {
		out.Toolchain = file.Toolchain.Name
	}
	for _, one := range file.Use {
		out.Uses = append(out.Uses, one.Path)
	}
	return out
}
