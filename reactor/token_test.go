package reactor

import (
	"math/rand/v2"
	"testing"
)

func TestLateCompletionFindsNothing(t *testing.T) {
	table := newOpTable(1)
	var first, second Op
	if !table.add(&first) {
		t.Fatal("no slot")
	}
	late := first.token
	table.remove(&first)
	if !table.add(&second) {
		t.Fatal("the slot was not used again")
	}
	if got := table.find(late); got != nil {
		t.Errorf("find(late) = %p, want nil: it would complete the slot's next tenant", got)
	}
	if got := table.find(second.token); got != &second {
		t.Errorf("find = %p, want %p", got, &second)
	}
	if table.holds(&first) || !table.holds(&second) {
		t.Errorf("holds: first %v, second %v; want false, true", table.holds(&first), table.holds(&second))
	}
	if table.add(&first) {
		t.Error("a table of one holds two")
	}
	if n := testing.AllocsPerRun(100, func() { table.remove(&second); table.add(&second) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// TestOpTable compares a table with a map under random adds and removes, over
// its limit and through several growths.
func TestOpTable(t *testing.T) {
	const limit = 5 * minSlots
	dice := rand.New(rand.NewPCG(1, 2))
	table, model := newOpTable(limit), map[*Op]token{}
	var gone []token
	for range 20_000 {
		if dice.IntN(5) < 3 {
			op := new(Op)
			if added := table.add(op); added != (len(model) < limit) {
				t.Fatalf("add with %d of %d in flight: %v", len(model), limit, added)
			} else if added {
				model[op] = op.token
			}
			continue
		}
		for op, tok := range model { // any
			table.remove(op)
			delete(model, op)
			gone = append(gone, tok)
			break
		}
	}
	if table.live() != len(model) {
		t.Errorf("%d live, want %d", table.live(), len(model))
	}
	for op, tok := range model {
		if table.find(tok) != op || !table.holds(op) {
			t.Fatal("an Op in flight is not found")
		}
	}
	for _, tok := range gone {
		if op := table.find(tok); op != nil {
			t.Fatalf("the token %#x of an Op that completed finds another", uint64(tok))
		}
	}
	seen := 0
	table.each(func(op *Op) { seen++; table.remove(op) })
	if seen != len(model) || table.live() != 0 {
		t.Errorf("each saw %d of %d, and %d are left after removing them", seen, len(model), table.live())
	}
	if table.find(makeToken(limit+1, 0)) != nil {
		t.Error("a token beyond the table finds an Op")
	}
}
