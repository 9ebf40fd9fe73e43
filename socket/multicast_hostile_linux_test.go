package socket_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// brokenPayloads are not what ZeroMQ puts into PGM. Each of the first three, in one
// datagram, aborts a receiver of libzmq's.
var brokenPayloads = []struct {
	name    string
	payload []byte
}{
	{"one octet", []byte{0}},
	{"offset beyond the end", payload(4, []byte("\x02\x00a"))},
	{"empty", nil},
	{"offset far beyond the end", payload(0xfffe, []byte("\x02\x00a"))},
	{"frame without flags", payload(0, []byte("\x00\x00a"))},
	{"long frame without flags", payload(0, []byte("\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00"))},
	{"frame over the limit", payload(0, []byte("\xff\x00\x00\x00\x00\x00\x01\x00\x02\x00"))},
	{"frame of an impossible size", payload(0, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"))},
	{"frame of the largest size", payload(0, []byte("\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00"))},
	{"message over the limit", payload(0, bytes.Repeat(stream(string(make([]byte, 60_000)), "")[:60_010], 1))},
}

// TestMulticastBrokenPayloads: what is no ZeroMQ is told of as lost, and what follows
// it is received.
func TestMulticastBrokenPayloads(t *testing.T) {
	for _, order := range []bool{false, true} {
		t.Run(fmt.Sprint("arrival order=", order), func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				s := newScripted(newLink(t))
				sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.MaxMsgSize, o.Multicast.ArrivalOrder = 1<<16, order })
				events := look(t, sub)
				s.odata(0, "first")
				wantMissed(t, sub, 0, "first")
				events.want(socket.EventReady, s.id())
				sqn := pgm.SQN(0)
				for _, c := range brokenPayloads[:len(brokenPayloads)-1] {
					s.multicast(s.packet(pgm.TypeODATA, sqn+1, 0, c.payload))
					ev := events.want(socket.EventGap, s.id())
					if ev.Gap.First != sqn+1 || ev.Gap.Last != sqn+1 || ev.Gap.Err == nil || ev.Gap.Err != ev.Err {
						t.Fatalf("%s: gap %+v, %v", c.name, *ev.Gap, ev.Err)
					}
					sqn += 2
					s.odata(sqn, c.name)
					wantMissed(t, sub, 1, c.name)
				}
				if h := heard(t, sub, s.id()); h.Invalid != uint64(len(brokenPayloads)-1) || h.Malformed != 0 || h.Lost != 0 {
					t.Errorf("counted %+v", h)
				}
			})
		})
	}
}

// TestMulticastTooLarge: a message over the limit is lost, by its frames or all of
// them, and none of it is kept; the next one is received.
func TestMulticastTooLarge(t *testing.T) {
	const limit = 5000 // more than a packet
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, order := range []bool{false, true} {
			l := newLink(t)
			sub := b.sub(t, l.endpoint(), func(o *socket.Options) { o.MaxMsgSize, o.Multicast.ArrivalOrder = limit, order })
			events := look(t, sub)
			pub := b.pub(t, l.endpoint())
			for _, m := range [][]string{
				{filler(1, limit+1)}, {filler(2, 100_000)}, {"head", filler(3, limit), filler(4, limit)},
				{filler(5, limit), filler(6, limit)}, {filler(7, 2000), filler(8, 2000), filler(9, 2000)},
			} {
				send(t, pub, filler(0, 900))
				if got := recv(t, sub); got[0] != filler(0, 900) {
					t.Fatalf("received %s", brief(got))
				}
				send(t, pub, m...)
				for ev := events.next(); ev.Kind != socket.EventGap; ev = events.next() {
				}
				until(t, "all of it has come", func() bool {
					return multicastStats(t, sub).Sources[0].Delivered == multicastStats(t, pub).Source.ODATA
				})
			}
			send(t, pub, "next")
			if m, err := sub.Recv(patient(t)); err != nil || m.Missed() == 0 || string(m.Frame(0)) != "next" {
				t.Fatalf("received %v, %v", m, err)
			} else {
				m.Release()
			}
			if n := multicastStats(t, sub).Sources[0].Invalid; n != 5 {
				t.Errorf("%d packets of 5 messages count as invalid", n)
			}
		}
	})
}

