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
	buffers [][]byte
	free    []int32
}

// bufferGrain is what the capacity of a buffer is a multiple of, so that payloads
// of many sizes come to fit into any.
const bufferGrain = 512

// take copies payload into a buffer and returns which. It reports whether there
// was memory.
func (b *bufferPool) take(payload []byte) (buffer int32, ok bool) {
	capacity := max(len(payload)+bufferGrain-1, bufferGrain) / bufferGrain * bufferGrain
	if n := len(b.free); n > 0 {
		buffer = b.free[n-1]
		if cap(b.buffers[buffer]) < len(payload) && !b.enlarge(buffer, capacity) {
			return 0, false
		}
		b.free = b.free[:n-1]
	} else {
		if b.octets+capacity > b.limit {
			return 0, false
		}
		buffer = int32(len(b.buffers))
		b.buffers = append(b.buffers, nil)
		b.enlarge(buffer, capacity)
	}
	b.buffers[buffer] = append(b.buffers[buffer][:0], payload...)
	return buffer, true
}

// enlarge replaces a buffer. It reports whether there was memory.
func (b *bufferPool) enlarge(buffer int32, capacity int) bool {
	added := capacity - cap(b.buffers[buffer])
	if b.octets+added > b.limit {
		return false
	}
	b.octets += added
	b.buffers[buffer] = make([]byte, 0, capacity)
	return true
}

func (b *bufferPool) release(buffer int32) { b.free = append(b.free, buffer) }

// check panics unless all buffers are free but for held, and one that may be
// lent to the user.
func (b *bufferPool) check(held int) {
	used := len(b.buffers) - len(b.free)
	assert(used == held || used == held+1, "buffers: one leaked")
	assert(b.octets <= b.limit, "buffers: more memory than the limit")
}
