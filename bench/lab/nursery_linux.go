package lab

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// A nursery is a thread that starts programs and lives as long as the Lab: a
// program that is to die with its parent dies with the thread that started it.
type nursery struct {
	work chan func()
	done chan struct{}
}

func newNursery() *nursery {
	n := &nursery{make(chan func()), make(chan struct{})}
	go func() {
		defer close(n.done)
		runtime.LockOSThread() // it ends with the goroutine
		for f := range n.work {
			f()
		}
	}()
	return n
}

// do runs f on the nursery's thread.
func (n *nursery) do(f func() error) error {
	err := make(chan error, 1)
	n.work <- func() { err <- f() }
	return <-err
}

func (n *nursery) close() {
	close(n.work)
	<-n.done
}

// tie makes a program die with the thread that starts it, and its context's end
// kill what it has started as well.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
}
