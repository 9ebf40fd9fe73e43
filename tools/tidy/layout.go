package tidy

import (
	"path"
	"slices"
	"strings"
)

// The top level is exactly this, and names that start with a dot.
var (
	topRequired = []string{"LICENSE", "Makefile", "README.md", "go.mod", "go.sum", "reactor", "ring", "socket", "tools", "zmtp"}
	topOptional = []string{"bench", "bin", "pgm"}
)

// TopLevel returns what is wrong with the names at the top.
func TopLevel(names []string) (complaints []Complaint) {
	for _, name := range topRequired {
		if !slices.Contains(names, name) {
			complaints = append(complaints, Complaint{Path: name, Text: "is missing"})
		}
	}
	for _, name := range names {
		if !strings.HasPrefix(name, ".") && !slices.Contains(topRequired, name) && !slices.Contains(topOptional, name) {
			complaints = append(complaints, Complaint{Path: name, Text: "does not belong at the top level"})
		}
	}
	return complaints
}

// PackageComments returns the packages that have none.
func PackageComments(sources []*Source) (complaints []Complaint) {
	documented := make(map[string]bool)
	for _, s := range sources {
		if s.File == nil || s.IsTest() {
			continue
		}
		dir := path.Dir(s.Path)
		documented[dir] = documented[dir] || s.File.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			complaints = append(complaints, Complaint{Path: dir, Text: "the package has no comment"})
		}
	}
	return complaints
}

// PureFilesExist returns the files that Purity would guard and that are not
// there, so that renaming one does not set it free.
func PureFilesExist(sources []*Source) (complaints []Complaint) {
	there := make(map[string]bool)
	for _, s := range sources {
		there[s.Path] = true
	}
	for _, name := range PureFiles {
		if file := "socket/" + name; !there[file] {
			complaints = append(complaints, Complaint{Path: file, Text: "is named as pure in tools/tidy, and missing"})
		}
	}
	return complaints
}
