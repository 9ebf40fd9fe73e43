package socket

// An fq queues fairly: it takes a message from each pipe in turn, passing over
// those that have none. Pipes that may have messages are active, new ones
// included.
//
// A message is read in one call, so its frames are never mixed with others'.
//
// Among a crowd a turn is a few messages, of those that are known to be there: what
// a pipe is made of is then fetched from memory once for all of them, and answers
// to them are written together.
type fq struct {
	roster
	taken int // messages in this turn
}

// crowd is how many active pipes are one, and crowdTurn how many messages a turn
// has then at most.
const (
	crowd     = 32
	crowdTurn = 16
)

func newFQ() fq { return fq{roster: roster{place: func(p *pipe) *int { return &p.fqAt }}} }

// recv takes the next message into m and returns the pipe that it came from,
// or nil if there is none.
func (f *fq) recv(m *Message) *pipe {
	for f.active > 0 {
		p := f.pipes[f.turn]
		if p.read(m) {
			if f.taken++; f.active < crowd || f.taken >= crowdTurn || !p.seen() {
				f.advance()
				f.taken = 0
			}
			return p
		}
		f.passivate(p)
		f.taken = 0
	}
	return nil
}

// waiting reports whether there is a message.
func (f *fq) waiting() bool {
	for f.active > 0 {
		p := f.pipes[f.turn]
		if p.waiting() {
			return true
		}
		f.passivate(p)
		f.taken = 0
	}
	return false
}
