package pgm

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// A talk is a conversation with one receiver: what it is told, and what it says to
// its user and to the network, in words.
type talk struct {
	t     *testing.T
	r     *Receiver
	epoch time.Time
	now   time.Duration
	spms  SQN
	said  []string
}

// newTalk starts one. The dice always fall in the middle.
func newTalk(t *testing.T, cfg ReceiverConfig) *talk {
	k := &talk{t: t, epoch: time.Unix(1e9, 0)}
	cfg.TSI, cfg.Port, cfg.Source, cfg.Group = testTSI, 5555, simNLA, simGroup
	if cfg.Dice == nil {
		cfg.Dice = func() float64 { return 0.5 }
	}
	k.r = NewReceiver(cfg, k.epoch)
	return k
}

func (k *talk) tell(packet []byte) {
	k.t.Helper()
	h, body, err := ConsumeHeader(packet)
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.r.Handle(k.epoch.Add(k.now), &h, body); err != nil {
		k.said = append(k.said, err.Error())
	}
	k.listen()
}

// listen notes what the receiver has for its user.
func (k *talk) listen() {
	k.t.Helper()
	for {
		e := k.r.Next()
		switch e.Kind {
		case 0:
			k.r.rxw.check()
			k.r.fec.check(k.r.rxw)
			return
		case ReceiverData:
			if string(e.Payload) != fmt.Sprint(uint32(e.SQN)) {
				k.t.Fatalf("data %d is %q", e.SQN, e.Payload)
			}
			k.said = append(k.said, fmt.Sprint("data ", e.SQN))
		case ReceiverGap:
			k.said = append(k.said, fmt.Sprintf("gap %d-%d: %v", e.SQN, e.Last, e.Reason))
		case ReceiverSYN:
			k.said = append(k.said, "SYN")
		case ReceiverFIN:
			k.said = append(k.said, fmt.Sprint("FIN ", e.SQN))
		case ReceiverRST:
			k.said = append(k.said, "RST")
		}
	}
}

// output notes what the receiver sends now.
func (k *talk) output() {
	k.t.Helper()
	buf := make([]byte, maxNAKSize)
	for {
		packet, to, nla := k.r.Output(k.epoch.Add(k.now), buf)
		k.listen()
		if packet == nil {
			return
		}
		h, body, err := ConsumeHeader(packet)
		if err != nil || h.VerifyChecksum(packet) != nil || h.TSI() != testTSI {
			k.t.Fatalf("%s: %v", Describe(packet), err)
		}
		var o Options
		line := h.Type.String()
		if h.Type == TypeNAK {
			n, err := ConsumeNAK(&h, body, &o)
			if err != nil || n.Source != simNLA || n.Group != simGroup {
				k.t.Fatalf("%s: %v", Describe(packet), err)
			}
			if h.Options&BitParity != 0 {
				line += " parity"
			}
			line += fmt.Sprint(" ", append([]SQN{n.SQN}, o.NAKList()...))
		}
		switch to {
		case ToSource:
			line += fmt.Sprint(" to ", nla)
		case ToNeighbor:
			line += " to neighbors"
		}
		k.said = append(k.said, line)
	}
}

// sleep lets time pass, deadline by deadline.
func (k *talk) sleep(d time.Duration) {
	k.t.Helper()
	end := k.now + d
	for range 1_000_000 {
		at := k.r.Deadline()
		if at.IsZero() || at.Sub(k.epoch) > end {
			k.now = end
			return
		}
		k.now = max(k.now, at.Sub(k.epoch))
		k.output()
	}
	k.t.Fatal("deadlines come without end")
}

func (k *talk) data(t Type, sqn, trail SQN, o *Options) {
	k.t.Helper()
	h := NewHeader(t, testTSI, 5555)
	k.tell(AppendData(nil, &h, &Data{SQN: sqn, Trail: trail, Payload: fmt.Append(nil, uint32(sqn))}, o))
}

func (k *talk) odata(sqns ...SQN) {
	k.t.Helper()
	for _, sqn := range sqns {
		k.data(TypeODATA, sqn, sqns[0]-min(sqns[0], 100), nil)
	}
}

func (k *talk) rdata(sqns ...SQN) {
	k.t.Helper()
	for _, sqn := range sqns {
		k.data(TypeRDATA, sqn, 0, nil)
	}
}

