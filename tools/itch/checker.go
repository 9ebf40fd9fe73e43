package itch

import (
	"errors"
	"fmt"
)

// ErrDay is the error of a message that is sound by itself but cannot stand
// where it does in a day.
var ErrDay = errors.New("not a possible day")

// A Checker judges whether messages, one after the other, are a possible day:
//
//   - system events come once each and in order, the first message of all is
//     the start of messages and the last their end;
//   - time increases;
//   - a stock is in the directory before anything is said of it, and a symbol
//     always goes with its locate code;
//   - orders come and go as Books demands, only during system hours, and
//     executions not while the stock is halted;
//   - no book is ever crossed or locked, and each execution takes the order
//     that is first in line;
//   - match numbers are unique, and only what was matched is broken;
//   - at the end no order is left, and every share is accounted for.
type Checker struct {
	books   *Books
	stocks  map[uint16]Stock
	state   map[uint16]byte // trading state by locate code
	matches map[uint64]bool
	counts  [256]int
	stage   int // how many system events came
	now     Timestamp
}

// NewChecker returns a Checker of a day that has not started.
func NewChecker() *Checker {
	return &Checker{
		books:   NewBooks(),
		stocks:  map[uint16]Stock{},
		state:   map[uint16]byte{},
		matches: map[uint64]bool{},
	}
}

// stages are the system events of a day, in order.
const stages = "OSQMEC"

// Positions in stages: how many events have come when the day is there.
const (
	beforeDay   = 0
	inSystem    = 2
	afterSystem = 5
	afterDay    = len(stages)
)

// Books returns the books as they are now.
func (c *Checker) Books() *Books { return c.books }

// Count returns how many messages of a type there were.
func (c *Checker) Count(t Type) int { return c.counts[t] }

// Message judges the next message. After an error the Checker is of no use.
func (c *Checker) Message(r Raw) error {
	m, err := Decode(r)
	if err != nil {
		return err
	}
	h := m.header()
	c.counts[m.Type()]++
	if err := c.order(m, h); err != nil {
		return c.wrong(m, err)
	}
	if err := c.named(r); err != nil {
		return c.wrong(m, err)
	}
	if err := c.content(m); err != nil {
		return c.wrong(m, err)
	}
	if err := c.books.Apply(m); err != nil {
		return err
	}
	if h.Locate != 0 && c.books.Book(h.Locate).Crossed() {
		return c.wrong(m, fmt.Errorf("the book of %v is crossed", c.stocks[h.Locate]))
	}
	return nil
}

func (c *Checker) wrong(m Message, err error) error {
	return fmt.Errorf("itch: %w: %v of %v: %w", ErrDay, m.Type(), m.header().Time, err)
}

// order checks the message's place in time and in the day.
func (c *Checker) order(m Message, h *Header) error {
	if h.Time <= c.now {
		return fmt.Errorf("not later than the message before, of %v", c.now)
	}
	c.now = h.Time
	if e, ok := m.(*SystemEvent); ok {
		if c.stage == afterDay || stages[c.stage] != e.Event {
			return fmt.Errorf("system event %q after %q", e.Event, stages[:c.stage])
		}
		c.stage++
		return nil
	}
	if c.stage == beforeDay || c.stage == afterDay {
		return fmt.Errorf("outside of the day")
	}
	return nil
}

// named checks the symbol against the locate code.
func (c *Checker) named(r Raw) error {
	locate := r.Locate()
	stock, has := r.Stock()
	known, found := c.stocks[locate]
	switch {
	case r.Type() == TypeStockDirectory:
		if locate == 0 || found {
			return fmt.Errorf("locate code %d for %v is %v already", locate, stock, known)
		}
		c.stocks[locate] = stock
		c.state[locate] = Halted // until a trading action says otherwise
	case !found && locate != 0:
		return fmt.Errorf("locate code %d is not in the directory", locate)
	case has && stock != known:
		return fmt.Errorf("%v has the locate code of %v", stock, known)
	}
	return nil
}

// content checks what the books do not.
func (c *Checker) content(m Message) error {
	switch m := m.(type) {
	case *TradingAction:
		c.state[m.Locate] = m.State
	case *AddOrder, *AddOrderMPID, *OrderCancel, *OrderDelete, *OrderReplace:
		return c.open()
	case *OrderExecuted:
		return errors.Join(c.firstInLine(m.Ref), c.match(&m.Header, m.Match))
	case *OrderExecutedPrice:
		return c.match(&m.Header, m.Match)
	case *Trade:
		return c.match(&m.Header, m.Match)
	case *CrossTrade:
		return c.matched(m.Match)
	case *BrokenTrade:
		if !c.matches[m.Match] {
			return fmt.Errorf("match %d was never made", m.Match)
		}
	}
	return nil
}

func (c *Checker) open() error {
	if c.stage < inSystem || c.stage >= afterSystem {
		return fmt.Errorf("an order outside of system hours")
	}
	return nil
}

// firstInLine checks price-time priority. Executions at another price are
// auctions' and need not keep it.
func (c *Checker) firstInLine(ref uint64) error {
	o := c.books.Order(ref)
	if o == nil {
		return nil // the books will say so
	}
	if best := c.books.Book(o.Locate).Best(o.Side); best != o {
		return fmt.Errorf("order %d is executed before order %d, which is first in line", ref, best.Ref)
	}
	return nil
}

// match checks an execution in continuous trading.
func (c *Checker) match(h *Header, number uint64) error {
	if state := c.state[h.Locate]; state != Trading {
		return fmt.Errorf("an execution while the stock's state is %q", state)
	}
	return errors.Join(c.open(), c.matched(number))
}

func (c *Checker) matched(number uint64) error {
	if c.matches[number] {
		return fmt.Errorf("match number %d is not unique", number)
	}
	c.matches[number] = true
	return nil
}

// Finish judges the end: the day must be over and nothing left.
func (c *Checker) Finish() error {
	t := c.books.Totals()
	switch {
	case c.stage != afterDay:
		return fmt.Errorf("itch: %w: it ends after the system events %q of %q", ErrDay, stages[:c.stage], stages)
	case c.books.Live() > 0:
		return fmt.Errorf("itch: %w: %d orders are left in the books", ErrDay, c.books.Live())
	case t.Added != t.Executed+t.Cancelled:
		return fmt.Errorf("itch: %w: %d shares came, %d were executed and %d cancelled", ErrDay, t.Added, t.Executed, t.Cancelled)
	}
	return nil
}
