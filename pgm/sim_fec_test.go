package pgm

import (
	"testing"
	"time"
)

// fecOf returns a source's configuration with parity.
func fecOf(group, proactive int, onDemand bool) SourceConfig {
	return SourceConfig{FEC: FECConfig{Group: group, Proactive: proactive, OnDemand: onDemand}}
}

// TestSimParity is T19: one parity packet for each eight, 20,000 packets a second,
// 1 % loss.
func TestSimParity(t *testing.T) {
	skipShort(t)
	naks := func(c SourceConfig) (n, decoded uint64, s *sim) {
		c.Rate = 125e6
		s = newSim(t, *simSeed, c, 3, ReceiverConfig{})
		for _, r := range s.receivers {
			r.down.loss = 0.01
		}
		s.run(40_000, 256, 50*time.Microsecond, time.Minute)
		for _, r := range s.receivers {
			n += r.Stats().NAKs
			decoded += r.Stats().Decoded
		}
		return n, decoded, s
	}
	without, _, _ := naks(SourceConfig{})
	with, decoded, s := naks(fecOf(8, 1, false))
	t.Logf("%d NAKs, %d without parity: %.1f %%; %d packets decoded; p50 %v p99 %v p99.9 %v max %v; repairs p99 below %v",
		with, without, 100*float64(with)/float64(without), decoded, s.percentile(0.5), s.percentile(0.99),
		s.percentile(0.999), s.percentile(1), s.repairTime(0.99))
	if s.lost() > 0 || float64(with) > 0.15*float64(without) || decoded == 0 {
		t.Errorf("%d lost, %d NAKs, %d without parity", s.lost(), with, without)
	}
	if p := s.percentile(0.99); p > 2*ms || s.repairTime(0.99) > 2048*time.Microsecond {
		t.Errorf("p99 %v, repair time %v", p, s.repairTime(0.99))
	}
}

// repairTime returns an upper bound for the time from noticing a loss to its
// repair.
func (s *sim) repairTime(p float64) time.Duration {
	var buckets [RepairBuckets]uint64
	total := uint64(0)
	for _, r := range s.receivers {
		for i, n := range r.Stats().RepairTimes {
			buckets[i] += n
			total += n
		}
	}
	sum := uint64(0)
	for i, n := range buckets {
		if sum += n; float64(sum) >= p*float64(total) {
			return 64 * time.Microsecond << i
		}
	}
	return 0
}

// TestSimParityPerfect: without loss nothing waits, and nothing is asked for.
func TestSimParityPerfect(t *testing.T) {
	for _, c := range []SourceConfig{fecOf(8, 1, false), fecOf(8, 0, true), fecOf(64, 4, true)} {
		s := newSim(t, *simSeed, c, 3, ReceiverConfig{})
		s.run(2001, 256, 50*time.Microsecond, time.Minute)
		st := s.source.Stats()
		if s.lost() != 0 || st.NAKs != 0 || st.ODATA != 2001 {
			t.Errorf("%+v: %d lost, source %+v", c.FEC, s.lost(), st)
		}
		if p := s.percentile(1); p != 100*time.Microsecond {
			t.Errorf("%+v: latency %v over links of 100 µs", c.FEC, p)
		}
	}
}

// TestSimMatrixParity has parity in all weathers: nothing is lost that is not lost
// without it, and whatever is decoded is what was sent.
func TestSimMatrixParity(t *testing.T) {
	skipShort(t)
	for _, fec := range []FECConfig{
		{Group: 8, Proactive: 1}, {Group: 8, OnDemand: true}, {Group: 32, Proactive: 2, OnDemand: true, Idle: 100 * time.Microsecond},
	} {
		for _, c := range cells {
			t.Run(c.name, func(t *testing.T) {
				c.source.FEC = fec
				s := newSim(t, *simSeed, c.source, 3, c.receiver)
				c.set(s)
				s.app.vary = true
				s.run(orDefault(c.count, 6000), 256, orDefault(c.interval, 50*time.Microsecond), 2*time.Minute)
				var total ReceiverStats
				for _, r := range s.receivers {
					st := r.Stats()
					total.Decoded += st.Decoded
					total.Repaired += st.Repaired
					total.NAKs += st.NAKs
					total.ParityNAKs += st.ParityNAKs
					total.ParityErrors += st.ParityErrors
				}
				t.Logf("p50 %v, p99 %v; %d lost, %d decoded, %d repaired, %d NAKs, %d for parity, %d errors", s.percentile(0.5), s.percentile(0.99),
					s.lost(), total.Decoded, total.Repaired, total.NAKs, total.ParityNAKs, total.ParityErrors)
				if s.lost() > 0 && !c.mayLose && !c.mustLose || total.ParityErrors > 0 {
					t.Errorf("%d lost, %d errors", s.lost(), total.ParityErrors)
				}
			})
		}
	}
}

// TestSimParityShort has groups that are closed before they are full, because data
// pauses: numbers are skipped, nobody asks for them, and the last packets before a
// pause are repaired without a NAK.
func TestSimParityShort(t *testing.T) {
	for _, test := range []struct {
		name     string
		fec      FECConfig
		interval time.Duration
		loss     float64
		naks     float64 // at most, for each packet decoded
	}{
		{"one packet a group", FECConfig{Group: 8, Proactive: 1}, 5 * ms, 0.05, 0.2},
		{"no loss", FECConfig{Group: 8, Proactive: 1}, 5 * ms, 0, 0},
		{"two packets", FECConfig{Group: 128, Proactive: 2, OnDemand: true, Idle: 500 * time.Microsecond}, 600 * time.Microsecond, 0.05, 0.2},
		{"on demand", FECConfig{Group: 16, OnDemand: true}, 5 * ms, 0.05, 2.5},
		{"on demand, no loss", FECConfig{Group: 16, OnDemand: true}, 5 * ms, 0, 0},
		{"wrap", FECConfig{Group: 128, Proactive: 1}, 5 * ms, 0.05, 0.4},
		{"much loss", FECConfig{Group: 32, Proactive: 1, OnDemand: true}, 3 * ms, 0.3, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := SourceConfig{FEC: test.fec}
			if test.name == "wrap" {
				c.First = 0xffff0000
			}
			s := newSim(t, *simSeed, c, 3, ReceiverConfig{})
			each(iid(test.loss))(s)
			s.app.vary = true
			s.run(1000, 256, test.interval, time.Minute)
			if int(s.source.txw.lead-s.source.cfg.First) < 1000*4 {
				t.Errorf("no numbers were skipped")
			}
			naks, decoded, repaired := uint64(0), uint64(0), uint64(0)
			for _, r := range s.receivers {
				st := r.Stats()
				naks, decoded, repaired = naks+st.NAKs, decoded+st.Decoded, repaired+st.Repaired
				if st.ParityErrors > 0 || st.Lost > 0 {
					t.Errorf("%+v", st)
				}
			}
			t.Logf("%d NAKs, %d decoded, %d repaired, p99 %v", naks, decoded, repaired, s.percentile(0.99))
			if float64(naks) > test.naks*float64(decoded) || decoded == 0 && test.loss > 0 {
				t.Errorf("%d NAKs, %d decoded", naks, decoded)
			}
		})
	}
}
