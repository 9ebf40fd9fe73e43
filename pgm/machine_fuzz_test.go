package pgm

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// The limits of a receiver that is told nonsense.
const (
	hostilePackets = 256
	hostileOctets  = 1 << 18
)

// A script is octets that say which packets a machine is told, and how much time
// passes in between. Numbers near those that matter come up often.
type script struct{ b []byte }

func (s *script) octet() byte {
	if len(s.b) == 0 {
		return 0
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c
}

func (s *script) word() uint32 {
	var b [4]byte
	s.b = s.b[copy(b[:], s.b):]
	return binary.BigEndian.Uint32(b[:])
}

// sqn returns a number: mostly one close to base.
func (s *script) sqn(base SQN) SQN {
	switch c := s.octet(); {
	case c < 0xe0:
		return base + SQN(int8(s.octet()))
	case c < 0xf0:
		return base + SQN(int16(s.word()))
	default:
		return SQN(s.word())
	}
}

// downstream returns a packet of a source near the numbers next and lead.
func (s *script) downstream(next, lead SQN) []byte {
	base := lead
	if s.octet()&1 != 0 {
		base = next
	}
	var o Options
	kind := s.octet()
	if bits := s.octet(); bits&0xc0 == 0xc0 {
		for i, t := range []OptionType{OptSYN, OptFIN, OptRST, OptJoin, OptNAKBOIvl, OptNAKBORng} {
			if bits>>i&1 != 0 {
				o.Present |= SetOf(t)
			}
		}
		if o.Present.Has(OptRST) && s.octet() > 8 {
			o.Present &^= SetOf(OptRST, OptFIN) // else all sessions are short
		}
		o.JoinMinimum = s.sqn(base)
		o.NAKBackOffInterval = time.Duration(s.word()) * time.Microsecond
		o.NAKBackOffMinimum = time.Duration(s.word()>>8) * time.Microsecond
	}
	s.fec(&o, Type(kind%8))
	switch kind % 8 {
	case 0, 1, 2, 3:
		t := TypeODATA
		if kind&16 != 0 {
			t = TypeRDATA
		}
		h := NewHeader(t, testTSI, 5555)
		sqn := s.sqn(base)
		payload := make([]byte, int(s.octet())*5)
		if kind&32 != 0 {
			h.Options = BitParity
			if kind&64 != 0 {
				h.Options |= BitVarPktLen
			}
			for i := range payload {
				payload[i] = byte(sqn) + kind
			}
		}
		return AppendData(nil, &h, &Data{SQN: sqn, Trail: s.sqn(sqn - 40), Payload: payload}, &o)
	case 4:
		h := NewHeader(TypeSPM, testTSI, 5555)
		if kind&16 != 0 {
			o.Present |= SetOf(OptNbrUnreach)
		}
		return AppendSPM(nil, &h, &SPM{SQN: SQN(s.word()), Trail: s.sqn(next), Lead: s.sqn(lead), Path: simNLA}, &o)
	case 5:
		h := NewHeader(TypeSPMR, testTSI, 5555)
		return AppendSPMR(nil, &h, &o)
	default:
		h := NewHeader(TypeNCF, testTSI, 5555)
		if kind&16 != 0 {
			h = NewHeader(TypeNAK, testTSI, 5555)
		}
		if kind&32 != 0 {
			h.Options = BitParity
		}
		return s.naks(&h, base)
	}
}

// fec adds options of forward error correction, for data if t is small.
func (s *script) fec(o *Options, t Type) {
	switch bits := s.octet(); {
	case t == 4 && bits < 0x80: // an SPM: mostly of one size
		o.Present |= SetOf(OptParityPrm)
		o.ProactiveParity, o.OnDemandParity, o.ParityGroupSize = true, bits&1 != 0, 8
		if bits < 0x08 {
			o.ParityGroupSize = uint32(1) << (bits & 7)
		}
		fallthrough
	case bits >= 0xc0:
		if bits&2 != 0 {
			o.Present |= SetOf(OptCurrTGSize)
			o.CurrentTGSize = uint32(s.octet() % 9)
		}
		if bits&4 != 0 && t < 4 {
			o.Present |= SetOf(OptParityGrp)
			o.ParityGroup = uint32(s.octet())%40 + 1
		}
		if bits&8 != 0 && t < 4 {
			o.Present |= SetOf(OptFragment)
			o.FragmentEncoded, o.FragmentNull, o.FragmentCode = bits&16 != 0, bits&32 != 0, bits
			o.FragmentSQN, o.FragmentOffset, o.FragmentLength = SQN(s.octet()), 0, uint32(s.octet())*10+1
		}
	}
}

func (s *script) naks(h *Header, base SQN) []byte {
	var o Options
	var list []SQN
	for range s.octet() % (MaxNAKList + 1) {
		list = append(list, s.sqn(base))
	}
	o.SetNAKList(list)
	return AppendNAK(nil, h, &NAK{SQN: s.sqn(base), Source: simNLA, Group: simGroup}, &o)
}

// A victim is a live receiver that is told a script.
type victim struct {
	testing.TB
	r      *Receiver
	now    time.Time
	expect SQN
	joined bool
	buf    []byte
}

// drain checks that what the user gets is one sequence.
func (v *victim) drain() {
	for n := 0; ; n++ {
		e := v.r.Next()
		switch {
		case e.Kind == 0:
			return
		case n > 4*hostilePackets:
			v.Fatal("events without end")
		case e.Kind != ReceiverData && e.Kind != ReceiverGap || v.r.cfg.ArrivalOrder:
			continue
		case v.joined && e.SQN != v.expect && (v.r.fec.k == 0 || e.SQN-v.expect > 2*hostilePackets): // some may have been left out
			v.Fatalf("event for %d, want %d", e.SQN, v.expect)
		}
		v.joined, v.expect = true, e.SQN+1
		if e.Kind == ReceiverGap {
			v.expect = e.Last + 1
		}
	}
}

// output checks that what is sent is well-formed, and that no deadline stays
// behind.
func (v *victim) output() {
	for n := 0; ; n++ {
		packet, _, _ := v.r.Output(v.now, v.buf)
		v.drain()
		if packet == nil {
			break
		}
		if h, _, err := ConsumeHeader(packet); err != nil || h.VerifyChecksum(packet) != nil {
			v.Fatalf("sends %x: %v", packet, err)
		}
		if n > 4*hostilePackets {
			v.Fatal("packets without end")
		}
	}
	if d := v.r.Deadline(); !d.IsZero() && !d.After(v.now) {
		v.Fatalf("deadline %v at %v", d, v.now)
	}
}

// runReceiver tells a live receiver a script, and checks after each step that it
// holds no more than it may.
func runReceiver(t testing.TB, b []byte) {
	s := script{b: b}
	flags := s.octet()
	cfg := ReceiverConfig{
		TSI: testTSI, Source: simNLA, Group: simGroup, WindowPackets: hostilePackets, WindowOctets: hostileOctets,
		ArrivalOrder: flags&1 != 0, Join: flags&2 != 0, Retries: int(flags&12) + 1,
	}
	if flags&16 != 0 {
		cfg.LatencyBudget = 20 * time.Millisecond
	}
	cfg.Dice = rand.New(rand.NewPCG(1, 1)).Float64
	v := &victim{TB: t, now: time.Unix(1e9, 0), buf: make([]byte, maxNAKSize)}
	v.r = NewReceiver(cfg, v.now)
	for len(s.b) > 0 {
		if wait := s.octet(); wait > 0x80 {
			v.now = v.now.Add(time.Duration(wait-0x80) * 200 * time.Microsecond)
			v.output()
			continue
		}
		packet := s.downstream(v.r.rxw.next, v.r.rxw.lead)
		if h, body, err := ConsumeHeader(packet); err == nil {
			_ = v.r.Handle(v.now, &h, body)
		}
		v.drain()
		v.r.rxw.check()
		v.r.fec.check(v.r.rxw)
		if n := len(v.r.rxw.places); n > 2*hostilePackets {
			t.Fatalf("%d places", n)
		}
	}
	// Whatever was said, it comes to an end when nothing more is.
	for n := 0; v.r.rxw.gone > 0 && !v.r.path.muted && !v.r.Ended(); n++ {
		if n > 1000*hostilePackets {
			t.Fatal("never gives up")
		}
		if d := v.r.Deadline(); d.After(v.now) {
			v.now = d
		}
		v.output()
	}
}

// runSource tells a live source a script of NAKs while it sends.
func runSource(t testing.TB, b []byte) {
	s := script{b: b}
	flags := s.octet()
	cfg := SourceConfig{
		TSI: testTSI, Port: 5555, NLA: simNLA, Group: simGroup, MaxTPDU: 400, WindowOctets: 400 * 128,
		WindowPackets: 64 << (flags & 3), QueuePackets: 16, First: SQN(s.word()), Rate: int64(flags) * 10_000,
	}
	if flags&4 != 0 {
		cfg.WindowAge = 5 * time.Millisecond
	}
	if flags&8 != 0 {
		cfg.FEC = FECConfig{Group: 2 << (flags >> 4 & 3), Proactive: int(flags >> 6 & 1), OnDemand: true, Idle: time.Millisecond}
		cfg.Rate = 0
	}
	now := time.Unix(1e9, 0)
	source := NewSource(cfg, now)
	buf := make([]byte, cfg.MaxTPDU)
	for len(s.b) > 0 {
		switch c := s.octet(); {
		case c < 0x40:
			if room := source.Reserve(); room != nil {
				source.Commit(now, int(s.octet())%len(room))
			}
		case c < 0x80:
			now = now.Add(time.Duration(s.octet()) * 10 * time.Microsecond)
		case c == 0x80:
			source.Close()
		default:
			h := NewHeader(TypeNAK, testTSI, 5555)
			if c > 0xc0 {
				h.Options = BitParity
			}
			h, body, _ := ConsumeHeader(s.naks(&h, source.txw.trail+10))
			if err := source.Handle(now, &h, body); err != nil {
				t.Fatal(err)
			}
		}
		if s.octet()&1 == 0 {
			continue
		}
		pumpHostile(t, source, now, buf)
	}
}

// pumpHostile takes all that a source has to send, and checks that it is
// well-formed and what it may send.
func pumpHostile(t testing.TB, source *Source, now time.Time, buf []byte) {
	for n := 0; ; n++ {
		packet, _ := source.Next(now, buf)
		if packet == nil {
			break
		}
		h, body, err := ConsumeHeader(packet)
		if err != nil || h.VerifyChecksum(packet) != nil || len(packet) > source.cfg.MaxTPDU || n > 1000 {
			t.Fatalf("sends %x: %v", packet, err)
		}
		var o Options
		if h.Type.IsData() {
			d, err := ConsumeData(&h, body, &o)
			if h.Options&BitParity != 0 {
				d.SQN &^= source.fec.mask
			}
			if err != nil || d.SQN.Before(d.Trail) || d.SQN-d.Trail >= SQN(len(source.txw.index)) {
				t.Fatalf("sends %s: %v", Describe(packet), err)
			}
		}
	}
	source.txw.check()
	if d := source.Deadline(now); !d.After(now) {
		t.Fatalf("deadline %v at %v", d, now)
	}
}

// random returns a script for each of so many seeds.
func random(n int) (scripts [][]byte) {
	for seed := range n {
		dice := rand.New(rand.NewPCG(*simSeed, uint64(seed)))
		b := make([]byte, 200+dice.IntN(3000))
		for i := range b {
			b[i] = byte(dice.Uint32())
		}
		scripts = append(scripts, b)
	}
	return scripts
}

func FuzzReceiver(f *testing.F) {
	for _, b := range random(10) {
		f.Add(b[:100]) // a minute goes into minimizing each long one
	}
	f.Fuzz(func(t *testing.T, b []byte) { runReceiver(t, b) })
}

func FuzzSource(f *testing.F) {
	for _, b := range random(10) {
		f.Add(b[:100]) // a minute goes into minimizing each long one
	}
	f.Fuzz(func(t *testing.T, b []byte) { runSource(t, b) })
}

// TestScripts is the fuzz targets with dice.
func TestScripts(t *testing.T) {
	for _, b := range random(400) {
		runReceiver(t, b)
		runSource(t, b)
	}
}
