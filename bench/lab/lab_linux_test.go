package lab_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

// patience is how long a test waits for any one event: a limit on how long a
// broken build takes to say so, not a measure of anything.
const patience = 10 * time.Second

const port = 7654

var (
	group4 = netip.MustParseAddr("239.192.7.7")
	group6 = netip.MustParseAddr("ff15::7:7")
)

func start(t *testing.T, c lab.Config) *lab.Lab {
	t.Helper()
	before := held()
	// Registered first, it runs when the laboratory is closed.
	t.Cleanup(func() { checkHeld(t, before) })
	return lab.Start(t, c)
}

// must is Do for what has to work.
func must(t testing.TB, h *lab.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatalf("host %d: %v", h.Number(), err)
	}
}

// listen joins a group on a host.
func listen(t testing.TB, h *lab.Host, group netip.Addr) *net.UDPConn {
	t.Helper()
	network := "udp4"
	if group.Is6() {
		network = "udp6"
	}
	var conn *net.UDPConn
	must(t, h, func() error {
		e0, err := net.InterfaceByName(h.Interface())
		if err != nil {
			return err
		}
		conn, err = net.ListenMulticastUDP(network, e0, net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, port)))
		return err
	})
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	return conn
}

// speak returns a socket of a host's, which sends to an address wherever its
// routes lead.
func speak(t testing.TB, h *lab.Host, to netip.Addr) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	must(t, h, func() (err error) {
		conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, port)))
		return err
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn *net.UDPConn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// expect receives one datagram and says who sent it.
func expect(t *testing.T, conn *net.UDPConn, want string) netip.Addr {
	t.Helper()
	got, from := receive(t, conn)
	if got != want {
		t.Fatalf("received %q, want %q", got, want)
	}
	return from
}

func receive(t *testing.T, conn *net.UDPConn) (string, netip.Addr) {
	t.Helper()
	b := make([]byte, 1<<16)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, from, err := conn.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n]), from.Addr().Unmap()
}

var fabrics = []lab.Fabric{lab.Switch, lab.Bridge}

// Multicast from host 1 reaches the others, by IPv4 and by IPv6, and so does
// what they answer it. No socket names an interface to send by.
func TestMulticast(t *testing.T) {
	for _, f := range fabrics {
		t.Run(f.String(), func(t *testing.T) {
			l := start(t, lab.Config{Hosts: 3, Fabric: f})
			for _, group := range []netip.Addr{group4, group6} {
				addr := (*lab.Host).Addr
				if group.Is6() {
					addr = (*lab.Host).Addr6
				}
				var conns []*net.UDPConn
				for _, h := range l.Hosts()[1:] {
					conns = append(conns, listen(t, h, group))
				}
				source := speak(t, l.Host(1), group)
				for i := range 100 {
					send(t, source, fmt.Sprint(i))
				}
				for _, c := range conns {
					for i := range 100 {
						if from := expect(t, c, fmt.Sprint(i)); from != addr(l.Host(1)) {
							t.Fatalf("it came from %v, want %v", from, addr(l.Host(1)))
						}
					}
				}
				// Unicast, as NAKs are.
				var back *net.UDPConn
				must(t, l.Host(1), func() (err error) {
					back, err = net.ListenUDP("udp", &net.UDPAddr{IP: addr(l.Host(1)).AsSlice(), Port: port})
					return err
				})
				send(t, speak(t, l.Host(3), addr(l.Host(1))), "nak")
				if from := expect(t, back, "nak"); from != addr(l.Host(3)) {
					t.Errorf("it came from %v, want %v", from, addr(l.Host(3)))
				}
				back.Close()
			}
		})
	}
}
