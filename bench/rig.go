package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A Rig has systems do workloads, one at a time.
type Rig struct {
	// Dir is for what is named in the file system. It has to be short: a Unix
	// domain socket's path has at most 107 octets.
	Dir string
	// Patience is what a run may take beyond its warm-up, window and settling.
	// Zero means 30 s.
	Patience time.Duration
	// Wrap is put in front of each process's command, with % replaced by the
	// name of a file that may be written: for tools that look on.
	Wrap []string
	// Labs are the networks of multicast. Nil makes one for each run.
	Labs *Labs
}

const (
	defaultPatience = 30 * time.Second
	// grace is how long those have to end whose peer has failed.
	grace = 200 * time.Millisecond
)

// Run has s do w once. What goes wrong is in the result.
func (g *Rig) Run(ctx context.Context, s *System, w Workload) Result {
	w = w.Normal()
	r := Result{Workload: w.Name, System: s.Name, Start: time.Now(), Processes: make(map[Role]Process), Syscalls: -1}
	if err := w.Check(); err != nil {
		r.Fail = err.Error()
		return r
	}
	patience := g.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.Warmup+w.Duration+w.Settle+w.Cast.length()+w.Cast.Drain+patience,
		errors.New("it took too long and was ended"))
	defer cancel()
	dir, err := os.MkdirTemp(g.Dir, "r")
	if err != nil {
		r.Fail = err.Error()
		return r
	}
	defer os.RemoveAll(dir)
	run := &run{rig: g, system: s, w: w, dir: dir}
	if err = run.do(ctx); err != nil {
		// One may fail only because another did, and that one is to be heard.
		stop := time.AfterFunc(grace, cancel)
		for _, c := range run.children {
			c.end()
			_ = c.done()
		}
		stop.Stop()
	}
	cancel()
	for _, c := range run.children {
		if ended := c.done(); !errors.Is(ended, context.Canceled) && !errors.Is(err, ended) {
			err = errors.Join(err, ended)
		}
	}
	if err == nil {
		err = run.result(&r)
	}
	if err != nil {
		r.Fail = err.Error()
	}
	return r
}

// A run is one system at one workload, once.
type run struct {
	rig      *Rig
	system   *System
	w        Workload
	dir      string
	children []*child
	cast     *castRun // of multicast
}

// start starts a child and waits until it is ready.
func (r *run) start(ctx context.Context, j Job) (*child, error) {
	argv := r.system.Program
	if len(r.rig.Wrap) > 0 {
		argv = append(wrapped(r.rig.Wrap, r.seen(j.Role)), argv...)
	}
	c, err := startChild(ctx, argv, r.system.Env, j)
	if err != nil {
		return nil, err
	}
	r.children = append(r.children, c)
	return c, c.ready()
}

// seen is the file of what is seen of a role.
func (r *run) seen(role Role) string { return filepath.Join(r.dir, string(role)+".seen") }

func wrapped(wrap []string, file string) []string {
	argv := make([]string, len(wrap))
	for i, arg := range wrap {
		if argv[i] = arg; arg == "%" {
			argv[i] = file
		}
	}
	return argv
}

