package socket

import (
	"sync/atomic"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// A pipe is a socket's side of one peer: what patterns route messages among.
//
// The methods that write are called under the socket's send lock, read under
// its receive lock.
type pipe struct {
	identity []byte     // the peer's routing id as it announced it, or empty
	about    *zmtp.Peer // what it told of itself; nil before that. Never changed

	// Places in the lists of lb, fq and dist, which own them.
	lbAt, fqAt, distAt int

	mark // what the pattern notes about the peer; the pattern's

	in, out *lane
	courier *courier // of PUB and XPUB, who takes batches to it; nil for inproc
	host    *Socket
	link    link   // the connection; nil for inproc
	peer    *pipe  // the other end; inproc only
	name    string // inproc: the name that was connected to, on the side that did
	parted  bool   // inproc: this side has left; under the engine's mu

	minor    int  // the peer's minor version of ZMTP 3
	up       bool // the handshake is done; under both locks
	oneWay   bool // multicast: who receives says nothing to who sends, not even what it subscribes to
	left     atomic.Bool
	detached bool // under both locks

	// users counts the pipes that an inproc pair of lanes still has.
	users   *atomic.Int32
	dropped atomic.Uint64 // messages that found no room

	subscriptions int // topics the peer is subscribed to; kept by PUB and XPUB

	ready  ring.Node[*pipe] // place in the host's list of pipes with messages
	vacant ring.Node[*pipe] // place in its list of pipes with room
}

// A link is what a pipe can ask of its connection.
type link interface {
	// sever ends the connection for good. It returns at once.
	sever()
}

func newPipe(host *Socket, in, out *lane) *pipe {
	p := &pipe{host: host, in: in, out: out, lbAt: -1, fqAt: -1, distAt: -1}
	p.ready.Value, p.vacant.Value = p, p
	return p
}

// writable reports whether there is room for one more message. If not, the
// socket calls the pattern's writable once there is.
func (p *pipe) writable() bool { return !p.left.Load() && !p.out.full() }

// gone reports whether the peer left. Nothing can be written to it any more.
// What it sent can still be read; detach follows when that has been.
func (p *pipe) gone() bool { return p.left.Load() }

// online reports whether the peer is there: its handshake is done.
func (p *pipe) online() bool { return p.up && !p.left.Load() }

// write publishes one message of the frames head and then parts.
func (p *pipe) write(head, parts [][]byte) {
	n := wireSize(head, parts)
	if p.out.conflate {
		buf := ring.NewBuf(n)
		putMessage(buf.Data[:n], head, parts)
		p.out.publishBuf(buf, buf.Data[:n], 1)
		return
	}
	putMessage(p.out.stream.Reserve(n), head, parts)
	p.out.publish(n)
}

// writeSmall publishes a message of one small frame. If it is larger or there is
// no room it does nothing and returns false: write and writable have the other
// cases.
func (p *pipe) writeSmall(body []byte) bool {
	l := p.out
	if len(body) > smallMessage-maxHeader || l.conflate || p.left.Load() || l.stream.Full(l.hwm.Load()) {
		return false
	}
	if len(body) <= 255 {
		room := l.stream.Reserve(2 + len(body))
		room[0], room[1] = 0, byte(len(body))
		copy(room[2:], body)
		l.publish(len(room))
		return true
	}
	room := l.stream.Reserve(maxHeader + len(body))
	putFrame(room, body, false)
	l.publish(len(room))
	return true
}

// shareFrom is the size in octets from which an encoded message is shared by
// reference and not copied to each pipe.
const shareFrom = 2048

// writeShared publishes a message that was encoded before.
func (p *pipe) writeShared(w *wire) {
	if len(w.octets) >= shareFrom || p.out.conflate {
		w.buf.Retain(1)
		p.out.publishBuf(w.buf, w.octets, 1)
		return
	}
	copy(p.out.stream.Reserve(len(w.octets)), w.octets)
	p.out.publish(len(w.octets))
}

// writeSubscribe tells the peer of a subscription, or of its end. It is state
// rather than traffic, so the high-water mark does not apply.
func (p *pipe) writeSubscribe(topic []byte, cancel bool) {
	if p.oneWay {
		return
	}
	// Longest form: flags, 8 octets of size, 9SUBSCRIBE.
	room := p.out.stream.Reserve(len(topic) + 9 + 10)[:0]
	if cancel {
		room = zmtp.AppendCancel(room, topic, p.minor)
	} else {
		room = zmtp.AppendSubscribe(room, topic, p.minor)
	}
	p.out.publish(len(room))
}

// read takes the next message into m. If there is none it returns false, and
// the socket calls the pattern's readable once there is.
func (p *pipe) read(m *Message) bool {
	octets, buf := p.in.peek()
	if len(octets) == 0 {
		p.host.noteDrained(p)
		return false
	}
	p.in.taken(m.take(octets, buf), 1)
	return true
}

// readSeen is read of a message that the consumer has seen already. If there is
// none it does nothing and returns false: read has the other cases.
func (p *pipe) readSeen(m *Message) bool {
	octets, buf := p.in.stream.Seen()
	if len(octets) == 0 {
		return false
	}
	p.in.taken(m.take(octets, buf), 1)
	return true
}

// seen reports whether the consumer has seen a message that it has not read.
func (p *pipe) seen() bool {
	octets, _ := p.in.stream.Seen()
	return len(octets) > 0
}

// waiting reports whether read would find a message. If not, the socket calls
// the pattern's readable once there is one.
func (p *pipe) waiting() bool {
	if octets, _ := p.in.peek(); len(octets) > 0 {
		return true
	}
	p.host.noteDrained(p)
	return false
}

// unsent reports whether messages wait that the peer has not been sent.
func (p *pipe) unsent() bool { return p.out.stream.Queued() > 0 }

// subscribed takes note of how many topics the peer is subscribed to now.
func (p *pipe) subscribed(topics int) { p.subscriptions, p.host.resubscribed = topics, true }

// kill ends the connection to this peer, soon.
func (p *pipe) kill() {
	if p.link != nil {
		p.link.sever()
		return
	}
	p.host.doomed = append(p.host.doomed, p)
}

// drop counts a message that this peer does not get.
func (p *pipe) drop() { p.dropped.Add(1) }

// free gives the lanes back once nobody uses them.
func (p *pipe) free() {
	if p.users == nil || p.users.Add(-1) == 0 {
		p.in.discard()
		p.out.discard()
	}
}

// dataReady queues p for the pattern's readable.
func (p *pipe) dataReady() { p.host.pipeReadable(p) }

// roomReady queues p for the pattern's writable.
func (p *pipe) roomReady() { p.host.pipeWritable(p) }
