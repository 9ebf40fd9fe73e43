package tidy

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

const (
	maxFuncLines = 70
	maxFileLines = 500
)

// Sizes says how long functions and files may be. Tests are exempt: a table is
// as long as there are cases.
var Sizes = Rule{"sizes", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil || s.IsTest() {
		return
	}
	if lines := strings.Count(s.Text, "\n"); lines > maxFileLines {
		complain(0, "%d lines, more than %d", lines, maxFileLines)
	}
	ast.Inspect(s.File, func(n ast.Node) bool {
		name := "a function literal"
		switch f := n.(type) {
		case *ast.FuncDecl:
			name = f.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		lines := s.Fset.Position(n.End()).Line - s.Line(n) + 1
		if lines > maxFuncLines {
			complain(s.Line(n), "%s has %d lines, more than %d", name, lines, maxFuncLines)
		}
		return true
	})
}}

// Documented says that exported names have comments. A group's comment serves
// all its constants or variables.
var Documented = Rule{"documented", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil || s.IsTest() || s.File.Name.Name == "main" {
		return
	}
	for _, decl := range s.File.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && hasExportedReceiver(d) {
				complain(s.Line(d), "exported %s has no comment", d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				documentedSpec(s, d, spec, complain)
			}
		}
	}
}}

// hasExportedReceiver reports whether a method can be called by its name from
// outside, or d is a function. A method that only keeps an interface is
// described there.
func hasExportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for t := d.Recv.List[0].Type; ; {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// optionFields are the structs of the library whose every exported field must
// say what its zero means.
var optionFields = []string{"Options", "EngineOptions", "Config"}

func documentedSpec(s *Source, d *ast.GenDecl, spec ast.Spec, complain func(int, string, ...any)) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return
		}
		if d.Doc == nil && spec.Doc == nil {
			complain(s.Line(spec), "exported %s has no comment", spec.Name.Name)
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok || s.Package() == "tools" || s.Package() == "bench" || !slices.Contains(optionFields, spec.Name.Name) {
			return
		}
		for _, f := range fields.Fields.List {
			if len(f.Names) > 0 && f.Names[0].IsExported() && f.Doc == nil && f.Comment == nil {
				complain(s.Line(f), "option %s has no comment", f.Names[0].Name)
			}
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				complain(s.Line(name), "exported %s has no comment", name.Name)
			}
		}
	}
}

// leftovers are the words by which people leave things for later. They are
// spelt apart so that this file may be checked too.
var leftovers = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// Leftovers says that nothing is left for later: what is missing is said under
// Limitations in a package's comment.
var Leftovers = Rule{"leftovers", func(s *Source, complain func(int, string, ...any)) {
	line := 0
	for text := range strings.Lines(s.Text) {
		line++
		if word := leftovers.FindString(text); word != "" {
			complain(line, "%s: do it, or list it under Limitations", word)
		}
	}
}}

// NoSleep says that tests do not wait by the clock. In a synctest bubble the
// clock is the test's own.
var NoSleep = Rule{"no sleep", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil || !s.IsTest() {
		return
	}
	for _, spec := range s.File.Imports {
		if spec.Path.Value == `"testing/synctest"` {
			return
		}
	}
	ast.Inspect(s.File, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" && call.Sel.Name == "Sleep" {
			complain(s.Line(n), "a test that sleeps is a race with a slow machine")
		}
		return true
	})
}}

// Rules are those that look at one file at a time.
var Rules = []*Rule{&Imports, &SystemCalls, &Offload, &Purity, &Sizes, &Documented, &Leftovers, &NoSleep}
