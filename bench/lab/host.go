package lab

import (
	"fmt"
	"net/netip"
	"strings"
)

// The hosts' network. The names and numbers of all hosts are alike, so that a
// test can print what it does.
const (
	interfaceName = "e0"
	net4          = "10.77.0.0" // with 24 bits
	net6          = "fd77::"    // with 64 bits
	link6         = "fe80::"    // with 64 bits
	// txQueue is how many frames the kernel keeps for the switch to fetch.
	txQueue = 10_000
)

// A Host is a network namespace with one interface. Any goroutine may use it.
type Host struct {
	lab    *Lab
	number int
	ns     *namespace
}

// Number is the host's, from 1 on.
func (h *Host) Number() int { return h.number }

// Addr is its IPv4 address, 10.77.0.Number, of a network of 24 bits.
func (h *Host) Addr() netip.Addr { return addrOf(net4, h.number) }

// Addr6 is its IPv6 address, fd77::Number, of a network of 64 bits.
func (h *Host) Addr6() netip.Addr { return addrOf(net6, h.number) }

// Interface is the name of its interface.
func (h *Host) Interface() string { return interfaceName }

// MAC is its Ethernet address.
func (h *Host) MAC() [6]byte {
	return [6]byte{macPrefix >> 8, macPrefix & 0xff, 0, 0, byte(h.number >> 8), byte(h.number)}
}

// Do runs f inside the host, on the goroutine that calls it, and returns its
// error. Sockets that f opens belong to the host for good, whoever uses them
// then. Goroutines that f starts do not run inside. Nor does f find the host at
// /proc/net, which is the process's, but at /proc/thread-self/net.
func (h *Host) Do(f func() error) error {
	if h.lab.isClosed() {
		return ErrClosed
	}
	return h.ns.inside(f)
}

func (l *Lab) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// setUp gives the host its addresses, once its interface is there. All
// neighbours are known beforehand: finding them would be traffic that faults
// could befall and that comes when the kernel thinks fit.
func (h *Host) setUp(c Config) error {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("link set lo up")
	say("link set e0 address %s mtu %d txqueuelen %d addrgenmode none", macText(h.MAC()), c.MTU, txQueue)
	say("link set e0 up")
	say("addr add %s/24 dev e0", h.Addr())
	say("addr add %s/64 dev e0 nodad", addrOf(link6, h.number))
	say("addr add %s/64 dev e0 nodad", h.Addr6())
	say("route add 224.0.0.0/4 dev e0")
	// The kernel has made that of IPv6, ff00::/8 in its table local.
	for _, other := range h.lab.hosts {
		if other == h {
			continue
		}
		for _, a := range []netip.Addr{other.Addr(), other.Addr6(), addrOf(link6, other.number)} {
			say("neigh add %s lladdr %s nud permanent dev e0", a, macText(other.MAC()))
		}
	}
	_, err := h.ns.ip(b.String(), nil)
	return err
}

func macText(mac [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
}
