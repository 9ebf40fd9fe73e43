package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/zeroring/zeroring/bench/lab"
	"golang.org/x/sys/unix"
)

// namespaceOf is the number of a host's network namespace.
func namespaceOf(t *testing.T, h *lab.Host) (number string) {
	t.Helper()
	must(t, h, func() (err error) {
		number, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	return number
}

// checkGone fails the test unless a process that has a descriptor for it ends.
func checkGone(t *testing.T, pidfd int) {
	t.Helper()
	polls := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(polls, int(patience.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Errorf("the program still runs: %v", err)
		}
		return
	}
}

func pidfd(t *testing.T, pid int) int {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// After Close there are no programs, namespaces, descriptors and goroutines;
// and closed is closed.
func TestClose(t *testing.T) {
	for _, f := range fabrics {
		t.Run(f.String(), func(t *testing.T) {
			before := held()
			l := lab.Start(t, lab.Config{Hosts: 3, Fabric: f})
			h := l.Host(2)
			var namespaces []string
			for _, h := range l.Hosts() {
				namespaces = append(namespaces, namespaceOf(t, h))
			}
			// What sh has started is to end too.
			cmd := h.Command(t.Context(), "sh", "-c", "sleep 1000 & echo $!; wait")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var grandchild int
			if _, err := fmt.Fscan(out, &grandchild); err != nil {
				t.Fatal(err)
			}
			programs := []int{pidfd(t, cmd.Process.Pid), pidfd(t, grandchild)}
			before.descriptors += len(programs)
			if len(users(t, namespaces[1])) < 3 {
				t.Errorf("in host 2 there are only %q", users(t, namespaces[1]))
			}
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(l.Close)
			}
			wg.Wait()
			for _, fd := range programs {
				checkGone(t, fd)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it ended without being killed")
			}
			checkHeld(t, before)
			for _, n := range namespaces {
				eventually(t, func() string { return strings.Join(users(t, n), " ") })
			}
			for what, err := range map[string]error{
				"SetFaults": l.SetFaults(1), "SetAll": l.SetAll(), "Blackout": l.Blackout(1, true),
				"Do": h.Do(func() error { return nil }), "Start": h.Command(t.Context(), "true").Start(),
			} {
				if !errors.Is(err, lab.ErrClosed) {
					t.Errorf("%s after Close: %v", what, err)
				}
			}
			if _, err := l.Stats(1); !errors.Is(err, lab.ErrClosed) {
				t.Errorf("Stats after Close: %v", err)
			}
		})
	}
}

// A process that is killed leaves nothing.
func TestKill(t *testing.T) {
	for _, f := range fabrics {
		t.Run(f.String(), func(t *testing.T) {
			start(t, lab.Config{Hosts: 1, Fabric: f}) // skips, or fails, where there is no laboratory
			cmd := helper(t, "laboratory", f.String())
			// It would end when its standard input does.
			if _, err := cmd.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var pid int
			var namespace string
			if _, err := fmt.Fscan(out, &pid, &namespace); err != nil {
				t.Error(err)
			}
			fd := pidfd(t, pid)
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
				t.Errorf("it was not killed: %v", err)
			}
			checkGone(t, fd)
			eventually(t, func() string { return strings.Join(users(t, namespace), " ") })
		})
	}
}

// A program runs in its host, its output is had as os/exec has it, and it ends
// with its context.
func TestCommand(t *testing.T) {
	l := start(t, lab.Config{Hosts: 2})
	h := l.Host(2)
	out, err := h.Command(t.Context(), "readlink", "/proc/self/ns/net").Output()
	if got, want := strings.TrimSpace(string(out)), namespaceOf(t, h); err != nil || got != want {
		t.Errorf("it is in %s, want %s: %v", got, want, err)
	}
	out, err = h.Command(t.Context(), "sh", "-c", "echo out; echo err >&2; exit 3").CombinedOutput()
	var exit *exec.ExitError
	if string(out) != "out\nerr\n" || !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("%q, %v", out, err)
	}
	_, err = h.Command(t.Context(), "sh", "-c", "echo err >&2; exit 3").Output()
	if !errors.As(err, &exit) || string(exit.Stderr) != "err\n" {
		t.Errorf("%v, standard error %q", err, exit.Stderr)
	}
	if err := h.Command(t.Context(), "/no/such/program").Run(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := h.Command(ctx, "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("it slept")
	}
}

// Goroutines are in different hosts at once, and come back from there, also
// when what they do fails, panics or ends them.
func TestDo(t *testing.T) {
	l := start(t, lab.Config{Hosts: 3})
	home, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, h := range l.Hosts() {
		all = append(all, namespaceOf(t, h))
	}
	var wg, inside sync.WaitGroup
	inside.Add(len(l.Hosts()))
	for i, h := range l.Hosts() {
		wg.Go(func() {
			_ = h.Do(func() error {
				inside.Done()
				inside.Wait() // until all are
				if now := threadNamespace(t); now != all[i] {
					t.Errorf("%s, want %s", now, all[i])
				}
				_ = l.Host(1).Do(func() error { // from host to host
					if now := threadNamespace(t); now != all[0] {
						t.Errorf("%s, want %s", now, all[0])
					}
					return nil
				})
				if now := threadNamespace(t); now != all[i] {
					t.Errorf("%s, want to be back in %s", now, all[i])
				}
				return nil
			})
		})
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
				if now := threadNamespace(t); now != home {
					t.Errorf("after a panic in %s", now)
				}
			}()
			_ = h.Do(func() error { panic("in a host") })
		})
		wg.Go(func() {
			defer func() {
				if now := threadNamespace(t); now != home {
					t.Errorf("after Goexit in %s", now)
				}
			}()
			_ = h.Do(func() error { runtime.Goexit(); return nil })
		})
	}
	wg.Wait()
	failed := errors.New("failed")
	if err := l.Host(1).Do(func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

func threadNamespace(t *testing.T) string {
	number, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Error(err)
	}
	return number
}

