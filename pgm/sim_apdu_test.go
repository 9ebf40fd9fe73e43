package pgm

import (
	"fmt"
	"testing"
	"time"
)

// TestSimAPDU sends payloads larger than a packet through weather, with parity and
// without: each comes whole, or is reported.
func TestSimAPDU(t *testing.T) {
	skipShort(t)
	for _, fec := range []FECConfig{{}, {Group: 8, Proactive: 1}, {Group: 32, OnDemand: true}} {
		for _, test := range []struct {
			name     string
			size     int
			receiver ReceiverConfig
			source   SourceConfig
			set      func(s *sim)
			mayLose  bool
		}{
			{name: "perfect", size: 20_000, set: each(iid(0))},
			{name: "iid 1%", size: 20_000, set: each(iid(0.01))},
			{name: "iid 5%", size: 60_000, set: each(iid(0.05))},
			{name: "wrap", size: 60_000, source: SourceConfig{First: 0xffffff00}, set: each(iid(0.01))},
			{name: "arrival order", size: 20_000, receiver: ReceiverConfig{ArrivalOrder: true}, set: each(func(l *link) {
				l.loss, l.dup, l.reorder, l.by = 0.02, 0.02, 0.02, ms
			})},
			{name: "joins late", size: 60_000, set: func(s *sim) { each(iid(0.01))(s); s.receivers[0].down.drop = between(0, 51*ms) }},
			{name: "budget", size: 20_000, receiver: ReceiverConfig{LatencyBudget: 2 * ms}, set: each(iid(0.1)), mayLose: true},
			{name: "larger than allowed", size: 20_000, receiver: ReceiverConfig{MaxAPDU: 10_000}, set: each(iid(0.01)), mayLose: true},
		} {
			t.Run(fmt.Sprintf("%s/%d,%d", test.name, fec.Group, fec.Proactive), func(t *testing.T) {
				test.source.FEC = fec
				s := newSim(t, *simSeed, test.source, 3, test.receiver)
				test.set(s)
				s.app.vary = true
				s.run(300, test.size, ms, time.Minute)
				var total ReceiverStats
				for node, r := range s.receivers {
					st := r.Stats()
					total.APDUs += st.APDUs
					total.Decoded += st.Decoded
					total.ParityErrors += st.ParityErrors
					total.Partial += st.Partial
					if r.first == s.source.cfg.First && test.name == "joins late" && node == 0 {
						t.Error("joined at the start")
					}
				}
				t.Logf("p50 %v, p99 %v; %d lost, %d APDUs, %d decoded, %d partial", s.percentile(0.5), s.percentile(0.99),
					s.lost(), total.APDUs, total.Decoded, total.Partial)
				if s.lost() > 0 != test.mayLose || total.ParityErrors > 0 || total.APDUs < 300 {
					t.Errorf("%d lost, %+v", s.lost(), total)
				}
			})
		}
	}
}
