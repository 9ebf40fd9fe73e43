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
	replaced uint64    // messages that were latest; the producer's
	next     *ring.Buf // from roomFor, until fill; the producer's
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

// roomFor, fill and show are for a producer that queues several messages before it
// shows them: it fills the n octets that roomFor returns with one message, each time, and
// show publishes all and wakes the consumer if it sleeps. Producer only.
func (l *lane) roomFor(n int) []byte {
	if l.conflate {
		l.next = ring.NewBuf(conflateHeader + n)
		return l.next.Data[:n]
	}
	return l.stream.Reserve(n)
}

func (l *lane) fill(message []byte) {
	if l.conflate {
		l.replace(l.next, message)
		l.next = nil
		l.replaced++
		return
	}
	l.stream.Fill(len(message))
}

func (l *lane) show() {
	if !l.conflate {
		l.stream.Publish()
	}
	l.ring()
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
