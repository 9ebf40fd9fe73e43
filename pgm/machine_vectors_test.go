package pgm

import (
	"bytes"
	"net/netip"
	"testing"
	"time"
)

// libzmqSource returns the header of a real libzmq's PUB in the vectors, and the
// packets that it sent.
func libzmqSource(t *testing.T) (h Header, packets [][]byte) {
	for _, v := range vectors(t) {
		if v.line[0] != '>' {
			continue
		}
		header, _, err := ConsumeHeader(v.wire)
		if err != nil {
			t.Fatal(err)
		}
		if !header.Type.IsUpstream() {
			h, packets = header, append(packets, v.wire)
		}
	}
	return h, packets
}

var (
	loopback    = netip.MustParseAddr("127.0.0.1")
	libzmqGroup = netip.MustParseAddr("239.192.1.1")
)

// TestSourceVectors: a source that is asked what libzmq's was asked sends what it
// sent, octet by octet, if it leaves out what OpenPGM does not know.
func TestSourceVectors(t *testing.T) {
	h, packets := libzmqSource(t)
	now := time.Unix(1e9, 0)
	s := NewSource(SourceConfig{
		TSI: h.TSI(), Port: h.DataDestinationPort(), NLA: loopback, Group: libzmqGroup,
		Heartbeats: LibzmqHeartbeats, NoSYN: true, NoBackOff: true,
	}, now)
	buf := make([]byte, defaultMaxTPDU)
	for i, want := range packets {
		header, body, _ := ConsumeHeader(want)
		var o Options
		switch header.Type {
		case TypeODATA:
			d, err := ConsumeData(&header, body, &o)
			if err != nil || !s.Send(now, d.Payload) {
				t.Fatal(err)
			}
		case TypeNCF: // which answers a NAK that is the same but for its header
			k, err := ConsumeNAK(&header, body, &o)
			if err != nil {
				t.Fatal(err)
			}
			nak := NewHeader(TypeNAK, h.TSI(), h.DataDestinationPort())
			nak, body, _ = ConsumeHeader(AppendNAK(nil, &nak, &k, &o))
			if err := s.Handle(now, &nak, body); err != nil {
				t.Fatal(err)
			}
		case TypeSPM:
			if i < announcements {
				now = now.Add(announceInterval)
			} else {
				s.Close()
			}
		}
		if got, _ := s.Next(now, buf); !bytes.Equal(got, want) {
			t.Fatalf("got  %s\n%x\nwant %s\n%x", Describe(got), got, Describe(want), want)
		}
	}
}

// TestReceiverVectors: a receiver that missed some of it asks for it in the way
// that OpenPGM repairs, and its user gets all.
func TestReceiverVectors(t *testing.T) {
	h, packets := libzmqSource(t)
	now := time.Unix(1e9, 0)
	r := NewReceiver(ReceiverConfig{
		TSI: h.TSI(), Port: h.DataDestinationPort(), Source: loopback, Group: libzmqGroup, Dice: func() float64 { return 0 },
	}, now)
	next, fin := SQN(0), false
	buf := make([]byte, maxNAKSize)
	var naks []SQN
	for _, packet := range packets {
		header, body, _ := ConsumeHeader(packet)
		if header.Type == TypeODATA && body[3]%4 != 0 { // 1, 2 and 3
			continue
		}
		if err := r.Handle(now, &header, body); err != nil {
			t.Fatal(err)
		}
		for e := r.Next(); e.Kind != 0; e = r.Next() {
			fin = fin || e.Kind == ReceiverFIN
			if e.Kind == ReceiverData {
				if e.SQN != next {
					t.Fatalf("data %d, want %d", e.SQN, next)
				}
				next++
			}
		}
		now = now.Add(time.Millisecond)
		for {
			nak, _, nla := r.Output(now, buf)
			if nak == nil {
				break
			}
			var o Options
			header, body, _ := ConsumeHeader(nak)
			k, err := ConsumeNAK(&header, body, &o)
			if err != nil || nla != loopback || o.NAKList() != nil {
				t.Fatalf("%s to %v: %v", Describe(nak), nla, err)
			}
			naks = append(naks, k.SQN)
		}
	}
	if next != 5 || !fin || len(naks) != 3 || r.Stats().Repaired != 3 {
		t.Errorf("%d packets, FIN %v, NAKs for %v, %+v", next, fin, naks, r.Stats())
	}
}