// TestMulticastPiecesOfMany: in the order of arrival, what waits for something missing
// may be more than the largest message.
func TestMulticastPiecesOfMany(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.MaxMsgSize, o.Multicast.ArrivalOrder = 5000, true })
		s.spm(0, ^pgm.SQN(0))
		s.odata(0, "first")
		want(t, sub, "first")
		const n = 5
		piece := func(kind pgm.Type, i, k int) {
			octets := stream(filler(i, 4000))
			halves := [][]byte{payload(0, octets[:2000]), payload(pgm.NoMessage, octets[2000:])}
			s.multicast(s.packet(kind, pgm.SQN(1+2*i+k), 0, halves[k]))
		}
		for i := range n {
			piece(pgm.TypeODATA, i, 1) // and the first half is missing
		}
		for i := range n {
			s.asked(pgm.SQN(1 + 2*i))
			piece(pgm.TypeRDATA, i, 0)
			wantMissed(t, sub, 0, filler(i, 4000))
		}
	})
}

// next is the next event of any kind.
func (w *onlooker) next() socket.Event { return soon(w.t, "an event", w.events) }

// set returns packet with octets changed and its checksum right.
func set(packet []byte, at int, octets ...byte) []byte {
	packet = bytes.Clone(packet)
	copy(packet[at:], octets)
	packet[6], packet[7] = 0, 0
	binary.BigEndian.PutUint16(packet[6:], ^uint16(pgm.SumOf(packet)))
	return packet
}

// brokenPackets are of the session of a source that is heard, and to be ignored.
func brokenPackets(s *scripted, next pgm.SQN) map[string][]byte {
	data := s.packet(pgm.TypeODATA, next, 0, whole("forged"))
	spm := s.spmPacket(0, next-1)
	h := s.header(pgm.TypeODATA)
	option := pgm.AppendData(nil, h, &pgm.Data{SQN: next, Payload: whole("forged")}, &pgm.Options{Present: pgm.SetOf(pgm.OptSYN, pgm.OptJoin)})
	bad := bytes.Clone(data)
	bad[len(bad)-1]++
	unsummed := bytes.Clone(data)
	unsummed[6], unsummed[7] = 0, 0
	packets := map[string][]byte{
		"checksum wrong":            bad,
		"checksum missing":          unsummed,
		"TSDU longer":               set(data, 14, 0, byte(len(whole("forged"))+1)),
		"TSDU shorter":              set(data, 14, 0, byte(len(whole("forged"))-1)),
		"TSDU none":                 set(data, 14, 0, 0),
		"version":                   set(data, 4, 0x44),
		"reserved bits":             set(data, 4, 0x14),
		"unknown type":              set(data, 4, 0x07),
		"another port":              set(data, 2, 0, 0),
		"parity":                    set(data, 5, 0x80),
		"options that are none":     set(data, 5, 0x01),
		"option too long":           set(option, 24+5, 200),
		"option of no length":       set(option, 24+5, 0),
		"options beyond the packet": set(option, 24+2, 1, 0),
		"options of no length":      set(option, 24+2, 0, 0),
		"no end of options":         set(option, 24+12, option[24+12]&0x7f),
		"trail ahead of data":       s.packet(pgm.TypeODATA, next, next+1, whole("forged")),
		"far behind":                s.packet(pgm.TypeODATA, next-1<<20, 0, whole("forged")),
		"half around":               s.packet(pgm.TypeODATA, next+1<<31, next+1<<31, whole("forged")),
		"just less than half":       s.packet(pgm.TypeODATA, next+1<<31-1, 0, whole("forged")),
		"RDATA from nowhere":        s.packet(pgm.TypeRDATA, next+1<<30, 0, whole("forged")),
		"SPM with data":             set(spm, 14, 0, 1),
		"SPM of no family":          set(spm, 28, 0, 3),
		"SPM, window inside out":    s.spmPacket(next+10, next-10),
		"SPM of no window":          s.spmPacket(0, 0x80000000),
		"SPM far ahead":             s.spmPacket(0, next+1<<30),
		"SPM half around":           s.spmPacket(next+1<<31, next+1<<31),
		"SPM half ahead":            s.spmPacket(0, next+1<<31-1),
		"SPM, neighbour":            s.spmPacket(0, next-1, has(pgm.OptNbrUnreach)),
		"empty":                     nil,
	}
	for _, kind := range []pgm.Type{pgm.TypePOLL, pgm.TypePOLR, pgm.TypeNNAK, pgm.TypeACK} {
		packets[fmt.Sprint("type ", kind)] = set(data, 4, byte(kind))
	}
	for n := range len(data) {
		packets[fmt.Sprint("first octets of data: ", n)] = data[:n]
		packets[fmt.Sprint("first octets of data, summed: ", n)] = bytes.Clone(data[:n])
		if n >= pgm.HeaderSize {
			packets[fmt.Sprint("first octets of data, summed: ", n)] = set(data[:n], 0)
		}
	}
	for n := pgm.HeaderSize; n < len(spm); n++ {
		packets[fmt.Sprint("first octets of an SPM: ", n)] = set(spm[:n], 0)
	}
	ncf := pgm.AppendNAK(nil, s.header(pgm.TypeNCF), &pgm.NAK{SQN: next + 5, Source: far, Group: s.group}, nil)
	packets["NCF of the future"] = ncf
	packets["NCF of far away"] = pgm.AppendNAK(nil, s.header(pgm.TypeNCF), &pgm.NAK{SQN: next + 1<<31, Source: far, Group: s.group}, nil)
	packets["NAK of the future"] = pgm.AppendNAK(nil, s.header(pgm.TypeNAK), &pgm.NAK{SQN: next + 5, Source: far, Group: s.group}, nil)
	packets["NCF of no family"] = set(ncf, 20, 0, 3)
	return packets
}

