package socket

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/zmtp"
)

// An ear is the receiving half of an endpoint without descriptors or a reactor.
type ear struct {
	t   *testing.T
	l   *multicast
	i   *intake
	now time.Time
}

const earPort = 7500

var earGroup = netip.MustParseAddr("239.192.1.1")

func newEar(t *testing.T, arrival bool) *ear {
	s := &Socket{typ: TypeXSub}
	var err error
	s.opts, err = (&Options{MaxMsgSize: 5000, Multicast: MulticastOptions{
		MaxSources: 3, ReceivePackets: 64, ReceiveOctets: 1 << 20, LatencyBudget: time.Second, ArrivalOrder: arrival,
	}}).check(TypeXSub)
	if err != nil {
		t.Fatal(err)
	}
	m := &medium{key: mediumKey{port: earPort, addr: netip.MustParseAddr("127.0.0.1")}, sources: make(map[pgm.TSI]*multicast)}
	l := &multicast{host: s, away: true, audience: newAudience(&s.opts, 1)}
	l.legs = []leg{{line: line{group: earGroup, port: earPort}, medium: m}}
	l.p = l.newPipe()
	l.p.in.hwm.Store(unlimited)
	return &ear{t, l, &intake{m: m, key: intakeKey{group: earGroup}, links: []*multicast{l}}, time.Unix(1_000_000_000, 0)}
}

// hear takes in one packet, asks for what is missing, and returns the messages that
// came, each with its frames run together.
func (e *ear) hear(from byte, packet []byte) (messages []string) {
	e.t.Helper()
	e.now = e.now.Add(3 * time.Millisecond)
	d := reactor.Datagram{From: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, from}), 1000), Data: packet}
	e.i.packet(e.now, &d, packet)
	for _, s := range e.l.sources {
		for n := 0; ; n++ {
			asks, _, _ := s.rx.Output(e.now, e.l.reply)
			s.drain(e.l, time.Time{})
			if asks == nil {
				break
			}
			if n > 1000 {
				e.t.Fatal("asks without end")
			}
		}
		if s.scatter != nil && s.scatter.octets > s.scatter.limit {
			e.t.Fatalf("%d octets in pieces, more than %d", s.scatter.octets, s.scatter.limit)
		}
	}
	if n := len(e.l.sources); n > e.l.host.opts.Multicast.MaxSources {
		e.t.Fatalf("%d sources", n)
	}
	in := e.l.p.in
	in.show()
	for {
		octets, _ := in.look()
		if len(octets) == 0 {
			return messages
		}
		used := 0
		if _, noted := noteAt(octets); noted {
			used = noteSize
		}
		var message []byte
		for more := true; more; {
			flags, body, size := frameAt(octets[used:])
			message = append(message, octets[used+body:used+body+size]...)
			used, more = used+body+size, flags&zmtp.FlagMore != 0
		}
		in.taken(used, 1)
		messages = append(messages, string(message))
	}
}

// FuzzMulticastReceive has the receiving half hear any datagrams, of any sources. It
// neither panics nor keeps too much, and then still hears a source that makes sense.
//
// The input is the datagrams, each behind its size, and that behind an octet that says
// who sends it and whether its checksum is made right.
func FuzzMulticastReceive(f *testing.F) {
	tsi := pgm.TSI{GSI: pgm.GSI{1, 2, 3}, Port: 9}
	data := func(kind pgm.Type, sqn, trail pgm.SQN, payload string) []byte {
		h := pgm.NewHeader(kind, tsi, earPort)
		return pgm.AppendData(nil, &h, &pgm.Data{SQN: sqn, Trail: trail, Payload: []byte(payload)}, nil)
	}
	spm := func(sqn, trail, lead pgm.SQN, options ...pgm.OptionType) []byte {
		h := pgm.NewHeader(pgm.TypeSPM, tsi, earPort)
		return pgm.AppendSPM(nil, &h, &pgm.SPM{SQN: sqn, Trail: trail, Lead: lead, Path: netip.MustParseAddr("127.0.0.1")}, &pgm.Options{Present: pgm.SetOf(options...)})
	}
	for _, packets := range [][][]byte{
		{data(pgm.TypeODATA, 1, 1, "\x00\x00\x02\x00a"), data(pgm.TypeODATA, 2, 1, "\x00\x00\x09\x00piece"), data(pgm.TypeODATA, 3, 1, "\x00\x03end\x02\x00b")},
		{data(pgm.TypeODATA, 1, 1, "\x00\x00\x09\x00piece"), data(pgm.TypeODATA, 3, 1, "\x00\x01d\x02\x00b"), spm(1, 1, 5), data(pgm.TypeRDATA, 2, 1, "\xff\xffen")},
		{data(pgm.TypeODATA, 1, 1, "\x00"), data(pgm.TypeODATA, 2, 1, "\x00\x09\x02\x00a"), data(pgm.TypeODATA, 3, 1, "")},
		{spm(1, 5, 4), data(pgm.TypeODATA, 9, 5, "\x00\x00\x02\x01a\x02\x00b"), spm(2, 9, 9, pgm.OptRST), spm(3, 9, 9, pgm.OptFIN)},
		{data(pgm.TypeODATA, 1, 1, "\xff\xff"), data(pgm.TypeODATA, 1<<31, 1, "\x00\x00"), spm(1, 1, 1<<31), spm(9, 0, 0x80000000)},
	} {
		var input []byte
		for i, packet := range packets {
			input = append(binary.BigEndian.AppendUint16(append(input, byte(2*i)), uint16(len(packet))), packet...)
		}
		f.Add(input, false)
		f.Add(input, true)
	}
	f.Fuzz(func(t *testing.T, input []byte, arrival bool) {
		e := newEar(t, arrival)
		defer e.l.p.in.discard()
		for len(input) > 3 {
			who, n := input[0], int(binary.BigEndian.Uint16(input[1:]))
			packet := append([]byte(nil), input[3:][:min(n, len(input)-3)]...)
			input = input[3+len(packet):]
			if who&1 == 0 && len(packet) >= pgm.HeaderSize {
				packet[6], packet[7] = 0, 0
				binary.BigEndian.PutUint16(packet[6:], ^uint16(pgm.SumOf(packet)))
			}
			e.hear(1+who>>1&3, packet)
		}
		for _, s := range e.l.sources {
			s.packets = 0 // it may be that they had proven themselves, and others were ignored
		}
		tsi := pgm.TSI{GSI: pgm.GSI{9, 9, 9}, Port: 9}
		h := pgm.NewHeader(pgm.TypeODATA, tsi, earPort)
		for i := range pgm.SQN(3) {
			got := e.hear(99, pgm.AppendData(nil, &h, &pgm.Data{SQN: 7 + i, Trail: 7, Payload: []byte("\x00\x00\x03\x00go")}, nil))
			if len(got) != 1 || got[0] != "go" {
				t.Fatalf("heard %q of a source that makes sense", got)
			}
		}
	})
}
