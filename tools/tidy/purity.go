package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// purePackages and PureFiles are given the time, the octets and the dice. They
// never go and get them.
var purePackages = []string{"zmtp", "pgm"}

// PureFiles are the state machines of package socket: the patterns and what
// they are made of.
var PureFiles = []string{
	"pair.go", "pub.go", "sub.go", "xpub.go", "xsub.go", "req.go", "rep.go", "dealer.go", "router.go",
	"push.go", "pull.go", "lb.go", "fq.go", "dist.go", "fan.go", "trie.go", "pipe.go", "lane.go", "message.go", "note.go",
	"packer.go", "scatter.go", "wire.go",
	"endpoint.go", "type.go", "pattern.go",
}

// impureImports are packages with a clock, dice, locks or the outside world in
// them. A path that ends in a slash means all below it.
var impureImports = []string{
	"bufio", "context", "crypto/rand", "io/fs", "io/ioutil", "log", "log/", "math/rand", "math/rand/",
	"net", "net/http", "net/http/", "os", "os/", "runtime", "runtime/", "syscall",
	"golang.org/x/sys/",
}

// impureNames are what may not be used of packages that are otherwise harmless.
// sync.Pool and atomics stay allowed: neither makes anybody wait.
var impureNames = map[string][]string{
	"time": {"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"},
	"sync": {"Mutex", "RWMutex", "WaitGroup", "Cond", "NewCond", "Once", "OnceFunc", "OnceValue", "OnceValues", "Map"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// Purity says what a pure file may not do.
var Purity = Rule{"purity", func(s *Source, complain func(int, string, ...any)) {
	if s.File == nil || s.IsTest() || !isPure(s) {
		return
	}
	for _, spec := range s.File.Imports {
		if name := strings.Trim(spec.Path.Value, `"`); allowed(impureImports, name) {
			complain(s.Line(spec), "this file is pure: it may not import %s", name)
		}
	}
	ast.Inspect(s.File, func(n ast.Node) bool {
		if why := impure(n); why != "" {
			complain(s.Line(n), "this file is pure: %s", why)
		}
		return true
	})
}}

func isPure(s *Source) bool {
	return slices.Contains(purePackages, s.Package()) || s.Package() == "socket" && slices.Contains(PureFiles, s.Base())
}

// impure says what is wrong with one node, if anything.
func impure(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "it may not start goroutines"
	case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
		return "it may not use channels"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "it may not use channels"
		}
	case *ast.SelectorExpr:
		pkg, ok := n.X.(*ast.Ident)
		if ok && slices.Contains(impureNames[pkg.Name], n.Sel.Name) {
			return "it may not use " + pkg.Name + "." + n.Sel.Name
		}
	}
	return ""
}
