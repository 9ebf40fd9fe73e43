package reactor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// listenUnix binds fd to a path or abstract name and listens.
//
// A listener that dies leaves its file behind, and bind(2) refuses a name that
// exists. libzmq removes whatever is there, and so takes the address away from
// a live listener too (ipc_listener.cpp, set_local_address); we remove the file
// only if nobody listens on it. Between bind and listen a socket looks just
// like a dead one, so we hold a lock on the directory meanwhile, which keeps
// other processes of ours from taking it for that.
func listenUnix(fd int, address *unix.SockaddrUnix, backlog int) error {
	if address.Name[0] == '@' {
		return bindAndListen(fd, address, backlog)
	}
	defer lockDir(filepath.Dir(address.Name))()
	err := bindAndListen(fd, address, backlog)
	if errors.Is(err, unix.EADDRINUSE) && removeStale(address) {
		err = bindAndListen(fd, address, backlog)
	}
	if info, statErr := os.Lstat(address.Name); errors.Is(err, unix.EADDRINUSE) && statErr == nil && info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("a file that is no socket is in the way: %w", err)
	}
	return err
}

func bindAndListen(fd int, address *unix.SockaddrUnix, backlog int) error {
	if err := unix.Bind(fd, address); err != nil {
		return os.NewSyscallError("bind", err)
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// removeStale removes the file of a socket that nobody listens on, and reports
// whether it did. A file that is no socket is somebody's, and stays.
func removeStale(address *unix.SockaddrUnix) bool {
	before, err := os.Lstat(address.Name)
	if err != nil || before.Mode().Type() != os.ModeSocket || !refused(address) {
		return false
	}
	// Should somebody have put another file there meanwhile, leave it alone.
	after, err := os.Lstat(address.Name)
	return err == nil && os.SameFile(before, after) && unix.Unlink(address.Name) == nil
}

// refused reports whether connecting to address fails because nobody listens.
// EAGAIN, for one, says that somebody does and is busy.
func refused(address *unix.SockaddrUnix) bool {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Connect(fd, address) == unix.ECONNREFUSED
}

// A lock on a directory is held for some microseconds by each of us. The limit
// is for somebody else who locks directories, for other reasons.
const (
	lockTries = 50
	lockPause = time.Millisecond
)

// lockDir locks a directory against others who listen in it, and returns how to
// unlock it. A directory that cannot be locked is used without.
func lockDir(dir string) (unlock func()) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return func() {}
	}
	for range lockTries {
		if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK {
			break
		}
		time.Sleep(lockPause)
	}
	return func() { unix.Close(fd) } // with its last descriptor the lock is gone
}
