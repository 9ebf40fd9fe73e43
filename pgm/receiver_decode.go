package pgm

import "time"

// decode makes the missing packets of a group out of those there are. It reports
// whether none is missing now.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.2
func (r *Receiver) decode(at time.Duration, t Type, g *rxGroup) bool {
	f, w := &r.fec, r.rxw
	unknown, wanted := 0, 0
	for i := range int(g.size) {
		if r.buffer(g.start, i) != 0 {
			continue
		}
		unknown++
		if sqn := g.start + SQN(i); w.has(sqn) && w.at(sqn).wanted() {
			wanted++
		}
	}
	switch {
	case wanted == 0:
		r.dropParity(g)
		return true
	case unknown > int(g.count):
		return false
	case !r.gather(g, unknown):
		r.stats.ParityErrors++
		r.dropParity(g)
		return false
	}
	f.code.weigh()
	done := true
	for i := range int(g.size) {
		sqn := g.start + SQN(i)
		if !w.has(sqn) || !w.at(sqn).wanted() {
			continue
		}
		buffer, ok := r.interpolate(g, i)
		if !ok {
			done = false
			continue
		}
		r.decodedTo(at, t, sqn, buffer)
	}
	r.dropParity(g)
	return done
}

// gather collects k packets of the group from which others can be decoded. It
// reports whether they fit together.
func (r *Receiver) gather(g *rxGroup, unknown int) bool {
	f, pool := &r.fec, &r.rxw.pool
	f.code.begin()
	add := func(i int, s rxSource) {
		f.sources[len(f.code.known)] = s
		f.code.add(i)
	}
	for i := range f.k {
		if i >= int(g.size) {
			add(i, rxSource{})
			continue
		}
		b := r.buffer(g.start, i)
		if b == 0 {
			continue
		}
		n := len(pool.buffers[b-1].octets)
		if n > int(g.length) || n < int(g.length) && !g.varies {
			return false
		}
		add(i, rxSource{b, newTrailer(n, pool.buffers[b-1].part)})
	}
	for n := g.first; n != 0 && unknown > 0; unknown-- {
		p := &f.parity[n-1]
		add(f.k+int(p.index), rxSource{p.buffer + 1, p.trailer})
		n = p.next
	}
	return true
}

// interpolate decodes packet i of a group from what was gathered, into a buffer.
func (r *Receiver) interpolate(g *rxGroup, i int) (buffer int32, ok bool) {
	f, pool := &r.fec, &r.rxw.pool
	if buffer, ok = pool.blank(int(g.length)); !ok {
		r.stats.OutOfMemory++
		return 0, false
	}
	out := &pool.buffers[buffer]
	f.code.factors(f.factors[:], i)
	var sum trailer
	for j := range f.code.known {
		s := &f.sources[j]
		if s.buffer == 0 {
			continue
		}
		addTimes(f.factors[j], pool.buffers[s.buffer-1].octets, out.octets)
		if g.varies || g.fragments {
			sum.add(f.factors[j], &s.trailer, g.fragments)
		}
	}
	if g.varies {
		n := int(sum.length[0])<<8 | int(sum.length[1])
		if n > int(g.length) {
			r.stats.ParityErrors++
			pool.release(buffer)
			return 0, false
		}
		out.octets = out.octets[:n]
	}
	if g.fragments && sum.fragment[0]&optEncodedNull == 0 {
		out.part = getFragment(sum.fragment[1:])
	}
	return buffer, true
}

// decodedTo takes in a missing packet that was decoded.
func (r *Receiver) decodedTo(at time.Duration, t Type, sqn SQN, buffer int32) {
	w := r.rxw
	p := w.at(sqn)
	if p.missing() {
		r.recovered(at, t, sqn, p)
	}
	r.stats.Decoded++
	w.received(sqn)
	p.buffer = buffer + 1
	if r.cfg.ArrivalOrder && r.rxw.pool.buffers[buffer].part.null() {
		r.fec.decoded = append(r.fec.decoded, sqn)
	}
}

// nextDecoded returns the event of a packet that was decoded and is not to wait
// for those before it, if there is one.
func (r *Receiver) nextDecoded() (e ReceiverEvent, ok bool) {
	f, w := &r.fec, r.rxw
	for len(f.decoded) > 0 {
		sqn := f.decoded[0]
		f.decoded = f.decoded[:copy(f.decoded, f.decoded[1:])]
		if p := w.at(sqn); w.has(sqn) && p.buffer != 0 && !p.delivered {
			p.delivered = true
			return r.data(sqn, w.pool.buffers[p.buffer-1].octets, fragment{}), true
		}
	}
	return ReceiverEvent{}, false
}

// check panics if an invariant does not hold.
func (f *rxFEC) check(w *rxw) {
	kept := 0
	for i := range f.groups {
		count := 0
		for n := f.groups[i].first; n != 0; n = f.parity[n-1].next {
			count++
		}
		assert(count == int(f.groups[i].count) && count <= f.k, "fec: parity miscounted")
		kept += count
	}
	for i, h := range f.held {
		assert(h == 0 || i < f.k, "fec: held outside the group")
		if h != 0 {
			kept++
		}
	}
	assert(kept == w.pool.kept, "fec: buffers miscounted")
}
