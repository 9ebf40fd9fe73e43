package socket

// An fq queues fairly: it takes a message from each pipe in turn, passing over
// those that have none. Pipes that may have messages are active, new ones
// included.
//
// A message is read in one call, so its frames are never mixed with others'.
type fq struct{ roster }

func newFQ() fq { return fq{roster{place: func(p *pipe) *int { return &p.fqAt }}} }

// recv takes the next message into m and returns the pipe that it came from,
// or nil if there is none.
func (f *fq) recv(m *Message) *pipe {
	for f.active > 0 {
		p := f.pipes[f.turn]
		if p.read(m) {
			f.advance()
			return p
		}
		f.passivate(p)
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
	}
	return false
}
