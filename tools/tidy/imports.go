package tidy

import (
	"slices"
	"strings"
)

const module = "github.com/zeroring/zeroring/"

// mayImport is the whole dependency policy. A package may import the standard
// library, what is listed for it here, and nothing else. Ours are named by
// their first element; an entry that ends in a slash allows all below it.
var mayImport = map[string][]string{
	"ring":    {},
	"zmtp":    {"golang.org/x/crypto/"},
	"pgm":     {"github.com/klauspost/reedsolomon"},
	"reactor": {"ring", "github.com/godzie44/go-uring/uring", "golang.org/x/sys/unix"},
	"socket":  {"ring", "zmtp", "pgm", "reactor", "github.com/panjf2000/ants/v2"},
	"bench": {
		"socket", "bench", "github.com/panjf2000/ants/v2", "github.com/HdrHistogram/hdrhistogram-go",
		"gonum.org/v1/plot", "gonum.org/v1/plot/", "golang.org/x/sys/unix",
	},
	"tools": {
		"ring", "zmtp", "pgm", "reactor", "socket", "bench", "tools", "golang.org/x/sys/unix",
		"github.com/spf13/cobra", "github.com/HdrHistogram/hdrhistogram-go",
		"github.com/prometheus/client_golang/", "github.com/panjf2000/ants/v2",
	},
}

// testsMayImport is what tests may import beside. The transcript is the format
// of zmtp's golden vectors, which the tool that captures them writes; it imports
// zmtp and nothing else of ours.
var testsMayImport = []string{
	"golang.org/x/sys/unix", "go.uber.org/goleak", module + "tools/vectors/transcript",
}

// systemCalls are the packages that make them.
var systemCalls = []string{"syscall", "golang.org/x/sys/unix"}

// Imports says who may import what: the arrows of the architecture.
var Imports = Rule{"imports", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil {
		return
	}
	for _, spec := range s.File.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		switch {
		case name == "C":
			complain(s.Line(spec), "this is pure Go: no cgo")
		case s.IsTest() && slices.Contains(testsMayImport, name):
		case strings.HasPrefix(name, module):
			name = strings.TrimPrefix(name, module)
			first, _, _ := strings.Cut(name, "/")
			if first != s.Package() && !slices.Contains(mayImport[s.Package()], first) {
				complain(s.Line(spec), "%s may not import %s", s.Package(), name)
			}
		case isStandard(name):
		case !allowed(mayImport[s.Package()], name):
			complain(s.Line(spec), "%s may not import %s", s.Package(), name)
		}
	}
}}

// isStandard reports whether a package is in the standard library, which has
// no dot in the first element of its paths.
func isStandard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}

func allowed(list []string, name string) bool {
	for _, entry := range list {
		if name == entry || strings.HasSuffix(entry, "/") && strings.HasPrefix(name, entry) {
			return true
		}
	}
	return false
}

// SystemCalls says that only the reactor makes them. Tools and tests may, and
// the benchmarks, which measure processes from outside the library.
var SystemCalls = Rule{"system calls", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil || s.IsTest() || s.Package() == "reactor" || s.Package() == "tools" || s.Package() == "bench" {
		return
	}
	for _, spec := range s.File.Imports {
		if name := strings.Trim(spec.Path.Value, `"`); slices.Contains(systemCalls, name) {
			complain(s.Line(spec), "only reactor makes system calls: %s may not import %s", s.Package(), name)
		}
	}
}}

// Offload says that one file of socket uses the pool of goroutines, so that
// what may block is in one place, away from messages.
var Offload = Rule{"offload", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil || s.Package() != "socket" || s.Base() == "offload.go" {
		return
	}
	for _, spec := range s.File.Imports {
		if strings.Contains(spec.Path.Value, "/ants/") {
			complain(s.Line(spec), "only offload.go uses the pool")
		}
	}
}}