// do has the children do the work: those that bind come first, and those that
// end by themselves are waited for first.
func (r *run) do(ctx context.Context) error {
	if r.w.Pattern == Multicast {
		return r.doCast(ctx)
	}
	binds, connects := r.jobs()
	var ends, serves []*child
	var at []string
	for _, j := range append(binds, connects...) {
		if len(j.Connect) == 0 && j.Bind == "" {
			j.Connect = at
			if r.w.Pattern == Proxy {
				j.Connect = at[1:]
				if j.Role == RoleSend {
					j.Connect = at[:1]
				}
			}
		}
		c, err := r.start(ctx, j)
		if err != nil {
			return err
		}
		if j.Bind != "" {
			if at = c.answer.endpoints; len(at) == 0 || r.w.Pattern == Proxy && len(at) != 2 {
				return fmt.Errorf("%s: it did not say where", j.Role)
			}
		}
		if j.Role == RoleEcho || j.Role == RoleProxy || j.Role == RoleConnect {
			serves = append(serves, c)
		} else {
			ends = append(ends, c)
		}
	}
	for _, c := range r.children {
		if err := c.begin(); err != nil {
			return errors.Join(c.done(), err)
		}
	}
	for _, c := range append(ends, serves...) {
		if r.serves(c) {
			c.end()
		}
		if err := c.done(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) serves(c *child) bool {
	return c.job.Role == RoleEcho || c.job.Role == RoleProxy || c.job.Role == RoleConnect
}

// endpoint is what those who bind are told.
func (r *run) endpoint() string {
	switch r.w.Transport {
	case IPC:
		return "ipc://" + r.dir + "/*"
	case Inproc:
		return "inproc://*"
	default:
		return "tcp://127.0.0.1:*"
	}
}

// jobs is what there is to do: by the one that binds, and by those that
// connect, in this order.
func (r *run) jobs() (binds, connects []Job) {
	w := r.w
	j := Job{
		Pattern: w.Pattern, Transport: w.Transport, Size: w.Size, Sockets: w.Peers, Streams: 1, Ordered: w.Conns == 1,
		Threads: w.Threads, Reactors: w.Reactors, Window: w.Window, Topics: w.Topics, HWM: w.HWM(),
		Gap: w.Gap.Nanoseconds(), Rate: w.Rate, Warmup: w.Warmup.Nanoseconds(), Duration: w.Duration.Nanoseconds(),
		Settle: w.Settle.Nanoseconds(), BusyPoll: r.system.BusyPoll,
	}
	as := func(role Role, bind bool, sockets int) Job {
		j := j
		j.Role, j.Sockets = role, sockets
		if bind {
			j.Bind = r.endpoint()
		} else {
			j.Conns = w.Conns
		}
		return j
	}
	wait := w.Peers * max(1, w.Topics)
	if w.Transport == Inproc {
		both := as(RoleBoth, true, w.Peers)
		if w.Pattern == PubSub {
			both.Wait = wait
		}
		return []Job{both}, nil
	}
	switch w.Pattern {
	case PubSub:
		send := as(RoleSend, true, 1)
		send.Wait = wait
		return []Job{send}, []Job{as(RoleRecv, false, w.Peers)}
	case ReqRep, DealerRouter:
		return []Job{as(RoleEcho, true, 1)}, []Job{as(RoleAsk, false, w.Peers)}
	case Proxy:
		return []Job{as(RoleProxy, true, 1)}, []Job{as(RoleRecv, false, 1), as(RoleSend, false, 1)}
	case Connect:
		gather := as(RoleGather, true, 1)
		gather.Streams = w.Peers * w.Conns
		return []Job{gather}, []Job{as(RoleConnect, false, w.Peers)}
	default:
		return []Job{as(RoleRecv, true, w.Peers)}, []Job{as(RoleSend, false, w.Peers)}
	}
}

// result puts together what the children said.
func (r *run) result(to *Result) error {
	if r.cast != nil {
		return r.cast.result(to)
	}
	for _, c := range r.children {
		p := c.process()
		to.Processes[c.job.Role] = p
		switch c.job.Role {
		case RoleRecv, RoleBoth, RoleAsk:
			to.Messages, to.Window, to.Latencies = p.Messages, p.Window, c.answer.hist
			if late := c.answer.numbers["late"]; late*100 > p.Messages {
				return fmt.Errorf("missed the rate of %d/s: %d were late, %d in time", r.w.Rate, late, p.Messages)
			}
			if p.Messages == 0 {
				return errors.New("no messages in the window")
			}
			if to.Latencies == nil && r.w.Timed() {
				return errors.New("no latencies")
			}
		case RoleGather:
			n := r.w.Peers * r.w.Conns
			to.Connected = time.Duration(c.answer.numbers["elapsed_ns"])
			to.ConnMemory = float64(c.answer.numbers["rss1_kb"]-c.answer.numbers["rss0_kb"]) * 1024 / float64(n)
			to.Messages, to.Window = int64(n), to.Connected
		}
	}
	if len(r.rig.Wrap) > 0 {
		return r.countSyscalls(to)
	}
	return nil
}
