package reactor

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBacklogged: a peer that does not read is told from one that does, over
// tcp and over Unix sockets.
func TestBacklogged(t *testing.T) {
	own := fmt.Sprintf("@zeroring-backlog-test-%d", os.Getpid()) // the name is the whole system's
	for name, at := range map[string]Addr{"tcp": loopback, "unix": {Network: Unix, Path: own}} {
		t.Run(name, func(t *testing.T) {
			var k kernelSockets
			listener, bound, err := k.listen(at, &SockOpts{})
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(int(listener))
			near, err := k.socket(bound, &SockOpts{})
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(int(near))
			_, to, err := sockaddr(bound)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Connect(int(near), to); err != nil && err != unix.EINPROGRESS {
				t.Fatal(err)
			}
			poll(t, listener)
			far, _, err := unix.Accept4(int(listener), unix.SOCK_NONBLOCK)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(far)
			if k.backlogged(near) {
				t.Error("backlogged with nothing sent")
			}
			chunk := [][]byte{make([]byte, 64<<10)}
			for {
				if _, err := k.tryWrite(near, chunk); err == ErrAgain {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if !k.backlogged(near) {
				t.Error("not backlogged, though the peer has read nothing and takes no more")
			}
			buf := make([]byte, 1<<20)
			for k.backlogged(near) {
				poll(t, FD(far))
				if _, err := unix.Read(far, buf); err != nil && err != unix.EAGAIN {
					t.Fatal(err)
				}
			}
		})
	}
}

// poll waits until fd can be read.
func poll(t *testing.T, fd FD) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 10_000); n != 1 || err != nil {
		t.Fatalf("poll: %d, %v", n, err)
	}
}
