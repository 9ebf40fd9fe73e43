package reactor

// A token is the user_data of an SQE. It names an Op by its slot in an opTable
// and by the slot's generation.
//
// It is not a pointer. A pointer held only by the kernel is invisible to the
// garbage collector, which would free the Op under it.
//
// The generation makes a late CQE harmless. After a cancel the kernel may
// still complete the old operation once its slot has a new tenant; the
// generations then differ and the CQE is dropped.
type token uint64

func makeToken(slot, gen uint32) token { return token(gen)<<32 | token(slot) }
func (t token) slot() uint32           { return uint32(t) }
func (t token) gen() uint32            { return uint32(t >> 32) }

// An opTable holds every Op in flight on one driver, and so also bounds them.
// It grows with use up to its limit and then refuses. Reactor thread only.
type opTable struct {
	slots []opSlot
	free  []uint32 // slots not in use; last in, first out, to stay in cache
	limit int
}

type opSlot struct {
	op  *Op    // nil exactly when the slot is in free
	gen uint32 // bumped each time the slot is released
}

func newOpTable(limit int) *opTable { return &opTable{limit: limit} }

// add gives op a token and reports whether there was a slot for it.
func (t *opTable) add(op *Op) bool {
	if len(t.free) == 0 && !t.grow() {
		return false
	}
	slot := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.slots[slot].op = op
	op.token = makeToken(slot, t.slots[slot].gen)
	return true
}

// minSlots is the size of a table in use. Most reactors never need more.
const minSlots = 64

// grow doubles the table, up to its limit, and reports whether it could.
func (t *opTable) grow() bool {
	have := len(t.slots)
	want := min(max(2*have, minSlots), t.limit)
	if want <= have {
		return false
	}
	t.slots = append(t.slots, make([]opSlot, want-have)...)
	for slot := want - 1; slot >= have; slot-- {
		t.free = append(t.free, uint32(slot))
	}
	return true
}

// find returns the Op that tok was issued for, or nil if it has completed.
func (t *opTable) find(tok token) *Op {
	if int(tok.slot()) >= len(t.slots) {
		return nil
	}
	s := &t.slots[tok.slot()]
	if s.gen != tok.gen() {
		return nil
	}
	return s.op
}

// holds reports whether op is in flight.
func (t *opTable) holds(op *Op) bool { return t.find(op.token) == op }

// remove forgets op. Its token is dead from here on.
func (t *opTable) remove(op *Op) {
	s := &t.slots[op.token.slot()]
	assert(s.op == op)
	s.op = nil
	s.gen++
	t.free = append(t.free, op.token.slot())
}

// live is how many Ops are in flight.
func (t *opTable) live() int { return len(t.slots) - len(t.free) }

// each calls f for every Op in flight. f may remove the one it is given.
func (t *opTable) each(f func(op *Op)) {
	for i := range t.slots {
		if op := t.slots[i].op; op != nil {
			f(op)
		}
	}
}

// assert crashes on a broken invariant. It is never about input: what a peer
// or the kernel can cause is an error and is handled.
func assert(ok bool) {
	if !ok {
		panic("reactor: broken invariant")
	}
}