// ours are the options of a source of ours with one receiver 200 µs away.
func ours(more ...OptionType) *Options {
	return &Options{
		Present:           SetOf(OptNAKBOIvl, OptNAKBORng) | SetOf(more...),
		NAKBackOffMinimum: 200 * time.Microsecond, NAKBackOffMaximum: time.Second, NAKBackOffInterval: 200 * time.Microsecond,
	}
}

func (k *talk) spm(trail, lead SQN, o *Options) {
	k.t.Helper()
	k.spms++
	h := NewHeader(TypeSPM, testTSI, 5555)
	k.tell(AppendSPM(nil, &h, &SPM{SQN: k.spms, Trail: trail, Lead: lead, Path: simNLA}, o))
}

func (k *talk) nak(t Type, sqn SQN, list ...SQN) {
	k.t.Helper()
	h := NewHeader(t, testTSI, 5555)
	var o Options
	o.SetNAKList(list)
	k.tell(AppendNAK(nil, &h, &NAK{SQN: sqn, Source: simNLA, Group: simGroup}, &o))
}

// want compares what was said since the last time.
func (k *talk) want(lines ...string) {
	k.t.Helper()
	if !slices.Equal(k.said, lines) {
		k.t.Fatalf("at %v\ngot  %s\nwant %s", k.now, strings.Join(k.said, "\n     "), strings.Join(lines, "\n     "))
	}
	k.said = nil
}

func (k *talk) state(sqn SQN, want rxState) {
	k.t.Helper()
	if got := k.r.rxw.at(sqn).state; got != want {
		k.t.Fatalf("%d is in state %d, want %d", sqn, got, want)
	}
}

func TestReceiverOrder(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(100, 99, ours())
	k.odata(100, 101, 103, 102)
	k.want("data 100", "data 101", "data 102", "data 103")
	k.odata(101)
	k.want()
	if s := k.r.Stats(); s.Duplicates != 1 || s.Reordered != 1 || s.Delivered != 4 {
		t.Errorf("%+v", s)
	}
	if !k.r.Deadline().IsZero() {
		t.Error("a timer is left")
	}
}

// TestReceiverRepair goes once round the RFC's diagram.
func TestReceiverRepair(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 103)
	k.want("data 100")
	k.state(101, rxBackOff)
	k.sleep(599 * time.Microsecond) // the middle of 200 µs to 1 ms
	k.want()
	k.sleep(time.Microsecond)
	k.want("NAK [101 102] to 10.0.0.1")
	k.state(102, rxWaitNCF)
	k.sleep(200 * time.Microsecond)
	k.nak(TypeNCF, 101, 102)
	k.state(101, rxWaitData)
	if k.r.backOff.rtt.mean != 200*time.Microsecond {
		t.Errorf("RTT %v", k.r.backOff.rtt.mean)
	}
	k.rdata(102)
	k.want()
	k.rdata(101)
	k.want("data 101", "data 102", "data 103")
	s := k.r.Stats()
	if s.NAKs != 1 || s.NAKEntries != 2 || s.Repaired != 2 || s.RepairTimes[4] != 2 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverSuppression: "receipt of a matching NAK or a matching NCF will
// suspend NAK generation", but not for ever, whoever sends them.
func TestReceiverSuppression(t *testing.T) {
	for _, typ := range []Type{TypeNCF, TypeNAK} {
		k := newTalk(t, ReceiverConfig{})
		k.spm(0, 99, ours())
		k.odata(100, 102)
		k.want("data 100")
		k.nak(typ, 101)
		k.sleep(time.Millisecond)
		k.want()
		forged := 0
		for k.said == nil {
			k.nak(typ, 101)
			k.sleep(time.Millisecond)
			if forged++; forged > 100 {
				t.Fatalf("%v suppress for ever", typ)
			}
		}
		k.want("NAK [101] to 10.0.0.1")
	}
}

