package pgm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// A stand is a source with somebody who notes what it sends.
type stand struct {
	t            *testing.T
	s            *Source
	epoch        time.Time
	now          time.Duration
	said         []string
	octets, most int // sent in all, and at one time
	quiet        bool
	buf          []byte
}

func newStand(t *testing.T, cfg SourceConfig) *stand {
	cfg.TSI, cfg.Port, cfg.NLA, cfg.Group = testTSI, 5555, simNLA, simGroup
	k := &stand{t: t, epoch: time.Unix(1e9, 0), buf: make([]byte, 0xffff)}
	k.s = NewSource(cfg, k.epoch)
	return k
}

func (k *stand) at() time.Time { return k.epoch.Add(k.now) }

// pump notes all that is sent now.
func (k *stand) pump() {
	k.t.Helper()
	sum := 0
	for {
		packet, to := k.s.Next(k.at(), k.buf)
		if packet == nil {
			break
		}
		if to != ToGroup {
			k.t.Fatalf("to %d", to)
		}
		sum += len(packet)
		if !k.quiet {
			k.said = append(k.said, k.describe(packet))
		}
	}
	k.octets += sum
	k.most = max(k.most, sum)
	if !k.quiet {
		k.s.txw.check()
	}
}

func (k *stand) describe(packet []byte) string {
	k.t.Helper()
	h, body, err := ConsumeHeader(packet)
	if err == nil {
		err = h.VerifyChecksum(packet)
	}
	var o Options
	line := h.Type.String()
	switch {
	case err != nil:
	case h.Type.IsData():
		var d Data
		if d, err = ConsumeData(&h, body, &o); err == nil {
			if h.Options&BitParity != 0 {
				line += fmt.Sprintf(" parity %d [%d]", d.SQN, len(d.Payload))
				if h.Options&BitVarPktLen != 0 {
					line += " var"
				}
				if s := o.String(); s != "" {
					line += " (" + s + ")"
				}
				break
			}
			line += fmt.Sprintf(" %d %q", d.SQN, d.Payload)
			if o.Present.Has(OptSYN) {
				line += " SYN"
			}
		}
	case h.Type == TypeSPM:
		var m SPM
		if m, err = ConsumeSPM(&h, body, &o); err == nil {
			line += fmt.Sprintf(" %d-%d", m.Trail, m.Lead)
			if o.Present.Has(OptFIN) {
				line += " FIN"
			}
			if o.Present.Has(OptParityPrm) {
				line += fmt.Sprintf(" %d:%v:%v", o.ParityGroupSize, o.ProactiveParity, o.OnDemandParity)
			}
			if o.Present.Has(OptCurrTGSize) {
				line += fmt.Sprint(" of ", o.CurrentTGSize)
			}
			if m.Path != simNLA {
				err = fmt.Errorf("path %v", m.Path)
			}
		}
	case h.Type == TypeNCF:
		var n NAK
		if n, err = ConsumeNAK(&h, body, &o); err == nil {
			if h.Options&BitParity != 0 {
				line += " parity"
			}
			line += fmt.Sprint(" ", append([]SQN{n.SQN}, o.NAKList()...))
		}
	}
	if err != nil {
		k.t.Fatalf("%s: %v", Describe(packet), err)
	}
	return line
}

// sleep lets time pass, deadline by deadline.
func (k *stand) sleep(d time.Duration) {
	k.t.Helper()
	end := k.now + d
	for range 10_000_000 {
		at := k.s.Deadline(k.at())
		if at.IsZero() || at.Sub(k.epoch) > end {
			k.now = end
			return
		}
		k.now = max(k.now, at.Sub(k.epoch))
		k.pump()
	}
	k.t.Fatal("deadlines come without end")
}

func (k *stand) send(payloads ...string) {
	k.t.Helper()
	for _, p := range payloads {
		if !k.s.Send(k.at(), []byte(p)) {
			k.t.Fatalf("%q is refused", p)
		}
	}
	k.pump()
}

