package multicast

import (
	"fmt"
	"testing"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// A net is how the ends of a test talk to each other.
type net struct {
	transport string // epgm or pgm
	backend   string // of ours
	tpdu      int    // 0 is the default of each
	v6        bool
}

const port = 5555

// address is the endpoint at a host, in the words of ours or libzmq, which takes no
// brackets.
func (n net) address(h *lab.Host, whose maker) string {
	group := "ff15::7"
	if whose == ours {
		group = "[ff15::7]"
	}
	if n.v6 {
		return fmt.Sprintf("%s://%s;%s:%d", n.transport, h.Addr6(), group, port)
	}
	return zmqEndpoint(n.transport, h)
}

// udp is the port of the encapsulation in UDP, or 0.
func (n net) udp() int {
	if n.transport == "pgm" {
		return 0
	}
	return port
}

// receive starts a receiver. Those in C end when nothing has come for two seconds,
// if l does not say otherwise.
func (n net) receive(t *testing.T, h *lab.Host, whose maker, l listening) receiver {
	t.Helper()
	if whose == ours {
		l.options.MaxTPDU = n.tpdu
		return startSub(t, h, newEngine(t, n.backend), n.address(h, whose), l)
	}
	idle := l.idle.Milliseconds()
	if idle == 0 {
		idle = 2000
	}
	args := []string{fmt.Sprint("count=", l.count), fmt.Sprint("sources=", max(l.sources, 1)), fmt.Sprint("idle=", idle)}
	if whose == libzmq {
		return startPeer(t, h, "zsub", n.withTPDU("tpdu", append(args, "endpoint="+n.address(h, whose)))...)
	}
	args = append(args, fmt.Sprint("port=", port), "zmq=1", "backoff=5000", "repeat=20000", "await=20000")
	return startPeer(t, h, "opgm", opgmArgs(h, "receive", n.udp(), n.withTPDU("mtu", args)...)...)
}

// send starts a sender.
func (n net) send(t *testing.T, h *lab.Host, whose maker, p plan) sender {
	t.Helper()
	switch whose {
	case libzmq:
		return startPeer(t, h, "zpub", n.withTPDU("tpdu", append(p.args(), "endpoint="+n.address(h, whose)))...)
	case openPGM:
		args := append(p.args(), fmt.Sprint("port=", port), "zmq=1")
		return startPeer(t, h, "opgm", opgmArgs(h, "send", n.udp(), n.withTPDU("mtu", args)...)...)
	}
	return startPub(t, h, newEngine(t, n.backend), n.address(h, whose), p, socket.MulticastOptions{MaxTPDU: n.tpdu})
}

func (n net) withTPDU(key string, args []string) []string {
	if n.tpdu == 0 {
		return args
	}
	return append(args, fmt.Sprintf("%s=%d", key, n.tpdu))
}