// TestReceiverRetries: NAKs are repeated at growing intervals, and the end is a
// gap.
func TestReceiverRetries(t *testing.T) {
	k := newTalk(t, ReceiverConfig{Retries: 5})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	k.sleep(time.Minute)
	k.want("data 100", "NAK [101] to 10.0.0.1", "NAK [101] to 10.0.0.1", "NAK [101] to 10.0.0.1", "NAK [101] to 10.0.0.1",
		"NAK [101] to 10.0.0.1", "NAK [101] to 10.0.0.1", "gap 101-101: no repair came", "data 102")

	// Confirmed each time, and never repaired.
	k = newTalk(t, ReceiverConfig{Retries: 3})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	naks := 0
	for range 1000 {
		k.sleep(time.Millisecond)
		for _, line := range k.said {
			if strings.HasPrefix(line, "NAK") {
				naks++
				k.nak(TypeNCF, 101)
			}
		}
		k.said = nil
	}
	if naks != 4 || k.r.Stats().Lost != 1 {
		t.Errorf("%d NAKs, %+v", naks, k.r.Stats())
	}
}

// TestReceiverTrail: "if the trailing edge of the window moves beyond the sequence
// number, data recovery for that sequence number terminates."
func TestReceiverTrail(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 105, 107)
	k.want("data 100")
	k.spm(104, 107, ours())
	k.want("gap 101-103: beyond the source's window")
	k.data(TypeODATA, 110, 109, nil)
	k.want("gap 104-104: beyond the source's window", "data 105", "gap 106-106: beyond the source's window", "data 107",
		"gap 108-108: beyond the source's window")
	k.rdata(109)
	k.want("data 109", "data 110")
	k.spm(120, 119, ours()) // all of it is out of reach
	k.want("gap 111-119: beyond the source's window")
	if s := k.r.Stats(); s.Gaps != 5 || s.Lost != 15 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverTail: the loss of the last packets shows in SPM_LEAD.
func TestReceiverTail(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100)
	k.spm(0, 102, ours())
	k.sleep(time.Millisecond)
	k.want("data 100", "NAK [101 102] to 10.0.0.1")
	k.spms -= 2
	k.spm(0, 110, ours()) // "Out-of-sequence SPMs MUST be discarded."
	if k.r.rxw.lead != 102 {
		t.Errorf("lead %d", k.r.rxw.lead)
	}
	k.spms += 2
	k.spm(0, 101, ours()) // "If the SPM packet values are less, they SHOULD be ignored"
	if k.r.rxw.lead != 101 {
		t.Errorf("lead %d", k.r.rxw.lead)
	}
	k.odata(101)
	k.spm(0, 100, ours()) // an SPM that data has overtaken
	if k.r.rxw.lead != 101 || k.r.rxw.gone != 0 {
		t.Errorf("lead %d", k.r.rxw.lead)
	}
}

// TestReceiverForgedLead: what only an SPM tells of, the next SPM takes back.
func TestReceiverForgedLead(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100)
	k.spm(0, 60_000, ours())
	k.sleep(2 * time.Millisecond)
	k.odata(102)
	k.said = nil
	k.spm(0, 103, ours())
	if w := k.r.rxw; w.lead != 103 || w.gone != 2 {
		t.Errorf("lead %d, %d missing", w.lead, w.gone)
	}
	k.odata(101, 103, 104)
	k.want("data 101", "data 102", "data 103", "data 104")
}

// TestReceiverMemory: when there is none for more copies, what is missing in front
// is given up, and nothing more than that.
func TestReceiverMemory(t *testing.T) {
	k := newTalk(t, ReceiverConfig{WindowOctets: 1 << 16})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	n := SQN(103)
	for ; k.r.Stats().OutOfMemory == 0 && n < 1000; n++ {
		k.data(TypeODATA, n, 0, nil)
		if n == 110 {
			n++ // 111 is missing too
		}
	}
	if copies := n - 102 - 2; copies != 1<<16/bufferGrain {
		t.Errorf("%d copies", copies)
	}
	k.want(append([]string{"data 100", "gap 101-101: out of memory"}, numbered("data ", 102, 110)...)...)
	k.state(n-1, rxBackOff)
	k.rdata(111)
	k.want(numbered("data ", 111, int(n-2))...)
	k.rdata(n - 1)
	k.want(fmt.Sprint("data ", n-1))
	if k.r.Heard() != k.epoch {
		t.Error("heard at another time")
	}
}

