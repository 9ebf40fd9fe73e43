// Package tidy holds the rules of this repository that the compiler does not
// check. Its test applies them: go test ./tools/tidy
package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A Source is one file of the repository, and what a rule may look at.
type Source struct {
	Path string // from the root, with slashes
	Text string

	// For Go files only.
	Fset *token.FileSet
	File *ast.File
}

// NewSource parses a file's text if it is Go.
func NewSource(path, text string) (*Source, error) {
	s := &Source{Path: path, Text: text}
	if !strings.HasSuffix(path, ".go") {
		return s, nil
	}
	s.Fset = token.NewFileSet()
	file, err := parser.ParseFile(s.Fset, path, text, parser.ParseComments)
	s.File = file
	return s, err
}

// Package is the first element of the path: ring, zmtp, tools and so on.
func (s *Source) Package() string {
	first, _, _ := strings.Cut(s.Path, "/")
	return first
}

// Base is the file's name.
func (s *Source) Base() string { return path.Base(s.Path) }

// IsTest reports whether it is a Go test.
func (s *Source) IsTest() bool { return strings.HasSuffix(s.Path, "_test.go") }

// Line is the line that a node starts at.
func (s *Source) Line(n ast.Node) int { return s.Fset.Position(n.Pos()).Line }

// A Complaint is one breach of a rule.
type Complaint struct {
	Path string
	Line int // 0 if the whole file is meant
	Text string
}

// String is the complaint as compilers print theirs.
func (c Complaint) String() string {
	if c.Line == 0 {
		return c.Path + ": " + c.Text
	}
	return fmt.Sprintf("%s:%d: %s", c.Path, c.Line, c.Text)
}

// A Rule checks one file.
type Rule struct {
	Name  string
	Check func(s *Source, complain func(line int, format string, args ...any))
}

// Apply returns what r has to say about s.
func (r *Rule) Apply(s *Source) (complaints []Complaint) {
	r.Check(s, func(line int, format string, args ...any) {
		complaints = append(complaints, Complaint{s.Path, line, fmt.Sprintf(format, args...)})
	})
	return complaints
}

// Read returns the sources under root that the rules apply to: what people
// wrote, without what is built, captured or another module's.
func Read(root string) ([]*Source, error) {
	var sources []*Source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			if rel != "." && skipDir(root, rel) {
				return filepath.SkipDir
			}
			return nil
		}
		if !readable(rel) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := NewSource(rel, string(text))
		sources = append(sources, s)
		return err
	})
	return sources, err
}

func skipDir(root, rel string) bool {
	base := path.Base(rel)
	if base == "testdata" || rel == "bin" || strings.HasPrefix(base, ".") && base != ".ci" {
		return true
	}
	// A nested module has dependencies of its own, which is why it is one.
	_, err := os.Stat(filepath.Join(root, filepath.FromSlash(rel), "go.mod"))
	return err == nil
}

// readable reports whether a file is text that people wrote.
func readable(rel string) bool {
	switch path.Ext(rel) {
	case ".go", ".md", ".sh", ".c", ".h", ".py":
		return true
	}
	return rel == "Makefile" || rel == ".ci/run"
}
