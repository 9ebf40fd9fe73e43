package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/zmtp"
)

var (
	loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	group    = netip.AddrFrom4([4]byte{239, 192, 1, 1})
)

// A scene is one libzmq socket that speaks EPGM on loopback, and us on the other
// side of the group.
type scene struct {
	driver    *driver
	multicast *net.UDPConn
	unicast   *net.UDPConn
	group     netip.AddrPort
	text      strings.Builder
}

// openScene has libzmq open a socket of that type. For the source it is the
// sockets of ours that come first, or else we would miss its first packets.
func openScene(interpreter, socketType string) (*scene, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &scene{group: netip.AddrPortFrom(group, port)}
	if s.multicast, s.unicast, err = openGroup(s.group); err != nil {
		return nil, err
	}
	if socketType == "PUB" {
		// It is libzmq that gets what is sent to the source.
		s.unicast.Close()
	}
	if s.driver, err = startDriver(interpreter); err != nil {
		return nil, err
	}
	endpoint := fmt.Sprintf("epgm://%v;%v", loopback, s.group)
	fmt.Fprintf(&s.text, "\n# libzmq's %s at %s\n", socketType, endpoint)
	return s, s.driver.do(order{Verb: "socket", Type: socketType, Connect: endpoint}, new(string))
}

func (s *scene) close() error {
	s.multicast.Close()
	s.unicast.Close()
	return s.driver.close()
}

// freePort is a port that nobody has for UDP.
func freePort() (uint16, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

// await records what arrives on conn until a packet of that type has, and returns
// it.
func (s *scene) await(conn *net.UDPConn, want pgm.Type) (packet []byte, err error) {
	return s.awaitFor(patience, conn, want)
}

// insist sends something until a packet of that type arrives: nothing says when
// libzmq begins to listen.
func (s *scene) insist(conn *net.UDPConn, want pgm.Type, send func() error) (err error) {
	const tries = 8
	for range tries {
		if err := send(); err != nil {
			return err
		}
		if _, err = s.awaitFor(250*time.Millisecond, conn, want); err == nil {
			return nil
		}
	}
	return err
}

func (s *scene) awaitFor(d time.Duration, conn *net.UDPConn, want pgm.Type) (packet []byte, err error) {
	buf := make([]byte, 1<<16)
	if err := conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return nil, err
	}
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, fmt.Errorf("waiting for %v: %w", want, err)
		}
		packet := buf[:n:n]
		h, _, err := pgm.ConsumeHeader(packet)
		if err == nil && h.TSI() == ours && !h.Type.IsUpstream() {
			continue // our own, looped back
		}
		s.record(packet)
		if err == nil && h.Type == want {
			return packet, nil
		}
	}
}

// record writes a packet down.
func (s *scene) record(packet []byte) {
	fmt.Fprintf(&s.text, "> %s\n", pgm.Describe(packet))
	for len(packet) > 0 {
		n := min(32, len(packet))
		fmt.Fprintf(&s.text, "%s\n", hex.EncodeToString(packet[:n]))
		packet = packet[n:]
	}
}

// message has libzmq publish one, and writes that down.
func (s *scene) message(frames ...string) error {
	s.text.WriteString("= message")
	var encoded [][]byte
	for _, frame := range frames {
		fmt.Fprintf(&s.text, " %q", frame)
		encoded = append(encoded, []byte(frame))
	}
	s.text.WriteString("\n")
	return s.driver.do(order{Verb: "message", Frames: encodeAll(encoded)}, new(string))
}

