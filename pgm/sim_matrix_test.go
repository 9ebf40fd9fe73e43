package pgm

import (
	"testing"
	"time"
)

// A cell is one kind of weather.
type cell struct {
	name     string
	source   SourceConfig
	receiver ReceiverConfig
	set      func(s *sim)
	count    int           // packets; zero: 6000
	interval time.Duration // zero: 50 µs
	size     int           // zero: 256
	mayLose  bool          // gaps are as it should be
	mustLose bool
	p50, p99 time.Duration // zero: not checked
	check    func(t *testing.T, s *sim)
}

func each(set func(l *link)) func(s *sim) {
	return func(s *sim) {
		for _, r := range s.receivers {
			set(&r.down)
		}
	}
}

func shared(set func(l *link)) func(s *sim) {
	return func(s *sim) { set(&s.shared) }
}

func iid(p float64) func(l *link)        { return func(l *link) { l.loss = p } }
func burstOf(p, n float64) func(l *link) { return func(l *link) { l.burst, l.length = p, n } }
func delayed(d time.Duration) func(s *sim) {
	return func(s *sim) {
		for _, r := range s.receivers {
			r.down.delay, r.up.delay = d/2, d/2
			r.down.jitter = d / 20
			r.down.loss = 0.01
		}
	}
}

// between loses packets of those types, or all if there are none, from and until.
func between(from, until time.Duration, types ...Type) func(Type, time.Duration) bool {
	return func(t Type, at time.Duration) bool {
		if at < from || at >= until {
			return false
		}
		for _, other := range types {
			if t == other {
				return true
			}
		}
		return len(types) == 0
	}
}

const ms = time.Millisecond

