package bench_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench"
)

// Every workload, tiny, by every system that needs no other module. What is
// counted has to add up.
func TestWorkloads(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere there is no network to measure")
	}
	systems := []*bench.System{
		{Name: "zeroring", Program: program(t, "zeroring")},
		{Name: "raw", Program: program(t, "raw")},
		libzmq(t),
	}
	for _, s := range (bench.Programs{}).Systems() {
		if s.Name == "raw" {
			systems[1].Cannot = s.Cannot
		}
	}
	g := rig(t)
	for _, w := range bench.Standard() {
		if w.Pattern == bench.Multicast {
			continue // see TestMulticast
		}
		w := w.Tiny()
		for _, s := range systems {
			t.Run(w.Name+"/"+s.Name, func(t *testing.T) {
				if s.Cannot != nil && s.Cannot(w) != "" {
					return
				}
				r := g.Run(t.Context(), s, w)
				if w.Rate > 0 && strings.HasPrefix(r.Fail, "missed the rate") {
					return // which is for a measurement to hold against the machine, not for a test
				}
				if r.Fail != "" {
					t.Fatal(r.Fail)
				}
				if r.Messages <= 0 || r.Window <= 0 {
					t.Errorf("%d messages in %v", r.Messages, r.Window)
				}
				if w.Timed() != (r.Latencies != nil) {
					t.Errorf("latencies: %v", r.Latencies)
				}
				if w.Timed() && r.Latencies.TotalCount() == 0 {
					t.Error("no latency was recorded")
				}
				if w.Pattern == bench.Connect && r.Connected <= 0 {
					t.Errorf("%v to connect", r.Connected)
				}
				for role, p := range r.Processes {
					if p.RSS <= 0 {
						t.Errorf("%s: resident %d", role, p.RSS)
					}
				}
			})
		}
	}
}

// What goes wrong makes the result a failure that says what it was.
func TestFaults(t *testing.T) {
	stream := bench.Workload{Name: "stream", Pattern: bench.PushPull, Transport: bench.TCP, Size: 64}
	mixed := bench.Workload{Name: "mixed", Pattern: bench.PushPull, Transport: bench.TCP, Size: 64}
	ask := bench.Workload{Name: "ask", Pattern: bench.ReqRep, Transport: bench.TCP, Size: 64}
	paced := ask
	paced.Rate = 1000
	for _, w := range []*bench.Workload{&stream, &mixed, &ask, &paced} {
		w.Warmup, w.Duration = time.Millisecond, 30*time.Millisecond
	}
	for _, c := range []struct {
		system string
		w      bench.Workload
		want   string
	}{
		{"lose", stream, "message 100 came where 99 was due"},
		{"repeat", stream, "message 99 came where 100 was due"},
		{"swap", stream, "message 100 came where 99 was due"},
		{"cut", stream, "corrupt message: 63 octets instead of 64"},
		{"corrupt", stream, "the check of message 99 is wrong"},
		{"refuse", stream, "message 99: the link is file already closed"},
		{"corrupt", ask, "the check of message 99 is wrong"},
		{"slow", paced, "missed the rate of 1000/s"},
		{"die", stream, "I am undone"},
		{"babble", stream, `it said "messages many"`},
		{"hang", stream, "it took too long and was ended"},
	} {
		t.Run(c.system+"/"+c.w.Name, func(t *testing.T) {
			g := rig(t)
			if c.system == "hang" {
				g.Patience = 100 * time.Millisecond
			}
			r := g.Run(t.Context(), &bench.System{Name: c.system, Program: program(t, c.system)}, c.w)
			if !strings.Contains(r.Fail, c.want) {
				t.Errorf("the failure is %q, which does not say %q", r.Fail, c.want)
			}
		})
	}
}

// A message lost among those that come by several connections is missed too.
func TestMixedStreams(t *testing.T) {
	w := bench.Workload{
		Name: "mixed", Pattern: bench.PushPull, Transport: bench.TCP, Size: 64, Conns: 3,
		Warmup: time.Millisecond, Duration: 20 * time.Millisecond,
	}
	g := rig(t)
	if r := g.Run(t.Context(), &bench.System{Name: "zeroring", Program: program(t, "zeroring")}, w); r.Fail != "" {
		t.Fatal(r.Fail)
	}
}
