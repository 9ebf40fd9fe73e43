package lab

import "time"

// A delayed frame waits for its time. Of those with the same time the one that
// came first goes first.
type delayed struct {
	at    time.Duration
	order uint64
	port  int32
	buf   int32 // of the arena, one reference to which is the entry's
}

func (d *delayed) before(e *delayed) bool {
	return d.at < e.at || d.at == e.at && d.order < e.order
}

// A delayQueue is a binary heap of delayed frames, the next one first. Package
// container/heap would allocate for each.
type delayQueue struct {
	heap  []delayed
	order uint64
}

func (q *delayQueue) push(at time.Duration, port int, buf int32) {
	q.order++
	q.heap = append(q.heap, delayed{at, q.order, int32(port), buf})
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

// due reports whether a frame's time has come.
func (q *delayQueue) due(now time.Duration) bool { return len(q.heap) > 0 && q.heap[0].at <= now }

func (q *delayQueue) pop() delayed {
	top, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return top
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}

// slabBufs is how many buffers are allocated at a time.
const slabBufs = 64

// An arena holds frames, each in a buffer with a count of references, so that
// hosts for which a frame is delayed share it. It grows to what was in flight
// at most; who takes references bounds that.
type arena struct {
	size int
	bufs []arenaBuf
	free []int32
}

type arenaBuf struct {
	octets []byte // as long as the frame in it
	refs   int32
}

// get returns a buffer with one reference, the caller's, at its full length.
func (a *arena) get() int32 {
	if len(a.free) == 0 {
		slab := make([]byte, slabBufs*a.size)
		for i := range slabBufs {
			a.free = append(a.free, int32(len(a.bufs)))
			a.bufs = append(a.bufs, arenaBuf{octets: slab[i*a.size : (i+1)*a.size : (i+1)*a.size]})
		}
	}
	last := len(a.free) - 1
	i := a.free[last]
	a.free = a.free[:last]
	b := &a.bufs[i]
	b.octets, b.refs = b.octets[:a.size], 1
	return i
}

func (a *arena) octets(i int32) []byte { return a.bufs[i].octets }

// retain adds a reference for whoever is to drop it.
func (a *arena) retain(i int32) { a.bufs[i].refs++ }

// drop gives up a reference.
func (a *arena) drop(i int32) {
	b := &a.bufs[i]
	if b.refs--; b.refs == 0 {
		a.free = append(a.free, i)
	}
}

// cut makes a buffer as long as the frame that was read into it.
func (a *arena) cut(i int32, n int) { a.bufs[i].octets = a.bufs[i].octets[:n] }

// clone returns a buffer of its own with the same frame.
func (a *arena) clone(i int32) int32 {
	c := a.get()
	a.cut(c, copy(a.octets(c), a.octets(i)))
	return c
}
