package pgm

import "time"

// A timerHeap has the deadlines of a receive window, the nearest first; of equal
// ones the oldest packet first, since "it SHOULD transmit the NAKs in order from
// oldest to most recent". A place of the window knows its place here.
type timerHeap []timer

type timer struct {
	deadline time.Duration
	sqn      SQN
}

func (t timer) before(u timer) bool {
	return t.deadline < u.deadline || t.deadline == u.deadline && t.sqn.Before(u.sqn)
}

func (h *timerHeap) add(w *rxw, sqn SQN, deadline time.Duration) {
	*h = append(*h, timer{deadline, sqn})
	h.up(w, len(*h)-1)
}

// move gives the timer of a packet another deadline.
func (h *timerHeap) move(w *rxw, p *rxPacket, deadline time.Duration) {
	i := int(p.timer - 1)
	(*h)[i].deadline = deadline
	h.up(w, i)
	h.down(w, int(p.timer-1))
}

func (h *timerHeap) remove(w *rxw, i int) {
	last := len(*h) - 1
	w.at((*h)[i].sqn).timer = 0
	moved := (*h)[last]
	*h = (*h)[:last]
	if i == last {
		return
	}
	(*h)[i] = moved
	w.at(moved.sqn).timer = int32(i + 1)
	h.up(w, i)
	h.down(w, int(w.at(moved.sqn).timer-1))
}

// up puts the timer at i where it belongs if it is too deep.
func (h timerHeap) up(w *rxw, i int) {
	t := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !t.before(h[parent]) {
			break
		}
		h.set(w, i, h[parent])
		i = parent
	}
	h.set(w, i, t)
}

// down puts the timer at i where it belongs if it is too high.
func (h timerHeap) down(w *rxw, i int) {
	t := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(t) {
			break
		}
		h.set(w, i, h[child])
		i = child
	}
	h.set(w, i, t)
}

func (h timerHeap) set(w *rxw, i int, t timer) {
	h[i] = t
	w.at(t.sqn).timer = int32(i + 1)
}

func (h timerHeap) check() {
	for i := 1; i < len(h); i++ {
		assert(!h[i].before(h[(i-1)/2]), "timers: out of order")
	}
}

// A bufferPool keeps copies of payloads. It takes memory as it needs it and never
// gives it back, but takes no more than limit.
type bufferPool struct {
	limit   int // octets
	octets  int // ≤ limit: the capacity of all buffers
	buffers []rxBuffer
	free    []int32
	kept    int // buffers that rxFEC has
}

// An rxBuffer is a copy of a payload, and which part of an APDU that is.
type rxBuffer struct {
	octets []byte
	part   fragment
}

// bufferGrain is what the capacity of a buffer is a multiple of, so that payloads
// of many sizes come to fit into any.
const bufferGrain = 512

func capacityFor(n int) int { return max(n+bufferGrain-1, bufferGrain) / bufferGrain * bufferGrain }

// take copies payload into a buffer and returns which. It reports whether there
// was memory.
func (b *bufferPool) take(payload []byte, part fragment) (buffer int32, ok bool) {
	if buffer, ok = b.get(len(payload)); ok {
		copy(b.buffers[buffer].octets, payload)
		b.buffers[buffer].part = part
	}
	return buffer, ok
}

// blank returns a buffer of n octets that are zero.
func (b *bufferPool) blank(n int) (buffer int32, ok bool) {
	if buffer, ok = b.get(n); ok {
		clear(b.buffers[buffer].octets)
		b.buffers[buffer].part = fragment{}
	}
	return buffer, ok
}

// spare reports whether there is memory for n octets that data will hardly miss.
func (b *bufferPool) spare(n int) bool {
	return len(b.free) > 0 || b.octets+capacityFor(n) <= b.limit/4*3
}

// get returns a buffer of n octets, with anything in it.
func (b *bufferPool) get(n int) (buffer int32, ok bool) {
	capacity := capacityFor(n)
	if free := len(b.free); free > 0 {
		buffer = b.free[free-1]
		if cap(b.buffers[buffer].octets) < n && !b.enlarge(buffer, capacity) {
			return 0, false
		}
		b.free = b.free[:free-1]
	} else {
		if b.octets+capacity > b.limit {
			return 0, false
		}
		buffer = int32(len(b.buffers))
		b.buffers = append(b.buffers, rxBuffer{})
		b.enlarge(buffer, capacity)
	}
	b.buffers[buffer].octets = b.buffers[buffer].octets[:n]
	return buffer, true
}

// enlarge replaces a buffer. It reports whether there was memory.
func (b *bufferPool) enlarge(buffer int32, capacity int) bool {
	added := capacity - cap(b.buffers[buffer].octets)
	if b.octets+added > b.limit {
		return false
	}
	b.octets += added
	b.buffers[buffer].octets = make([]byte, 0, capacity)
	return true
}

func (b *bufferPool) release(buffer int32) { b.free = append(b.free, buffer) }

// giveUp releases a buffer that was kept.
func (b *bufferPool) giveUp(buffer int32) {
	b.kept--
	b.release(buffer)
}

// check panics unless all buffers are free but for held, those that are kept, and
// one that may be lent to the user.
func (b *bufferPool) check(held int) {
	used := len(b.buffers) - len(b.free) - b.kept
	assert(used == held || used == held+1, "buffers: one leaked")
	assert(b.octets <= b.limit, "buffers: more memory than the limit")
}
