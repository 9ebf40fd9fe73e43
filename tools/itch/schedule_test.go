package itch

import "testing"

// walk decodes a day and calls see with every message.
func walk(t *testing.T, cfg DayConfig, see func(m Message, h *Header)) {
	t.Helper()
	for _, r := range split(day(t, cfg)) {
		m, err := Decode(r)
		if err != nil {
			t.Fatal(err)
		}
		see(m, m.header())
	}
}

var scheduled = DayConfig{Seed: 31, Symbols: 60, Messages: 60_000}

func TestSystemEventsAreOnTime(t *testing.T) {
	times := map[byte]Timestamp{
		StartOfMessages: Clock(3, 0, 0), StartOfSystemHours: Clock(4, 0, 0), StartOfMarketHours: Clock(9, 30, 0),
		EndOfMarketHours: Clock(16, 0, 0), EndOfSystemHours: Clock(20, 0, 0), EndOfMessages: Clock(20, 5, 0),
	}
	walk(t, scheduled, func(m Message, h *Header) {
		if e, ok := m.(*SystemEvent); ok {
			if late := h.Time - times[e.Event]; h.Time < times[e.Event] || late > Clock(0, 0, 1) {
				t.Errorf("event %q at %v, not at %v", e.Event, h.Time, times[e.Event])
			}
		}
	})
}

// While a stock is halted nothing happens to it but what belongs to the halt,
// and each halt ends with an auction and a release.
func TestHalts(t *testing.T) {
	halted := map[uint16]bool{}
	auctioned := map[uint16]bool{}
	pauses, collars := 0, 0
	walk(t, scheduled, func(m Message, h *Header) {
		switch m := m.(type) {
		case *TradingAction:
			if m.State == Trading && h.Time > Clock(4, 0, 0) && !auctioned[h.Locate] {
				t.Errorf("%v is released at %v without an auction", m.Stock, h.Time)
			}
			halted[h.Locate], auctioned[h.Locate] = m.State == Halted, false
			if m.Reason.String() == "LUDP" {
				pauses++
			}
		case *CrossTrade:
			auctioned[h.Locate] = m.Cross == crossHalt && halted[h.Locate]
		case *LULDCollar:
			collars++
			if m.Lower >= m.Reference || m.Reference >= m.Upper {
				t.Errorf("a collar of %v, %v, %v", m.Lower, m.Reference, m.Upper)
			}
		case *AddOrder, *AddOrderMPID, *OrderExecuted, *OrderExecutedPrice, *OrderReplace, *OrderCancel, *Trade:
			if halted[h.Locate] {
				t.Errorf("%v at %v for a stock that is halted", m.Type(), h.Time)
			}
		}
	})
	for locate, still := range halted {
		if still {
			t.Errorf("stock %d is halted at the end of the day", locate)
		}
	}
	if pauses == 0 || collars != pauses {
		t.Errorf("%d pauses and %d collars", pauses, collars)
	}
}

// The new issue is announced in the morning, and its first order comes after
// its release.
func TestNewIssue(t *testing.T) {
	var issue uint16
	announced, released := false, false
	orders := 0
	walk(t, scheduled, func(m Message, h *Header) {
		switch m := m.(type) {
		case *StockDirectory:
			if m.IPO == 'Y' {
				issue = h.Locate
			}
		case *IPOQuoting:
			announced = h.Locate == issue && m.ReleaseTime == 37800 && m.Price > 0
		case *TradingAction:
			released = released || h.Locate == issue && m.State == Trading && h.Time >= Clock(10, 30, 0)
		case *AddOrder:
			if h.Locate == issue {
				orders++
				if !announced || !released {
					t.Fatalf("an order at %v; announced %v, released %v", h.Time, announced, released)
				}
			}
		}
	})
	if issue == 0 || orders == 0 {
		t.Errorf("new issue %d has %d orders", issue, orders)
	}
}