// TestMulticastBrokenPackets: packets that are broken or make no sense, though they
// bear the name of a source that is heard, change nothing.
func TestMulticastBrokenPackets(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, order := range []bool{false, true} {
			s := newScripted(newLink(t))
			sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.ArrivalOrder = order })
			events := look(t, sub)
			s.spm(0, 1<<20-1)
			next := pgm.SQN(1 << 20)
			s.odata(next, "first")
			wantMissed(t, sub, 0, "first")
			for name, packet := range brokenPackets(s, next+1) {
				next++
				for _, packet := range [][]byte{packet, brokenPackets(s, next)[name]} {
					s.multicast(packet)
					to(t, s.conn, netip.AddrPortFrom(near, s.port), packet)
				}
				s.odata(next, name)
				wantMissed(t, sub, 0, name)
			}
			events.want(socket.EventReady, s.id())
			closeNow(t, sub)
			for ev := range events.rest() {
				t.Errorf("%v: %+v %v", ev.Kind, ev.Gap, ev.Err)
			}
		}
	})
}

// rest are the events that are left, of a socket that is closed.
func (w *onlooker) rest() func(yield func(socket.Event) bool) {
	soon(w.t, "the last event", w.done)
	return func(yield func(socket.Event) bool) {
		for len(w.events) > 0 && yield(<-w.events) {
		}
	}
}

// TestMulticastForgedEnd: a source that goes on after its end, or what somebody said was
// its end, is heard again.
func TestMulticastForgedEnd(t *testing.T) {
	for _, c := range []struct {
		option pgm.OptionType
		err    error
	}{{pgm.OptFIN, io.EOF}, {pgm.OptRST, socket.ErrSourceReset}} {
		onMulticast(t, func(t *testing.T, b *bed) {
			s := newScripted(newLink(t))
			sub := b.sub(t, s.endpoint())
			events := look(t, sub)
			s.odata(0, "0")
			events.want(socket.EventReady, s.id())
			s.spm(0, 0, has(c.option))
			s.spm(0, 0, has(c.option))
			wantError(t, "ended", events.want(socket.EventDisconnected, s.id()).Err, c.err)
			s.odata(0, "0") // again, by another way
			s.odata(1, "1")
			want(t, sub, "0")
			want(t, sub, "1")
			events.want(socket.EventReady, s.id())
			s.spm(0, 1)
			s.odata(3, "3")
			s.asked(2)
			s.rdata(2, "2")
			want(t, sub, "2")
			want(t, sub, "3")
			s.spm(0, 3, has(c.option))
			wantError(t, "ended", events.want(socket.EventDisconnected, s.id()).Err, c.err)
		})
	}
}

// TestMulticastFlood: sources that are made up by the hundred thousand do not make one
// go away that is really there, nor take memory.
func TestMulticastFlood(t *testing.T) {
	flood := 100_000
	if raced {
		flood /= 10
	}
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		const most = 8
		sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.MaxSources = most })
		next := pgm.SQN(0)
		say := func() {
			t.Helper()
			text := fmt.Sprint("message ", next)
			s.odata(next, text)
			next++
			want(t, sub, text)
		}
		for range 20 {
			say()
		}
		dice := rand.New(rand.NewPCG(seed(t), 0))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		forged := *s
		for i := range flood {
			binary.BigEndian.PutUint32(forged.tsi.GSI[:], dice.Uint32())
			forged.tsi.Port = uint16(dice.Uint32())
			if dice.IntN(2) == 0 {
				forged.spm(0, pgm.SQN(dice.Uint32()))
			} else { // of which nothing is received: no message begins there
				forged.multicast(forged.packet(pgm.TypeODATA, pgm.SQN(dice.Uint32()), 0, payload(pgm.NoMessage, []byte("junk"))))
			}
			if i%(flood/20) == 0 {
				say()
			}
		}
		say()
		st := multicastStats(t, sub)
		if len(st.Sources) > most {
			t.Errorf("%d sources, more than %d", len(st.Sources), most)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int(after.HeapAlloc) - int(before.HeapAlloc); grown > 4<<20 {
			t.Errorf("%d octets in use that were not before", grown)
		}
		t.Logf("each cost %d octets", (after.TotalAlloc-before.TotalAlloc)/uint64(flood))
	})
}

