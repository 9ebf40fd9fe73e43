package lab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"sync"
	"time"
)

// waitDelay is how long Wait waits for the output of programs that outlive the
// one that was started.
const waitDelay = 2 * time.Second

// A Cmd is a program in a host. It is an exec.Cmd, with its methods, but it is
// started inside; it is killed when its context ends, when the Lab is closed and
// when this process ends, however that comes about. What it has started itself
// is killed with it in the first two cases.
type Cmd struct {
	*exec.Cmd
	host *Host

	once sync.Once // of Wait
	err  error     // what Wait returned
}

// Command returns a program that is to be started in the host; see
// exec.CommandContext. A program that was started is to be waited for.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	c := &Cmd{Cmd: exec.CommandContext(ctx, name, args...), host: h}
	c.WaitDelay = waitDelay
	tie(c.Cmd)
	return c
}

// Start starts the program.
func (c *Cmd) Start() error {
	l := c.host.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	err := l.nursery.do(func() error { return c.host.ns.inside(c.Cmd.Start) })
	if err == nil {
		l.children[c] = true
	}
	return err
}

// Wait waits until the program has ended; see exec.Cmd. It may be called again,
// and by more than one goroutine.
func (c *Cmd) Wait() error {
	c.once.Do(func() {
		c.err = c.Cmd.Wait()
		l := c.host.lab
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.children, c)
	})
	return c.err
}

// Run starts the program and waits until it has ended.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it wrote to standard output.
func (c *Cmd) Output() ([]byte, error) {
	var out, said bytes.Buffer
	if c.Stdout != nil {
		return nil, errors.New("lab: Stdout is set already")
	}
	c.Stdout = &out
	if c.Stderr == nil {
		c.Stderr = &said
	}
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		exit.Stderr = said.Bytes()
	}
	return out.Bytes(), err
}

// CombinedOutput runs the program and returns what it wrote to standard output
// and standard error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var out bytes.Buffer
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("lab: Stdout or Stderr is set already")
	}
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}

// kill ends the program and what it has started.
func (c *Cmd) kill() { _ = c.Cancel() }
