package lab_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/zeroring/zeroring/bench/lab"
	"golang.org/x/sys/unix"
)

func TestConfig(t *testing.T) {
	for _, c := range []lab.Config{
		{}, {Hosts: -1}, {Hosts: lab.MaxHosts + 1}, {Hosts: 1, MTU: 1279}, {Hosts: 1, MTU: lab.MaxMTU + 1}, {Hosts: 1, Backlog: -1}, {Hosts: 1, Fabric: 2},
	} {
		if l, err := lab.New(c); err == nil {
			l.Close()
			t.Errorf("%+v is taken", c)
		}
	}
}

// What is asked of a host that is not there, or that is no fault, is refused.
func TestRefused(t *testing.T) {
	l := start(t, lab.Config{Hosts: 2, Fabric: lab.Bridge})
	if err := l.SetFaults(1, lab.Faults{Loss: 1}); !errors.Is(err, lab.ErrNoFaults) {
		t.Errorf("a bridge has faults: %v", err)
	}
	if err := l.SetFaults(1); err != nil {
		t.Errorf("no faults: %v", err)
	}
	for _, host := range []int{0, 3} {
		if err := l.SetFaults(host); err == nil {
			t.Errorf("there is a host %d", host)
		}
	}
	if err := l.SetFaults(1, lab.Faults{Loss: 101}); err == nil || !strings.Contains(err.Error(), "loss=101") {
		t.Errorf("a loss of 101 %%: %v", err)
	}
}

// A large MTU is one.
func TestMTU(t *testing.T) {
	for _, f := range fabrics {
		l := start(t, lab.Config{Hosts: 2, Fabric: f, MTU: 9000})
		conn := listen(t, l.Host(2), group4)
		text := strings.Repeat("x", 9000-28)
		source := speak(t, l.Host(1), group4)
		send(t, source, text)
		expect(t, conn, text)
		s, err := l.Stats(2)
		if err != nil || s.Delivered == 0 {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

func TestNoIP(t *testing.T) {
	for _, file := range []string{"/usr/sbin/ip", "/sbin/ip"} {
		if _, err := os.Stat(file); err == nil {
			// It is found without PATH.
			t.Setenv("PATH", t.TempDir())
			if err := lab.Missing(lab.Bridge); err != nil && strings.Contains(err.Error(), "iproute2") {
				t.Errorf("%s is there: %v", file, err)
			}
			return
		}
	}
	t.Setenv("PATH", t.TempDir())
	if err := lab.Missing(lab.Bridge); err == nil || !strings.Contains(err.Error(), "iproute2") {
		t.Errorf("without ip: %v", err)
	}
}

// ended is how a test ended that called Start.
type ended struct{ how, why string }

type fakeTB struct{}

func (fakeTB) Helper()                   {}
func (fakeTB) Cleanup(func())            {}
func (fakeTB) Logf(string, ...any)       {}
func (fakeTB) Fatalf(f string, a ...any) { panic(ended{"failed", fmt.Sprintf(f, a...)}) }
func (fakeTB) Skipf(f string, a ...any)  { panic(ended{"skipped", fmt.Sprintf(f, a...)}) }

// Who is not root is told so, and is root of a user namespace if the kernel
// allows it. A test that cannot have its laboratory fails in CI and is skipped
// elsewhere.
func TestNobody(t *testing.T) {
	for _, f := range fabrics {
		t.Run(f.String(), func(t *testing.T) {
			start(t, lab.Config{Hosts: 1, Fabric: f})
			if os.Getuid() != 0 {
				if os.Getenv("CI") == "true" {
					t.Fatal("only root can become nobody, and CI has to be root")
				}
				t.Skip("only root can become nobody")
			}
			out, err := helper(t, "nobody", f.String()).Output()
			if err != nil {
				t.Fatalf("%v, having said %q", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

func nobody(f lab.Fabric) error {
	const inside = "ZERORING_LAB_USER_NAMESPACE"
	if os.Getenv(inside) == "" {
		if err := becomeNobody(); err != nil {
			return err
		}
		for ci, want := range map[string]string{"true": "failed", "": "skipped"} {
			if got := startFails(f, ci); got.how != want || !strings.Contains(got.why, "run as root") {
				return fmt.Errorf("with CI=%q the test %s: %s", ci, got.how, got.why)
			}
		}
	}
	if err := lab.Reexec(); err != nil {
		if os.Getenv(inside) == "" && strings.Contains(err.Error(), "sysctl") {
			fmt.Println("this kernel forbids it:", err)
			return nil
		}
		return err
	}
	uids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || strings.Join(strings.Fields(string(uids)), " ") != "0 65534 1" {
		return fmt.Errorf("the user namespace maps %q: %w", uids, err)
	}
	l, err := lab.New(lab.Config{Hosts: 2, Fabric: f})
	if err != nil {
		if f == lab.Switch && strings.Contains(err.Error(), "chmod 666") {
			fmt.Println("no switch:", err)
			return nil
		}
		return err
	}
	l.Close()
	fmt.Println("made one")
	return nil
}

func startFails(f lab.Fabric, ci string) (how ended) {
	defer func() { how, _ = recover().(ended) }()
	if err := os.Setenv("CI", ci); err != nil {
		panic(err)
	}
	lab.Start(fakeTB{}, lab.Config{Hosts: 1, Fabric: f})
	return ended{"ran", ""}
}

// becomeNobody gives up all privileges, and lets this process have a child that
// has them in a user namespace, which a process that has changed its user may
// not as it is.
func becomeNobody() error {
	const nobody = 65534
	for _, err := range []error{
		syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody),
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