// Each stock has its auctions, the new issue no opening one, and imbalances are
// published ahead of them and at no other time.
func TestAuctions(t *testing.T) {
	crosses := map[byte]map[uint16]int{crossOpening: {}, crossClosing: {}, crossHalt: {}}
	imbalances := map[byte]map[uint16]int{crossOpening: {}, crossClosing: {}}
	windows := map[byte][2]Timestamp{
		crossOpening: {Clock(9, 25, 0), Clock(9, 30, 0)}, crossClosing: {Clock(15, 50, 0), Clock(16, 0, 0)},
	}
	walk(t, scheduled, func(m Message, h *Header) {
		switch m := m.(type) {
		case *CrossTrade:
			crosses[m.Cross][h.Locate]++
			if (m.Shares == 0) != (m.Price == 0) {
				t.Errorf("an auction of %d shares at %v", m.Shares, m.Price)
			}
		case *NOII:
			imbalances[m.Cross][h.Locate]++
			w := windows[m.Cross]
			if h.Time < w[0] || h.Time > w[1]+Clock(0, 0, 1) {
				t.Errorf("an imbalance of auction %q at %v", m.Cross, h.Time)
			}
			if (m.Direction == 'N') != (m.Imbalance == 0) {
				t.Errorf("%d shares in direction %q", m.Imbalance, m.Direction)
			}
		}
	})
	n := scheduled.Symbols
	if got := len(crosses[crossOpening]); got != n-1 {
		t.Errorf("%d stocks have an opening auction, not %d", got, n-1)
	}
	if got := len(crosses[crossClosing]); got != n {
		t.Errorf("%d stocks have a closing auction, not %d", got, n)
	}
	for kind, of := range crosses {
		for locate, count := range of {
			if kind != crossHalt && count != 1 {
				t.Errorf("stock %d has %d auctions of kind %q", locate, count, kind)
			}
		}
	}
	for kind, of := range imbalances {
		if len(of) != n {
			t.Errorf("%d stocks have imbalances of auction %q, not %d", len(of), kind, n)
		}
	}
}

// Displayed prices are whole cents and shares are a plausible number; hidden
// orders trade between the cents.
func TestPricesAndShares(t *testing.T) {
	between := 0
	check := func(ref uint64, shares uint32, price Price4) {
		if price == 0 || price%tick != 0 || shares == 0 || shares > 1200 {
			t.Errorf("order %d: %d shares at %v", ref, shares, price)
		}
	}
	walk(t, scheduled, func(m Message, h *Header) {
		switch m := m.(type) {
		case *AddOrder:
			check(m.Ref, m.Shares, m.Price)
		case *AddOrderMPID:
			check(m.Ref, m.Shares, m.Price)
			if len(m.MPID.String()) != 4 {
				t.Errorf("order %d is %q's", m.Ref, m.MPID)
			}
		case *OrderReplace:
			check(m.NewRef, m.Shares, m.Price)
			if m.NewRef <= m.Ref {
				t.Errorf("order %d is replaced by the older %d", m.Ref, m.NewRef)
			}
		case *Trade:
			if m.Price%tick != 0 {
				between++
			}
		}
	})
	if between == 0 {
		t.Error("no trade has a price with more than two decimals")
	}
}

// A broken trade is of the stock that it was a trade of, and is broken once.
func TestBrokenTrades(t *testing.T) {
	of := map[uint64]uint16{}
	broken := map[uint64]bool{}
	walk(t, scheduled, func(m Message, h *Header) {
		switch m := m.(type) {
		case *OrderExecuted:
			of[m.Match] = h.Locate
		case *OrderExecutedPrice:
			of[m.Match] = h.Locate
		case *Trade:
			of[m.Match] = h.Locate
		case *CrossTrade:
			of[m.Match] = h.Locate
		case *BrokenTrade:
			if of[m.Match] != h.Locate || broken[m.Match] {
				t.Errorf("match %d of stock %d is broken for stock %d, again: %v", m.Match, of[m.Match], h.Locate, broken[m.Match])
			}
			broken[m.Match] = true
		}
	})
	if len(broken) == 0 {
		t.Error("no trade is broken")
	}
}

// Some stocks carry most of the flow, and some hardly any.
func TestActivityIsUneven(t *testing.T) {
	count := make([]int, scheduled.Symbols+1)
	total := 0
	walk(t, scheduled, func(m Message, h *Header) {
		if h.Locate != 0 {
			count[h.Locate]++
			total++
		}
	})
	most := 0
	for _, n := range count[1:] {
		most = max(most, n)
		if n == 0 {
			t.Error("a stock has no message")
		}
	}
	if mean := total / scheduled.Symbols; most < 3*mean {
		t.Errorf("the busiest stock has %d messages, and the mean is %d", most, mean)
	}
}
