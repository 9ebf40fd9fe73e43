package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/ours"
	"github.com/zeroring/zeroring/bench/raw"
)

// The test binary is also the program of the systems: as its first argument it
// is given the name of one.
const childArgument = "-bench-child"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childArgument {
		play(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

func play(system string, args []string) {
	switch system {
	case "zeroring":
		serve(&ours.Driver{}, args)
	case "raw":
		serve(&raw.Driver{}, args)
	case "raw-gso":
		serve(&raw.Driver{Segments: true}, args)
	case "hang":
		select {}
	case "babble":
		fmt.Println("messages many")
		fmt.Println("done")
	case "die":
		fmt.Fprintln(os.Stderr, "I am undone")
		os.Exit(3)
	default:
		if fault, ok := strings.CutPrefix(system, "cast-"); ok {
			serve(&faulty{Driver: &ours.Driver{}, fault: fault}, args)
			return
		}
		serve(&faulty{Driver: &raw.Driver{}, fault: system}, args)
	}
}

func serve(d bench.Driver, args []string) {
	if bench.Serve(d, args, os.Stdin, os.Stdout) != nil {
		os.Exit(1)
	}
}

func program(t *testing.T, system string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, childArgument, system}
}

// rig returns a Rig whose folder has a short name, as sockets need it.
func rig(t *testing.T) *bench.Rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &bench.Rig{Dir: dir, Patience: time.Minute}
}

// faulty is a Driver that does something wrong to the hundredth message.
type faulty struct {
	bench.Driver
	fault string
}

type faultyLink struct {
	bench.Link
	fault string
	sent  int
	held  []byte
}

func (f *faulty) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	l, err := f.Driver.Open(k, j)
	if err != nil || k != bench.Pusher && k != bench.Requester && k != bench.Publisher {
		return l, err
	}
	return &faultyLink{Link: l, fault: f.fault}, nil
}

func (l *faultyLink) Send(body []byte) error {
	if l.sent++; l.sent != 100 && l.held == nil {
		if l.fault == "slow" && l.sent > 1 {
			for range 10 {
				bench.Pause()
			}
		}
		return l.Link.Send(body)
	}
	switch l.fault {
	case "lose":
		return nil
	case "repeat":
		if err := l.Link.Send(body); err != nil {
			return err
		}
	case "swap":
		if l.held == nil {
			l.held = append(l.held, body...)
			return nil
		}
		held := l.held
		l.held = nil
		if err := l.Link.Send(body); err != nil {
			return err
		}
		return l.Link.Send(held)
	case "cut":
		return l.Link.Send(body[:len(body)-1])
	case "corrupt":
		body := append([]byte(nil), body...)
		body[len(body)-1] ^= 1
		return l.Link.Send(body)
	case "refuse":
		return fmt.Errorf("the link is %w", os.ErrClosed)
	}
	return l.Link.Send(body)
}

// libzmq builds the program in C. Missing, it fails under CI.
func libzmq(t *testing.T) *bench.System {
	t.Helper()
	p := bench.Programs{Dir: t.TempDir()}
	for _, s := range p.Systems() {
		if s.Name != "libzmq" {
			continue
		}
		program, err := s.Build(t.Context())
		if err != nil {
			if _, absent := exec.LookPath("gcc"); absent != nil && os.Getenv("CI") == "" {
				t.Skipf("no compiler: %v", err)
			}
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Clean(program[0])); err != nil {
			t.Fatal(err)
		}
		return &bench.System{Name: s.Name, Program: program}
	}
	t.Fatal("libzmq is not among the systems")
	return nil
}
