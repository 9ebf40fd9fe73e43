package multicast

import (
	"errors"
	"fmt"
	stdnet "net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/pgm"
)

// A plainSource is a source of package pgm by a socket of UDP: OpenPGM's plain
// receivers know messages of several packets, which ZeroMQ has no use for.
type plainSource struct {
	t      *testing.T
	engine *pgm.Source
	conn   *stdnet.UDPConn
	group  netip.AddrPort
	packet []byte
}

func newPlainSource(t *testing.T, h *lab.Host) *plainSource {
	t.Helper()
	s := &plainSource{t: t, packet: make([]byte, 1<<16)}
	s.group = netip.AddrPortFrom(netip.MustParseAddr(group), port)
	inside(t, h, func() (err error) {
		s.conn, err = stdnet.ListenUDP("udp4", stdnet.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Addr(), port)))
		return err
	})
	t.Cleanup(func() { _ = s.conn.Close() })
	s.engine = pgm.NewSource(pgm.SourceConfig{
		TSI: pgm.TSI{GSI: pgm.GSI{1, 2, 3, 4, 5, 6}, Port: 4321}, Port: port, NLA: h.Addr(), Group: s.group.Addr(),
	}, time.Now())
	return s
}

// turn sends what is due, and takes in what comes until then.
func (s *plainSource) turn(until time.Time) {
	s.t.Helper()
	for {
		packet, _ := s.engine.Next(time.Now(), s.packet)
		if packet == nil {
			break
		}
		if _, err := s.conn.WriteToUDPAddrPort(packet, s.group); err != nil {
			s.t.Fatal(err)
		}
	}
	if due := s.engine.Deadline(time.Now()); !due.IsZero() && due.Before(until) {
		until = due
	}
	if err := s.conn.SetReadDeadline(until); err != nil {
		s.t.Fatal(err)
	}
	n, err := s.conn.Read(s.packet)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	if err != nil {
		s.t.Fatal(err)
	}
	h, body, err := pgm.ConsumeHeader(s.packet[:n])
	if err == nil {
		err = s.engine.Handle(time.Now(), &h, body)
	}
	if err != nil {
		s.t.Errorf("OpenPGM sent % x: %v", s.packet[:n], err)
	}
}

// TestFragments has a receiver of OpenPGM's put together messages of several packets.
func TestFragments(t *testing.T) {
	needPeers(t)
	for _, loss := range []float64{0, 1} {
		t.Run(fmt.Sprintf("loss %v", loss), func(t *testing.T) {
			t.Parallel()
			l := lab.Start(t, lab.Config{Hosts: 2, Seed: 1})
			const count = 300
			rx := startPeer(t, l.Host(2), "opgm", opgmArgs(l.Host(2), "receive", port, fmt.Sprint("port=", port), fmt.Sprint("count=", count),
				"backoff=5000", "repeat=20000", "await=20000", "idle=2000")...)
			s := newPlainSource(t, l.Host(1))
			ended := make(chan report, 1)
			go func() { ended <- rx.report() }()
			sizes := []int{100, 1500, 20000, 1428, 3000}
			next := time.Now()
			for i := 0; len(ended) == 0; {
				if time.Since(next) > patience {
					t.Fatalf("the receiver has not ended: %+v", s.engine.Stats())
				}
				if i == 1 {
					if err := l.SetAll(lab.Faults{Loss: loss}); err != nil {
						t.Fatal(err)
					}
				}
				if i < count && !time.Now().Before(next) {
					p := part{source: 1, sequence: uint64(i), stamp: now(), parts: 1}
					if s.engine.Send(time.Now(), p.append(nil, sizes[i%len(sizes)])) {
						i++
						next = next.Add(2 * time.Millisecond)
					}
				}
				if i < count {
					s.turn(next)
				} else {
					s.turn(time.Now().Add(10 * time.Millisecond))
				}
			}
			got := <-ended
			t.Logf("%+v\n%+v", got, s.engine.Stats())
			y := got.sources[1]
			if y.corrupt+y.duplicate+y.late+y.torn > 0 || y.received == 0 || loss == 0 && y.counts() != whole(count) {
				t.Errorf("%+v", got)
			}
		})
	}
}
