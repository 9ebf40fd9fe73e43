package socket

import (
	"slices"

	"github.com/zeroring/zeroring/ring"
)

// A fan gives the messages of a burst to many pipes by the batch. Each message is
// encoded once, into a buffer that the pipes share, and what has come together is
// handed to all pipes of a reactor when that comes for it: a message costs the
// sender the same however many subscribers there are, and they are all written
// the same octets, which are still in the processor's cache.
//
// Nothing waits for more to come. A message that finds the reactors idle goes its
// own way at once, as any other would, and calls the couriers. Until a courier
// comes its reactor is busy with what was sent before, and meanwhile the batch
// grows: the longer a turn of the reactor, the larger the next batch.
//
//	idle --the set of the last message again: couriers are called--> called
//	called --message for the same set--> added to the batch
//	called --a courier comes--> its pipes are handed what they lack
//	called --message for others, room or pipes changed--> all pipes are (settle)
//
// Invariants: what was added and is not handed out has a courier that is due; and
// while room > 0 each pipe of couriers and local has room for that many more.
type fan struct {
	to   []*pipe   // whom the last message was for; empty if that were few
	sets [][]*pipe // what it matched, while room > 0

	couriers []*courier // those of the open pipes among to
	local    []*pipe    // the open ones without a courier; they are handed each message
	shut     []*pipe    // the ones without room, who miss it
	room     int        // messages that may be added before this is looked at anew
	busy     bool       // a message had to wait, so there will be more

	buf      *ring.Buf // the batch; nil for none
	octets   int       // filled of buf
	messages int       // and how many messages that is
	size     int       // for the next buffer to have; grows and shrinks with what is used
}

// A courier takes messages from a fan to the pipes that one reactor writes. It is
// its socket's, and the pattern's to use.
type courier struct {
	call  func()        // makes the reactor come soon, for collect
	ready func(p *pipe) // tells it that p, whose bell rang, has something to write

	due      bool    // called, and has not come yet
	pipes    []*pipe // of the fan's
	octets   int     // of the batch, handed to them
	messages int
}

const (
	// fanMessage is the most octets of a message that is copied into a batch.
	// Larger ones are shared by themselves: that costs each pipe little beside
	// the writing.
	fanMessage = 16 << 10

	// A batch's buffer is as large as batches lately were, within these bounds.
	minFan = 4 << 10
	maxFan = 128 << 10
)

// takes reports whether a message of n octets that matched sets can be added.
func (f *fan) takes(sets [][]*pipe, n int) bool {
	if f.room == 0 || n > fanMessage || len(sets) != len(f.sets) {
		return false
	}
	for i, set := range sets {
		if len(set) != len(f.sets[i]) || &set[0] != &f.sets[i][0] {
			return false
		}
	}
	return true
}

// add encodes a message of n octets into the batch.
func (f *fan) add(n int, parts [][]byte) {
	if f.buf == nil || len(f.buf.Data)-f.octets < n {
		f.renew(n)
	}
	octets := f.buf.Data[f.octets:][:n:n]
	putMessage(octets, nil, parts)
	f.octets += n
	f.messages++
	f.room--
	for _, c := range f.couriers {
		c.summon()
	}
	for _, p := range f.local {
		p.writeShared(&wire{f.buf, octets})
	}
	for _, p := range f.shut {
		p.drop()
	}
}

func (c *courier) summon() {
	if !c.due {
		c.due = true
		c.call()
	}
}

// summon calls the couriers of all of pipes.
func (f *fan) summon(pipes []*pipe) {
	for _, p := range pipes {
		if p.courier != nil {
			p.courier.summon()
		}
	}
}

// renew takes a new buffer, with room for n octets.
func (f *fan) renew(n int) {
	if f.buf != nil { // and was too small
		f.handAll()
		f.release()
		f.size *= 2
	}
	f.size = min(max(f.size, minFan), maxFan)
	f.buf = ring.NewBuf(max(f.size, n))
}

