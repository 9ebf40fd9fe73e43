package socket

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/zmtp"
)

// A lane is one direction of a pipe: a stream of whole messages with one
// producer and one consumer, and a bell for each.
//
// The consumer arms data when it finds the lane empty, and the producer arms
// room when it finds it full. Whoever rings an armed bell tells the other side
// through its end. An inproc lane joins two sockets. A network lane joins a
// socket to a session.
type lane struct {
	stream ring.Stream
	data   ring.Bell // armed by a consumer that found nothing
	room   ring.Bell // armed by a producer that found no room

	consumer laneEnd
	producer laneEnd

	// hwm is the high-water mark: the most messages that may wait. It is
	// changed on live sockets. Atomic because either side may ask.
	hwm atomic.Uint64

	// lazy says that the producer sends in bursts, publishes by the batch and
	// wakes nobody: the consumer, who is awake, looks after it, and ends it.
	// Producer only, or under its lock.
	lazy bool

	// paused is how many messages were consumed when the consumer, a socket, last
	// looked on for the next in vain. The consumer's; see tend.
	paused uint64

	// ended says that nothing more will be published. It is set after the
	// last message was.
	ended atomic.Bool

	// With conflate the lane holds one message, the latest. It waits in
	// latest, and the consumer moves it to the stream once that is empty.
	conflate bool
	latest   atomic.Pointer[ring.Buf]
	replaced uint64 // messages that were latest; the producer's
}

// A laneEnd is told, on whatever goroutine, that what it waited for is there.
type laneEnd interface {
	dataReady() // to the consumer
	roomReady() // to the producer
}

const unlimited = math.MaxUint64

// hwmOf turns an option into a high-water mark: 0 is the default and negative
// means no limit.
func hwmOf(option int) uint64 {
	switch {
	case option == 0:
		return defaultHWM
	case option < 0:
		return unlimited
	}
	return uint64(option)
}

// addHWM is the high-water mark of an inproc lane: both sides' added up.
func addHWM(a, b uint64) uint64 {
	if a == unlimited || b == unlimited {
		return unlimited
	}
	return a + b
}

// lowWater is how many messages the consumer takes before it says so. Half the
// high-water mark, as in libzmq, so that a producer that waited finds room for
// many.
func (l *lane) lowWater() uint64 {
	if h := l.hwm.Load(); h != unlimited {
		return (h + 1) / 2
	}
	return 1024
}

// publish makes the n octets that were reserved visible as one message and
// wakes the consumer if it sleeps. Producer only.
func (l *lane) publish(n int) {
	if l.lazy {
		l.stream.Fill(n)
		if l.stream.Filled() >= lazyBatch {
			l.stream.Publish()
		}
		return
	}
	l.stream.Commit(n)
	l.ring()
}

// ring wakes the consumer if it waits for what was published. Producer only.
func (l *lane) ring() {
	if l.data.Ring() {
		l.consumer.dataReady()
	}
}

// publishBuf publishes a run of messages that are part of buf, of which it
// takes over a reference. Producer only.
func (l *lane) publishBuf(buf *ring.Buf, octets []byte, messages int) {
	l.appendBuf(buf, octets, messages)
	l.ring()
}

// appendBuf is publishBuf for who rings the bell himself. Producer only.
func (l *lane) appendBuf(buf *ring.Buf, octets []byte, messages int) {
	if l.conflate {
		l.replace(buf, octets)
		l.replaced += uint64(messages)
		return
	}
	l.stream.Append(buf, octets, messages)
}

// appendCopy is appendBuf that copies octets, if there is room for them where the
// last message is. Otherwise it does nothing and returns false.
func (l *lane) appendCopy(octets []byte, messages int) bool {
	if l.conflate || l.stream.Spare() < len(octets) {
		return false
	}
	copy(l.stream.Reserve(len(octets)), octets)
	l.stream.CommitRun(len(octets), messages)
	return true
}

// A conflated message's Buf starts with its size in octets.
const conflateHeader = 8

// replace makes the last message in octets the only one that waits. It takes
// over a reference to buf, which octets are part of.
func (l *lane) replace(buf *ring.Buf, octets []byte) {
	for n := messageSize(octets); n < len(octets); n = messageSize(octets) {
		octets = octets[n:]
	}
	latest := ring.NewBuf(conflateHeader + len(octets))
	binary.LittleEndian.PutUint64(latest.Data, uint64(len(octets)))
	copy(latest.Data[conflateHeader:], octets)
	buf.Release()
	if old := l.latest.Swap(latest); old != nil { // the consumer owns latest from here on
		old.Release()
	}
}