// cells is the loss matrix. Whatever the weather, each receiver sees every
// packet's number once and in order, as data or in a gap: sim checks that.
var cells = []cell{
	{name: "iid 0.1%", set: each(iid(0.001)), p50: ms, p99: 10 * ms},
	{name: "iid 1%", set: each(iid(0.01)), p50: ms, p99: 10 * ms},
	{name: "iid 5%", set: each(iid(0.05)), p50: 5 * ms, p99: 30 * ms},
	{name: "iid 20%", set: each(iid(0.2)), p99: 200 * ms},
	{name: "iid 50%", set: each(iid(0.5))},
	{name: "shared 0.1%", set: shared(iid(0.001)), p50: ms, p99: 10 * ms},
	{name: "shared 1%", set: shared(iid(0.01)), p50: ms, p99: 10 * ms},
	{name: "shared 5%", set: shared(iid(0.05)), p50: 5 * ms, p99: 30 * ms},
	{name: "shared 20%", set: shared(iid(0.2)), p99: 200 * ms},
	{name: "shared 50%", set: shared(iid(0.5))},
	{name: "bursts of 20", set: each(burstOf(0.002, 20)), p99: 30 * ms},
	{name: "bursts of 500", set: each(burstOf(0.0005, 500))},
	{name: "shared bursts of 20", set: shared(burstOf(0.002, 20)), p99: 30 * ms},
	{name: "shared bursts of 500", set: shared(burstOf(0.0005, 500))},
	{name: "duplicates", set: each(func(l *link) { l.dup = 0.05 }), p99: ms},
	{name: "reorder 50µs", set: each(func(l *link) { l.reorder, l.by = 0.05, 50*time.Microsecond }), p99: ms},
	{name: "reorder 300µs", set: each(func(l *link) { l.reorder, l.by = 0.05, 300*time.Microsecond }), p99: 10 * ms},
	{name: "reorder 5ms", set: each(func(l *link) { l.reorder, l.by = 0.05, 5*ms }), p99: 10 * ms},
	{name: "delay 1ms", set: delayed(ms), p99: 30 * ms},
	{name: "delay 20ms", set: delayed(20 * ms), p99: 300 * ms},
	{name: "corrupt", set: each(func(l *link) { l.corrupt = 0.01 }), p99: 10 * ms},
	{name: "bottleneck", source: SourceConfig{Rate: 6e6}, set: shared(func(l *link) { l.rate, l.queue, l.loss = 8e6, 20*ms, 0.01 })},
	{name: "overload", source: SourceConfig{Rate: 8e6}, set: shared(func(l *link) { l.rate, l.queue = 4e6, 20*ms }), mayLose: true},
	{name: "no NCF", set: func(s *sim) { each(iid(0.01))(s); s.shared.drop = between(0, 200*ms, TypeNCF) }, p99: 30 * ms},
	{name: "no RDATA", set: func(s *sim) { each(iid(0.01))(s); s.shared.drop = between(0, 200*ms, TypeRDATA) }},
	{name: "no SPM", set: func(s *sim) { each(iid(0.01))(s); s.shared.drop = between(0, 200*ms, TypeSPM) }, p99: 30 * ms,
		check: func(t *testing.T, s *sim) {
			for _, r := range s.receivers {
				if r.Stats().SPMRs == 0 && r.Stats().OthersNAKs == 0 && r.path.deadline == 0 {
					t.Error("nobody asked for an SPM")
				}
			}
		}},
	{name: "no NAK", set: func(s *sim) {
		each(iid(0.01))(s)
		for _, r := range s.receivers {
			r.up.drop = between(0, 200*ms, TypeNAK)
		}
	}},
	{name: "NAKs lost", set: func(s *sim) {
		each(iid(0.01))(s)
		for _, r := range s.receivers {
			r.up.loss = 0.3
		}
	}, p99: 30 * ms},
	{name: "first SPM lost", set: func(s *sim) { each(iid(0.01))(s); s.shared.drop = between(0, ms, TypeSPM) }, p99: 10 * ms},
	{name: "blackout 100ms", set: shared(func(l *link) { l.drop = between(100*ms, 200*ms) })},
	{name: "blackout 100ms of all types and ways", set: func(s *sim) {
		s.shared.drop = between(100*ms, 200*ms)
		for _, r := range s.receivers {
			r.up.drop = between(100*ms, 250*ms)
		}
	}},
	{name: "blackout beyond the source's window", source: SourceConfig{WindowPackets: 1024, QueuePackets: 16},
		set: shared(func(l *link) { l.drop = between(50*ms, 200*ms) }), mustLose: true},
	{name: "blackout beyond the receiver's window", receiver: ReceiverConfig{WindowPackets: 512},
		set: shared(func(l *link) { l.drop = between(50*ms, 200*ms) }), mustLose: true,
		check: func(t *testing.T, s *sim) {
			for _, r := range s.receivers {
				if len(r.gaps) != 1 || r.gaps[0].Reason != GapResync {
					t.Errorf("gaps %v", r.gaps)
				}
			}
		}},
	{name: "recovery interval", source: SourceConfig{WindowAge: 50 * ms}, set: shared(func(l *link) { l.drop = between(50*ms, 200*ms) }), mustLose: true},
	{name: "one lossy of three", set: func(s *sim) { s.receivers[1].down.loss = 0.05 }, p50: ms, p99: 30 * ms,
		check: func(t *testing.T, s *sim) {
			for _, node := range []int{0, 2} {
				for _, d := range s.receivers[node].latency {
					if d > 150*time.Microsecond {
						t.Fatalf("receiver %d, which loses nothing, waited %v", node, d)
					}
				}
			}
		}},
	{name: "crybaby", source: SourceConfig{Rate: 8e6}, set: func(s *sim) { s.receivers[1].down.loss = 0.3 },
		check: func(t *testing.T, s *sim) { // a rate with room for all data and a quarter of repairs
			for _, node := range []int{0, 2} {
				for _, d := range s.receivers[node].latency {
					if d > ms {
						t.Fatalf("receiver %d, which loses nothing, waited %v", node, d)
					}
				}
			}
		}},
	{name: "receiver paused", set: func(s *sim) { s.receivers[0].down.drop = between(100*ms, 250*ms) }},
	{name: "joins late", set: func(s *sim) { each(iid(0.01))(s); s.receivers[0].down.drop = between(0, 150*ms) }, p99: 30 * ms, // what is lost first waits for the SPM that is asked for

		check: func(t *testing.T, s *sim) {
			if s.receivers[0].first == s.source.cfg.First {
				t.Error("joined at the start")
			}
		}},
	{name: "joins late with OPT_JOIN", source: SourceConfig{JoinPackets: 1 << 15, Heartbeats: []time.Duration{ms}}, receiver: ReceiverConfig{Join: true},
		interval: 4 * ms, count: 100, set: func(s *sim) { s.receivers[0].down.drop = between(0, 150*ms) },
		check: func(t *testing.T, s *sim) {
			if s.receivers[0].first != s.source.cfg.First {
				t.Errorf("joined at %d", s.receivers[0].first)
			}
		}},
	{name: "arrival order", receiver: ReceiverConfig{ArrivalOrder: true}, set: func(s *sim) {
		each(func(l *link) { l.loss, l.dup, l.reorder, l.by = 0.05, 0.05, 0.05, ms })(s)
	}, p50: ms},
	{name: "latency budget", receiver: ReceiverConfig{LatencyBudget: 3 * ms}, set: each(iid(0.2)), mustLose: true, p99: 5 * ms},
	{name: "little memory", receiver: ReceiverConfig{WindowOctets: 1 << 16}, set: each(burstOf(0.002, 20)), mayLose: true},
	{name: "unknown kind of source", source: SourceConfig{NoBackOff: true, NoSYN: true, Heartbeats: LibzmqHeartbeats}, set: each(iid(0.05)),
		check: func(t *testing.T, s *sim) {
			for _, r := range s.receivers {
				if st := r.Stats(); st.NAKs != st.NAKEntries {
					t.Errorf("%d NAKs with %d entries", st.NAKs, st.NAKEntries)
				}
			}
		}},
	{name: "wrap", source: SourceConfig{First: 0xfffff000, WindowPackets: 4096}, set: each(func(l *link) { l.loss, l.dup, l.reorder, l.by = 0.05, 0.02, 0.02, ms })},
	{name: "wrap by half", source: SourceConfig{First: 0x7ffff800}, set: each(iid(0.05))},
	{name: "everything", source: SourceConfig{Rate: 30e6}, set: each(func(l *link) {
		l.loss, l.dup, l.corrupt, l.reorder, l.by, l.jitter, l.burst, l.length = 0.02, 0.02, 0.005, 0.03, ms, 100*time.Microsecond, 0.0005, 20
	})},
}

