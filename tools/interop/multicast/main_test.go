package multicast

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for any one event. It is a limit on how
// long a broken build takes to say so, not a measure of anything.
const patience = 30 * time.Second

var (
	programs   string // where the C peers are
	buildError error  // why there are none
)

func TestMain(m *testing.M) {
	if endpoint := os.Getenv(subVariable); endpoint != "" {
		os.Exit(beSub(endpoint))
	}
	flag.Parse()
	code := 1
	defer func() { os.Exit(code) }()
	var err error
	if programs, err = os.MkdirTemp("", "multicast"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer os.RemoveAll(programs)
	buildError = errors.Join(
		build("zpub", "-lzmq"), build("zsub", "-lzmq"),
		build("opgm", pkgConfig("openpgm-5.3")...),
	)
	goroutines, descriptors, _ := held()
	code = m.Run()
	var g, d int
	var stacks string
	left := !await(func() bool {
		g, d, stacks = held()
		return g <= goroutines && d <= descriptors
	})
	if left && code == 0 {
		fmt.Fprintf(os.Stderr, "leaked: %d goroutines and %d descriptors, were %d and %d\n%s", g, d, goroutines, descriptors, stacks)
		code = 1
	}
}

// held counts what must not grow: goroutines, but for those of the pool for blocking
// calls, which belong to the process, and descriptors.
func held() (goroutines, descriptors int, stacks string) {
	all := make([]byte, 4<<20)
	stacks = string(all[:runtime.Stack(all, true)])
	for _, g := range strings.Split(stacks, "\n\n") {
		if !strings.Contains(g, "panjf2000/ants") {
			goroutines++
		}
	}
	open, _ := os.ReadDir("/proc/self/fd")
	return goroutines, len(open), stacks
}

// pkgConfig returns what a library needs of the compiler. If it fails, so does
// the compiler.
func pkgConfig(library string) []string {
	out, err := exec.Command("pkg-config", "--cflags", "--libs", library).Output()
	if err != nil {
		return []string{"-lpgm"}
	}
	return strings.Fields(string(out))
}

func build(program string, flags ...string) error {
	args := []string{"-O2", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(programs, program), "testdata/" + program + ".c", "testdata/peer.c"}
	out, err := exec.Command("gcc", append(args, flags...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("gcc %s.c: %w: %s", program, err, out)
	}
	return nil
}

// needPeers skips the test if there are no C peers. Where CI=true the machine is
// ours and nothing may be missing.
func needPeers(t *testing.T) {
	t.Helper()
	switch {
	case buildError == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("a peer to test against is missing: %v", buildError)
	default:
		t.Skipf("a peer to test against is missing: %v", buildError)
	}
}