// release gives the batch up, all of which was handed out: the next starts with a
// buffer of its own.
func (f *fan) release() {
	if f.buf == nil {
		return
	}
	if f.octets < f.size/4 {
		f.size /= 2
	}
	f.buf.Release()
	f.buf, f.octets, f.messages = nil, 0, 0
	for _, c := range f.couriers {
		c.octets, c.messages = 0, 0
	}
}

// collect hands c's pipes what they lack, since c has come. With the last courier
// the burst is over, at least for now, and the batch belongs to the pipes.
func (f *fan) collect(c *courier) {
	c.due = false
	f.hand(c)
	for _, other := range f.couriers {
		if other.due {
			return
		}
	}
	f.release()
	f.room = 0
}

// hand gives c's pipes what they lack. Few octets are copied if that takes no
// memory: as a piece of their own, to who does not read, they would keep alive a
// buffer that may hold little else.
func (f *fan) hand(c *courier) {
	n := f.messages - c.messages
	if n == 0 || len(c.pipes) == 0 {
		return
	}
	octets := f.buf.Data[c.octets:f.octets:f.octets]
	c.octets, c.messages = f.octets, f.messages
	large := len(octets) >= shareFrom
	if large {
		f.buf.Retain(len(c.pipes))
	}
	for _, p := range c.pipes {
		switch {
		case large:
			p.out.appendBuf(f.buf, octets, n)
		case !p.out.appendCopy(octets, n):
			f.buf.Retain(1)
			p.out.appendBuf(f.buf, octets, n)
		}
		if p.out.data.Ring() {
			c.ready(p)
		}
	}
}

func (f *fan) handAll() {
	for _, c := range f.couriers {
		f.hand(c)
	}
}

// settle hands all pipes what they lack. Whoever writes to one of them by another
// way settles first, or messages would pass each other.
func (f *fan) settle() {
	f.handAll()
	f.room = 0
}

// follows reports whether a message for pipes is for the same ones as the last,
// if they are many. If not it settles.
func (f *fan) follows(pipes []*pipe) bool {
	switch {
	case len(f.to) == 0 && len(pipes) <= maxDirty:
		return false
	case slices.Equal(f.to, pipes):
		return true
	}
	f.forget()
	if len(pipes) > maxDirty {
		f.to = append(f.to, pipes...)
	}
	return false
}

// forget settles, and forgets whom the last message was for.
func (f *fan) forget() {
	f.settle()
	for _, c := range f.couriers {
		clear(c.pipes)
		c.pipes = c.pipes[:0]
	}
	clear(f.to)
	clear(f.sets)
	clear(f.local)
	clear(f.shut)
	f.to, f.sets, f.local, f.shut, f.couriers = f.to[:0], f.sets[:0], f.local[:0], f.shut[:0], f.couriers[:0]
}

// open looks who of the last message's pipes has room, and reports whether
// messages can be added for them: whether there is a burst, that is a courier
// which has not come yet. It follows settle, and allOpen if d asks for that.
func (f *fan) open(d *dist) bool {
	due := f.busy
	f.busy = false
	for _, p := range f.to {
		due = due || p.courier != nil && p.courier.due
	}
	if !due {
		return false
	}
	for _, c := range f.couriers {
		c.pipes = c.pipes[:0]
	}
	f.couriers, f.local, f.shut = f.couriers[:0], f.local[:0], f.shut[:0]
	room := unlimitedRoom
	for _, p := range f.to {
		c := p.courier
		switch {
		case !d.admits(p):
			f.shut = append(f.shut, p)
			continue
		case c == nil:
			f.local = append(f.local, p)
		default:
			if len(c.pipes) == 0 {
				f.couriers = append(f.couriers, c)
				c.octets, c.messages = f.octets, f.messages
			}
			c.pipes = append(c.pipes, p)
		}
		room = min(room, p.out.free())
	}
	f.room = room
	return room > 0
}

// unlimitedRoom is for how many messages a pipe without a high-water mark has room.
const unlimitedRoom = 1 << 30
