package socket

// An lb balances load: it deals messages out to pipes in turn, passing over
// those that have no room. Pipes with room are active.
//
// A message is sent in one call, so all its frames go to one pipe.
type lb struct{ roster }

func newLB() lb { return lb{roster{place: func(p *pipe) *int { return &p.lbAt }}} }

// next returns the pipe that the next message goes to, or nil if none has
// room.
func (l *lb) next() *pipe {
	if !l.room() {
		return nil
	}
	p := l.pipes[l.turn]
	l.advance()
	return p
}

// room reports whether the pipe whose turn it is has room, after passing over
// those that do not. "SHALL consider a peer as available only when it has a
// outgoing queue that is not full."
func (l *lb) room() bool {
	for l.active > 0 {
		p := l.pipes[l.turn]
		if p.writable() {
			return true
		}
		l.passivate(p)
	}
	return false
}

// send deals one message of the frames head and then parts.
func (l *lb) send(head, parts [][]byte) error {
	p := l.next()
	if p == nil {
		return errWouldBlock
	}
	p.write(head, parts)
	return nil
}
