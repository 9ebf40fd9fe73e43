package tidy

import (
	"os"
	"testing"
)

const root = "../.."

// TestRepository applies the rules to the repository itself.
func TestRepository(t *testing.T) {
	sources, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 20 {
		t.Fatalf("only %d files found: is %s the root?", len(sources), root)
	}
	report := func(t *testing.T, complaints []Complaint) {
		for _, c := range complaints {
			t.Error(c)
		}
	}
	for _, rule := range Rules {
		t.Run(rule.Name, func(t *testing.T) {
			for _, s := range sources {
				report(t, rule.Apply(s))
			}
		})
	}
	t.Run("package comments", func(t *testing.T) { report(t, PackageComments(sources)) })
	t.Run("pure files exist", func(t *testing.T) { report(t, PureFilesExist(sources)) })
	t.Run("top level", func(t *testing.T) {
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		report(t, TopLevel(names))
	})
}
