// Command source reads Go files as go/scanner and go/parser do, and judges files that something was put into.
//
// "source facts" reads file names, one a line, and prints for each what TypeScript must find in it: the tokens as a digest,
// the package, imports and declarations with offsets in UTF-16 units. "source verdicts" reads JSON lines of a file before
// and after something was inserted, and prints what is wrong. "source built" reads file names and prints for each the systems
// that go/build builds it on.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func main() {
	log.SetFlags(0)
	out := bufio.NewWriter(os.Stdout)
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "facts":
		err = facts(os.Stdin, out)
	case len(os.Args) == 2 && os.Args[1] == "verdicts":
		err = verdicts(os.Stdin, out)
	case len(os.Args) == 2 && os.Args[1] == "built":
		err = built(os.Stdin, out)
	default:
		err = fmt.Errorf("usage: source facts|verdicts|built")
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func built(in io.Reader, out io.Writer) error {
	names := bufio.NewScanner(in)
	for names.Scan() {
		var on []string
		for _, system := range []string{"linux/amd64", "windows/arm64", "darwin/arm64", "android/arm64", "illumos/amd64", "js/wasm"} {
			ctxt := build.Default
			ctxt.GOOS, ctxt.GOARCH, _ = strings.Cut(system, "/")
			ctxt.CgoEnabled, ctxt.ToolTags = system != "js/wasm", nil
			match, err := ctxt.MatchFile(filepath.Split(names.Text()))
			if err != nil {
				return err
			}
			if match {
				on = append(on, system)
			}
		}
		if _, err := fmt.Fprintln(out, strings.Join(on, " ")); err != nil {
			return err
		}
	}
	return names.Err()
}

func facts(in io.Reader, out io.Writer) error {
	names := bufio.NewScanner(in)
	var spent time.Duration
	for names.Scan() {
		src, err := os.ReadFile(names.Text())
		if err != nil {
			return err
		}
		began := time.Now()
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, names.Text(), src, parser.ParseComments|parser.SkipObjectResolution)
		spent += time.Since(began)
		if err != nil {
			if _, err := fmt.Fprintln(out, "error"); err != nil {
				return err
			}
			continue
		}
		line := describe(file, offsetsOf(src), fset.File(file.FileStart))
		if _, err := fmt.Fprintf(out, "%08x %s\n", digest(src), line); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "go/parser %d ms\n", spent.Milliseconds()); err != nil {
		return err
	}
	return names.Err()
}

// digest is FNV-1a over the kind and length in UTF-16 units of each token, without comments.
func digest(src []byte) uint32 {
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile("", -1, len(src)), src, nil, 0)
	sum := uint32(2166136261)
	mix := func(n int) { sum = (sum ^ uint32(n)) * 16777619 }
	for {
		_, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			return sum
		case tok == token.SEMICOLON:
			mix(1)
		case tok == token.IDENT:
			mix(2)
			mix(utf16Length(lit))
		case tok.IsKeyword():
			mix(3)
			mix(len(tok.String()))
		case tok == token.INT, tok == token.FLOAT, tok == token.IMAG:
			mix(4)
			mix(len(lit))
		case tok == token.CHAR:
			mix(5)
			mix(utf16Length(lit))
		case tok == token.STRING:
			mix(6)
			mix(utf16Length(lit))
		case tok == token.ILLEGAL:
			mix(8)
		default:
			mix(7)
			for _, b := range []byte(tok.String()) {
				mix(int(b))
			}
		}
	}
}

func utf16Length(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// offsetsOf gives for each byte of a text the number of UTF-16 units before it.
func offsetsOf(src []byte) []int {
	offsets := make([]int, len(src)+1)
	units := 0
	for at := 0; at < len(src); {
		r, size := utf8.DecodeRune(src[at:])
		for i := range size {
			offsets[at+i] = units
		}
		units++
		if r > 0xffff {
			units++
		}
		at += size
	}
	offsets[len(src)] = units
	return offsets
}

func describe(file *ast.File, offsets []int, lines *token.File) string {
	var b strings.Builder
	span := func(node interface {
		Pos() token.Pos
		End() token.Pos
	}) string {
		return fmt.Sprintf("%d-%d", offsets[lines.Offset(node.Pos())], offsets[lines.Offset(node.End())])
	}
	doc := func(group *ast.CommentGroup) string {
		if group == nil {
			return "-"
		}
		return strconv.Itoa(offsets[lines.Offset(group.Pos())])
	}
	fmt.Fprintf(&b, "%s doc:%s", file.Name.Name, doc(file.Doc))
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			kind, receiver := "func", ""
			if decl.Recv != nil {
				kind = "method"
				if len(decl.Recv.List) > 0 {
					receiver = baseName(decl.Recv.List[0].Type)
				}
			}
			body := "-"
			if decl.Body != nil {
				body = span(decl.Body)
			}
			fmt.Fprintf(&b, " %s %s(%s) %s doc:%s body:%s", kind, decl.Name.Name, receiver, span(decl), doc(decl.Doc), body)
		case *ast.GenDecl:
			if decl.Tok == token.IMPORT {
				fmt.Fprintf(&b, " import %s doc:%s", span(decl), doc(decl.Doc))
			} else {
				fmt.Fprintf(&b, " %s %s doc:%s", decl.Tok, span(decl), doc(decl.Doc))
			}
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.ImportSpec:
					name := ""
					if spec.Name != nil {
						name = spec.Name.Name
					}
					fmt.Fprintf(&b, " %s=%s@%s", name, spec.Path.Value, span(spec))
				case *ast.TypeSpec:
					b.WriteString(" " + spec.Name.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						b.WriteString(" " + name.Name)
					}
				}
			}
		}
	}
	return b.String()
}

func baseName(expr ast.Expr) string {
	for {
		switch e := expr.(type) {
		case *ast.Ident:
			return e.Name
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		default:
			return ""
		}
	}
}

// insertion is a file before and after a declaration called zzzMarker and imports were put into it.
type insertion struct {
	Name, Before, After string
	Imports             []string
}

func verdicts(in io.Reader, out io.Writer) error {
	lines := json.NewDecoder(in)
	counts := map[string]int{}
	for {
		var one insertion
		if err := lines.Decode(&one); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		counts["tried"]++
		verdict, wasClean := judge(one)
		if wasClean {
			counts["clean before"]++
		}
		if verdict != "" {
			counts["damaged"]++
			if counts["damaged"] <= 20 {
				if _, err := fmt.Fprintf(out, "%s: %s\n", one.Name, verdict); err != nil {
					return err
				}
			}
		}
	}
	return json.NewEncoder(out).Encode(counts)
}
