package multicast

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// These tests are of the C peers. If one fails, that is no fault of zeroring's.

// TestHarnessTally sends a C receiver, over tcp, messages with everything that
// can be wrong with them, and has it count what it was.
func TestHarnessTally(t *testing.T) {
	needPeers(t)
	pub, err := socket.NewXPub(&socket.Options{Engine: newEngine(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	endpoint, err := pub.Bind("tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	sub := startPeer(t, nil, "zsub", "endpoint="+endpoint, "count=20", "sources=2", "each=1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	subscribed, err := pub.Recv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	subscribed.Release()
	send := func(frames ...[]byte) {
		t.Helper()
		if err := pub.SendParts(ctx, frames...); err != nil {
			t.Fatal(err)
		}
	}
	one := func(sequence uint64) []byte { return part{source: 1, sequence: sequence, parts: 1}.append(nil, 100) }
	two := func(number uint16) []byte {
		return part{source: 7, sequence: 4, number: number, parts: 2}.append(nil, 50)
	}
	want := []string{}
	for _, n := range []uint64{2, 3, 5, 4, 5, 19} {
		send(one(n))
		want = append(want, fmt.Sprintf("message 1 %d 100 1", n))
	}
	send(two(0), two(1))
	want = append(want, "message 7 4 100 2")
	for i := range 100 { // each octet that may be wrong
		bad := one(6)
		bad[i] ^= 0x10
		send(bad)
	}
	send(one(7)[:99])
	send(one(7)[:31])
	send(two(0))                 // a part is missing
	send(two(1), two(0))         // the wrong way round
	send(two(0), two(1), one(8)) // one too many
	send(two(0), one(8), two(1)) // another's between them
	send(two(0), one(8)[:50])    // counts as corrupt
	// What comes before the end of the connection is still received.
	send(one(9))
	want = append(want, "message 1 9 100 1")
	for _, line := range want {
		sub.expect(line)
	}
	sub.stop()
	got := sub.report()
	const corrupt, torn = 100 + 3, 4
	wantReport := report{end: "input", sources: map[int]tally{
		1: {received: 6, first: 2, last: 9, missing: 14, ranges: "0-1,6-8,10-18", duplicate: 1, late: 2, corrupt: corrupt, torn: torn},
		7: {received: 1, first: 4, last: 4, missing: 19, ranges: "0-3,5-19", corrupt: corrupt, torn: torn},
	}}
	for source, y := range got.sources {
		got.sources[source] = y.counts()
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", wantReport) {
		t.Errorf("got  %+v\nwant %+v", got, wantReport)
	}
}

// TestHarnessPart checks that consumePart takes what append makes and nothing
// else.
func TestHarnessPart(t *testing.T) {
	p := part{source: 3, sequence: 1 << 40, stamp: 12345, number: 2, parts: 5}
	b := p.append([]byte("before"), 77)[6:]
	if got, err := consumePart(b); err != nil || got != p {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range b {
		if _, err := consumePart(b[:i]); err == nil {
			t.Errorf("%d octets of it are taken", i)
		}
		b[i] ^= 1
		if _, err := consumePart(b); err == nil {
			t.Errorf("octet %d is wrong and not noticed", i)
		}
		b[i] ^= 1
	}
}

const group = "239.192.1.1"

func zmqEndpoint(scheme string, h *lab.Host) string {
	return fmt.Sprintf("%s://%s;%s:5555", scheme, h.Addr(), group)
}

// TestHarnessLibzmq has libzmq talk to itself.
func TestHarnessLibzmq(t *testing.T) {
	for _, scheme := range []string{"epgm", "pgm"} {
		for _, tt := range []struct {
			name, size  string
			count       int
			parts, rate int
		}{
			{"small", "64", 5000, 1, 0},
			{"large", "100000,32,300000,1427", 40, 1, 0},
			{"multipart", "32,2000", 500, 3, 5000},
		} {
			t.Run(scheme+"/"+tt.name, func(t *testing.T) {
				needPeers(t)
				l := lab.Start(t, lab.Config{Hosts: 3, Fabric: lab.Bridge})
				var subs []*peer
				for _, h := range l.Hosts()[1:] {
					subs = append(subs, startPeer(t, h, "zsub", "endpoint="+zmqEndpoint(scheme, h), fmt.Sprint("count=", tt.count)))
				}
				h := l.Host(1)
				pub := startPeer(t, h, "zpub", "endpoint="+zmqEndpoint(scheme, h), "source=9", fmt.Sprint("count=", tt.count),
					"size="+tt.size, fmt.Sprint("parts=", tt.parts), fmt.Sprint("rate=", tt.rate))
				pub.begin()
				pub.sent(tt.count)
				for _, s := range subs {
					s.checkWhole(9, tt.count)
				}
				pub.stop()
			})
		}
	}
}

// TestHarnessIPv6 has libzmq talk to itself over IPv6.
func TestHarnessIPv6(t *testing.T) {
	for _, scheme := range []string{"epgm", "pgm"} {
		t.Run(scheme, func(t *testing.T) {
			needPeers(t)
			const count = 200
			l := lab.Start(t, lab.Config{Hosts: 2, Fabric: lab.Bridge})
			endpoint := func(h *lab.Host) string { return fmt.Sprintf("endpoint=%s://%s;ff15::7:5555", scheme, h.Addr6()) }
			sub := startPeer(t, l.Host(2), "zsub", endpoint(l.Host(2)), fmt.Sprint("count=", count))
			pub := startPeer(t, l.Host(1), "zpub", endpoint(l.Host(1)), fmt.Sprint("count=", count))
			pub.begin()
			pub.sent(count)
			sub.checkWhole(1, count)
		})
	}
}

// TestHarnessLoss has libzmq repair what it loses.
func TestHarnessLoss(t *testing.T) {
	needPeers(t)
	const count = 3000
	l := lab.Start(t, lab.Config{Hosts: 3, Seed: 1})
	var subs []*peer
	for _, h := range l.Hosts()[1:] {
		subs = append(subs, startPeer(t, h, "zsub", "endpoint="+zmqEndpoint("epgm", h), fmt.Sprint("count=", count)))
	}
	if err := l.SetFaults(2, lab.Faults{Loss: 1}); err != nil {
		t.Fatal(err)
	}
	h := l.Host(1)
	pub := startPeer(t, h, "zpub", "endpoint="+zmqEndpoint("epgm", h), fmt.Sprint("count=", count), "size=1000", "rate=5000")
	pub.begin()
	pub.sent(count)
	for i, s := range subs {
		y := s.checkWhole(1, count)
		t.Logf("host %d: p50 %.0f µs, p99 %.0f µs", i+2, y.p50, y.p99)
	}
	if s, err := l.Stats(2); err != nil || s.Lost == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func opgmArgs(h *lab.Host, role string, udp int, more ...string) []string {
	return append([]string{"role=" + role, fmt.Sprintf("net=%s;%s", h.Addr(), group), fmt.Sprint("udp=", udp)}, more...)
}

// TestHarnessOpenPGM has OpenPGM talk to itself, in IP and in UDP.
func TestHarnessOpenPGM(t *testing.T) {
	for _, udp := range []int{0, 5555} {
		t.Run(fmt.Sprint("udp=", udp), func(t *testing.T) {
			needPeers(t)
			const count = 2000
			l := lab.Start(t, lab.Config{Hosts: 3, Seed: 1})
			if err := l.SetFaults(3, lab.Faults{Loss: 1}); err != nil {
				t.Fatal(err)
			}
			var receivers []*peer
			for _, h := range l.Hosts()[1:] {
				receivers = append(receivers, startPeer(t, h, "opgm", opgmArgs(h, "receive", udp, fmt.Sprint("count=", count), "backoff=5000", "repeat=20000", "await=20000")...))
			}
			h := l.Host(1)
			sender := startPeer(t, h, "opgm", opgmArgs(h, "send", udp, fmt.Sprint("count=", count), "size=100,1400", "rate=4000")...)
			sender.begin()
			sender.sent(count)
			for _, r := range receivers {
				r.checkWhole(1, count)
			}
			sender.stop()
			if s, err := l.Stats(3); err != nil || s.Lost == 0 {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestHarnessGap takes away one packet and each repair of it, and the receiver
// reports what it has not got.
func TestHarnessGap(t *testing.T) {
	needPeers(t)
	const count, lost, odata, rdata = 100, 60, 4, 5
	l := lab.Start(t, lab.Config{Hosts: 2})
	var victim []byte
	var seen int
	isData, isOriginal := lab.PGM(odata, rdata), lab.PGM(odata)
	const sqn = 14 + 20 + 8 + 16 // behind Ethernet, IPv4, UDP and PGM's header
	taken := func(frame []byte) bool {
		if !isData(frame) {
			return false
		}
		if isOriginal(frame) {
			if seen == lost {
				victim = append([]byte(nil), frame[sqn:sqn+4]...)
			}
			seen++
		}
		return victim != nil && binary.BigEndian.Uint32(victim) == binary.BigEndian.Uint32(frame[sqn:])
	}
	if err := l.SetFaults(2, lab.Faults{Loss: 100, Only: taken}); err != nil {
		t.Fatal(err)
	}
	receiver := startPeer(t, l.Host(2), "opgm", opgmArgs(l.Host(2), "receive", 5555, fmt.Sprint("count=", count), "idle=1000", "backoff=5000")...)
	sender := startPeer(t, l.Host(1), "opgm", opgmArgs(l.Host(1), "send", 5555, fmt.Sprint("count=", count), "rate=2000")...)
	sender.begin()
	sender.sent(count)
	r := receiver.report()
	want := tally{received: lost, last: lost - 1, missing: count - lost, ranges: fmt.Sprintf("%d-%d", lost, count-1)}
	if y := r.sources[1]; r.end != "idle" || y.counts() != want {
		t.Errorf("%+v, want %+v", r, want)
	}
}
