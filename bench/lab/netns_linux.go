package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A namespace is a network namespace without a name: it is there as long as
// its file, a socket or a process in it is. When this process ends nothing is
// left, however it ends. Any goroutine may use it.
type namespace struct {
	mu   sync.RWMutex // held to read while the file is used
	file *os.File
}

// ownNamespace is the file of the network namespace of the thread that opens it.
const ownNamespace = "/proc/thread-self/ns/net"

// newNamespace makes a namespace, empty but for an interface lo that is down.
func newNamespace() (*namespace, error) {
	var n namespace
	err := elsewhere(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a new network namespace: %w", err)
		}
		return nil
	}, func() (err error) {
		n.file, err = os.Open(ownNamespace)
		return err
	})
	if err != nil {
		n.close()
		return nil, err
	}
	return &n, nil
}

// inside runs f on a thread in the namespace.
func (n *namespace) inside(f func() error) error {
	return elsewhere(func() error {
		return n.with(func(file *os.File) error {
			if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("to enter a network namespace: %w", err)
			}
			return nil
		})
	}, f)
}

// elsewhere has this goroutine's thread leave its network namespace, runs f on
// it, and comes back, also if f panics or ends the goroutine as tests do. A
// thread that cannot come back stays locked, and ends with its goroutine.
func elsewhere(leave, f func() error) (err error) {
	runtime.LockOSThread()
	home, err := os.Open(ownNamespace)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	if err := leave(); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, fmt.Errorf("to come back from a network namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// close gives the namespace up. Whoever is inside stays there.
func (n *namespace) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file != nil {
		n.file.Close()
		n.file = nil
	}
}

// with lends the namespace's file to f.
func (n *namespace) with(f func(*os.File) error) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.file == nil {
		return ErrClosed
	}
	return f(n.file)
}

// ip runs iproute2's ip inside, with one command a line, and returns what it
// says, in detail. The file that is lent to it, if any, is called
// /proc/self/fd/3 there.
func (n *namespace) ip(commands string, lent *os.File) (string, error) {
	path, err := ipPath()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, "-details", "-oneline", "-batch", "-")
	cmd.Stdin = strings.NewReader(commands)
	if lent != nil {
		cmd.ExtraFiles = []*os.File{lent}
	}
	var out, complaint strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := n.inside(cmd.Start); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		said := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("ip: %w: %s%s", err, said, failedLine(commands, said))
	}
	return out.String(), nil
}

// failedLine quotes the command that ip complains of as "Command failed -:7".
func failedLine(commands, said string) string {
	_, number, ok := strings.Cut(said, "Command failed -:")
	var line int
	if _, err := fmt.Sscan(number, &line); !ok || err != nil {
		return ""
	}
	lines := strings.Split(commands, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return ": " + lines[line-1]
}

// ipPath finds ip, which is often in directories that only root's PATH has.
func ipPath() (string, error) {
	if path, err := exec.LookPath("ip"); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, "ip")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("lab: there is no program ip: install iproute2 (apt-get install iproute2)")
}