func TestSimMatrix(t *testing.T) {
	for _, c := range cells {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, *simSeed, c.source, 3, c.receiver)
			c.set(s)
			s.run(orDefault(c.count, 6000), orDefault(c.size, 256), orDefault(c.interval, 50*time.Microsecond), 2*time.Minute)
			p50, p99 := s.percentile(0.5), s.percentile(0.99)
			st := s.source.Stats()
			t.Logf("%v after the last packet; p50 %v, p99 %v; %d lost, %d NAKs, %d entries, %d duplicate, %d RDATA",
				s.now-s.app.closed, p50, p99, s.lost(), st.NAKs, st.NAKEntries, st.NAKDuplicates, st.RDATA)
			if s.lost() > 0 && !c.mayLose && !c.mustLose || s.lost() == 0 && c.mustLose {
				t.Errorf("%d lost", s.lost())
			}
			if c.p50 > 0 && p50 > c.p50 || c.p99 > 0 && p99 > c.p99 {
				t.Errorf("p50 %v, p99 %v, want at most %v and %v", p50, p99, c.p50, c.p99)
			}
			for node, r := range s.receivers {
				if limit := r.cfg.WindowOctets; r.peak > limit {
					t.Errorf("receiver %d holds %d octets, more than %d", node, r.peak, limit)
				}
			}
			if c.check != nil {
				c.check(t, s)
			}
		})
	}
}
