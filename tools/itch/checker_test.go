package itch

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// edit decodes message i of a day, changes it and puts it back.
func edit[M any](t *testing.T, all []Raw, i int, change func(*M)) {
	t.Helper()
	m, err := Decode(all[i])
	if err != nil {
		t.Fatal(err)
	}
	change(any(m).(*M))
	all[i] = Append(nil, m)
}

// at returns where the nth message of a type is, counted from 0.
func at(t *testing.T, all []Raw, typ Type, n int) int {
	t.Helper()
	for i, m := range all {
		if m.Type() == typ {
			if n == 0 {
				return i
			}
			n--
		}
	}
	t.Fatalf("the day has too few of %v", typ)
	return 0
}

// insert puts a message behind message i, a nanosecond later.
func insert(all []Raw, i int, m Message) []Raw {
	m.header().Time = all[i].Time() + 1
	return slices.Insert(all, i+1, Raw(Append(nil, m)))
}

// A good day, spoilt in one place each, must be refused, and for that reason.
func TestCheckerRefuses(t *testing.T) {
	good := split(day(t, DayConfig{Seed: 13, Symbols: 4, Messages: 20_000}))
	if _, err := judge(good); err != nil {
		t.Fatal(err)
	}
	type spoil func(all []Raw) []Raw
	for name, c := range map[string]struct {
		spoil spoil
		says  string
	}{
		"no start": {func(all []Raw) []Raw { return all[1:] }, "outside of the day"},
		"no end":   {func(all []Raw) []Raw { return all[:len(all)-1] }, `it ends after the system events "OSQME"`},
		"an event twice": {func(all []Raw) []Raw {
			return insert(all, at(t, all, TypeSystemEvent, 2), &SystemEvent{Event: StartOfMarketHours})
		}, `system event 'Q' after "OSQ"`},
		"an event skipped": {func(all []Raw) []Raw {
			i := at(t, all, TypeSystemEvent, 2)
			return slices.Delete(all, i, i+1)
		}, `system event 'M' after "OS"`},
		"after the end": {func(all []Raw) []Raw {
			return insert(all, len(all)-1, &MWCBStatus{Breached: '1'})
		}, "outside of the day"},
		"time stands still": {func(all []Raw) []Raw {
			edit(t, all, 500, func(m *AddOrder) { m.Time = all[499].Time() })
			return all
		}, "not later than the message before"},
		"not in the directory": {func(all []Raw) []Raw {
			i := at(t, all, TypeStockDirectory, 0)
			return slices.Delete(all, i, i+1)
		}, "locate code 1 is not in the directory"},
		"in the directory twice": {func(all []Raw) []Raw {
			edit(t, all, at(t, all, TypeStockDirectory, 1), func(m *StockDirectory) { m.Locate = 1 })
			return all
		}, "locate code 1 for"},
		"another stock's code": {func(all []Raw) []Raw {
			edit(t, all, at(t, all, TypeAddOrder, 0), func(m *AddOrder) { m.Stock = stock("OTHER") })
			return all
		}, "OTHER has the locate code of"},
		"an order too early": {func(all []Raw) []Raw {
			i := at(t, all, TypeSystemEvent, 1)
			return insert(all, i-1, &AddOrder{Header: Header{Locate: 1}, Stock: known(all, 1), Side: Buy, Shares: 1, Price: 1})
		}, "an order outside of system hours"},
		"an order too late": {func(all []Raw) []Raw {
			i := at(t, all, TypeSystemEvent, 4)
			return insert(all, i, &AddOrder{Header: Header{Locate: 1}, Stock: known(all, 1), Side: Buy, Shares: 1, Price: 1})
		}, "an order outside of system hours"},
		"executed in a halt": {func(all []Raw) []Raw {
			i := at(t, all, TypeOrderExecuted, 5)
			locate := all[i].Locate()
			return insert(all, i-1, &TradingAction{Header: Header{Locate: locate}, Stock: known(all, locate), State: Halted})
		}, `an execution while the stock's state is 'H'`},
		"a match number twice": {func(all []Raw) []Raw {
			edit(t, all, at(t, all, TypeOrderExecuted, 5), func(m *OrderExecuted) { m.Match = 1 })
			return all
		}, "match number 1 is not unique"},
		"a break of nothing": {func(all []Raw) []Raw {
			edit(t, all, at(t, all, TypeBrokenTrade, 0), func(m *BrokenTrade) { m.Match = 1 << 40 })
			return all
		}, "match 1099511627776 was never made"},
		"a crossed book": {func(all []Raw) []Raw {
			edit(t, all, at(t, all, TypeAddOrder, 300), func(m *AddOrder) {
				if m.Price = 1; m.Side == Buy {
					m.Price = 1 << 30
				}
			})
			return all
		}, "is crossed"},
		"an order forgotten": {func(all []Raw) []Raw {
			i := at(t, all, TypeSystemEvent, 4)
			return slices.Delete(all, i-1, i) // the purge's last delete
		}, "1 orders are left in the books"},
		"an execution of no order": {func(all []Raw) []Raw {
			edit(t, all, at(t, all, TypeOrderExecuted, 5), func(m *OrderExecuted) { m.Ref = 1 << 40 })
			return all
		}, "no such order: 1099511627776"},
	} {
		t.Run(name, func(t *testing.T) {
			all := make([]Raw, len(good))
			for i, m := range good {
				all[i] = bytes.Clone(m)
			}
			_, err := judge(c.spoil(all))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, not %q", err, c.says)
			}
		})
	}
}

