package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for any one event. It is a limit on how
// long a broken build takes to say so, not a measure of anything.
const patience = 20 * time.Second

// python is Debian's, which has python3-zmq. Another python3 may come first in
// PATH and has not.
const python = "/usr/bin/python3"

var (
	scratch   string // a directory with a path short enough for ipc endpoints
	peerPath  string // the compiled peer.c
	peerError error  // why there is none
	pyError   error  // why pyzmq cannot be used
	names     atomic.Int64
)

func TestMain(m *testing.M) {
	code := 1
	defer func() { os.Exit(code) }()
	var err error
	if scratch, err = os.MkdirTemp("", "zr"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer os.RemoveAll(scratch)
	peerPath, peerError = compilePeer(scratch)
	if out, err := exec.Command(python, "-c", "import zmq").CombinedOutput(); err != nil {
		pyError = fmt.Errorf("python3-zmq: %w: %s", err, out)
	}
	goroutines, descriptors, _ := held()
	code = m.Run()
	if left := leaked(goroutines, descriptors); left != "" && code == 0 {
		fmt.Fprintln(os.Stderr, left)
		code = 1
	}
}

// held counts what must not grow: goroutines, but for those of the pool for
// blocking calls, which belong to the process, and descriptors.
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

// leaked says what is held over and above what there was, or "". It gives
// goroutines that were told to end the time to do so.
func leaked(goroutines, descriptors int) string {
	limit := time.After(patience)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		g, d, stacks := held()
		if g <= goroutines && d <= descriptors {
			return ""
		}
		select {
		case <-look.C:
		case <-limit:
			return fmt.Sprintf("leaked: %d goroutines and %d descriptors, were %d and %d\n%s", g, d, goroutines, descriptors, stacks)
		}
	}
}

func compilePeer(dir string) (string, error) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "peer")
	out, err := exec.Command(gcc, "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, "testdata/peer.c", "-lzmq").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gcc -lzmq: %w: %s", err, out)
	}
	return path, nil
}

// need skips the test if what it needs is missing. Where CI=true the machine
// is ours and nothing may be missing.
func need(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("a peer to test against is missing: %v", err)
	default:
		t.Skipf("a peer to test against is missing: %v", err)
	}
}

// fresh returns an endpoint to bind to that nobody has used. Over tcp its address
// is this process's own, so that nobody takes a port of it that is to be bound
// again.
func fresh(transport string) string {
	switch transport {
	case "tcp":
		pid := os.Getpid()
		return fmt.Sprintf("tcp://127.%d.%d.%d:*", 1+pid>>16&0x7f, pid>>8&0xff, pid&0xff)
	case "ipc":
		return fmt.Sprintf("ipc://%s/%d", scratch, names.Add(1))
	case "abstract":
		return fmt.Sprintf("ipc://@%s/%d", filepath.Base(scratch), names.Add(1))
	}
	panic("no transport " + transport)
}
