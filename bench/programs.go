package bench

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The program in C that measures libzmq. It is built where it is run, against
// the library that is there.
//
//go:embed libzmq/*.c libzmq/*.h
var libzmqSource embed.FS

// Programs says where the systems' programs come from and go to.
type Programs struct {
	// Self is the command that runs zeroring and raw sockets: it is given the
	// name of either, and the job.
	Self []string
	// Peers is the folder of the module that has the other libraries' programs.
	Peers string
	// Dir is where programs are built.
	Dir string
}

// fewPairs is how often systems run that the main comparison is not about.
const fewPairs = 2

// Systems returns all systems, those with which zeroring is compared most
// first.
func (p Programs) Systems() []*System {
	ours := func(name, backend string) *System {
		return &System{
			Name: name, Program: append(slices.Clone(p.Self), "zeroring"), Env: []string{"ZERORING_BACKEND=" + backend},
		}
	}
	libzmq := sync.OnceValues(func() ([]string, error) { return p.buildLibzmq(context.Background()) })
	build := func(context.Context) ([]string, error) { return libzmq() }
	busy := ours("zeroring-busypoll", "")
	busy.BusyPoll, busy.Runs = true, onlyLatency
	plain := ours("zeroring-nooffload", "")
	plain.NoOffload, plain.Runs = true, plainCasts
	epoll := ours("zeroring-epoll", "epoll")
	epoll.Runs = fewCasts
	raw := func(name string, cannot func(Workload) string) *System {
		return &System{Name: name, Program: append(slices.Clone(p.Self), name), Runs: few, Cannot: cannot}
	}
	all := []*System{
		ours("zeroring-uring", "uring"), epoll, busy, plain,
		{Name: "libzmq", Build: build, Cannot: libzmqCannot},
		raw("raw", rawCannot),
		p.peer("pebbe", []string{"CGO_ENABLED=1"}, ""),
		p.peer("gozeromq", nil, ""),
		p.peer("mangos", nil, ""),
		p.peer("nats", nil, "only over tcp"),
		{Name: "from-libzmq", Build: build, Receiver: append(slices.Clone(p.Self), "zeroring"), Runs: few, Cannot: mixedCannot},
		raw("raw-gso", rawSegmentsCannot),
		{Name: "to-libzmq", Program: append(slices.Clone(p.Self), "zeroring"), BuildReceiver: build, Runs: few, Cannot: mixedCannot},
	}
	for _, s := range all {
		s.Watcher = append(slices.Clone(p.Self), "zeroring")
	}
	return all
}

// A few runs suffice for what is far off, or a limit. A ramp takes long.
func few(w Workload, pairs int) int {
	if w.Cast.Test == CastRamp {
		return min(pairs, 1)
	}
	return min(pairs, fewPairs)
}

// plainCasts is for what is like a network card without GSO and GRO.
func plainCasts(w Workload, pairs int) int {
	if w.Pattern == Multicast && w.Cast.Test == CastThroughput && w.Transport == EPGM && w.Size == castCapital && w.Peers <= 3 {
		return min(pairs, curvePairs)
	}
	return 0
}

// fewCasts is for one of two backends, between which multicast differs little.
func fewCasts(w Workload, pairs int) int {
	switch {
	case w.Pattern != Multicast:
		return pairs
	case w.Cast.Loss > 0 && w.Cast.Loss != 1 || w.Normal().Peers > 3 || w.Cast.Test == CastRamp && w.Normal().Peers != 3:
		return 0
	default:
		return min(pairs, fewPairs)
	}
}

// onlyLatency is for what is made for latency, and burns a processor for it.
func onlyLatency(w Workload, pairs int) int {
	if w.Timed() && w.Transport != Inproc || w.OneWay() && w.Cast.Loss == 0 && !w.Cast.Switch {
		return pairs
	}
	return 0
}

// castCannot says why a system that knows nothing of PGM cannot do a workload of
// multicast.
func castCannot(w Workload) string {
	if w.Transport != EPGM || w.Cast.Test == CastOverload || w.Cast.Test == CastPace || w.Cast.Test == CastJoin ||
		w.Cast.Loss > 0 && w.Peers != 3 {
		return "raw datagrams are of UDP, and what is lost stays lost"
	}
	return ""
}

func rawSegmentsCannot(w Workload) string {
	if w.Pattern != Multicast {
		return "segments are of datagrams"
	}
	if w.OneWay() {
		return "nothing waits to be segmented"
	}
	return castCannot(w)
}

// mixedCannot leaves those that speak with libzmq to what it is about.
func mixedCannot(w Workload) string {
	w = w.Normal()
	switch {
	case w.Pattern != Multicast:
		return "only multicast has sides of two kinds"
	case w.Cast.Test == CastRamp && w.Peers == 1, w.OneWay() && w.Cast.Loss == 1 && w.Peers == 3:
		return ""
	}
	return "not measured: see max/1 and loss/1/3"
}

func libzmqCannot(w Workload) string {
	if w.Pattern == Multicast && w.Cast.History > 0 {
		return "libzmq offers nothing of the past"
	}
	return ""
}

func rawCannot(w Workload) string {
	if w.Pattern == Multicast {
		return castCannot(w.Normal())
	}
	if w.Normal().Peers > 1 || w.Conns > 1 || w.Rate > 0 || (w.Pattern != PushPull && w.Pattern != ReqRep) {
		return "raw sockets have one peer"
	}
	return ""
}

// peerRuns are the workloads that other libraries do too: enough to place them,
// and not so many that the run takes an hour.
var peerRuns = []string{
	"thr/tcp/64", "thr/tcp/1024", "thr/tcp/65536", "thr/ipc/64", "thr/inproc/64",
	"lat/reqrep/tcp", "lat/reqrep/inproc", "lat/reqrep/tcp/gap-1ms", "fanout/64/16", "fanout/64/64",
}

func (p Programs) peer(name string, env []string, only string) *System {
	return &System{
		Name: name, Env: env,
		Build: func(ctx context.Context) ([]string, error) { return p.buildPeer(ctx, name, env) },
		Runs: func(w Workload, pairs int) int {
			if slices.Contains(peerRuns, w.Name) {
				return min(pairs, fewPairs)
			}
			return 0
		},
		Cannot: func(w Workload) string {
			if only != "" && w.Transport != TCP {
				return only
			}
			return ""
		},
	}
}

// buildLibzmq builds the program in C with the compiler and the libzmq that are
// here.
func (p Programs) buildLibzmq(ctx context.Context) ([]string, error) {
	dir, err := os.MkdirTemp(p.Dir, "libzmq")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(libzmqSource, "libzmq/*")
	if err != nil {
		return nil, err
	}
	args := []string{"-O2", "-o", filepath.Join(dir, "agent")}
	for _, name := range names {
		text, err := libzmqSource.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, ".c") {
			args = append(args, file)
		}
	}
	args = append(args, "-lzmq", "-lpthread", "-lm")
	return []string{filepath.Join(dir, "agent")}, command(exec.CommandContext(ctx, "gcc", args...))
}

// buildPeer builds another library's program, from the module that has it.
func (p Programs) buildPeer(ctx context.Context, name string, env []string) ([]string, error) {
	file := filepath.Join(p.Dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, "./"+name)
	cmd.Dir = p.Peers
	cmd.Env = append(cmd.Environ(), env...)
	return []string{file}, command(cmd)
}

func command(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}
