package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A child is a running process of a System.
type child struct {
	job    Job
	cmd    starter
	in     io.WriteCloser
	stderr bytes.Buffer
	events chan event
	answer answer
}

// An event is that a child is ready, or that it ended, with an error or
// without.
type event struct {
	ready bool
	err   error
}

// An answer is what a child said.
type answer struct {
	endpoints []string
	settings  []string
	version   string
	backend   string
	numbers   map[string]int64
	hist      *Latencies
}

// killDelay is how long a child that is to end may take before it is killed.
const killDelay = time.Second

// startChild starts the program that argv names with a job. The child ends with
// ctx at the latest.
func startChild(ctx context.Context, argv, env []string, j Job) (*child, error) {
	c := newChild(j)
	cmd := exec.CommandContext(ctx, argv[0], append(argv[1:len(argv):len(argv)], j.Args()...)...)
	cmd.WaitDelay = killDelay
	killTogether(cmd)
	return c, c.start(ctx, cmd, cmd, env)
}

func newChild(j Job) *child {
	return &child{job: j, events: make(chan event, 2), answer: answer{numbers: make(map[string]int64)}}
}

// A starter is an exec.Cmd, or one that does it elsewhere.
type starter interface {
	Start() error
	Wait() error
}

// start starts cmd, by way of by.
func (c *child) start(ctx context.Context, cmd *exec.Cmd, by starter, env []string) error {
	c.cmd = by
	cmd.Env = append(cmd.Environ(), env...)
	cmd.Stderr = &c.stderr
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := by.Start(); err != nil {
		return err
	}
	go c.listen(ctx, out)
	return nil
}

const maxLine = 1 << 20

// listen reads what the child says until it ends. Then it owns nothing any
// more, and the answer is for whoever receives the event.
func (c *child) listen(ctx context.Context, out io.Reader) {
	err := errors.New("ended before it was done")
	var bad error // what it said that cannot be
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		key, rest, _ := strings.Cut(lines.Text(), " ")
		switch key {
		case "ready":
			c.events <- event{ready: true}
		case "done":
			err = nil
		case "error":
			err = errors.New(rest)
		default:
			bad = errors.Join(bad, c.answer.take(key, rest))
		}
	}
	if bad = errors.Join(bad, lines.Err()); bad != nil {
		err = bad
	}
	waited := c.cmd.Wait()
	switch {
	case ctx.Err() != nil && err != nil:
		err = fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	case err == nil:
		err = waited
	}
	if err != nil {
		if said := strings.TrimSpace(c.stderr.String()); said != "" {
			err = fmt.Errorf("%w; it said: %s", err, said[:min(len(said), 500)])
		}
		err = fmt.Errorf("%s: %w", c.job.Role, err)
	}
	c.events <- event{err: err}
}

func (a *answer) take(key, rest string) error {
	switch key {
	case "endpoint":
		a.endpoints = append(a.endpoints, rest)
		return nil
	case "setting":
		a.settings = append(a.settings, rest)
		return nil
	case "version":
		a.version = rest
		return nil
	case "backend":
		a.backend = rest
		return nil
	}
	first, second, two := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return fmt.Errorf("it said %q", key+" "+rest)
	}
	if key != "hist" {
		a.numbers[key] = n
		return nil
	}
	count, err := strconv.ParseInt(second, 10, 64)
	if err != nil || !two || count < 0 {
		return fmt.Errorf("it said %q", key+" "+rest)
	}
	if a.hist == nil {
		a.hist = NewLatencies()
	}
	a.hist.Add(n, count)
	return nil
}

// ready waits until the child is.
func (c *child) ready() error {
	e := <-c.events
	if e.ready {
		return nil
	}
	c.events <- e // for done
	if e.err == nil {
		return fmt.Errorf("%s: ended before it was ready", c.job.Role)
	}
	return e.err
}

// begin tells the child to start.
func (c *child) begin() error {
	_, err := io.WriteString(c.in, "go\n")
	return err
}

// end tells the child that no more is wanted of it.
func (c *child) end() { _ = c.in.Close() }

// done waits until the child has ended.
func (c *child) done() error {
	for e := range c.events {
		if !e.ready {
			c.events <- e // whoever asks again hears the same
			return e.err
		}
	}
	return nil
}

// process is what the child used.
func (c *child) process() Process {
	n := c.answer.numbers
	allocs, ok := n["allocs"]
	if !ok {
		allocs = -1
	}
	p := Process{
		Messages: n["messages"], Window: time.Duration(n["ns"]), Total: n["total"],
		CPU: time.Duration(n["cpu_ns"]), Allocs: allocs, GCPause: time.Duration(n["gc_pause_ns"]),
		RSS: n["rss_kb"] << 10, Backend: c.answer.backend, Version: c.answer.version, Settings: c.answer.settings,
	}
	if c.job.Pattern == Multicast {
		p.Counts = n
	}
	return p
}
