package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// judge says what an insertion did wrong; empty if nothing. wasClean says whether gofmt had nothing to say before.
func judge(one insertion) (verdict string, wasClean bool) {
	before, beforeFiles, err := parse(one.Before)
	if err != nil {
		return "", false // nothing is promised for what is no Go
	}
	after, afterFiles, err := parse(one.After)
	if err != nil {
		return "does not parse: " + err.Error(), false
	}
	if got := after.Name.Name; got != before.Name.Name {
		return "the package is called " + got, false
	}
	old := declarations(before, beforeFiles, one.Before)
	var kept []string
	marker := false
	for _, decl := range declarations(after, afterFiles, one.After) {
		if strings.HasPrefix(decl, "func zzzMarker()") {
			marker = true
			continue
		}
		if strings.Contains(decl, "zzzMarker") {
			return "the declaration stands inside of another, or took its comment: " + strconv.Quote(first(decl)), false
		}
		kept = append(kept, decl)
	}
	if !marker {
		return "the declaration is lost in a string or a comment", false
	}
	if len(kept) != len(old) {
		return fmt.Sprintf("%d declarations became %d", len(old), len(kept)), false
	}
	for i, decl := range old {
		if decl != kept[i] {
			return fmt.Sprintf("%q became %q", first(decl), first(kept[i])), false
		}
	}
	if verdict := judgeImports(before, after, one.Imports); verdict != "" {
		return verdict, false
	}
	if was, is := comments(before), comments(after); was != is {
		return "a comment was changed", false
	}
	wasClean = clean(one.Before)
	if wasClean && !clean(one.After) {
		return "gofmt changes the file, and did not before", true
	}
	return "", wasClean
}

func parse(src string) (*ast.File, *token.FileSet, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "x.go", src, parser.ParseComments|parser.SkipObjectResolution)
	return file, fset, err
}

// declarations gives the text of each declaration but the imports, with its doc comment and with the directives that apply
// to it from further above.
func declarations(file *ast.File, fset *token.FileSet, src string) []string {
	var texts []string
	offset := func(pos token.Pos) int { return fset.PositionFor(pos, false).Offset }
	previous := offset(file.Name.End())
	for _, decl := range file.Decls {
		start, end := offset(decl.Pos()), offset(decl.End())
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Doc != nil {
				start = offset(decl.Doc.Pos())
			}
		case *ast.GenDecl:
			if decl.Tok == token.IMPORT {
				previous = end
				if len(decl.Specs) == 1 && decl.Specs[0].(*ast.ImportSpec).Path.Value == `"C"` && decl.Doc != nil {
					texts = append(texts, src[offset(decl.Doc.Pos()):end])
				}
				continue
			}
			if decl.Doc != nil {
				start = offset(decl.Doc.Pos())
			}
		}
		var bound []string
		for _, group := range file.Comments {
			for _, comment := range group.List {
				at := offset(comment.Pos())
				if at >= previous && at < start && isDirective(comment.Text) {
					bound = append(bound, comment.Text)
				}
			}
		}
		texts = append(texts, src[start:end]+strings.Join(bound, "\n"))
		previous = end
	}
	return texts
}

func isDirective(text string) bool {
	return strings.HasPrefix(text, "//go:") && !strings.HasPrefix(text, "//go:generate") &&
		!strings.HasPrefix(text, "//go:build") || strings.HasPrefix(text, "//export ") || strings.HasPrefix(text, "//line ")
}

func judgeImports(before, after *ast.File, wanted []string) string {
	count := func(file *ast.File) map[string]int {
		counts := map[string]int{}
		for _, spec := range file.Imports {
			counts[spec.Path.Value]++
		}
		return counts
	}
	was, is := count(before), count(after)
	for _, path := range wanted {
		if is[strconv.Quote(path)] == 0 {
			return "not imported: " + path
		}
	}
	for path, n := range was {
		if is[path] < n {
			return "no longer imported: " + path
		}
	}
	for path, n := range is {
		if n > was[path]+1 {
			return "imported twice: " + path
		}
	}
	return ""
}

// comments gives the texts of all comments in their order.
func comments(file *ast.File) string {
	var b strings.Builder
	for _, group := range file.Comments {
		for _, comment := range group.List {
			b.WriteString(comment.Text + "\n")
		}
	}
	return b.String()
}

func clean(src string) bool {
	formatted, err := format.Source([]byte(src))
	return err == nil && bytes.Equal(formatted, []byte(src))
}

func first(s string) string {
	if len(s) > 70 {
		return s[:70]
	}
	return s
}
