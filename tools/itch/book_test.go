package itch

import (
	"cmp"
	"errors"
	"slices"
	"testing"
)

func h(locate uint16) Header { return Header{Locate: locate, Time: 1} }

func addTo(t *testing.T, b *Books, ref uint64, side Side, shares uint32, price Price4) {
	t.Helper()
	if err := b.Apply(&AddOrder{Header: h(1), Ref: ref, Side: side, Shares: shares, Price: price}); err != nil {
		t.Fatal(err)
	}
}

func TestBookBest(t *testing.T) {
	b := NewBooks()
	book := b.Book(1)
	if book.Best(Buy) != nil || book.Best(Sell) != nil || book.Crossed() {
		t.Error("an empty book has a best order, or is crossed")
	}
	addTo(t, b, 1, Buy, 100, 1000)
	addTo(t, b, 2, Buy, 100, 1002)
	addTo(t, b, 3, Buy, 100, 1002)
	addTo(t, b, 4, Sell, 100, 1005)
	addTo(t, b, 5, Sell, 100, 1003)
	if bid, ask := book.Best(Buy), book.Best(Sell); bid.Ref != 2 || ask.Ref != 5 || book.Len() != 5 || book.Crossed() {
		t.Errorf("best are %d and %d of %d orders, crossed: %v", bid.Ref, ask.Ref, book.Len(), book.Crossed())
	}
	addTo(t, b, 6, Buy, 100, 1003) // locked counts as crossed
	if !book.Crossed() {
		t.Error("a bid at the ask's price, and the book is not crossed")
	}
}

// One sequence through every message that changes a book, in the shape of a
// conversation: what came, and what is first in line then.
func TestBooksApply(t *testing.T) {
	b := NewBooks()
	addTo(t, b, 1, Buy, 100, 1000)
	for _, step := range []struct {
		m          Message
		best       uint64 // number of the best bid
		shares     uint32
		executed   uint64
		cancelled  uint64
		liveOrders int
	}{
		{&AddOrderMPID{AddOrder: AddOrder{Header: h(1), Ref: 2, Side: Buy, Shares: 50, Price: 1000}}, 1, 100, 0, 0, 2},
		{&OrderExecuted{Header: h(1), Ref: 1, Shares: 30}, 1, 70, 30, 0, 2},
		{&OrderCancel{Header: h(1), Ref: 1, Shares: 20}, 1, 50, 30, 20, 2},
		{&OrderReplace{Header: h(1), Ref: 1, NewRef: 3, Shares: 500, Price: 1000}, 2, 50, 30, 70, 2},
		{&OrderExecutedPrice{OrderExecuted: OrderExecuted{Header: h(1), Ref: 2, Shares: 50}}, 3, 500, 80, 70, 1},
		{&Trade{Header: h(1), Shares: 5}, 3, 500, 80, 70, 1},
		{&AddOrder{Header: h(2), Ref: 4, Side: Buy, Shares: 1, Price: 9000}, 3, 500, 80, 70, 2},
		{&OrderCancel{Header: h(2), Ref: 4, Shares: 1}, 3, 500, 80, 71, 1},
	} {
		if err := b.Apply(step.m); err != nil {
			t.Fatal(err)
		}
		best := b.Book(1).Best(Buy)
		got := b.Totals()
		if best.Ref != step.best || best.Shares != step.shares {
			t.Errorf("after %v: %d shares of order %d are first", step.m.Type(), best.Shares, best.Ref)
		}
		if got.Executed != step.executed || got.Cancelled != step.cancelled || b.Live() != step.liveOrders {
			t.Errorf("after %v: %+v and %d live", step.m.Type(), got, b.Live())
		}
	}
	if err := b.Apply(&OrderDelete{Header: h(1), Ref: 3}); err != nil {
		t.Fatal(err)
	}
	if got := b.Totals(); b.Live() != 0 || b.Book(1).Len() != 0 || got.Added != 651 || got.Added != got.Executed+got.Cancelled || got.Orders != 4 {
		t.Errorf("at the end: %+v and %d live", got, b.Live())
	}
}

