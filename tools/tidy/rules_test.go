package tidy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ruleCases are small sources: what a rule must object to, by line, and what it
// must let pass.
var ruleCases = []struct {
	rule *Rule
	path string
	text string
	want []int // lines
}{
	{&Imports, "ring/a.go", "package ring\nimport \"sync\"\n", nil},
	{&Imports, "ring/a.go", "package ring\nimport \"github.com/zeroring/zeroring/zmtp\"\n", []int{2}},
	{&Imports, "ring/a_test.go", "package ring\nimport \"github.com/zeroring/zeroring/socket\"\n", []int{2}},
	{&Imports, "ring/a_test.go", "package ring\nimport \"go.uber.org/goleak\"\n", nil},
	{&Imports, "ring/a.go", "package ring\nimport \"go.uber.org/goleak\"\n", []int{2}},
	{&Imports, "zmtp/a.go", "package zmtp\nimport \"golang.org/x/crypto/nacl/box\"\n", nil},
	{&Imports, "zmtp/a_test.go", "package zmtp\nimport \"github.com/zeroring/zeroring/tools/vectors/transcript\"\n", nil},
	{&Imports, "zmtp/a_test.go", "package zmtp\nimport \"github.com/zeroring/zeroring/tools/vectors\"\n", []int{2}},
	{&Imports, "zmtp/a.go", "package zmtp\nimport \"github.com/zeroring/zeroring/tools/vectors/transcript\"\n", []int{2}},
	{&Imports, "zmtp/a.go", "package zmtp\nimport (\n\"io\"\n\"github.com/zeroring/zeroring/ring\"\n)\n", []int{4}},
	{&Imports, "pgm/a.go", "package pgm\nimport \"golang.org/x/sys/unix\"\n", []int{2}},
	{&Imports, "reactor/a.go", "package reactor\nimport \"golang.org/x/sys/unix\"\n", nil},
	{&Imports, "reactor/a.go", "package reactor\nimport \"golang.org/x/sys/unixx\"\n", []int{2}},
	{&Imports, "reactor/a.go", "package reactor\nimport \"github.com/godzie44/go-uring/reactor\"\n", []int{2}},
	{&Imports, "reactor/a.go", "package reactor\nimport \"github.com/zeroring/zeroring/socket\"\n", []int{2}},
	{&Imports, "socket/a.go", "package socket\nimport \"github.com/zeroring/zeroring/reactor\"\n", nil},
	{&Imports, "socket/a.go", "package socket\nimport \"github.com/zeroring/zeroring/bench\"\n", []int{2}},
	{&Imports, "socket/a.go", "package socket\nimport \"github.com/spf13/cobra\"\n", []int{2}},
	{&Imports, "bench/a.go", "package bench\nimport \"gonum.org/v1/plot/vg\"\n", nil},
	{&Imports, "bench/a.go", "package bench\nimport \"github.com/zeroring/zeroring/reactor\"\n", []int{2}},
	{&Imports, "tools/x/a.go", "package x\nimport \"github.com/zeroring/zeroring/tools/y\"\n", nil},
	{&Imports, "tools/x/a.go", "package x\nimport \"github.com/pebbe/zmq4\"\n", []int{2}},
	{&Imports, "tools/x/a.go", "package x\nimport \"C\"\n", []int{2}},
	{&Imports, "other/a.go", "package other\nimport \"example.com/x\"\n", []int{2}},

	{&SystemCalls, "socket/a.go", "package socket\nimport \"syscall\"\n", []int{2}},
	{&SystemCalls, "ring/a.go", "package ring\nimport \"golang.org/x/sys/unix\"\n", []int{2}},
	{&SystemCalls, "socket/a_test.go", "package socket\nimport \"syscall\"\n", nil},
	{&SystemCalls, "reactor/a.go", "package reactor\nimport \"syscall\"\n", nil},
	{&SystemCalls, "tools/x/a.go", "package x\nimport \"syscall\"\n", nil},

	{&Offload, "socket/a.go", "package socket\nimport \"github.com/panjf2000/ants/v2\"\n", []int{2}},
	{&Offload, "socket/offload.go", "package socket\nimport \"github.com/panjf2000/ants/v2\"\n", nil},

	{&Purity, "zmtp/a.go", "package zmtp\nfunc f() {\ngo f()\n}\n", []int{3}},
	{&Purity, "zmtp/a_test.go", "package zmtp\nfunc f() {\ngo f()\n}\n", nil},
	{&Purity, "pgm/a.go", "package pgm\nvar c chan int\n", []int{2}},
	{&Purity, "socket/req.go", "package socket\nfunc f() {\nc <- 1\n<-c\nselect {}\n}\n", []int{3, 4, 5}},
	{&Purity, "socket/session.go", "package socket\nfunc f() {\nc <- 1\ngo f()\n}\n", nil},
	{&Purity, "socket/lb.go", "package socket\nimport \"sync\"\nvar m sync.Mutex\nvar r sync.RWMutex\nvar p sync.Pool\n", []int{3, 4}},
	{&Purity, "zmtp/a.go", "package zmtp\nimport \"time\"\nvar d time.Duration = time.Second\n", nil},
	{&Purity, "zmtp/a.go", "package zmtp\nimport \"time\"\nvar (\na = time.Now()\nb = time.Since(a)\nc = time.After(1)\n)\n", []int{4, 5, 6}},
	{&Purity, "zmtp/a.go", "package zmtp\nimport (\n\"math/rand/v2\"\n\"crypto/rand\"\n\"os\"\n\"net\"\n\"net/netip\"\n\"log/slog\"\n\"errors\"\n)\n", []int{3, 4, 5, 6, 8}},
	{&Purity, "zmtp/a.go", "package zmtp\nimport \"fmt\"\nfunc f() {\nfmt.Println()\n}\nvar e = fmt.Errorf(\"\")\n", []int{4}},

	{&Sizes, "ring/a.go", "package ring\nfunc f() {" + strings.Repeat("\n", 69) + "}\n", nil},
	{&Sizes, "ring/a.go", "package ring\nfunc f() {" + strings.Repeat("\n", 70) + "}\n", []int{2}},
	{&Sizes, "ring/a.go", "package ring\nvar f = func() {" + strings.Repeat("\n", 70) + "}\n", []int{2}},
	{&Sizes, "ring/a_test.go", "package ring\nfunc f() {" + strings.Repeat("\n", 600) + "}\n", nil},
	{&Sizes, "ring/a.go", "package ring\n" + strings.Repeat("\n", 499), nil},
	{&Sizes, "ring/a.go", "package ring\n" + strings.Repeat("\n", 500), []int{0}},

	{&Documented, "ring/a.go", "package ring\nfunc F() {}\nfunc f() {}\n", []int{2}},
	{&Documented, "ring/a.go", "package ring\n// F does.\nfunc F() {}\n", nil},
	{&Documented, "ring/a.go", "package ring\nfunc (t *T[X]) F() {}\nfunc (t u) F() {}\n", []int{2}},
	{&Documented, "ring/a.go", "package ring\ntype T int\ntype t int\n", []int{2}},
	{&Documented, "ring/a.go", "package ring\nconst A = 1\nvar (\nB = 1\nC = 2 // is two\n)\n", []int{2, 4}},
	{&Documented, "ring/a.go", "package ring\n// The numbers.\nconst (\nA = 1\nB = 2\n)\n", nil},
	{&Documented, "socket/a.go", "package socket\n// Options are.\ntype Options struct {\nA int\n// B is.\nB int\nc int\n}\n", []int{4}},
	{&Documented, "socket/a.go", "package socket\n// T is.\ntype T struct {\nA int\n}\n", nil},
	{&Documented, "tools/x/a.go", "package x\n// Config is.\ntype Config struct {\nA int\n}\n", nil},
	{&Documented, "tools/x/a.go", "package main\nfunc F() {}\n", nil},
	{&Documented, "ring/a_test.go", "package ring\nfunc F() {}\n", nil},

	{&Leftovers, "ring/a.go", "package ring\n\n// TO" + "DO: the rest\n", []int{3}},
	{&Leftovers, "README.md", "FIX" + "ME\nXX" + "X\nmktemp XXXXXX\n", []int{1, 2}},

	{&NoSleep, "ring/a_test.go", "package ring\nimport \"time\"\nfunc f() {\ntime.Sleep(1)\n}\n", []int{4}},
	{&NoSleep, "ring/a_test.go", "package ring\nimport \"testing/synctest\"\nfunc f() {\ntime.Sleep(1)\n}\n", nil},
	{&NoSleep, "ring/a.go", "package ring\nimport \"time\"\nfunc f() {\ntime.Sleep(1)\n}\n", nil},
}

