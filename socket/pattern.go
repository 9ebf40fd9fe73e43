package socket

// A pattern is the state machine of one type of socket. It routes messages
// among pipes, and is pure: it never waits, and knows neither clock nor lock.
//
// Locks. The socket calls send, canSend and writable under its send lock, recv,
// canRecv and readable under its receive lock, and everything else under both.
// A pattern whose halves share state is joint: both locks are then one.
type pattern interface {
	// attach adds a peer. Its pipe may hold messages already.
	attach(p *pipe)
	// detach says that p is gone. The pattern forgets it.
	detach(p *pipe)
	// connected says that p's connection is up, for the first time or again.
	// It follows attach, at once or later.
	connected(p *pipe)
	// disconnected says that p's connection was lost and will be made again.
	// The pipe stays, with what is queued in it.
	disconnected(p *pipe)

	// readable says that p has messages, or has ended, after a read of it found
	// nothing.
	readable(p *pipe)
	// writable says that p has room, after it was found to have none.
	writable(p *pipe)

	// send routes one message, of at least one frame. It returns errWouldBlock
	// if the message must wait for room. On an error nothing has changed.
	send(parts [][]byte) error
	// recv puts the next message for the user into m, or returns errWouldBlock.
	recv(m *Message) error

	// canSend and canRecv report whether send and recv would not block. True is
	// an estimate: a pattern may find that it has nobody to send to or that
	// what it received is not for the user. False is certain, and arms the
	// pipes to say when it changes.
	canSend() bool
	canRecv() bool

	// settle gives pipes what was sent to them and is kept back, if anything is:
	// with it, what is sent has a place in each pipe's queue.
	settle()
	// collect gives c what there is for its pipes. It has come as it was called.
	collect(c *courier)

	// straight returns the pipe that all messages go to and the one that all
	// come from, where there is just one, it takes and gives them unchanged and
	// the pattern need not know; or nil. The answer changes with attach and
	// detach only. The socket then spares itself the pattern.
	straight() (out, in *pipe)

	joint() bool
	// close gives back memory, once all pipes are detached.
	close()
}

// newPattern returns the state machine of sockets of type t, which must be
// valid. start is where numbers count from that are told to peers: best drawn
// at random, so that nobody guesses the numbers of others.
func newPattern(t Type, o *Options, start uint32) pattern {
	switch t {
	case TypeReq:
		return newReq(o, start)
	case TypeRep:
		return newRep()
	case TypeDealer:
		return newDealer(o)
	case TypeRouter:
		return newRouter(o, start)
	case TypePub:
		return newPub(o)
	case TypeSub:
		return newSub(o)
	case TypeXPub:
		return newXPub(o)
	case TypeXSub:
		return newXSub()
	case TypePush:
		return newPush()
	case TypePull:
		return newPull()
	case TypePair:
		return new(pair)
	}
	panic("socket: no pattern for " + t.String())
}

// A bystander is what most patterns make of most events: nothing. Patterns
// embed it and add what concerns them.
type bystander struct{}

func (bystander) connected(*pipe)           {}
func (bystander) disconnected(*pipe)        {}
func (bystander) writable(*pipe)            {}
func (bystander) canSend() bool             { return false }
func (bystander) canRecv() bool             { return false }
func (bystander) joint() bool               { return false }
func (bystander) straight() (out, in *pipe) { return nil, nil }
func (bystander) settle()                   {}
func (bystander) collect(*courier)          {}
func (bystander) close()                    {}

// A mark is what patterns note about a pipe, each only what it needs. A pipe
// belongs to one pattern, and so does its mark.
type mark struct {
	number      uint64 // dist: order of attaching, from 1
	round       uint64 // dist: the last round of marking that it was part of
	topicOctets int    // XPUB: of the topics it asked for
	given       []byte // ROUTER: the name that the user gave it in advance; nil for none
	routingID   []byte // ROUTER: the name the user knows it by; replaced, never changed
	ignored     bool   // ROUTER: it has no name and will not get one
}

// discard reads and drops everything p holds, for patterns that have no use
// for it. A pipe must be read to its end to be detached.
func discard(p *pipe) {
	m := newMessage()
	for p.read(m) {
	}
	m.Release()
}

// keepOctets is the most memory a pattern keeps for the next message. A huge
// message's is given back.
const keepOctets = 64 << 10

// probe is the empty message of the ProbeRouter option. A ROUTER that receives
// it has learnt who its peer is.
var probe = [][]byte{nil}
