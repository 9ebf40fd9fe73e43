package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A Suite is many systems doing many workloads.
type Suite struct {
	Systems   []*System
	Workloads []Workload
	// Baseline is the system that ratios are to.
	Baseline string
	// Pairs is how often each system does each workload, in turns.
	Pairs int
	// Wrap counts system calls; see [CountSyscalls]. Nil leaves it.
	Wrap []string
	// Progress is told what happens and how long the rest will take. Nil is
	// told nothing.
	Progress io.Writer

	labs *Labs
}

// overhead is about how long a run takes beside its warm-up and window: for
// processes to start, connect and end.
const overhead = 150 * time.Millisecond

// a turn is one run that is to be made.
type turn struct {
	workload Workload
	system   *System
	pair     int
	counts   bool // system calls, rather than messages
}

func (t turn) length() time.Duration {
	w := t.workload
	// Each connection takes time too.
	connecting := time.Duration(w.Peers*w.Conns) * 100 * time.Microsecond
	if w.Pattern == Multicast {
		connecting = w.castTime()
	}
	return w.Warmup + w.Duration*9/8 + w.Settle + overhead + connecting
}

// turns are all runs of the suite in order: for each workload, all systems in
// turn, and that again for each pair. Which system is first changes, so that
// none has the machine always in the state that another leaves it in.
func (s *Suite) turns() (turns []turn) {
	for _, w := range s.Workloads {
		w = w.Normal()
		pairs := s.Pairs
		if w.Pairs > 0 {
			pairs = min(pairs, w.Pairs)
		}
		for pair := range pairs {
			for i := range s.Systems {
				sys := s.Systems[(i+pair)%len(s.Systems)]
				if pair < sys.runs(w, pairs) {
					turns = append(turns, turn{workload: w, system: sys, pair: pair})
				}
			}
		}
		if len(s.Wrap) == 0 || !w.Calls {
			continue
		}
		for _, sys := range s.Systems {
			if sys.runs(w, pairs) > 0 {
				turns = append(turns, turn{workload: w, system: sys, counts: true})
			}
		}
	}
	return turns
}

// Run makes all runs. It ends early, with what there is, when ctx is done.
func (s *Suite) Run(ctx context.Context) (*Report, error) {
	dir, err := os.MkdirTemp("", "zb")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &Report{Env: Environment(), Start: time.Now(), Baseline: s.Baseline, Systems: s.build(ctx)}
	var here []Workload
	for _, w := range s.Workloads {
		w = w.Normal()
		if err := w.Check(); err != nil {
			return nil, err
		}
		if err := w.Missing(); err != nil {
			r.Missing = append(r.Missing, MissingWorkload{w.Name, err.Error()})
			s.tell("%s is absent: %v\n", w.Name, err)
			continue
		}
		here = append(here, w)
		r.Workloads = append(r.Workloads, w)
	}
	s.Workloads = here
	s.labs = new(Labs)
	defer s.labs.Close()
	turns := s.turns()
	var left time.Duration
	for _, t := range turns {
		left += t.length()
	}
	begun := time.Now() // programs are built by now, which is not to be guessed from
	s.tell("%d runs of %d workloads, about %s\n", len(turns), len(s.Workloads), left.Round(time.Second))
	for i, t := range turns {
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		s.do(ctx, r, t, dir)
		left -= t.length()
		// Correct the estimate by what it was wrong by so far.
		spent, planned := time.Since(begun), time.Duration(0)
		for _, past := range turns[:i+1] {
			planned += past.length()
		}
		rest := time.Duration(float64(left) * float64(spent) / float64(planned))
		s.tell("%3d%% %7s left  %s\n", 100*(i+1)/len(turns), rest.Round(time.Second), last(r, t))
	}
	r.Took = time.Since(r.Start)
	return r, nil
}

// do makes one run.
func (s *Suite) do(ctx context.Context, r *Report, t turn, dir string) {
	g := &Rig{Dir: dir, Labs: s.labs}
	if t.counts {
		g.Wrap = s.Wrap
	}
	result := g.Run(ctx, t.system, t.workload)
	if !t.counts {
		result.Pair = t.pair
		r.Results = append(r.Results, result)
		r.learn(result)
		return
	}
	for i := range r.Results {
		if have := &r.Results[i]; have.Workload == t.workload.Name && have.System == t.system.Name && result.Fail == "" {
			have.Syscalls = result.Syscalls
		}
	}
}

// last says what came of a run.
func last(r *Report, t turn) string {
	what := fmt.Sprintf("%s %s", t.workload.Name, t.system.Name)
	if t.counts {
		return what + " system calls"
	}
	have := r.Results[len(r.Results)-1]
	switch {
	case have.Fail != "":
		return what + " FAIL: " + have.Fail
	case have.Latencies != nil && t.workload.Pattern != Multicast:
		return fmt.Sprintf("%s p50 %.1f µs, p99 %.1f µs", what,
			float64(have.Latencies.ValueAtQuantile(50))/1e3, float64(have.Latencies.ValueAtQuantile(99))/1e3)
	case t.workload.Pattern == Multicast:
		return what + said(t.workload, &have)
	default:
		return fmt.Sprintf("%s %.4g/s", what, have.Rate())
	}
}

// said is what came of a run of multicast.
func said(w Workload, r *Result) (text string) {
	for _, m := range Metrics(w) {
		if v, ok := m.Of(w, r); ok {
			text += fmt.Sprintf(" %s=%.4g%s", strings.ReplaceAll(m.Name, " ", "-"), v, m.Unit)
		}
	}
	return text
}

func (s *Suite) tell(format string, args ...any) {
	if s.Progress != nil {
		// Nobody is the worse for progress that cannot be shown.
		_, _ = fmt.Fprintf(s.Progress, format, args...)
	}
}

// build builds the systems' programs, and leaves out those that cannot be.
func (s *Suite) build(ctx context.Context) (about []SystemAbout) {
	var there []*System
	for _, sys := range s.Systems {
		a := SystemAbout{Name: sys.Name}
		built, err := s.made(ctx, sys)
		if err != nil {
			a.Absent = strings.TrimSpace(err.Error())
			about = append(about, a)
			s.tell("%s is absent: %s\n", sys.Name, a.Absent)
			continue
		}
		sys = built
		about = append(about, a)
		there = append(there, sys)
	}
	s.Systems = there
	return about
}

// made is a system whose programs are there.
func (s *Suite) made(ctx context.Context, sys *System) (*System, error) {
	if sys.Build == nil && sys.BuildReceiver == nil {
		return sys, nil
	}
	s.tell("building %s\n", sys.Name)
	built := *sys
	built.Build, built.BuildReceiver = nil, nil
	for _, b := range []struct {
		build func(context.Context) ([]string, error)
		to    *[]string
	}{{sys.Build, &built.Program}, {sys.BuildReceiver, &built.Receiver}} {
		if b.build == nil {
			continue
		}
		var err error
		if *b.to, err = b.build(ctx); err != nil {
			return nil, err
		}
	}
	return &built, nil
}

// learn takes from a result what it says of its system. Settings differ between
// workloads, and each is told once.
func (r *Report) learn(of Result) {
	for i := range r.Systems {
		a := &r.Systems[i]
		if a.Name != of.System {
			continue
		}
		for _, p := range of.Processes {
			if p.Version != "" {
				a.Version, a.Backend = p.Version, p.Backend
			}
			for _, setting := range p.Settings {
				a.add(setting)
			}
		}
	}
}

func (a *SystemAbout) add(setting string) {
	for _, have := range a.Settings {
		if have == setting {
			return
		}
	}
	a.Settings = append(a.Settings, setting)
}