// lookConflated is look for a lane that conflates. Nobody else produces into
// its stream, so the consumer may.
func (l *lane) lookConflated() ([]byte, *ring.Buf) {
	if octets, buf := l.stream.Peek(); len(octets) > 0 {
		return octets, buf
	}
	if latest := l.latest.Swap(nil); latest != nil {
		size := binary.LittleEndian.Uint64(latest.Data)
		l.stream.Append(latest, latest.Data[conflateHeader:conflateHeader+size], 1)
	}
	return l.stream.Peek()
}

// purge drops what waits. Consumer only.
func (l *lane) purge() {
	for octets, _ := l.look(); len(octets) > 0; octets, _ = l.look() {
		l.stream.AdvanceAll()
	}
	l.credit()
}

// written is how many messages were ever published, and queued how many wait.
// Producer only.
func (l *lane) written() uint64 {
	if l.conflate {
		return l.replaced
	}
	return l.stream.Written()
}

func (l *lane) queued() int {
	switch {
	case !l.conflate:
		return l.stream.Queued()
	case l.latest.Load() != nil:
		return 1
	}
	return 0
}

// discard frees what waits. For whoever has outlived both sides.
func (l *lane) discard() {
	l.stream.Discard()
	if latest := l.latest.Swap(nil); latest != nil {
		latest.Release()
	}
}

// publishSubscription publishes a peer's SUBSCRIBE or CANCEL as the message
// that patterns know it as: an octet 1 or 0, and the topic. Producer only.
func (l *lane) publishSubscription(topic []byte, cancel bool) {
	first := subscribeOctet
	if cancel {
		first = cancelOctet
	}
	body := l.stream.Reserve(zmtp.FrameSize(1 + len(topic)))
	putMessage(body, nil, [][]byte{append([]byte{first}, topic...)})
	l.publish(len(body))
}

// The octets that a subscription message starts with.
// https://rfc.zeromq.org/spec/23/#publish-subscribe
const (
	cancelOctet    byte = 0
	subscribeOctet byte = 1
)

// free is how many messages there is room for. If none, it arms the room bell.
// Producer only.
func (l *lane) free() int {
	if l.full() {
		return 0
	}
	if l.conflate {
		return math.MaxInt32
	}
	return int(min(l.stream.Room(l.hwm.Load()), math.MaxInt32))
}

// full reports whether the producer must wait, and if so arms the room bell.
// Producer only. A lane that conflates is never full, and its stream is none of
// the producer's.
func (l *lane) full() bool {
	hwm := l.hwm.Load()
	if l.conflate || !l.stream.Full(hwm) {
		return false
	}
	if l.lazy {
		l.stream.Publish() // what makes room may be short of these
	}
	l.room.Arm()
	return l.stream.Full(hwm) // if not, it stays armed: others may sleep until it rings
}

// peek returns octets that wait, or none after arming the data bell. Consumer
// only.
func (l *lane) peek() ([]byte, *ring.Buf) {
	octets, buf := l.look()
	if len(octets) > 0 {
		return octets, buf
	}
	l.credit()
	l.data.Arm()
	if octets, buf = l.look(); len(octets) > 0 {
		l.data.Disarm()
	}
	return octets, buf
}

// look is peek without the bell.
func (l *lane) look() ([]byte, *ring.Buf) {
	if l.conflate {
		return l.lookConflated()
	}
	return l.stream.Peek()
}

// empty reports whether nothing waits. Consumer only.
func (l *lane) empty() bool {
	octets, _ := l.look()
	return len(octets) == 0
}

// gather collects what waits, in up to limit pieces. Consumer only.
func (l *lane) gather(bufs [][]byte, limit int) [][]byte {
	if l.conflate {
		l.lookConflated()
	}
	return l.stream.Gather(bufs, limit)
}

// taken tells the lane that octets and messages of what peek returned are
// taken. Consumer only.
func (l *lane) taken(octets, messages int) {
	l.stream.Advance(octets, messages)
	if l.stream.Uncredited() >= l.lowWater() {
		l.credit()
	}
}

// credit tells the producer of the room there is. Consumer only.
func (l *lane) credit() {
	if l.stream.Credit() && l.room.Ring() {
		l.producer.roomReady()
	}
}

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