// TestMulticastNAKFlood: a source goes on whatever it is asked for, and by how many.
func TestMulticastNAKFlood(t *testing.T) {
	flood := 50_000
	if raced {
		flood /= 10
	}
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		sub := b.sub(t, r.endpoint())
		pub := b.pub(t, r.endpoint(), func(o *socket.Options) { o.Multicast.Rate = 200_000_000 })
		send(t, pub, "first")
		want(t, sub, "first")
		r.hear(pgm.TypeODATA)
		dice := rand.New(rand.NewPCG(seed(t), 0))
		stop := make(chan struct{})
		flooded := make(chan error, 1)
		go func() {
			var err error
			for i := 0; i < flood && err == nil; i++ {
				tsi := r.tsi
				if dice.IntN(3) == 0 {
					tsi.GSI[0] = byte(dice.Uint32())
				}
				sqns := make([]pgm.SQN, 1+dice.IntN(63))
				for i := range sqns {
					sqns[i] = pgm.SQN(dice.IntN(300))
				}
				_, err = r.conn.WriteToUDPAddrPort(r.nakPacket(tsi, sqns...), r.home())
			}
			close(stop)
			flooded <- err
		}()
		start, n := time.Now(), 0
		for done := false; !done || n < 200; n++ {
			select {
			case <-stop:
				done = true
			default:
			}
			send(t, pub, filler(n, 1000))
			wantMissed(t, sub, 0, filler(n, 1000))
		}
		if err := soon(t, "the flood ends", flooded); err != nil {
			t.Fatal(err)
		}
		st := multicastStats(t, pub).Source
		took := time.Since(start)
		if most := uint64(200_000_000/8*took.Seconds()) + 100_000; st.RDATAOctets > most {
			t.Errorf("%d octets of repairs in %v, more than the rate allows, %d", st.RDATAOctets, took, most)
		}
		t.Logf("%d messages in %v; %+v", n, took, st)
	})
}

// TestMulticastGarbage: datagrams of random octets, and packets with some octets
// changed, harm neither a receiver nor a source.
func TestMulticastGarbage(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		r := newReceiver(newLink(t))
		s := newScripted(r.link)
		sub := b.sub(t, r.endpoint(), func(o *socket.Options) { o.MaxMsgSize = 1 << 20 })
		arrival := b.sub(t, r.endpoint(), func(o *socket.Options) { o.MaxMsgSize, o.Multicast.ArrivalOrder = 1<<20, true })
		pub := b.pub(t, r.endpoint())
		send(t, pub, "first")
		r.hear(pgm.TypeODATA)
		good := [][]byte{
			s.packet(pgm.TypeODATA, 5, 3, whole("forged")), s.packet(pgm.TypeRDATA, 4, 3, payload(2, []byte("xy\x02\x00a\x20\x00"))),
			s.spmPacket(3, 9), s.spmPacket(0, 9, has(pgm.OptFIN)), r.nakPacket(r.tsi, 0), r.nakPacket(r.tsi, 1, 2, 3), r.nakPacket(s.tsi, 1, 2),
		}
		dice := rand.New(rand.NewPCG(seed(t), 0))
		for range 20_000 {
			packet := make([]byte, dice.IntN(100))
			if dice.IntN(4) > 0 {
				packet = bytes.Clone(good[dice.IntN(len(good))])
			}
			for range dice.IntN(4) {
				if len(packet) > 0 {
					packet[dice.IntN(len(packet))] = byte(dice.Uint32())
				}
			}
			packet = packet[:dice.IntN(len(packet)+1)]
			if len(packet) >= pgm.HeaderSize && dice.IntN(8) > 0 {
				packet = set(packet, 0)
			}
			if dice.IntN(2) == 0 {
				r.multicast(packet)
			} else {
				to(t, r.conn, r.home(), packet)
			}
		}
		send(t, pub, "last")
		for _, s := range []*socket.Socket{sub, arrival} {
			for recv(t, s)[0] != "last" { // some may be of messages that were forged well
			}
		}
	})
}