func TestRules(t *testing.T) {
	for _, tt := range ruleCases {
		t.Run(tt.rule.Name+" "+tt.path, func(t *testing.T) {
			s, err := NewSource(tt.path, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var lines []int
			for _, c := range tt.rule.Apply(s) {
				lines = append(lines, c.Line)
				if !strings.HasPrefix(c.String(), tt.path+":") {
					t.Errorf("the complaint does not say where: %v", c)
				}
			}
			if !slices.Equal(lines, tt.want) {
				t.Errorf("complains of lines %v, want %v, in\n%s", lines, tt.want, tt.text)
			}
		})
	}
}

// TestRulesAreTested checks that each rule has a case in which it objects.
func TestRulesAreTested(t *testing.T) {
	objects := make(map[*Rule]bool)
	for _, tt := range ruleCases {
		objects[tt.rule] = objects[tt.rule] || len(tt.want) > 0
	}
	for _, rule := range Rules {
		if !objects[rule] {
			t.Errorf("no case for %s", rule.Name)
		}
	}
}

func TestTopLevel(t *testing.T) {
	good := append(slices.Clone(topRequired), ".git", ".ci", "bin", "pgm")
	if got := TopLevel(good); len(got) != 0 {
		t.Errorf("complains of %v", got)
	}
	bad := append(good[1:], "docs", "main.go")
	if got := fmt.Sprint(TopLevel(bad)); got !=
		"[LICENSE: is missing docs: does not belong at the top level main.go: does not belong at the top level]" {
		t.Errorf("complains of %v", got)
	}
}

func parse(t *testing.T, path, text string) *Source {
	t.Helper()
	s, err := NewSource(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPackageComments(t *testing.T) {
	sources := []*Source{
		parse(t, "ring/a.go", "package ring\n"),
		parse(t, "ring/doc.go", "// Package ring is.\npackage ring\n"),
		parse(t, "zmtp/a.go", "package zmtp\n"),
		parse(t, "zmtp/a_test.go", "// Package zmtp is.\npackage zmtp\n"),
		parse(t, "README.md", "# zeroring\n"),
	}
	if got := fmt.Sprint(PackageComments(sources)); got != "[zmtp: the package has no comment]" {
		t.Errorf("complains of %v", got)
	}
}

func TestPureFilesExist(t *testing.T) {
	var sources []*Source
	for _, name := range PureFiles {
		sources = append(sources, parse(t, "socket/"+name, "package socket\n"))
	}
	if got := PureFilesExist(sources); len(got) != 0 {
		t.Errorf("complains of %v", got)
	}
	if got := PureFilesExist(sources[1:]); len(got) != 1 || got[0].Path != "socket/"+PureFiles[0] {
		t.Errorf("complains of %v", got)
	}
}

// TestRead checks what is read and what is left out.
func TestRead(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n", "README.md": "", "Makefile": "", ".ci/run": "", ".git/a.go": "no", "bin/a.go": "no",
		"ring/a.go": "package ring\n", "ring/testdata/a.go": "no", "tools/x/a.py": "", "data.bin": "",
		"bench/nested/go.mod": "module n\n", "bench/nested/a.go": "no",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := Read(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, s.Path)
	}
	slices.Sort(got)
	if want := []string{".ci/run", "Makefile", "README.md", "ring/a.go", "tools/x/a.py"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if err := os.WriteFile(filepath.Join(root, "ring", "bad.go"), []byte("package"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(root); err == nil {
		t.Error("a file that does not parse is no error")
	}
}