// TestReceiverJoin: "A receiver SHOULD initiate data reception beginning with the
// first data packet it receives", and asks for nothing before it.
func TestReceiverJoin(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.odata(500)
	k.odata(499)
	k.sleep(time.Second)
	k.want("data 500", "SPMR to neighbors", "SPMR to 10.0.0.1")

	join := func(minimum SQN) *Options {
		o := ours(OptJoin)
		o.JoinMinimum = minimum
		return o
	}
	k = newTalk(t, ReceiverConfig{Join: true})
	k.spm(480, 500, join(490))
	k.sleep(time.Millisecond)
	k.want("NAK [490 491 492 493 494 495 496 497 498 499 500] to 10.0.0.1")
	k = newTalk(t, ReceiverConfig{Join: true})
	k.spm(499, 500, join(490))
	k.sleep(time.Millisecond)
	k.want("NAK [499 500] to 10.0.0.1")
	for _, cfg := range []ReceiverConfig{{}, {Join: true, WindowPackets: 16}} { // 20 are more than 16
		k = newTalk(t, cfg)
		k.spm(480, 500, join(481))
		k.sleep(time.Second)
		k.want()
		if k.r.rxw.next != 501 {
			t.Errorf("next %d", k.r.rxw.next)
		}
	}
}

// TestReceiverJoinByData: who joins by data asks for an SPM, and before it begins
// if it is to ask for older data.
func TestReceiverJoinByData(t *testing.T) {
	// An SPM comes by itself.
	k := newTalk(t, ReceiverConfig{})
	k.odata(500)
	k.spm(480, 500, nil)
	k.sleep(time.Second)
	k.want("data 500")

	// It is asked for at once, and says from where on to ask.
	k = newTalk(t, ReceiverConfig{Join: true})
	k.odata(500, 501)
	k.sleep(0)
	k.want("SPMR to neighbors", "SPMR to 10.0.0.1")
	o := ours(OptJoin)
	o.JoinMinimum = 498
	k.spm(480, 501, o)
	k.sleep(time.Millisecond)
	k.want("NAK [498 499 500 501] to 10.0.0.1")

	// It does not allow that, and what came meanwhile is asked for.
	k = newTalk(t, ReceiverConfig{Join: true})
	k.odata(500, 501)
	k.spm(480, 501, ours())
	k.sleep(time.Millisecond)
	k.want("NAK [500 501] to 10.0.0.1")

	// It does not come.
	k = newTalk(t, ReceiverConfig{Join: true})
	k.odata(500)
	k.sleep(9 * time.Millisecond)
	k.odata(501)
	k.sleep(9 * time.Millisecond)
	k.want("SPMR to neighbors", "SPMR to 10.0.0.1", "NAK [500] to 10.0.0.1")

	// The session begins here: there is nothing older.
	k = newTalk(t, ReceiverConfig{Join: true})
	k.data(TypeODATA, 500, 500, &Options{Present: SetOf(OptSYN)})
	k.want("SYN", "data 500")
}

// TestReceiverBeforeSPM: a loss before the first SPM is asked for too.
func TestReceiverBeforeSPM(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.odata(100, 102)
	k.sleep(3 * time.Millisecond)
	k.want("data 100", "SPMR to neighbors", "SPMR to 10.0.0.1")
	k.sleep(12 * time.Millisecond)
	k.want("NAK [101] to 10.0.0.1")

	// The SPM that was asked for has the way for NAKs.
	k = newTalk(t, ReceiverConfig{})
	k.odata(100, 102)
	k.sleep(3 * time.Millisecond)
	k.said = nil
	h := NewHeader(TypeSPM, testTSI, 5555)
	k.tell(AppendSPM(nil, &h, &SPM{SQN: 1, Trail: 0, Lead: 102, Path: netip.MustParseAddr("10.0.0.9")}, nil))
	k.sleep(10 * time.Millisecond)
	k.want("NAK [101] to 10.0.0.9")

	// Another receiver has asked.
	k = newTalk(t, ReceiverConfig{})
	k.odata(100, 102)
	h = NewHeader(TypeSPMR, testTSI, 5555)
	k.tell(AppendSPMR(nil, &h, nil))
	k.sleep(5 * time.Millisecond)
	k.want("data 100")
}

// TestReceiverSingleNAKs: only a source that advertises OPT_NAK_BO_RNG gets lists.
// OpenPGM repeats one packet for each NAK.
func TestReceiverSingleNAKs(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, nil)
	k.odata(100, 103)
	k.sleep(9 * time.Millisecond)
	k.want("data 100", "NAK [101] to 10.0.0.1", "NAK [102] to 10.0.0.1")

	// "it SHOULD transmit the NAKs in order from oldest to most recent."
	k = newTalk(t, ReceiverConfig{})
	k.spm(0, 99, nil)
	k.odata(100, 131)
	k.sleep(9 * time.Millisecond)
	for i := range 30 {
		if want := fmt.Sprintf("NAK [%d] to 10.0.0.1", 101+i); k.said[1+i] != want {
			t.Fatalf("%s, want %s", k.said[1+i], want)
		}
	}
}

