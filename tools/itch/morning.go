package itch

import (
	"cmp"
	"slices"
)

// An issue is a stock as the generator sees it.
type issue struct {
	stock  Stock
	locate uint16
	book   *Book
	live   []uint64 // its order numbers; some may be gone
	fair   Price4   // the price that orders gather about; in whole ticks
	depth  int      // orders that its book tends to
	halted bool
	ipo    bool
}

// tick is the least difference of two prices of displayed orders.
const tick = 100

// list makes up the stocks. Activity falls off with the rank, as it does among
// real ones, so that a few carry most of the flow.
func (g *Generator) list(n int) {
	taken := map[Stock]bool{}
	for len(g.issues) < n {
		stock := g.symbol()
		if taken[stock] {
			continue
		}
		taken[stock] = true
		g.issues = append(g.issues, &issue{
			stock: stock,
			fair:  Price4(g.dice.between(300, 3000)*g.dice.between(1, 12)) * tick,
			depth: int(g.dice.between(20, 90)),
		})
	}
	slices.SortFunc(g.issues, func(a, b *issue) int { return cmp.Compare(a.stock.String(), b.stock.String()) })
	sum := uint64(0)
	for i, s := range g.issues {
		s.locate = uint16(i + 1)
		s.book = g.books.Book(s.locate)
		rank := g.dice.below(uint64(n))
		sum += 1_000_000 / (rank + 5)
		g.weight = append(g.weight, sum)
	}
	if n > 1 {
		s := pick(&g.dice, g.issues)
		s.ipo, s.halted = true, true
	}
}

// symbol makes up a symbol that can be pronounced, more or less.
func (g *Generator) symbol() Stock {
	const consonants, vowels = "BCDFGHJKLMNPQRSTVWXZ", "AEIOUY"
	letters := make([]byte, g.dice.between(3, 5))
	for i := range letters {
		from := consonants
		if i%2 == 1 {
			from = vowels
		}
		letters[i] = from[g.dice.below(uint64(len(from)))]
	}
	s := Stock{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	copy(s[:], letters)
	return s
}

var makers = []Alpha4{
	{'A', 'L', 'F', 'A'}, {'B', 'R', 'V', 'O'}, {'C', 'H', 'R', 'L'}, {'D', 'L', 'T', 'A'},
	{'E', 'C', 'H', 'O'}, {'F', 'X', 'T', 'R'}, {'G', 'O', 'L', 'F'}, {'H', 'T', 'E', 'L'},
}

func announce(code byte) func(*Generator) {
	return func(g *Generator) { g.emit(0, &SystemEvent{Event: code}) }
}

// morning is what the feed says before it takes orders: which stocks there are
// and what may be done with them.
func (g *Generator) morning() {
	announce(StartOfMessages)(g)
	g.advance(Clock(3, 5, 0))
	g.emit(0, &MWCBLevels{Level1: 4650_12_000000, Level2: 4350_11_000000, Level3: 4000_10_000000})
	for _, s := range g.issues {
		g.emit(s.locate, g.directory(s))
		g.emit(s.locate, s.action("    "))
		g.emit(s.locate, &RegSHO{Stock: s.stock, Action: pick(&g.dice, []byte("0000000002"))})
		g.emit(s.locate, &ParticipantPosition{
			MPID: pick(&g.dice, makers), Stock: s.stock, Primary: pick(&g.dice, []byte("YN")), Mode: 'N', State: 'A',
		})
	}
}

func (g *Generator) directory(s *issue) *StockDirectory {
	d := &StockDirectory{
		Stock: s.stock, MarketCategory: pick(&g.dice, []byte("QQQGSNNA")), FinancialStatus: 'N',
		RoundLotSize: 100, RoundLotsOnly: 'N', IssueClass: 'C', IssueSubType: [2]byte{'Z', ' '},
		Authenticity: 'P', ShortSaleThreshold: 'N', IPO: 'N', LULDTier: pick(&g.dice, []byte("12")),
		ETP: 'N', Inverse: 'N',
	}
	if s.ipo {
		d.IPO = 'Y'
	}
	if !s.ipo && g.dice.chance(100) {
		d.IssueClass, d.IssueSubType, d.ETP, d.ETPLeverage = 'Q', [2]byte{'E', ' '}, 'Y', uint32(g.dice.between(1, 3))
	}
	return d
}

// action returns the trading action that says what the issue's state is.
func (s *issue) action(reason string) *TradingAction {
	state := Trading
	if s.halted {
		state = Halted
	}
	return &TradingAction{Stock: s.stock, State: state, Reserved: ' ', Reason: Alpha4([]byte(reason))}
}
