package socket

// A roster is a list of pipes, the active ones first: invariant, p is active if
// and only if its place < active. What active means is for lb, fq and dist to
// say; each has a place of its own in the pipe, so that one pipe can be in all
// three.
type roster struct {
	pipes  []*pipe
	active int
	turn   int // whose turn it is; < active unless that is 0
	place  func(p *pipe) *int
}

// add appends p, active.
func (r *roster) add(p *pipe) {
	*r.place(p) = len(r.pipes)
	r.pipes = append(r.pipes, p)
	r.activate(p)
}

// remove takes p off the list, if it is on it.
func (r *roster) remove(p *pipe) {
	if !r.has(p) {
		return
	}
	r.passivate(p)
	last := len(r.pipes) - 1
	r.swap(*r.place(p), last)
	r.pipes[last] = nil
	r.pipes = r.pipes[:last]
	*r.place(p) = -1
}

func (r *roster) has(p *pipe) bool { return *r.place(p) >= 0 }

// activate makes p active, if it is on the list and is not.
func (r *roster) activate(p *pipe) {
	if at := *r.place(p); at >= r.active {
		r.swap(at, r.active)
		r.active++
	}
}

// passivate makes p passive, if it is active. If it was p's turn it is now that
// of the pipe that takes p's place.
func (r *roster) passivate(p *pipe) {
	at := *r.place(p)
	if at < 0 || at >= r.active {
		return
	}
	r.active--
	r.swap(at, r.active)
	if r.turn >= r.active {
		r.turn = 0
	}
}

func (r *roster) swap(i, j int) {
	r.pipes[i], r.pipes[j] = r.pipes[j], r.pipes[i]
	*r.place(r.pipes[i]), *r.place(r.pipes[j]) = i, j
}

// only returns the pipe of a roster that has just one, or nil.
func (r *roster) only() *pipe {
	if len(r.pipes) != 1 {
		return nil
	}
	return r.pipes[0]
}

// advance passes the turn to the next active pipe.
func (r *roster) advance() {
	if r.turn++; r.turn >= r.active {
		r.turn = 0
	}
}
