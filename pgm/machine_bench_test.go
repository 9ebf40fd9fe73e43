package pgm

import (
	"testing"
	"time"
)

// A tape is data packets of a session, ready to be heard.
type tape struct {
	h      Header
	body   []byte
	packet []byte
}

func newTape(size int) *tape {
	k := &tape{h: NewHeader(TypeODATA, testTSI, 5555)}
	k.packet = AppendData(nil, &k.h, &Data{Payload: make([]byte, size)}, nil)
	k.h, k.body, _ = ConsumeHeader(k.packet)
	return k
}

// tell has r hear packet sqn, without a checksum, which its owner verifies.
func (k *tape) tell(r *Receiver, now time.Time, t Type, sqn SQN) {
	k.h.Type = t
	k.body[0], k.body[1], k.body[2], k.body[3] = byte(sqn>>24), byte(sqn>>16), byte(sqn>>8), byte(sqn)
	trail := sqn - min(sqn, 1000)
	k.body[4], k.body[5], k.body[6], k.body[7] = byte(trail>>24), byte(trail>>16), byte(trail>>8), byte(trail)
	if err := r.Handle(now, &k.h, k.body); err != nil {
		panic(err)
	}
	for r.Next().Kind != 0 {
	}
}

func benchReceiver() (*Receiver, time.Time) {
	now := time.Unix(1e9, 0)
	r := NewReceiver(ReceiverConfig{TSI: testTSI, Source: simNLA, Group: simGroup, Dice: func() float64 { return 0.5 }}, now)
	h := NewHeader(TypeSPM, testTSI, 5555)
	h, body, _ := ConsumeHeader(AppendSPM(nil, &h, &SPM{SQN: 1, Lead: 0xffffffff, Path: simNLA}, ours()))
	if err := r.Handle(now, &h, body); err != nil {
		panic(err)
	}
	return r, now
}

// lossy has r hear n packets from sqn on, each fifth one as a repair of what the
// receiver asks for.
func (k *tape) lossy(r *Receiver, now *time.Time, sqn SQN, n int, buf []byte) SQN {
	for range n {
		*now = now.Add(50 * time.Microsecond)
		if sqn%5 != 0 {
			k.tell(r, *now, TypeODATA, sqn)
		}
		sqn++
		if d := r.Deadline(); !d.IsZero() && !d.After(*now) {
			for {
				packet, _, _ := r.Output(*now, buf)
				if packet == nil {
					break
				}
				var o Options
				h, body, _ := ConsumeHeader(packet)
				nak, _ := ConsumeNAK(&h, body, &o)
				k.tell(r, *now, TypeRDATA, nak.SQN)
				for _, s := range o.NAKList() {
					k.tell(r, *now, TypeRDATA, s)
				}
			}
		}
	}
	return sqn
}

// TestReceiverAllocates: nothing, per packet, with loss and without.
func TestReceiverAllocates(t *testing.T) {
	r, now := benchReceiver()
	k := newTape(1000)
	sqn := SQN(0)
	n := testing.AllocsPerRun(5000, func() {
		k.tell(r, now, TypeODATA, sqn)
		sqn++
	})
	if n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	buf := make([]byte, maxNAKSize)
	sqn = k.lossy(r, &now, sqn, 1000, buf) // takes its memory
	n = testing.AllocsPerRun(100, func() { sqn = k.lossy(r, &now, sqn, 100, buf) })
	if s := r.Stats(); n != 0 || s.Repaired < 2000 || s.Lost > 0 {
		t.Errorf("%v allocations in 100 packets of which 20 are lost, %+v", n, s)
	}
}

func BenchmarkReceiverInOrder(b *testing.B) {
	r, now := benchReceiver()
	k := newTape(1400)
	sqn := SQN(0)
	b.ReportAllocs()
	for b.Loop() {
		k.tell(r, now, TypeODATA, sqn)
		sqn++
	}
}

// BenchmarkReceiverLossy: one packet of which a fifth are lost and repaired.
func BenchmarkReceiverLossy(b *testing.B) {
	r, now := benchReceiver()
	k, buf := newTape(1400), make([]byte, maxNAKSize)
	sqn := SQN(0)
	b.ReportAllocs()
	for b.Loop() {
		sqn = k.lossy(r, &now, sqn, 1, buf)
	}
}

// BenchmarkSource: one packet reserved, committed and sent, with its checksum.
func BenchmarkSource(b *testing.B) {
	now := time.Unix(1e9, 0)
	s := NewSource(SourceConfig{TSI: testTSI, NLA: simNLA, Group: simGroup, Rate: 100 << 30}, now)
	buf := make([]byte, 2000)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		s.Commit(now, len(s.Reserve()[:1400]))
		for {
			if packet, _ := s.Next(now, buf); packet == nil {
				break
			}
		}
	}
}
