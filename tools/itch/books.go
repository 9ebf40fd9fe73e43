package itch

import (
	"errors"
	"fmt"
)

// What can be wrong with a message about an order.
var (
	ErrUnknownOrder   = errors.New("no such order")
	ErrDuplicateOrder = errors.New("an order of this number exists")
	ErrShares         = errors.New("wrong number of shares")
	ErrOrder          = errors.New("impossible order")
)

// Totals says where the shares of all orders went. Once every message was
// applied, Added = Executed + Cancelled + what is still in the books.
type Totals struct {
	Added, Executed, Cancelled uint64 // shares; a replace cancels the old order and adds the new one
	Orders                     uint64 // ever added
}

// Books are the order books of all stocks, built from messages. A message that
// cannot follow those before it is an error and changes nothing.
type Books struct {
	orders map[uint64]*Order
	books  []*Book // by locate code; nil for stocks without an order so far
	free   *Order  // orders to use again, linked by next
	totals Totals
}

// NewBooks returns empty books.
func NewBooks() *Books { return &Books{orders: map[uint64]*Order{}} }

// Book returns the book of a stock. It is empty if no order named that stock.
func (b *Books) Book(locate uint16) *Book {
	if int(locate) >= len(b.books) {
		b.books = append(b.books, make([]*Book, int(locate)+1-len(b.books))...)
	}
	if b.books[locate] == nil {
		b.books[locate] = new(Book)
	}
	return b.books[locate]
}

// Order returns a live order by its number, or nil.
func (b *Books) Order(ref uint64) *Order { return b.orders[ref] }

// Live returns how many orders are in all books.
func (b *Books) Live() int { return len(b.orders) }

// Totals returns where all shares went so far.
func (b *Books) Totals() Totals { return b.totals }

// Apply changes the books as m says. Messages that change no book are fine.
func (b *Books) Apply(m Message) error {
	var err error
	switch m := m.(type) {
	case *AddOrder:
		err = b.add(m)
	case *AddOrderMPID:
		err = b.add(&m.AddOrder)
	case *OrderExecuted:
		err = b.execute(m)
	case *OrderExecutedPrice:
		err = b.execute(&m.OrderExecuted)
	case *OrderCancel:
		err = b.take(&m.Header, m.Ref, m.Shares, &b.totals.Cancelled)
	case *OrderDelete:
		err = b.delete(m)
	case *OrderReplace:
		err = b.replace(m)
	}
	if err != nil {
		return fmt.Errorf("itch: %v of %v: %w", m.Type(), m.header().Time, err)
	}
	return nil
}

func (b *Books) add(m *AddOrder) error {
	if m.Side != Buy && m.Side != Sell {
		return fmt.Errorf("%w: order %d has side %q", ErrOrder, m.Ref, byte(m.Side))
	}
	return b.put(m.Locate, m.Ref, m.Side, m.Shares, m.Price)
}

func (b *Books) put(locate uint16, ref uint64, side Side, shares uint32, price Price4) error {
	switch {
	case b.orders[ref] != nil:
		return fmt.Errorf("%w: %d", ErrDuplicateOrder, ref)
	case shares == 0 || price == 0:
		return fmt.Errorf("%w: order %d of %d shares at %v", ErrOrder, ref, shares, price)
	}
	o := b.free
	if o == nil {
		o = new(Order)
	} else {
		b.free = o.next
	}
	*o = Order{Ref: ref, Locate: locate, Side: side, Shares: shares, Price: price}
	b.orders[ref] = o
	b.Book(locate).insert(o)
	b.totals.Added += uint64(shares)
	b.totals.Orders++
	return nil
}

// live returns the order that a message is about.
func (b *Books) live(h *Header, ref uint64) (*Order, error) {
	o := b.orders[ref]
	switch {
	case o == nil:
		return nil, fmt.Errorf("%w: %d", ErrUnknownOrder, ref)
	case o.Locate != h.Locate:
		return nil, fmt.Errorf("%w: order %d is of stock %d, not %d", ErrOrder, ref, o.Locate, h.Locate)
	}
	return o, nil
}

func (b *Books) execute(m *OrderExecuted) error {
	return b.take(&m.Header, m.Ref, m.Shares, &b.totals.Executed)
}

// take takes shares off an order and adds them to a total. An order left
// without shares is gone; no delete message follows.
func (b *Books) take(h *Header, ref uint64, shares uint32, total *uint64) error {
	o, err := b.live(h, ref)
	if err != nil {
		return err
	}
	if shares == 0 || shares > o.Shares {
		return fmt.Errorf("%w: %d off order %d, which has %d", ErrShares, shares, ref, o.Shares)
	}
	o.Shares -= shares
	*total += uint64(shares)
	if o.Shares == 0 {
		b.drop(o)
	}
	return nil
}

func (b *Books) delete(m *OrderDelete) error {
	o, err := b.live(&m.Header, m.Ref)
	if err != nil {
		return err
	}
	b.totals.Cancelled += uint64(o.Shares)
	b.drop(o)
	return nil
}

func (b *Books) replace(m *OrderReplace) error {
	o, err := b.live(&m.Header, m.Ref)
	if err != nil {
		return err
	}
	side, left := o.Side, o.Shares
	// The new order first, since it may be refused, and then nothing changes.
	if err := b.put(m.Locate, m.NewRef, side, m.Shares, m.Price); err != nil {
		return err
	}
	b.totals.Cancelled += uint64(left)
	b.drop(o)
	return nil
}

// drop takes an order out; o must not be used afterwards.
func (b *Books) drop(o *Order) {
	delete(b.orders, o.Ref)
	b.books[o.Locate].remove(o)
	o.next, b.free = b.free, o
}