func known(all []Raw, locate uint16) Stock {
	for _, m := range all {
		if s, ok := m.Stock(); ok && m.Locate() == locate {
			return s
		}
	}
	return Stock{}
}

// Price-time priority: of two orders at a price the first must be executed
// first, and a better price before both.
func TestCheckerKeepsTheLine(t *testing.T) {
	c := NewChecker()
	now := Timestamp(0)
	say := func(m Message) error {
		now++
		m.header().Time = now
		if m.Type() != TypeSystemEvent {
			m.header().Locate = 1
		}
		return c.Message(Append(nil, m))
	}
	s := stock("ZRNG")
	for _, m := range []Message{
		&SystemEvent{Event: StartOfMessages}, &StockDirectory{Stock: s}, &TradingAction{Stock: s, State: Trading},
		&SystemEvent{Event: StartOfSystemHours},
		&AddOrder{Ref: 1, Side: Sell, Shares: 100, Stock: s, Price: 1000},
		&AddOrder{Ref: 2, Side: Sell, Shares: 100, Stock: s, Price: 1000},
		&OrderExecuted{Ref: 1, Shares: 100, Match: 1},
		&OrderExecuted{Ref: 2, Shares: 50, Match: 2},
		&AddOrder{Ref: 3, Side: Sell, Shares: 100, Stock: s, Price: 999},
	} {
		if err := say(m); err != nil {
			t.Fatal(err)
		}
	}
	err := say(&OrderExecuted{Ref: 2, Shares: 50, Match: 3})
	if !errors.Is(err, ErrDay) || !strings.Contains(err.Error(), "order 2 is executed before order 3") {
		t.Error(err)
	}
	if err := c.Finish(); !errors.Is(err, ErrDay) {
		t.Errorf("an unfinished day: %v", err)
	}
}

func TestCheckerRefusesWhatIsNoMessage(t *testing.T) {
	if err := NewChecker().Message(Raw("S")); !errors.Is(err, ErrLength) {
		t.Error(err)
	}
}

// Nothing that Books accept can lose shares, so only books gone wrong show that
// Finish counts.
func TestCheckerCountsShares(t *testing.T) {
	c, err := judge(split(day(t, small)))
	if err != nil {
		t.Fatal(err)
	}
	c.books.totals.Executed--
	if err := c.Finish(); !errors.Is(err, ErrDay) || !strings.Contains(err.Error(), "shares came") {
		t.Errorf("a share is missing: %v", err)
	}
}
