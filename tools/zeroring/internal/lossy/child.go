package lossy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
)

// A child is a process in a host.
type child struct {
	name string
	cmd  *lab.Cmd
	in   io.WriteCloser // closed, it has done its duty
	said bytes.Buffer   // on standard error; to be read when it has ended
}

// news is what a child tells, or that it has ended.
type news struct {
	from   *child
	report *feed.Report // nil: it has ended
	err    error        // and how
}

// spawn starts the program in a host. What it reports comes to the channel, and that it
// has ended last of all.
func spawn(ctx context.Context, h *lab.Host, name string, program, args []string, to chan<- news) (*child, error) {
	c := &child{name: name, cmd: h.Command(ctx, program[0], slices.Concat(program[1:], args)...)}
	c.cmd.Stderr = &c.said
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		c.in, err = c.cmd.StdinPipe()
	}
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go c.read(out, to)
	return c, nil
}

// read hands on what the child reports until it ends.
func (c *child) read(out io.Reader, to chan<- news) {
	d := json.NewDecoder(out)
	var bad error
	for {
		r := new(feed.Report)
		if err := d.Decode(r); err != nil {
			if err != io.EOF && !errors.Is(err, os.ErrClosed) {
				bad = err
			}
			break
		}
		to <- news{from: c, report: r}
	}
	to <- news{from: c, err: c.wait(bad)}
}

// wait waits for the child's end and says what was wrong with it, in its own words.
func (c *child) wait(bad error) error {
	err := c.cmd.Wait()
	var exit *exec.ExitError
	lines := strings.Split(strings.TrimSpace(c.said.String()), "\n")
	if last := lines[len(lines)-1]; errors.As(err, &exit) && last != "" {
		err = errors.New(strings.TrimPrefix(last, "zeroring: "))
	}
	if err == nil {
		err = bad
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// interrupt asks the child to end.
func (c *child) interrupt() { _ = c.cmd.Process.Signal(os.Interrupt) }
