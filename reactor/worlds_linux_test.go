package reactor

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelWorlds are the drivers of this system: both, unless the environment
// asks for one, as make test does for each of them in turn.
var kernelWorlds = slices.DeleteFunc([]world{
	{"epoll", func() *Config { return &Config{Backend: Epoll} }},
	{"uring", func() *Config { return &Config{Backend: Uring} }},
}, func(w world) bool { return !asked(w.config().Backend) })

// asked reports whether a kind of driver is to be tested.
func asked(kind Kind) bool {
	only, _, err := askedBackend(Auto, os.Getenv(backendVariable))
	return err != nil || only == Auto || only == kind
}

func TestConformance(t *testing.T) {
	for _, w := range kernelWorlds {
		if available(t, w) {
			runSuite(t, []world{w})
		}
	}
}

// available reports whether w works here. On a machine whose business is to
// test, io_uring may not be missing.
func available(t *testing.T, w world) bool {
	t.Helper()
	g, err := NewGroup(w.config())
	if err != nil {
		if w.name != "uring" || os.Getenv("CI") == "true" {
			t.Fatalf("%s: %v", w.name, err)
		}
		t.Logf("%s is left out: %v", w.name, err)
		return false
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}

// openFDs returns this process's descriptors and what each stands for.
func openFDs(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[string]string)
	for _, e := range entries {
		// The one that ReadDir used is gone by now.
		if what, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = what
		}
	}
	return open
}

// peek reports whether octets, or the end, wait to be read on fd.
func peek(fd FD) bool {
	n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}

// stuck reports whether nothing that fd was given to send will go anywhere
// before the peer reads.
func stuck(fd FD) bool {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	return err != nil || info.Unacked == 0 && info.Notsent_bytes > 0 // not TCP, or the window is closed
}
