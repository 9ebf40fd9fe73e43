package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		name           string
		events         string
		passed, failed int
		skipped        []string
		prints         []string
		hides          []string
	}{{
		name: "passes",
		events: `
{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\n"}
{"Action":"pass","Package":"p","Elapsed":1.5}`,
		passed: 1,
		prints: []string{"pass p", "1 tests", "1.5 s"},
		hides:  []string{"chatter"},
	}, {
		name: "leaves are counted, and only they",
		events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"run","Package":"p","Test":"TestA/y"}
{"Action":"output","Package":"p","Test":"TestA/y","Output":"broken\n"}
{"Action":"fail","Package":"p","Test":"TestA/y"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestAB"}
{"Action":"pass","Package":"p","Test":"TestAB"}
{"Action":"run","Package":"p","Test":"TestC"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p"}`,
		passed: 2, failed: 1,
		skipped: []string{"p TestC"},
		prints:  []string{"broken\n", "fail p", "skipped p TestC"},
	}, {
		name: "a parent that fails by itself",
		events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/x"}
{"Action":"pass","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
		passed: 1, failed: 1,
	}, {
		name: "a leak found after the last test",
		events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"goroutine leaked\n"}
{"Action":"fail","Package":"p"}`,
		passed: 1, failed: 1,
		prints: []string{"goroutine leaked"},
	}, {
		name: "a crash",
		events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: oh\n"}
{"Action":"fail","Package":"p"}`,
		failed: 1,
		prints: []string{"panic: oh"},
	}, {
		name: "a build that fails",
		events: `
{"ImportPath":"p","Action":"build-output","Output":"p.go:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL p [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
		failed: 1,
		prints: []string{"p.go:1: no\n", "[build failed]"},
	}, {
		name: "events that break off",
		events: `
{"Action":"run","Package":"p","Test":"TestA"}`,
		failed: 1,
	}, {
		name: "a package without tests, and a line that is no event",
		events: `
go: downloading
{"Action":"output","Package":"p","Output":"?   \tp\t[no test files]\n"}
{"Action":"skip","Package":"p"}`,
		prints: []string{"go: downloading\n"},
		hides:  []string{"no test files"},
	}} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			c := newTally(&out)
			if err := c.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			c.end()
			if c.passed != tt.passed || c.failed != tt.failed || !slices.Equal(c.skipped, tt.skipped) {
				t.Errorf("%d passed, %d failed, skipped %q; want %d, %d, %q",
					c.passed, c.failed, c.skipped, tt.passed, tt.failed, tt.skipped)
			}
			for _, s := range tt.prints {
				if !strings.Contains(out.String(), s) {
					t.Errorf("does not print %q:\n%s", s, &out)
				}
			}
			for _, s := range tt.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("prints %q:\n%s", s, &out)
				}
			}
			if !strings.HasSuffix(out.String(), " failed\n") {
				t.Errorf("the last line is not the count:\n%s", &out)
			}
		})
	}
}

func TestSortByReactor(t *testing.T) {
	users, others := sortByReactor(strings.Join([]string{
		"m/ring\t\tsync",
		"m/ring.test\t\tsync m/ring [m/ring.test] testing",
		"m/ring [m/ring.test]\tm/ring\tsync",
		"m/reactor.test\t\tm/ring m/reactor [m/reactor.test] testing",
		"m/socket.test\t\tm/ring m/reactor testing",
		"m/tools/untested\t\tm/reactor",
		"m/tools/reactors.test\t\tm/reactors testing",
	}, "\n"))
	if want := []string{"m/reactor", "m/socket"}; !slices.Equal(users, want) {
		t.Errorf("users %q, want %q", users, want)
	}
	if want := []string{"m/ring", "m/tools/reactors"}; !slices.Equal(others, want) {
		t.Errorf("others %q, want %q", others, want)
	}
}

func TestSplit(t *testing.T) {
	flags, patterns := split([]string{"-race", "-count=1", "./ring", "./socket/..."})
	if want := []string{"-race", "-count=1"}; !slices.Equal(flags, want) {
		t.Errorf("flags %q, want %q", flags, want)
	}
	if want := []string{"./ring", "./socket/..."}; !slices.Equal(patterns, want) {
		t.Errorf("patterns %q, want %q", patterns, want)
	}
}

// TestPlan plans over this repository: ring does not link the reactor, reactor
// does.
func TestPlan(t *testing.T) {
	const module = "github.com/zeroring/zeroring/"
	both := func() []string { return []string{"epoll", "uring"} }
	for _, tt := range []struct {
		args []string
		want []pass
	}{
		{[]string{"-v", "./x"}, []pass{{args: []string{"-v", "./x"}}}},
		{[]string{"-backends", "-v", module + "ring"}, []pass{{args: []string{"-v", module + "ring"}}}},
		{[]string{"-backends", module + "reactor", "-v", module + "ring"}, []pass{
			{args: []string{"-v", module + "ring"}},
			{backend: "epoll", args: []string{"-v", module + "reactor"}},
			{backend: "uring", args: []string{"-v", module + "reactor"}},
		}},
		{[]string{"-nested=x/y", "-backends", "-v", module + "ring"}, []pass{
			{args: []string{"-v", module + "ring"}},
			{dir: "x/y", args: []string{"-v", module + "ring"}},
		}},
	} {
		if got := plan(tt.args, both); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("plan(%q) = %+v, want %+v", tt.args, got, tt.want)
		}
	}
}
