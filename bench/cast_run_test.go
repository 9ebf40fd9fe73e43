package bench_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/bench"
)

// castSystems are those that need no other module, with their two sides mixed.
func castSystems(t *testing.T) []*bench.System {
	theirs := libzmq(t)
	mine := program(t, "zeroring")
	systems := []*bench.System{
		{Name: "zeroring", Program: mine}, theirs,
		{Name: "raw", Program: program(t, "raw")}, {Name: "raw-gso", Program: program(t, "raw-gso")},
		{Name: "to-libzmq", Program: mine, Receiver: theirs.Program},
		{Name: "from-libzmq", Program: theirs.Program, Receiver: mine},
	}
	for _, s := range systems {
		s.Watcher = mine
		for _, standard := range (bench.Programs{}).Systems() {
			if s.Name == standard.Name {
				s.Cannot = standard.Cannot
			}
		}
	}
	return systems
}

// One workload of each kind of multicast, tiny, by every system that can do it.
func TestMulticast(t *testing.T) {
	names := []string{
		"multicast/thr/epgm/1024/3", "multicast/thr/pgm/1024/1", "multicast/loss/1/3", "multicast/max/1", "multicast/overload/receiver",
		"multicast/overload/link", "multicast/lat/1000", "multicast/pace/100M", "multicast/join", "multicast/join/past",
	}
	if testing.Short() {
		names = []string{"multicast/loss/1/3", "multicast/join/past"} // the race detector's: nothing is fast with it
	}
	g := rig(t)
	g.Labs = new(bench.Labs)
	t.Cleanup(g.Labs.Close)
	var systems []*bench.System
	for _, w := range bench.Standard() {
		if !slices.Contains(names, w.Name) {
			continue
		}
		w := w.Tiny()
		if w.Cast.Test == bench.CastPace {
			w.Duration *= 20 // for there to be a stretch whose rate can be told
		}
		if err := w.Missing(); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
		if systems == nil {
			systems = castSystems(t)
		}
		for _, s := range systems {
			if s.Cannot == nil || s.Cannot(w) == "" {
				t.Run(w.Name+"/"+s.Name, func(t *testing.T) { castOnce(t, g, s, w) })
			}
		}
	}
}

// castOnce runs w, and checks that each of its figures of merit is there and that
// nothing was lost where nothing loses anything.
func castOnce(t *testing.T, g *bench.Rig, s *bench.System, w bench.Workload) {
	r := g.Run(t.Context(), s, w)
	if r.Fail != "" {
		t.Fatal(r.Fail)
	}
	for _, m := range bench.Metrics(w) {
		v, ok := m.Of(w, &r)
		if m.Merit && !ok {
			t.Errorf("no %s: %v", m.Name, r.Figures)
		}
		if m.Name == bench.MetricLost && v > 0 && w.Cast.Loss == 0 && w.Cast.Test == bench.CastLatency {
			t.Errorf("%.3f of the messages were lost", v)
		}
	}
	if processes := w.Peers + 1; len(r.Processes) != processes {
		t.Errorf("%d processes instead of %d", len(r.Processes), processes)
	}
	for role, p := range r.Processes {
		if p.RSS <= 0 {
			t.Errorf("%s: resident %d", role, p.RSS)
		}
	}
}

// What goes wrong makes a run of multicast a failure that says what it was.
func TestMulticastFaults(t *testing.T) {
	w := bench.Workload{Name: "cast", Pattern: bench.Multicast, Transport: bench.EPGM, Size: 64, Rate: 2000}.Normal().Tiny()
	w.Cast.Test = bench.CastLatency
	w.Cast.Phases = []bench.Phase{{Rate: 2000, For: 100e6}}
	if err := w.Missing(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	g := rig(t)
	g.Labs = new(bench.Labs)
	t.Cleanup(g.Labs.Close)
	if r := g.Run(t.Context(), &bench.System{Name: "zeroring", Program: program(t, "zeroring")}, w); r.Fail != "" {
		t.Fatalf("without a fault: %s", r.Fail)
	}
	for _, c := range []struct{ system, want string }{
		{"repeat", "message 99 came where 100 was due"},
		{"swap", "message 99 came where 101 was due"},
		{"cut", "corrupt message: 63 octets instead of 64"},
		{"corrupt", "the check of message 99 is wrong"},
	} {
		r := g.Run(t.Context(), &bench.System{Name: c.system, Program: program(t, "cast-"+c.system), Receiver: program(t, "zeroring")}, w)
		if !strings.Contains(r.Fail, c.want) {
			t.Errorf("%s: the failure is %q, which does not say %q", c.system, r.Fail, c.want)
		}
	}
	r := g.Run(t.Context(), &bench.System{Name: "lose", Program: program(t, "cast-lose"), Receiver: program(t, "zeroring")}, w)
	if lost := r.Figures[bench.MetricLost]; r.Fail != "" || lost != 1.0/200 {
		t.Errorf("one of 200 messages is missing, and the result is %v %q", lost, r.Fail)
	}
}
