package multicast

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/bench/lab"
)

// A peer is a program in C that sends or receives; see testdata/peer.h.
type peer struct {
	t     *testing.T
	name  string
	in    io.WriteCloser
	lines *bufio.Scanner
	said  bytes.Buffer // on standard error
	wait  func() error

	process *exec.Cmd
}

// startPeer starts a program in a host, or here if the host is nil, and returns
// when it is ready. It ends with the test at the latest.
func startPeer(t *testing.T, h *lab.Host, program string, args ...string) *peer {
	t.Helper()
	needPeers(t)
	return startProgram(t, h, filepath.Join(programs, program), nil, args...)
}

// startProgram is startPeer of any program, with more in its environment.
func startProgram(t *testing.T, h *lab.Host, path string, environment []string, args ...string) *peer {
	t.Helper()
	p := &peer{t: t, name: filepath.Base(path)}
	var cmd *exec.Cmd
	start := func() error { return cmd.Start() }
	if h == nil {
		cmd = exec.CommandContext(t.Context(), path, args...)
		p.wait = cmd.Wait
	} else {
		inside := h.Command(t.Context(), path, args...)
		cmd, start, p.wait = inside.Cmd, inside.Start, inside.Wait
		p.name = fmt.Sprintf("%s on host %d", p.name, h.Number())
	}
	cmd.Stderr = &p.said
	p.process = cmd
	if environment != nil {
		cmd.Env = append(os.Environ(), environment...)
	}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	if err := start(); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, if all went well
		_ = p.wait()
	})
	p.expect("ready")
	return p
}

// line is what the program says next. Its lifetime limits how long that takes.
func (p *peer) line() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("%s ended: %v, having said %q", p.name, p.wait(), p.said.String())
	}
	return p.lines.Text()
}

func (p *peer) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("%s said %q, want %q", p.name, got, want)
	}
}

// begin tells a sender to send.
func (p *peer) begin() {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// sent returns when a sender has sent all of its messages, which it repairs
// until it is stopped.
func (p *peer) sent(count int) {
	p.t.Helper()
	p.expect(fmt.Sprintf("done %d", count))
}

// stop ends a program's standard input.
func (p *peer) stop() { _ = p.in.Close() }

// A tally is what a receiver has received of one source.
type tally struct {
	received, first, last, missing int
	ranges                         string
	duplicate, late, corrupt, torn int
	p50, p90, p99, p999, slowest   float64 // µs
}

// whole is the tally of so many messages that have all arrived once and in order.
func whole(count int) tally {
	return tally{received: count, last: count - 1, ranges: "-"}
}

// counts is a tally without its latencies.
func (y tally) counts() tally {
	y.p50, y.p90, y.p99, y.p999, y.slowest = 0, 0, 0, 0, 0
	return y
}

// A report is what a receiver says at its end.
type report struct {
	end     string // all, idle or input
	resets  int    // OpenPGM's; of our own program, lost packets
	sources map[int]tally
}

// report returns what a receiver says, once it has ended by itself or because
// it was stopped.
func (p *peer) report() report {
	p.t.Helper()
	r := report{sources: make(map[int]tally)}
	for r.end == "" {
		line := p.line()
		key, rest, _ := strings.Cut(line, " ")
		var err error
		switch key {
		case "source":
			var source int
			var y tally
			_, err = fmt.Sscanf(rest, "%d received %d first %d last %d missing %d %s duplicate %d late %d corrupt %d torn %d",
				&source, &y.received, &y.first, &y.last, &y.missing, &y.ranges, &y.duplicate, &y.late, &y.corrupt, &y.torn)
			r.sources[source] = y
		case "latency":
			var source int
			var y tally
			_, err = fmt.Sscanf(rest, "%d p50 %f p90 %f p99 %f p99.9 %f max %f", &source, &y.p50, &y.p90, &y.p99, &y.p999, &y.slowest)
			counts := r.sources[source]
			counts.p50, counts.p90, counts.p99, counts.p999, counts.slowest = y.p50, y.p90, y.p99, y.p999, y.slowest
			r.sources[source] = counts
		case "resets":
			_, err = fmt.Sscan(rest, &r.resets)
		case "end":
			r.end = rest
		default:
			err = fmt.Errorf("what is %s?", key)
		}
		if err != nil {
			p.t.Fatalf("%s said %q: %v", p.name, line, err)
		}
	}
	return r
}

// checkWhole fails the test unless all has come of the only source.
func (p *peer) checkWhole(source, count int) tally {
	p.t.Helper()
	r := p.report()
	y := r.sources[source]
	if r.end != "all" || len(r.sources) != 1 || y.counts() != whole(count) {
		p.t.Errorf("%s: %+v, want %+v of source %d", p.name, r, whole(count), source)
	}
	return y
}
