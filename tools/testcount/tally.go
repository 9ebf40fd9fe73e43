package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An event is what go test -json prints a line of (go doc test2json).
type event struct {
	Action     string
	Package    string
	Test       string
	Output     string
	Elapsed    float64
	ImportPath string // of build-output and build-fail
}

// A result is how far one test is.
type result struct {
	state  string // "" while it runs, then pass, fail or skip
	output strings.Builder
}

// A tally reads the events of go test -json, prints what failed, and counts.
//
// It counts leaves: a test with subtests is its subtests. But what ends in a
// failure that no test owns up to (a build that fails, a crash, a leak found
// after the last test) is counted as a failure too, so that failed is zero
// only if all is well.
type tally struct {
	out            io.Writer
	passed, failed int
	skipped        []string

	running map[string]map[string]*result // by package and test; "" is the package itself
	builds  map[string]*strings.Builder   // what the compiler said, by import path
}

func newTally(out io.Writer) *tally {
	return &tally{
		out:     out,
		running: make(map[string]map[string]*result),
		builds:  make(map[string]*strings.Builder),
	}
}

// read consumes events until in ends. Lines that are no event come from go
// itself, and are passed on.
func (t *tally) read(in io.Reader) error {
	lines := newLines(in)
	for {
		line, err := lines.next()
		if len(line) > 0 {
			var e event
			if line[0] != '{' || json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(t.out, "%s\n", line)
			} else {
				t.add(&e)
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// add consumes one event.
func (t *tally) add(e *event) {
	switch e.Action {
	case "build-output":
		b := t.builds[e.ImportPath]
		if b == nil {
			b = new(strings.Builder)
			t.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
	case "build-fail":
		fmt.Fprint(t.out, t.builds[e.ImportPath])
	case "output":
		t.result(e).output.WriteString(e.Output)
	case "run":
		t.result(e)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(e)
		} else {
			t.endTest(e)
		}
	}
}

// result returns the entry of e's test, or of its package.
func (t *tally) result(e *event) *result {
	tests := t.running[e.Package]
	if tests == nil {
		tests = make(map[string]*result)
		t.running[e.Package] = tests
	}
	r := tests[e.Test]
	if r == nil {
		r = new(result)
		tests[e.Test] = r
	}
	return r
}

func (t *tally) endTest(e *event) {
	r := t.result(e)
	r.state = e.Action
	if e.Action == "fail" {
		fmt.Fprint(t.out, r.output.String())
	}
	r.output = strings.Builder{}
}

// endPackage counts a package's tests and prints a line about it.
func (t *tally) endPackage(e *event) {
	own := t.result(e)
	tests := t.running[e.Package]
	delete(t.running, e.Package)
	delete(tests, "")

	passed, failed := 0, 0
	for name, r := range tests {
		switch {
		case r.state == "": // the process ended while it ran
			fmt.Fprint(t.out, r.output.String())
			if isLeaf(tests, name) {
				failed++
			}
		case r.state == "fail" && !childFailed(tests, name):
			failed++
		case r.state == "pass" && isLeaf(tests, name):
			passed++
		case r.state == "skip" && isLeaf(tests, name):
			t.skipped = append(t.skipped, e.Package+" "+name)
		}
	}
	if e.Action == "fail" {
		fmt.Fprint(t.out, own.output.String())
		if failed == 0 {
			failed = 1
		}
	}
	t.passed += passed
	t.failed += failed
	if passed+failed > 0 {
		fmt.Fprintf(t.out, "%-4s %-50s %5d tests %7.1f s\n", e.Action, e.Package, passed+failed, e.Elapsed)
	}
}

// end counts as failed every package that no event said the end of, and prints
// the totals.
func (t *tally) end() {
	for name := range t.running {
		t.endPackage(&event{Action: "fail", Package: name})
	}
	slices.Sort(t.skipped)
	for _, name := range t.skipped {
		fmt.Fprintf(t.out, "skipped %s\n", name)
	}
	fmt.Fprintf(t.out, "%d passed, %d failed\n", t.passed, t.failed)
}

func isLeaf(tests map[string]*result, name string) bool {
	for other := range tests {
		if strings.HasPrefix(other, name+"/") {
			return false
		}
	}
	return true
}

func childFailed(tests map[string]*result, name string) bool {
	for other, r := range tests {
		if strings.HasPrefix(other, name+"/") && r.state != "pass" && r.state != "skip" {
			return true
		}
	}
	return false
}