// TestReceiverOneNAK: a NAK takes along what would be asked for a moment later.
func TestReceiverOneNAK(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	k.sleep(40 * time.Microsecond)
	k.odata(104)
	k.sleep(20 * time.Microsecond)
	k.odata(106)
	k.sleep(600 * time.Microsecond)
	k.want("data 100", "NAK [101 103] to 10.0.0.1", "NAK [105] to 10.0.0.1")
}

// TestReceiverBadTrails: what precedes its own trail belongs to no window, and a
// trail half the space away moves nothing.
func TestReceiverBadTrails(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(1101, 1100, ours())
	k.data(TypeODATA, 1101, 1102, nil)
	k.spm(1200, 1100, ours())
	k.data(TypeODATA, 200, 0x80000000+201, nil)
	k.want()
	if w := k.r.rxw; w.next != 1101 || w.lead != 1100 || k.r.trail != 1101 {
		t.Errorf("next %d, lead %d, trail %d", w.next, w.lead, k.r.trail)
	}
}

// TestReceiverGapReasons: a gap event has one reason.
func TestReceiverGapReasons(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 105)
	for sqn, reason := range []GapReason{GapRetries, GapRetries, GapTrail, GapBudget} {
		k.r.rxw.lose(SQN(101+sqn), reason)
	}
	k.listen()
	k.want("data 100", "gap 101-102: no repair came", "gap 103-103: beyond the source's window", "gap 104-104: latency budget", "data 105")
}

func TestReceiverLongList(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 300)
	k.sleep(650 * time.Microsecond)
	lengths := []int{}
	for _, line := range k.said[1:] {
		lengths = append(lengths, strings.Count(line, " ")-2)
	}
	if !slices.Equal(lengths, []int{60, 60, 60, 19}) {
		t.Errorf("lists of %v", lengths)
	}
	// No more than timerLimit at a time.
	k = newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 5000)
	k.sleep(650 * time.Microsecond)
	if s := k.r.Stats(); s.NAKEntries != timerLimit {
		t.Errorf("%d asked for at once", s.NAKEntries)
	}
	for sqn := SQN(101); sqn < 5000; sqn++ {
		if k.r.rxw.at(sqn).state == rxWaitNCF {
			k.nak(TypeNCF, sqn, numbers(sqn+1, 62)...)
		}
		k.rdata(sqn)
		k.sleep(10 * time.Microsecond)
	}
	if s := k.r.Stats(); s.Delivered != 4901 || s.Repaired != 4899 || s.NAKEntries > 6000 {
		t.Errorf("%+v", s)
	}
}

func TestReceiverBudget(t *testing.T) {
	k := newTalk(t, ReceiverConfig{LatencyBudget: 5 * time.Millisecond})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	k.sleep(3 * time.Millisecond)
	k.odata(105)
	k.sleep(1999 * time.Microsecond)
	k.said = nil
	k.sleep(time.Microsecond)
	k.want("gap 101-101: latency budget", "data 102")
	k.sleep(3 * time.Millisecond)
	k.want("NAK [103 104] to 10.0.0.1", "gap 103-104: latency budget", "data 105")
}

func TestReceiverArrivalOrder(t *testing.T) {
	k := newTalk(t, ReceiverConfig{ArrivalOrder: true, Retries: 1})
	k.spm(0, 99, ours())
	k.odata(100, 103, 102, 103)
	k.want("data 100", "data 103", "data 102")
	k.sleep(time.Second)
	k.want("NAK [101] to 10.0.0.1", "NAK [101] to 10.0.0.1", "gap 101-101: no repair came")
	k.odata(101)
	k.want()
}

