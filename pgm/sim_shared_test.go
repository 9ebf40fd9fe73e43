package pgm

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"slices"
	"testing"
	"time"
)

var simRewrite = flag.Bool("rewrite", false, "rewrite the figures in testdata with what happens now")

// sharedFile has cases that a real network can run too, and what the simulator makes of
// them. The test of multicast's interop reads it.
const sharedFile = "testdata/shared.json"

// A sharedCase is receivers that lose the same packets of all types, and equally far
// away. The delay is so long that what a busy machine adds is little.
type sharedCase struct {
	Receivers int           `json:"receivers"`
	PerSecond int           `json:"packets_per_second"`
	Loss      float64       `json:"loss_percent"`
	Delay     time.Duration `json:"delay_ns"`          // one way
	RTT       time.Duration `json:"advertised_rtt_ns"` // a little more than twice the delay

	Form      sharedFigures `json:"closed_form"`
	Simulated sharedFigures `json:"simulated"`
}

// sharedFigures are for each packet that was lost for all. The recovery is the median,
// from when a lost packet was due to be sent until it was received, in round trips.
type sharedFigures struct {
	NAKs     float64 `json:"naks"`
	Entries  float64 `json:"nak_entries"`
	RDATA    float64 `json:"rdata"`
	Recovery float64 `json:"recovery_rtt"`
}

// round leaves out digits that a compiler may change.
func (f *sharedFigures) round() {
	for _, v := range []*float64{&f.NAKs, &f.Entries, &f.RDATA, &f.Recovery} {
		*v = math.Round(*v*1e4) / 1e4
	}
}

// simulate runs the case long enough for a thousand losses.
func (c *sharedCase) simulate(t *testing.T) sharedFigures {
	s := newSim(t, *simSeed, SourceConfig{Rate: 12_500_000, Receivers: c.Receivers, RTT: c.RTT}, c.Receivers, ReceiverConfig{ArrivalOrder: true})
	s.shared.delay = c.Delay
	const begin = 100 * ms // all have joined
	s.shared.drop = func(_ Type, at time.Duration) bool { return at >= begin && s.dice.Float64()*100 < c.Loss }
	for _, r := range s.receivers {
		r.down.delay, r.up.delay = 0, c.Delay
	}
	s.run(int(1000/(c.Loss/100)), 1000, time.Second/time.Duration(c.PerSecond), time.Hour)
	var repaired uint64
	var all []time.Duration
	for _, r := range s.receivers {
		repaired += r.Stats().Repaired
		all = append(all, r.latency...)
	}
	slices.Sort(all)
	late := all[len(all)-int(repaired):]
	st, lost := s.source.Stats(), float64(repaired)/float64(c.Receivers)
	return sharedFigures{
		NAKs: float64(st.NAKs) / lost, Entries: float64(st.NAKEntries) / lost, RDATA: float64(st.RDATA) / lost,
		Recovery: float64(late[len(late)/2]) / float64(2*c.Delay),
	}
}

// expect is the closed form: of losses that are far apart, and with each repair lost as
// often as data.
func (c *sharedCase) expect() sharedFigures {
	form := closedForm{rtt: c.RTT, delays: slices.Repeat([]time.Duration{c.Delay}, c.Receivers)}
	naks, first := form.expect()
	again := 1 / (1 - c.Loss/100)
	notice := time.Second / time.Duration(c.PerSecond) // what follows shows the loss
	return sharedFigures{
		NAKs: naks * again, Entries: naks * again, RDATA: again,
		Recovery: float64(notice+first+c.Delay) / float64(2*c.Delay), // its mean, which is near the median
	}
}

// TestSimShared checks the whole simulator against the closed form, and writes both down
// for the live network to be compared with:
//
//	go test ./pgm -run TestSimShared -rewrite
func TestSimShared(t *testing.T) {
	skipShort(t)
	cases := []sharedCase{
		{Receivers: 3, PerSecond: 2000, Loss: 1, Delay: 10 * ms, RTT: 25 * ms},
		{Receivers: 3, PerSecond: 2000, Loss: 1, Delay: 20 * ms, RTT: 50 * ms},
	}
	for i := range cases {
		c := &cases[i]
		c.Form, c.Simulated = c.expect(), c.simulate(t)
		t.Logf("RTT %v: closed form %+v, simulated %+v", 2*c.Delay, c.Form, c.Simulated)
		for _, f := range []struct {
			what      string
			got, want float64
		}{
			{"NAKs", c.Simulated.NAKs, c.Form.NAKs}, {"entries", c.Simulated.Entries, c.Form.Entries},
			{"RDATA", c.Simulated.RDATA, c.Form.RDATA}, {"recovery", c.Simulated.Recovery, c.Form.Recovery},
		} {
			if !near(f.got, f.want) {
				t.Errorf("seed %d, RTT %v: %s: %.3f simulated, %.3f by the closed form", *simSeed, 2*c.Delay, f.what, f.got, f.want)
			}
		}
		c.Form.round()
		c.Simulated.round()
	}
	if *simSeed != 1 {
		return // the file is of the default
	}
	now, err := json.MarshalIndent(cases, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	now = append(now, '\n')
	if *simRewrite {
		if err := os.WriteFile(sharedFile, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if before, err := os.ReadFile(sharedFile); err != nil || !bytes.Equal(before, now) {
		t.Errorf("%s is not what the simulator says now, %v; see -rewrite:\n%s", sharedFile, err, now)
	}
}
