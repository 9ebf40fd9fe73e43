package pgm

import (
	"slices"
	"testing"
	"time"
)

// TestSimCrybaby has one receiver of ten lose 30 %, which is more than the rate has
// room to repair, and the others 0.5 %: they do not wait for its repairs.
func TestSimCrybaby(t *testing.T) {
	skipShort(t)
	for _, fec := range []FECConfig{{}, {Group: 16, OnDemand: true}} {
		var p99 [2]time.Duration
		for i, anonymous := range []bool{false, true} {
			s := newSim(t, *simSeed, SourceConfig{Rate: 7_700_000, FEC: fec}, 10, ReceiverConfig{})
			s.anonymous = anonymous
			each(iid(0.005))(s)
			s.receivers[3].down.loss = 0.3
			s.run(20_000, 256, 50*time.Microsecond, time.Minute)
			var all []time.Duration
			for node, r := range s.receivers {
				if node != 3 {
					all = append(all, r.latency...)
				}
				if r.lost > 0 {
					t.Errorf("receiver %d: %d lost", node, r.lost)
				}
			}
			slices.Sort(all)
			p99[i] = all[len(all)*99/100]
			st := s.source.Stats()
			t.Logf("%+v anonymous %v: p99 %v, p99.9 %v, max %v of those that lose little; the other's p50 %v; %d late of %d", fec, anonymous, p99[i],
				all[len(all)*999/1000], all[len(all)-1], s.receivers[3].latency[10_000], st.NAKLate, st.NAKEntries)
		}
		if p99[0] > 20*ms || p99[0] > p99[1]/3 {
			t.Errorf("%+v: p99 %v, and %v if the source does not know who asks", fec, p99[0], p99[1])
		}
	}
}
