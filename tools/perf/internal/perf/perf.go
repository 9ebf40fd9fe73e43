// Package perf is what libzmq's perf programs do, done with this library: the
// same arguments, the same lines of output, one call for each message. Each of
// local_thr, remote_thr, local_lat and remote_lat works with libzmq's own on
// the other side, so that four pairs tell whose side is slow.
//
//	local_thr  PULL, binds     ◀── messages ──  remote_thr  PUSH, connects
//	local_lat  REP, binds      ◀── and back ─▶  remote_lat  REQ, connects
//
// Their way of measuring is kept with its faults: throughput counts the first
// message but not the wait for it, and latency is an average.
//
// # Limitations
//
// The fourth argument of the throughput programs, which turns on CURVE, is
// refused unless it is 0.
package perf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A Program is one of the programs.
type Program struct {
	Name  string
	Usage string // the arguments, as libzmq names them
	run   func(ctx context.Context, r *run) error

	nowhere bool // no endpoint among the arguments: it is inproc
	curve   bool // there may be a last argument that turns on CURVE
}

// The programs.
var (
	LocalThr  = &Program{Name: "local_thr", Usage: "<bind-to> <message-size> <message-count> [<enable_curve>]", run: localThr, curve: true}
	RemoteThr = &Program{Name: "remote_thr", Usage: "<connect-to> <message-size> <message-count> [<enable_curve>]", run: remoteThr, curve: true}
	LocalLat  = &Program{Name: "local_lat", Usage: "<bind-to> <message-size> <roundtrip-count>", run: localLat}
	RemoteLat = &Program{Name: "remote_lat", Usage: "<connect-to> <message-size> <roundtrip-count>", run: remoteLat}
	InprocThr = &Program{Name: "inproc_thr", Usage: "<message-size> <message-count>", run: inprocThr, nowhere: true}
	InprocLat = &Program{Name: "inproc_lat", Usage: "<message-size> <roundtrip-count>", run: inprocLat, nowhere: true}
)

// Errors that a run may end with.
var (
	errUsage = errors.New("wrong arguments")
	errSize  = errors.New("message of incorrect size received")
)

// A run is one run of a program: its arguments and where to write.
type run struct {
	endpoint string
	size     int
	count    int
	out      io.Writer
	engine   *socket.Engine
	bound    func(endpoint string) // told where a local program listens
}

// Main runs p as a program and exits.
func Main(p *Program) {
	err := p.Run(context.Background(), os.Args[1:], os.Stdout, nil)
	switch {
	case errors.Is(err, errUsage):
		fmt.Printf("usage: %s %s\n", p.Name, p.Usage)
		fallthrough
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		os.Exit(1)
	}
}

// Run runs p with the given arguments. bound, unless nil, is told the endpoint
// that a local program is bound to, with its wildcards resolved.
func (p *Program) Run(ctx context.Context, args []string, out io.Writer, bound func(endpoint string)) error {
	r, err := p.parse(args)
	if err != nil {
		return err
	}
	r.out, r.bound = out, bound
	if bound == nil {
		r.bound = func(string) {}
	}
	if r.engine, err = socket.NewEngine(nil); err != nil {
		return err
	}
	defer r.engine.Close()
	return p.run(ctx, r)
}

// maxSize is the largest message: a receiver refuses larger ones by default.
const maxSize = 1 << 30

func (p *Program) parse(args []string) (*run, error) {
	r := new(run)
	if !p.nowhere && len(args) > 0 {
		r.endpoint, args = args[0], args[1:]
	}
	if p.curve && len(args) == 3 {
		if args[2] != "0" {
			return nil, fmt.Errorf("%w: CURVE is not supported, so the last must be 0", errUsage)
		}
		args = args[:2]
	}
	if len(args) != 2 {
		return nil, errUsage
	}
	var err error
	if r.size, err = strconv.Atoi(args[0]); err != nil || r.size < 0 || r.size > maxSize {
		return nil, fmt.Errorf("%w: message size %q is not a number from 0 to %d", errUsage, args[0], maxSize)
	}
	if r.count, err = strconv.Atoi(args[1]); err != nil || r.count < 1 {
		return nil, fmt.Errorf("%w: count %q is not a number from 1", errUsage, args[1])
	}
	return r, nil
}

// options are the library's defaults, except that a closing socket sends all
// it has, as libzmq's does by default.
func (r *run) options() *socket.Options {
	return &socket.Options{Engine: r.engine, Linger: socket.Off}
}

// since is libzmq's stopwatch: whole microseconds, at least one.
func since(start time.Time) float64 {
	return float64(max(time.Since(start).Microseconds(), 1))
}

// check checks a received message's size, and releases it.
func (r *run) check(m *socket.Message, err error) error {
	if err != nil {
		return err
	}
	if m.Len() != 1 || len(m.Frame(0)) != r.size {
		err = errSize
	}
	m.Release()
	return err
}

// closed closes a socket of a run that ended with err, and returns what went
// wrong first. After an error nothing is left that is worth sending.
func closed(s interface{ Untyped() *socket.Socket }, err error) error {
	if err != nil {
		s.Untyped().SetLinger(socket.NoLinger)
	}
	return errors.Join(err, s.Untyped().Close())
}
