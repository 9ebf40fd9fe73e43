package itch

import "slices"

// An Order is a displayed order that still has shares. It is in its book's
// queue of its price, in order of arrival.
type Order struct {
	Ref    uint64
	Locate uint16
	Side   Side
	Shares uint32 // not 0
	Price  Price4

	level      *level
	prev, next *Order
}

// A level is the queue of one side's orders at one price. It is in its book as
// long as it has orders.
type level struct {
	price       Price4
	first, last *Order
}

// A Book is one stock's displayed orders.
type Book struct {
	// The best price is last in both: orders come and go there, and the rest
	// need not move for it.
	bids, asks []*level
	orders     int
}

// Len returns how many orders there are.
func (b *Book) Len() int { return b.orders }

// Best returns the order of a side that an execution must take: of the best
// price, the first to arrive. It is nil if the side is empty.
func (b *Book) Best(side Side) *Order {
	levels := *b.side(side)
	if len(levels) == 0 {
		return nil
	}
	return levels[len(levels)-1].first
}

// Crossed reports whether a buyer would pay what a seller asks for. A market
// that executes what it can shows no such book.
func (b *Book) Crossed() bool {
	bid, ask := b.Best(Buy), b.Best(Sell)
	return bid != nil && ask != nil && bid.Price >= ask.Price
}

func (b *Book) side(s Side) *[]*level {
	if s == Buy {
		return &b.bids
	}
	return &b.asks
}

// find returns where the price's level is, or would be.
func find(levels []*level, side Side, price Price4) (int, bool) {
	return slices.BinarySearchFunc(levels, price, func(l *level, p Price4) int {
		switch {
		case l.price == p:
			return 0
		case (l.price < p) == (side == Buy):
			return -1 // worse prices first
		default:
			return 1
		}
	})
}

// insert puts o last in the queue of its price.
func (b *Book) insert(o *Order) {
	levels := b.side(o.Side)
	i, found := find(*levels, o.Side, o.Price)
	if !found {
		*levels = slices.Insert(*levels, i, &level{price: o.Price})
	}
	l := (*levels)[i]
	o.level, o.prev = l, l.last
	if l.last != nil {
		l.last.next = o
	} else {
		l.first = o
	}
	l.last = o
	b.orders++
}

// remove takes o out, and its level if it was the last there.
func (b *Book) remove(o *Order) {
	l := o.level
	if o.prev != nil {
		o.prev.next = o.next
	} else {
		l.first = o.next
	}
	if o.next != nil {
		o.next.prev = o.prev
	} else {
		l.last = o.prev
	}
	if l.first == nil {
		levels := b.side(o.Side)
		i, _ := find(*levels, o.Side, l.price)
		*levels = slices.Delete(*levels, i, i+1)
	}
	o.level, o.prev, o.next = nil, nil, nil
	b.orders--
}
