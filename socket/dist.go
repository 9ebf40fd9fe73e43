package socket

import "slices"

// A dist distributes: it gives a message to each of some pipes, encoded once.
// Pipes with room are active. One without loses the message, whole, and counts
// it.
type dist struct {
	roster
	last  uint64  // number given last
	round uint64  // of marking
	hits  []*pipe // reused by union, others and everyone
	wire  wire    // reused from message to message

	// noDrop says that whoever sends asks allOpen first, whose answer then holds:
	// other goroutines lower marks, and who had room gets the message all the same.
	noDrop bool
}

func newDist() dist { return dist{roster: roster{place: func(p *pipe) *int { return &p.distAt }}} }

// add appends p and gives it its number.
func (d *dist) add(p *pipe) {
	d.last++
	p.number = d.last
	d.roster.add(p)
}

// numbered returns the pipe of that number, or nil if it is gone.
func (d *dist) numbered(number uint64) *pipe {
	for _, p := range d.pipes {
		if p.number == number {
			return p
		}
	}
	return nil
}

// send gives the message to each of pipes that has room. The pipes are the
// dist's, though in a slice that is not d.pipes, whose order changes.
func (d *dist) send(pipes []*pipe, parts [][]byte) {
	if len(pipes) == 1 {
		if p := pipes[0]; d.admits(p) {
			p.write(nil, parts)
		} else {
			p.drop()
		}
		return
	}
	encoded := false
	for _, p := range pipes {
		if !d.admits(p) {
			p.drop()
			continue
		}
		if !encoded {
			d.wire.encode(nil, parts)
			encoded = true
		}
		p.writeShared(&d.wire)
	}
	if len(d.wire.octets) > keepOctets {
		d.wire.release()
	}
}

// admits reports whether p has room for the message being sent.
func (d *dist) admits(p *pipe) bool {
	if d.noDrop {
		return p.distAt < d.active // since allOpen
	}
	return d.open(p)
}

// open reports whether p has room. A pipe found full is not asked again until
// it says that it is not.
func (d *dist) open(p *pipe) bool {
	if p.distAt >= d.active {
		return false
	}
	if !p.writable() {
		d.passivate(p)
		return false
	}
	return true
}

// allOpen reports whether all of pipes have room. One that is leaving has all
// it needs. It asks the last first: they are written in order, so when that
// one has room the others likely have, and who waits for it is woken once.
func (d *dist) allOpen(pipes []*pipe) bool {
	for _, p := range slices.Backward(pipes) {
		if !d.open(p) && !p.gone() {
			return false
		}
	}
	return true
}

// union returns the pipes that are in any of sets, each once. Valid until the
// next call of union, others or everyone.
func (d *dist) union(sets [][]*pipe) []*pipe {
	d.round++
	d.hits = d.hits[:0]
	for _, set := range sets {
		for _, p := range set {
			if p.round != d.round {
				p.round = d.round
				d.hits = append(d.hits, p)
			}
		}
	}
	return d.hits
}

// others returns the pipes that are in none of sets. Valid as union's.
func (d *dist) others(sets [][]*pipe) []*pipe {
	d.union(sets)
	d.hits = d.hits[:0]
	for _, p := range d.pipes {
		if p.round != d.round {
			d.hits = append(d.hits, p)
		}
	}
	return d.hits
}

// everyone returns all pipes. Valid as union's.
func (d *dist) everyone() []*pipe {
	d.hits = append(d.hits[:0], d.pipes...)
	return d.hits
}