func (k *stand) tell(packet []byte) {
	k.t.Helper()
	h, body, err := ConsumeHeader(packet)
	if err == nil {
		err = k.s.Handle(k.at(), &h, body)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// nak is from a receiver of ours.
func (k *stand) nak(sqn SQN, list ...SQN) {
	k.t.Helper()
	o := Options{Present: SetOf(OptNAKBORng)}
	o.SetNAKList(list)
	k.nakWith(sqn, &o)
}

func (k *stand) nakWith(sqn SQN, o *Options) {
	k.t.Helper()
	h := NewHeader(TypeNAK, testTSI, 5555)
	k.tell(AppendNAK(nil, &h, &NAK{SQN: sqn, Source: simNLA, Group: simGroup}, o))
}

func (k *stand) want(lines ...string) {
	k.t.Helper()
	if !slices.Equal(k.said, lines) {
		k.t.Fatalf("at %v\ngot  %s\nwant %s", k.now, strings.Join(k.said, "\n     "), strings.Join(lines, "\n     "))
	}
	k.said = nil
}

// TestSourceSession is a session from its start to its end.
func TestSourceSession(t *testing.T) {
	k := newStand(t, SourceConfig{First: 100})
	k.pump()
	k.want("SPM 100-99")
	k.send("a", "b")
	k.want(`ODATA 100 "a" SYN`, `ODATA 101 "b"`)
	k.sleep(2 * time.Millisecond)
	k.want("SPM 100-101", "SPM 100-101")
	// "double its previous value", from the last SPM on.
	k.sleep(9 * time.Millisecond)
	k.want("SPM 100-101")
	k.sleep(14 * time.Millisecond)
	k.want()
	k.sleep(time.Millisecond)
	k.want("SPM 100-101")
	k.send("c")
	k.want(`ODATA 102 "c"`)
	k.sleep(8 * time.Millisecond)
	k.want("SPM 100-102")
	k.s.Close()
	if k.s.Send(k.at(), nil) || k.s.Finished() {
		t.Error("a closed source takes data, or is finished at once")
	}
	k.pump()
	k.want("SPM 100-102 FIN")
	k.sleep(2 * time.Millisecond)
	k.want("SPM 100-102 FIN", "SPM 100-102 FIN")
	if !k.s.Finished() {
		t.Error("not finished")
	}
	k.nak(100) // repairs go on
	k.pump()
	k.want("NCF [100]", `RDATA 100 "a" SYN`)
	k.sleep(8 * time.Millisecond)
	k.want("SPM 100-102 FIN")
}

// TestSourceRepeats: RDATA that OpenPGM asked for comes twice.
func TestSourceRepeats(t *testing.T) {
	k := newStand(t, SourceConfig{First: 100, NoSYN: true, Heartbeats: []time.Duration{time.Second}})
	k.send("a", "b", "c")
	k.sleep(10 * time.Millisecond)
	k.said = nil
	k.nakWith(100, nil)
	k.pump()
	k.nak(101)
	k.pump()
	k.want("NCF [100]", `RDATA 100 "a"`, "NCF [101]", `RDATA 101 "b"`)
	k.sleep(4 * time.Millisecond)
	k.want()
	k.sleep(time.Millisecond)
	k.want(`RDATA 100 "a"`)
	k.sleep(100 * time.Millisecond)
	k.want()
	// It is asked for again meanwhile: the second repeat is one of the second.
	k.nakWith(100, nil)
	k.pump()
	k.sleep(4 * time.Millisecond)
	k.nakWith(100, nil)
	k.pump()
	k.sleep(900 * time.Millisecond)
	k.want("NCF [100]", `RDATA 100 "a"`, "NCF [100]", `RDATA 100 "a"`, `RDATA 100 "a"`, `RDATA 100 "a"`)
	if n := k.s.Stats().Repeats; n != 3 {
		t.Errorf("%d repeats", n)
	}

	for _, cfg := range []SourceConfig{{NoBackOff: true}, {RepeatRDATA: -1}} {
		cfg.First, cfg.NoSYN, cfg.Heartbeats = 100, true, []time.Duration{time.Second}
		k := newStand(t, cfg)
		k.send("a")
		k.sleep(10 * time.Millisecond)
		k.said = nil
		k.nakWith(100, nil)
		k.pump()
		k.sleep(100 * time.Millisecond)
		k.want("NCF [100]", `RDATA 100 "a"`)
	}
}

func TestSourceCloseWaits(t *testing.T) {
	k := newStand(t, SourceConfig{Rate: 10_000, NoSYN: true})
	k.pump()
	for i := range 3 {
		k.s.Send(k.at(), make([]byte, 976+i))
	}
	k.s.Close()
	k.quiet = true
	k.sleep(200 * time.Millisecond)
	if st := k.s.Stats(); st.ODATA != 3 || !k.s.Finished() {
		k.sleep(time.Second)
	}
	if st := k.s.Stats(); st.ODATA != 3 || !k.s.Finished() || k.s.spm.state != spmFinishing {
		t.Errorf("%+v", st)
	}
}

func TestSourceHeartbeats(t *testing.T) {
	for _, test := range []struct {
		name  string
		beats []time.Duration
		want  []time.Duration // of SPMs after the data
	}{
		{"ours", nil, []time.Duration{8 * ms, 24 * ms, 56 * ms, 120 * ms, 248 * ms, 504 * ms, 1016 * ms}},
		{"libzmq", LibzmqHeartbeats, []time.Duration{100 * ms, 200 * ms, 300 * ms, 400 * ms, 1700 * ms}},
	} {
		k := newStand(t, SourceConfig{Heartbeats: test.beats})
		k.sleep(10 * ms)
		k.send("a")
		start := k.now
		for i, want := range test.want {
			k.said = nil
			k.sleep(start + want - k.now - 1)
			k.want()
			k.sleep(1)
			if len(k.said) != 1 {
				t.Fatalf("%s: SPM %d is not at %v", test.name, i, want)
			}
		}
	}
	// "ambient SPMs MUST be interleaved into the data as a matter of course".
	k := newStand(t, SourceConfig{Ambient: 100 * ms})
	for range 200 {
		k.send("x")
		k.sleep(5 * ms)
	}
	if n := k.s.Stats().SPMs; n != 3+9 {
		t.Errorf("%d SPMs in a second of data", n)
	}
}

// TestSourceSPMR: "A source MUST respond immediately to an SPMR with the
// corresponding SPM rate limited to once per IHB_MIN per TSI."
func TestSourceSPMR(t *testing.T) {
	k := newStand(t, SourceConfig{})
	k.sleep(time.Second)
	h := NewHeader(TypeSPMR, testTSI, 5555)
	spmr := AppendSPMR(nil, &h, nil)
	k.said = nil
	k.tell(spmr)
	k.pump()
	k.want("SPM 0-4294967295")
	for range 100 {
		k.tell(spmr)
		k.pump()
	}
	k.want()
	k.sleep(8 * ms)
	k.want("SPM 0-4294967295")
}

// TestSourceNAK: NCF at once and with the same list, each repair once, oldest
// first, and NCFs before all.
func TestSourceNAK(t *testing.T) {
	k := newStand(t, SourceConfig{First: 10, NoSYN: true})
	k.now = ms
	k.pump()
	k.send("a", "b", "c", "d")
	k.said = nil
	k.nak(12, 13)
	k.nak(10)
	k.nak(10, 12) // duplicates within a round trip
	k.pump()
	k.want("NCF [12 13]", "NCF [10]", `RDATA 10 "a"`, `RDATA 12 "c"`, `RDATA 13 "d"`)
	k.nak(10) // sent before the RDATA can have arrived
	k.pump()
	k.want()
	k.now += 200 * time.Microsecond
	k.nak(10) // the RDATA was lost
	k.pump()
	k.want("NCF [10]", `RDATA 10 "a"`)
	if st := k.s.Stats(); st.NAKs != 5 || st.NAKEntries != 7 || st.NAKDuplicates != 3 || st.RDATA != 4 {
		t.Errorf("%+v", st)
	}
}

// TestSourceOutside: what cannot be repaired is answered by an SPM.
func TestSourceOutside(t *testing.T) {
	k := newStand(t, SourceConfig{First: 10, NoSYN: true, WindowPackets: 128})
	k.quiet = true
	for range 300 {
		k.send("x")
		k.sleep(time.Millisecond)
	}
	k.sleep(time.Second)
	k.quiet = false
	k.nak(5, 6, 7)
	k.nak(310) // not sent yet
	k.nak(181, 182)
	k.pump()
	k.want("NCF [182]", "SPM 182-309", `RDATA 182 "x"`)
	h := NewHeader(TypeNAK, testTSI, 5555)
	for _, n := range []NAK{{200, simGroup, simGroup}, {200, simNLA, simNLA}} {
		k.tell(AppendNAK(nil, &h, &n, nil))
	}
	k.pump()
	k.want()
	if st := k.s.Stats(); st.NAKOutside != 5 || st.Astray != 2 || st.NAKDropped != 0 {
		t.Errorf("%+v", st)
	}
	k.now += ms
	for i := range SQN(1000) { // nobody calls Next
		k.nak(182 + i%128)
		k.now += time.Microsecond
	}
	if st := k.s.Stats(); st.NAKDropped != 1000-ncfLimit {
		t.Errorf("%+v", st)
	}
}

// TestSourceRate is T15: what is sent in 100 ms is what the rate says within 2 %,
// data, repairs, NCFs and SPMs together, in bursts of at most 1 ms of the rate or
// a packet.
func TestSourceRate(t *testing.T) {
	for _, rate := range []int64{1_250_000, 12_500_000, 125_000_000, 1_250_000_000} {
		for _, naks := range []bool{false, true} {
			k := newStand(t, SourceConfig{Rate: rate, QueuePackets: 512})
			k.quiet = true
			k.sleep(10 * ms)
			payload := make([]byte, 1400)
			refill := func() {
				for k.s.Send(k.at(), payload) {
				}
			}
			refill()
			k.pump() // the bucket was full
			k.octets, k.most = 0, 0
			end := k.now + 100*ms
			nextNAK := k.now
			for k.now < end {
				refill()
				if naks && k.now >= nextNAK && k.s.txw.next != k.s.txw.trail {
					k.nak(k.s.txw.next - 1)
					nextNAK += ms
				}
				k.now = max(k.now, min(end, k.s.Deadline(k.at()).Sub(k.epoch)))
				k.pump()
			}
			want := float64(rate) / 10
			if off := math.Abs(float64(k.octets)-want) / want; off > 0.02 && math.Abs(float64(k.octets)-want) > 1500 {
				t.Errorf("rate %d, NAKs %v: %d octets in 100 ms, %.2f %% off", rate, naks, k.octets, 100*off)
			}
			if limit := max(int(rate/1000), 1452) + 200; k.most > limit {
				t.Errorf("rate %d, NAKs %v: a burst of %d octets, more than %d", rate, naks, k.most, limit)
			}
		}
	}
}

// TestSourceShare: repairs have their share while there is data, and all of it
// otherwise.
func TestSourceShare(t *testing.T) {
	for _, test := range []struct {
		share, want float64
		data        bool
	}{{0, 0.25, true}, {0.5, 0.5, true}, {0, 1, false}} {
		k := newStand(t, SourceConfig{Rate: 1_000_000, RepairShare: test.share, WindowPackets: 4096})
		k.quiet = true
		payload := make([]byte, 976)
		for k.s.Stats().ODATA < 2000 {
			k.s.Send(k.at(), payload)
			k.sleep(ms)
		}
		for k.s.Queued() > 0 {
			k.sleep(ms)
		}
		before := k.s.Stats()
		for sqn := SQN(100); sqn < 1900; sqn += 60 {
			var list []SQN
			for i := SQN(1); i < 60; i++ {
				list = append(list, sqn+i)
			}
			k.nak(sqn, list...)
			k.pump()
		}
		k.s.total.credit, k.s.repair.credit = 0, 0
		for range 1000 {
			for test.data && k.s.Send(k.at(), payload) {
			}
			k.sleep(ms)
		}
		after := k.s.Stats()
		got := float64(after.RDATAOctets-before.RDATAOctets) / 1e6
		if math.Abs(got-test.want) > 0.05 {
			t.Errorf("share %v, data %v: repairs took %.2f", test.share, test.data, got)
		}
	}
}

// TestSourceAllocates: nothing, per packet.
func TestSourceAllocates(t *testing.T) {
	k := newStand(t, SourceConfig{WindowPackets: 1024})
	payload, buf := make([]byte, 1000), make([]byte, 2000)
	h := NewHeader(TypeNAK, testTSI, 5555)
	var o Options
	nak := make([]byte, 0, 500)
	n := testing.AllocsPerRun(5000, func() {
		k.now += ms
		k.s.Send(k.at(), payload)
		if lead := k.s.txw.next - 1; k.s.txw.has(lead) {
			o.SetNAKList(nil)
			nak = AppendNAK(nak[:0], &h, &NAK{SQN: lead, Source: simNLA, Group: simGroup}, &o)
			hh, body, _ := ConsumeHeader(nak)
			if err := k.s.Handle(k.at(), &hh, body); err != nil {
				t.Fatal(err)
			}
		}
		for {
			if packet, _ := k.s.Next(k.at(), buf); packet == nil {
				break
			}
		}
		k.s.Deadline(k.at())
	})
	if st := k.s.Stats(); n != 0 || st.RDATA < 4000 {
		t.Errorf("%v allocations a packet, %+v", n, st)
	}
}