func TestBooksRefuse(t *testing.T) {
	order := AddOrder{Header: h(1), Ref: 2, Side: Buy, Shares: 1, Price: 1}
	with := func(change func(*AddOrder)) Message { m := order; change(&m); return &m }
	for name, c := range map[string]struct {
		m    Message
		want error
	}{
		"the number again":        {with(func(m *AddOrder) { m.Ref = 1 }), ErrDuplicateOrder},
		"no shares":               {with(func(m *AddOrder) { m.Shares = 0 }), ErrOrder},
		"no price":                {with(func(m *AddOrder) { m.Price = 0 }), ErrOrder},
		"no side":                 {with(func(m *AddOrder) { m.Side = 'X' }), ErrOrder},
		"execute what is not":     {&OrderExecuted{Header: h(1), Ref: 9, Shares: 1}, ErrUnknownOrder},
		"execute too much":        {&OrderExecuted{Header: h(1), Ref: 1, Shares: 101}, ErrShares},
		"execute nothing":         {&OrderExecuted{Header: h(1), Ref: 1}, ErrShares},
		"execute another stock's": {&OrderExecuted{Header: h(2), Ref: 1, Shares: 1}, ErrOrder},
		"too much at a price":     {&OrderExecutedPrice{OrderExecuted: OrderExecuted{Header: h(1), Ref: 1, Shares: 101}}, ErrShares},
		"cancel what is not":      {&OrderCancel{Header: h(1), Ref: 9, Shares: 1}, ErrUnknownOrder},
		"cancel too much":         {&OrderCancel{Header: h(1), Ref: 1, Shares: 101}, ErrShares},
		"delete what is not":      {&OrderDelete{Header: h(1), Ref: 9}, ErrUnknownOrder},
		"delete another stock's":  {&OrderDelete{Header: h(2), Ref: 1}, ErrOrder},
		"replace what is not":     {&OrderReplace{Header: h(1), Ref: 9, NewRef: 3, Shares: 1, Price: 1}, ErrUnknownOrder},
		"replace by one there is": {&OrderReplace{Header: h(1), Ref: 1, NewRef: 1, Shares: 1, Price: 1}, ErrDuplicateOrder},
		"replace by no shares":    {&OrderReplace{Header: h(1), Ref: 1, NewRef: 3, Price: 1}, ErrOrder},
	} {
		b := NewBooks()
		addTo(t, b, 1, Buy, 100, 1000)
		before := b.Totals()
		if err := b.Apply(c.m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, not %v", name, err, c.want)
		}
		if o := b.Order(1); b.Totals() != before || b.Live() != 1 || o == nil || o.Shares != 100 || b.Book(1).Best(Buy) != o {
			t.Errorf("%s: the refused message changed something", name)
		}
	}
}

// The books of a generated day, against a list that is sorted anew for every
// question.
func TestBooksAgainstModel(t *testing.T) {
	type entry struct {
		Order
		seq int
	}
	model := map[uint64]*entry{}
	best := func(locate uint16, side Side) *entry {
		var all []*entry
		for _, e := range model {
			if e.Locate == locate && e.Side == side {
				all = append(all, e)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return slices.MinFunc(all, func(a, b *entry) int {
			byPrice := cmp.Compare(a.Price, b.Price)
			if side == Buy {
				byPrice = -byPrice
			}
			return cmp.Or(byPrice, cmp.Compare(a.seq, b.seq))
		})
	}
	take := func(ref uint64, n uint32) {
		if model[ref].Shares -= n; model[ref].Shares == 0 {
			delete(model, ref)
		}
	}

	b := NewBooks()
	for i, r := range split(day(t, DayConfig{Seed: 21, Symbols: 4, Messages: 12_000})) {
		m, err := Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		put := func(locate uint16, ref uint64, side Side, shares uint32, price Price4) {
			model[ref] = &entry{Order{Ref: ref, Locate: locate, Side: side, Shares: shares, Price: price}, i}
		}
		switch m := m.(type) {
		case *AddOrder:
			put(m.Locate, m.Ref, m.Side, m.Shares, m.Price)
		case *AddOrderMPID:
			put(m.Locate, m.Ref, m.Side, m.Shares, m.Price)
		case *OrderExecuted:
			take(m.Ref, m.Shares)
		case *OrderExecutedPrice:
			take(m.Ref, m.Shares)
		case *OrderCancel:
			take(m.Ref, m.Shares)
		case *OrderDelete:
			delete(model, m.Ref)
		case *OrderReplace:
			put(m.Locate, m.NewRef, model[m.Ref].Side, m.Shares, m.Price)
			delete(model, m.Ref)
		default:
			continue
		}
		if err := b.Apply(m); err != nil {
			t.Fatal(err)
		}
		if b.Live() != len(model) {
			t.Fatalf("message %d: %d live orders, not %d", i, b.Live(), len(model))
		}
		for _, side := range []Side{Buy, Sell} {
			got, want := b.Book(r.Locate()).Best(side), best(r.Locate(), side)
			if (got == nil) != (want == nil) || got != nil && (got.Ref != want.Ref || got.Shares != want.Shares || got.Price != want.Price) {
				t.Fatalf("message %d, %v: best is %+v, not %+v", i, m.Type(), got, want)
			}
		}
	}
}