// source has libzmq publish, asks for repairs, and says good-bye.
func source(interpreter string) (string, error) {
	s, err := openScene(interpreter, "PUB")
	if err != nil {
		return "", err
	}
	defer s.close()
	spm, err := s.await(s.multicast, pgm.TypeSPM)
	if err != nil {
		return "", err
	}
	h, _, _ := pgm.ConsumeHeader(spm)
	for _, m := range []struct {
		frames  []string
		packets int // of data that it makes
	}{
		{[]string{"hello"}, 1},
		{[]string{"topic", "", strings.Repeat("x", 300)}, 1},
		{[]string{strings.Repeat("y", 3000), "tail"}, 3},
	} {
		if err := s.message(m.frames...); err != nil {
			return "", err
		}
		for range m.packets {
			if _, err := s.await(s.multicast, pgm.TypeODATA); err != nil {
				return "", err
			}
		}
	}
	sender, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, s.group.Port())))
	if err != nil {
		return "", err
	}
	defer sender.Close()
	head := pgm.NewHeader(pgm.TypeNAK, h.TSI(), s.group.Port())
	for first, more := range [][]pgm.SQN{nil, {2, 3}} {
		var o pgm.Options
		o.SetNAKList(more)
		nak := pgm.NAK{SQN: pgm.SQN(first), Source: loopback, Group: group}
		err := s.insist(s.multicast, pgm.TypeNCF, func() error {
			_, err := sender.Write(pgm.AppendNAK(nil, &head, &nak, &o))
			return err
		})
		if err != nil {
			return "", err
		}
		if _, err := s.await(s.multicast, pgm.TypeRDATA); err != nil {
			return "", err
		}
	}
	if err := s.driver.do(order{Verb: "close"}, new(string)); err != nil {
		return "", err
	}
	_, err = s.await(s.multicast, pgm.TypeSPM)
	return s.text.String(), err
}

// ours is the session of the source that we play.
var ours = pgm.TSI{GSI: pgm.GSI{'z', 'e', 'r', 'o', 'r', 'g'}, Port: 4242}

// receiver has libzmq subscribe to a source that we play, and lose packets.
func receiver(interpreter string) (string, error) {
	s, err := openScene(interpreter, "SUB")
	if err != nil {
		return "", err
	}
	defer s.close()
	if err := s.driver.do(order{Verb: "subscribe", Frames: []string{""}}, new(string)); err != nil {
		return "", err
	}
	send := func(packet []byte) error {
		_, err := s.unicast.WriteToUDPAddrPort(packet, s.group)
		return err
	}
	data := func(t pgm.Type, sqn pgm.SQN) error {
		payload := zmtp.AppendV1Frame(make([]byte, pgm.OffsetSize), 0, fmt.Appendf(nil, "message %d", sqn))
		h := pgm.NewHeader(t, ours, s.group.Port())
		return send(pgm.AppendData(nil, &h, &pgm.Data{SQN: sqn, Payload: payload}, nil))
	}
	h := pgm.NewHeader(pgm.TypeSPM, ours, s.group.Port())
	spm := pgm.AppendSPM(nil, &h, &pgm.SPM{SQN: 1, Path: loopback}, nil)
	for _, gap := range []struct{ before, next pgm.SQN }{{0, 2}, {2, 5}} {
		err := s.insist(s.unicast, pgm.TypeNAK, func() error {
			return errors.Join(send(spm), data(pgm.TypeODATA, gap.before), data(pgm.TypeODATA, gap.next))
		})
		if err != nil {
			return "", err
		}
		for sqn := gap.before.Add(1); sqn.Before(gap.next); sqn = sqn.Add(1) {
			if err := data(pgm.TypeRDATA, sqn); err != nil {
				return "", err
			}
		}
	}
	return s.text.String(), s.receiveUntil(5)
}

// receiveUntil checks that libzmq made messages of what we sent, in order and
// without a gap, from whichever it heard first.
func (s *scene) receiveUntil(last int) error {
	for previous := -1; previous != last; {
		var encoded []string
		if err := s.driver.do(order{Verb: "recv"}, &encoded); err != nil {
			return err
		}
		frames, err := decodeAll(encoded)
		if err != nil {
			return err
		}
		var now int
		if _, err := fmt.Sscanf(string(frames[0]), "message %d", &now); err != nil || previous >= 0 && now != previous+1 {
			return fmt.Errorf("libzmq received %q after message %d", frames, previous)
		}
		previous = now
	}
	return nil
}

// capturePGM returns what a real libzmq sends as PGM in UDP.
func capturePGM(interpreter string) (string, error) {
	d, err := startDriver(interpreter)
	if err != nil {
		return "", err
	}
	var version string
	err = d.do(order{Verb: "version"}, &version)
	if closeErr := d.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", err
	}
	text := "# What libzmq sends as PGM in UDP, written by\n" +
		"#     go run ./tools/vectors -pgm pgm/testdata/vectors/epgm.txt\n" +
		"# Lines with > have pgm's reading of the packet whose octets follow, lines with =\n" +
		"# what libzmq's application published.\nlibzmq " + version + "\n"
	for _, play := range []func(string) (string, error){source, receiver} {
		part, err := play(interpreter)
		if err != nil {
			return "", err
		}
		text += part
	}
	return text, nil
}