// There is no way out, and loopback works.
func TestAlone(t *testing.T) {
	for _, f := range fabrics {
		l := start(t, lab.Config{Hosts: 2, Fabric: f})
		must(t, l.Host(2), func() error {
			if conn, err := net.Dial("udp", "192.0.2.1:9"); err == nil {
				conn.Close()
				t.Error("there is a route to 192.0.2.1")
			}
			if conn, err := net.Dial("udp", "[2001:db8::1]:9"); err == nil {
				conn.Close()
				t.Error("there is a route to 2001:db8::1")
			}
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.WriteTo([]byte("x"), conn.LocalAddr())
			return err
		})
	}
}

// helper returns a command that runs one of the helpers in this file's TestMain.
func helper(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helperVariable+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

const helperVariable = "ZERORING_LAB_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) == "" {
		os.Exit(run(m))
	}
	if err := help(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run runs the tests, once what Go opens for the first file that can be waited
// for is open: else the first laboratory would seem to leave it behind.
func run(m *testing.M) int {
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer r.Close()
	defer w.Close()
	return m.Run()
}

func help(args []string) error {
	fabric := lab.Switch
	if args[1] == lab.Bridge.String() {
		fabric = lab.Bridge
	}
	switch args[0] {
	case "laboratory": // says what runs in it, and waits to be killed
		return laboratory(fabric)
	case "nobody": // is not root, and makes a laboratory all the same
		return nobody(fabric)
	}
	return fmt.Errorf("no helper %q", args)
}

func laboratory(f lab.Fabric) error {
	l, err := lab.New(lab.Config{Hosts: 2, Fabric: f})
	if err != nil {
		return err
	}
	cmd := l.Host(2).Command(context.Background(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		return err
	}
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		return err
	}
	fmt.Println(cmd.Process.Pid, namespace)
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}