// TestReceiverJumps: a window that is elsewhere is followed in one step and with
// one gap, but not for the sake of one packet.
func TestReceiverJumps(t *testing.T) {
	k := newTalk(t, ReceiverConfig{WindowPackets: 1000})
	k.spm(0, 99, ours())
	k.odata(100, 102, 2_000_000_000, 103)
	k.want("data 100") // 101 is still missing
	k.odata(50_000, 50_001, 50_002)
	k.want()
	k.odata(50_003)
	k.want("gap 101-101: resynchronized", "data 102", "data 103", "gap 104-50002: resynchronized", "data 50003")
	k.odata(50_004, 50_006)
	k.want("data 50004")
	k.odata(4, 5, 6, 50_006) // three, and those that follow are four
	k.want()
	k.odata(7, 8, 9, 10)
	k.want("gap 50005-50005: resynchronized", "data 50006", "gap 50007-9: resynchronized", "data 10")
	k.odata(11)
	k.want("data 11")
	for lead := SQN(70_000); lead < 70_004; lead++ { // all data was missed
		k.spm(60_000, lead, ours())
	}
	k.want("gap 12-70003: resynchronized")
	k.odata(70_004)
	k.want("data 70004")
	// SPMs that the source sends while nothing is missing do the same.
	if s := k.r.Stats(); s.OutOfWindow != 16 || s.Gaps != 5 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverOldRepairs: what others get repaired, and is far behind us, moves
// nothing.
func TestReceiverOldRepairs(t *testing.T) {
	k := newTalk(t, ReceiverConfig{WindowPackets: 16})
	k.spm(0, 99, ours())
	k.odata(numbers(100, 50)...)
	k.said = nil
	k.rdata(101, 102, 103, 104, 105, 106)
	k.odata(150)
	k.want("data 150")
	if s := k.r.Stats(); s.OutOfWindow != 6 || s.Gaps != 0 {
		t.Errorf("%+v", s)
	}
}

// TestReceiverHalfway: numbers half of all away are neither ahead nor behind, and no
// packet with one makes the window as large.
func TestReceiverHalfway(t *testing.T) {
	const half = 1 << 31
	for d := SQN(half - 3); d <= half+3; d++ {
		for e := SQN(half - 3); e <= half+3; e++ {
			for _, back := range []SQN{0, 1, 2, 3} {
				k := newTalk(t, ReceiverConfig{WindowPackets: 16})
				k.spm(100, 99, ours())
				k.odata(100)
				k.tell(packetOf(TypeODATA, 100+d, 100+e))
				k.tell(packetOf(TypeODATA, 101-back, 100+e))
				k.spm(100+e, 100+d, ours())
				k.spm(100+e, 101-back, ours())
				if n := len(k.r.rxw.places); n > 1024 {
					t.Fatalf("%d places after packets %d and %d", n, 100+d, 100+e)
				}
			}
		}
	}
}

// packetOf is a data packet with that trail.
func packetOf(kind Type, sqn, trail SQN) []byte {
	h := NewHeader(kind, testTSI, 5555)
	return AppendData(nil, &h, &Data{SQN: sqn, Trail: trail, Payload: []byte(fmt.Sprint(uint32(sqn)))}, nil)
}

func TestReceiverOverrun(t *testing.T) {
	k := newTalk(t, ReceiverConfig{WindowPackets: 16})
	k.spm(0, 99, ours())
	k.odata(100)
	for sqn := SQN(103); sqn < 118; sqn++ {
		k.odata(sqn)
	}
	k.want("data 100", "gap 101-101: window overrun")
	k.odata(118)
	k.want(append([]string{"gap 102-102: window overrun"}, numbered("data ", 103, 118)...)...)
	k.odata(134) // as far ahead as may be
	k.want()
	k.odata(136)
	k.want("gap 119-120: window overrun")
}

func numbers(from SQN, n int) (list []SQN) {
	for i := range n {
		list = append(list, from+SQN(i))
	}
	return list
}

func numbered(prefix string, from, to int) (lines []string) {
	for n := from; n <= to; n++ {
		lines = append(lines, fmt.Sprint(prefix, n))
	}
	return lines
}

func TestReceiverEnds(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(100, 99, ours())
	k.data(TypeODATA, 100, 100, &Options{Present: SetOf(OptSYN)})
	k.want("data 100") // the SPM had defined the window
	k.odata(102)
	k.spm(100, 102, ours(OptFIN))
	k.want()
	k.rdata(101)
	k.want("data 101", "data 102", "FIN 102")
	k.odata(102)
	k.rdata(101)
	k.want()
	if !k.r.Ended() || !k.r.Deadline().IsZero() {
		t.Error("not ended")
	}
	k.odata(104) // it was not the source that said so
	k.want()
	k.odata(103)
	k.want("data 103", "data 104")
	if k.r.Ended() {
		t.Error("ended, though the source goes on")
	}

	k = newTalk(t, ReceiverConfig{})
	k.data(TypeODATA, 100, 100, &Options{Present: SetOf(OptSYN)})
	k.odata(103)
	o := ours(OptRST)
	o.ResetCode = 7
	k.spm(100, 103, o)
	k.want("SYN", "data 100", "gap 101-102: reset", "data 103", "RST")
	if !k.r.Ended() || k.r.Stats().ResetCode != 7 {
		t.Error("not ended")
	}
	k.odata(104)
	k.want("data 104")
}

// TestReceiverUnreachable: "PGM receivers which receive either an NCF or an SPM
// containing the OPT_NBR_UNREACH option MUST stop sending NAKs until a regular SPM
// is received for the TSI."
func TestReceiverUnreachable(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	k.spm(0, 0x80000000, &Options{Present: SetOf(OptNbrUnreach)})
	k.sleep(time.Minute)
	k.want("data 100")
	k.spm(0, 102, ours())
	k.sleep(200 * time.Millisecond)
	if len(k.said) == 0 || k.said[0] != "NAK [101] to 10.0.0.1" {
		t.Errorf("%q", k.said)
	}
}

// TestReceiverForgedSPM: an SPM far ahead does not make the receiver deaf for
// those of the source.
func TestReceiverForgedSPM(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.spms += 1 << 30
	k.spm(0, 99, ours())
	k.spms -= 1 << 30
	for range staleLimit {
		k.spm(0, 105, ours())
	}
	if k.r.rxw.lead != 105 {
		t.Errorf("lead %d", k.r.rxw.lead)
	}
}

// TestReceiverRTT: only the answer to our own first NAK tells the round trip.
func TestReceiverRTT(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	k.sleep(600 * time.Microsecond)
	k.nak(TypeNAK, 101)
	k.sleep(100 * time.Microsecond)
	k.nak(TypeNCF, 101)
	k.want("data 100", "NAK [101] to 10.0.0.1")
	if k.r.backOff.rtt.known {
		t.Errorf("RTT %v", k.r.backOff.rtt.mean)
	}
	if s := k.r.Stats(); s.OthersNAKs != 1 || s.NCFs != 1 {
		t.Errorf("%+v", s)
	}
}

func TestRepairTrack(t *testing.T) {
	var r repairTrack
	r.note(10*ms, 100)
	for _, test := range []struct {
		at    time.Duration
		sqn   SQN
		since time.Duration
		want  bool
	}{
		{10 * ms, 101, 5 * ms, true},
		{11 * ms, 101, 5 * ms, false}, // nothing for 1 ms
		{10 * ms, 99, 5 * ms, false},  // its turn is over
		{10 * ms, 99, 11 * ms, false}, // what comes is behind it
	} {
		if got := r.coming(test.at, test.sqn, test.since, ms); got != test.want {
			t.Errorf("%d at %v, since %v: %v", test.sqn, test.at, test.since, got)
		}
	}
	r.note(10*ms, 50) // a gap before was asked for again
	if r.coming(10*ms, 99, 5*ms, ms) || !r.coming(10*ms, 99, 11*ms, ms) {
		t.Error("what was passed over is not asked for, or what was not is")
	}
	r.note(time.Second, 60)
	if r.high != 60 {
		t.Errorf("high %d of long ago", r.high)
	}
}

// TestReceiverStrain: a repair that was confirmed and does not come makes the receiver
// wait longer for others, and one that comes in time less.
func TestReceiverStrain(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, ours())
	k.odata(100, 102)
	k.sleep(2 * time.Millisecond)
	k.nak(TypeNCF, 101)
	k.sleep(20 * time.Millisecond)
	strain := k.r.backOff.strain
	if strain == 0 {
		t.Fatal("no strain, though no repair came")
	}
	k.rdata(101)
	k.odata(104)
	k.sleep(2 * time.Millisecond)
	k.nak(TypeNCF, 103)
	k.rdata(103)
	if got := k.r.backOff.strain; got != strain-1 {
		t.Errorf("a strain of %d after a repair in time, want %d", got, strain-1)
	}
}
