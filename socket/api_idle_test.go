package socket_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// idlersVariable tells the test binary to be a child of TestIdleConnections:
// its value is an endpoint and how many connections to make to it.
const idlersVariable = "ZERORING_TEST_IDLERS"

// Connections that do nothing but be there.
const (
	idleConnections = 10_000
	idleChildren    = 2 // each may have 20,000 descriptors

	// idleLimit is what one may cost the side that holds it, in octets of
	// resident memory: all of it, from the session to the runtime's own.
	idleLimit = 16 << 10
)

// beIdlers makes the connections, says so, and waits for its parent to close
// its standard input.
func beIdlers(spec string) {
	if err := idle(spec); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func idle(spec string) error {
	endpoint, text, _ := strings.Cut(spec, " ")
	count, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	e, err := socket.NewEngine(&socket.EngineOptions{Backend: "epoll", Logger: quiet})
	if err != nil {
		return err
	}
	push, err := socket.NewPush(&socket.Options{Engine: e, Linger: socket.NoLinger, SendHWM: 1})
	if err != nil {
		return err
	}
	for range count {
		if err := push.Connect(endpoint); err != nil {
			return err
		}
	}
	fmt.Println("connecting")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return e.Close()
}

// TestIdleConnections: one socket holds ten thousand connections of other
// processes, at no more than 16 KiB of resident memory each, and hears each of
// those that speak.
func TestIdleConnections(t *testing.T) {
	count := idleConnections
	if raced || testing.Short() {
		count = 1000 // and no figure, which would be of something else
	}
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.Backlog = 4096 })
		endpoint := b.bind(t, pull)
		warm := b.open(t, socket.TypePush)
		connectTo(t, warm, endpoint)
		send(t, warm, "x")
		want(t, pull, "x")
		before := resident(t)
		var children []*idlers
		for range idleChildren {
			children = append(children, startIdlers(t, endpoint, count/idleChildren))
		}
		for _, c := range children {
			c.started(t)
		}
		waitPeers(t, pull, 1+count)
		after := resident(t)
		each := float64(after-before) / float64(count)
		t.Logf("%d idle connections: %.1f KiB resident each", count, each/1024)
		if count == idleConnections && each > idleLimit {
			t.Errorf("%.1f KiB resident for each idle connection, more than %d", each/1024, idleLimit>>10)
		}
		send(t, warm, "still served")
		want(t, pull, "still served")
		for _, c := range children {
			c.end(t)
		}
		until(t, "they are gone", func() bool { return len(pull.Stats().Peers) == 1 })
	})
}

// idlers is a child process that holds connections.
type idlers struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

func startIdlers(t *testing.T, endpoint string, count int) *idlers {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", idlersVariable, endpoint, count))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &idlers{cmd, stdin, bufio.NewReader(stdout)}
	t.Cleanup(func() { // should the test fail before end
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return c
}

// started waits until the child has begun.
func (c *idlers) started(t *testing.T) {
	t.Helper()
	if line, err := c.out.ReadString('\n'); err != nil || line != "connecting\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
}

// end lets the child close its connections and exit.
func (c *idlers) end(t *testing.T) {
	t.Helper()
	_ = c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("child: %v", err)
	}
}

// resident is how much of this process is in memory, in octets, once garbage
// is given back.
func resident(t *testing.T) int {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile(filepath.Join("/proc", "self", "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS in /proc/self/status")
	return 0
}
