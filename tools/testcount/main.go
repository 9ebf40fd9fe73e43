// Command testcount runs go test, prints the output of the tests that fail and
// a line for each package, and ends with the line
//
//	N passed, N failed
//
// Its arguments are go test's. With -backends before them, a package whose
// tests link the reactor is tested once on each backend that works here, by way
// of ZERORING_BACKEND; the others once. Before that, -nested=DIR has the tests of
// the module in DIR run too, once and with cgo.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/reactor"
)

func main() {
	t := newTally(os.Stdout)
	for _, p := range plan(os.Args[1:], backends) {
		if err := t.run(p); err != nil {
			fmt.Fprintln(os.Stderr, "testcount:", err)
			t.failed++
		}
	}
	t.end()
	if t.failed > 0 {
		os.Exit(1)
	}
}

// A pass is one run of go test.
type pass struct {
	backend string // "" leaves the choice to the library
	args    []string
	dir     string // of another module, whose tests may be cgo; "" is this one
}

// plan says which runs of go test args ask for.
func plan(args []string, backends func() []string) []pass {
	if len(args) > 0 && strings.HasPrefix(args[0], "-nested=") {
		there := slices.Clone(args[1:])
		there = slices.DeleteFunc(there, func(arg string) bool { return arg == "-backends" })
		return append(plan(args[1:], backends), pass{args: there, dir: strings.TrimPrefix(args[0], "-nested=")})
	}
	if len(args) == 0 || args[0] != "-backends" {
		return []pass{{args: args}}
	}
	args = args[1:]
	flags, patterns := split(args)
	users, others, err := byReactor(patterns)
	if err != nil {
		// Let go test explain what is wrong with them.
		return []pass{{args: args}}
	}
	var passes []pass
	if len(others) > 0 {
		passes = append(passes, pass{args: append(flags[:len(flags):len(flags)], others...)})
	}
	if len(users) > 0 {
		for _, backend := range backends() {
			passes = append(passes, pass{backend: backend, args: append(flags[:len(flags):len(flags)], users...)})
		}
	}
	return passes
}

// backends are those that work here. What does not is said once, loudly, and
// not tested: every test of it would fail for the one reason.
func backends() []string {
	var names []string
	for _, b := range []struct {
		name string
		kind reactor.Kind
	}{{"epoll", reactor.Epoll}, {"uring", reactor.Uring}} {
		g, err := reactor.NewGroup(&reactor.Config{Reactors: 1, Backend: b.kind})
		if err != nil {
			fmt.Printf("NOT TESTED on %s: %v\n", b.name, err)
			continue
		}
		names = append(names, b.name)
		if err := g.Close(); err != nil {
			fmt.Printf("%s: %v\n", b.name, err)
		}
	}
	return names
}

// split parts flags from package patterns. Flags here are written with an
// equals sign, so whatever has no dash is a pattern.
func split(args []string) (flags, patterns []string) {
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			flags = append(flags, arg)
		} else {
			patterns = append(patterns, arg)
		}
	}
	return flags, patterns
}

// byReactor parts the packages that patterns name by whether their tests link
// the reactor.
func byReactor(patterns []string) (users, others []string, err error) {
	const format = "{{.ImportPath}}\t{{.ForTest}}\t{{join .Deps \" \"}}"
	cmd := exec.Command("go", append([]string{"list", "-test", "-f", format}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, err
	}
	users, others = sortByReactor(string(out))
	return users, others, nil
}

// sortByReactor reads what go list -test says: each package, and, if it has
// tests, its test binary under the name of the package and ".test".
func sortByReactor(list string) (users, others []string) {
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		name, isTest := strings.CutSuffix(fields[0], ".test")
		if !isTest {
			continue
		}
		if strings.Contains(" "+fields[2]+" ", "/reactor ") {
			users = append(users, name)
		} else {
			others = append(others, name)
		}
	}
	return users, others
}

// run runs go test once and counts.
func (t *tally) run(p pass) error {
	if p.backend != "" {
		fmt.Fprintf(t.out, "ZERORING_BACKEND=%s\n", p.backend)
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, p.args...)...)
	cmd.Env = os.Environ()
	if p.backend != "" {
		cmd.Env = append(cmd.Env, "ZERORING_BACKEND="+p.backend)
	}
	if p.dir != "" {
		cmd.Dir = p.dir
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	failed := t.failed
	if err := t.read(events); err != nil {
		return err
	}
	err = cmd.Wait()
	if err != nil && t.failed > failed {
		return nil // counted already
	}
	return err
}

// lines reads lines of any length: a test may print what it likes.
type lines struct{ in *bufio.Reader }

func newLines(in io.Reader) lines { return lines{bufio.NewReader(in)} }

func (l lines) next() ([]byte, error) {
	line, err := l.in.ReadBytes('\n')
	return bytes.TrimSuffix(line, []byte("\n")), err
}
