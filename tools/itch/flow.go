package itch

// Auction types of a CrossTrade.
const (
	crossOpening byte = 'O'
	crossClosing byte = 'C'
	crossHalt    byte = 'H'
)

// act does one thing to one stock: what a participant may do, or the auction's
// next imbalance.
func (g *Generator) act(s *stage) {
	i := g.busy()
	switch {
	case s.auction != 0 && g.dice.chance(60):
		g.imbalance(i, s.auction)
	case i.halted:
		return
	default:
		g.participant(i, s.leaving)
	}
}

// participant acts on a stock that trades. In thousandths, the mix is a real
// day's: most orders are deleted, few are executed.
func (g *Generator) participant(s *issue, leaving bool) {
	coming := uint64(430)
	if s.book.Len() < s.depth {
		coming = 530
	}
	if leaving {
		coming = 120
	}
	g.drift(s)
	switch r := g.dice.below(1000); {
	case r < coming || s.book.Len() < 4:
		g.add(s)
	case r < 840:
		g.delete(s)
	case r < 920:
		g.replace(s)
	case r < 945:
		g.cancel(s)
	case r < 992:
		g.take(s, pick(&g.dice, []Side{Buy, Sell}))
	default:
		g.hidden(s)
	}
}

// drift moves the price that orders gather about, now and then, by a tick.
func (g *Generator) drift(s *issue) {
	switch r := g.dice.below(100); {
	case r < 3:
		s.fair += tick
	case r < 6 && s.fair > 100*tick:
		s.fair -= tick
	}
}

// price returns a price for a new order that trades with nothing in the book.
func (g *Generator) price(s *issue, side Side) Price4 {
	away := Price4(g.dice.near(50)) * tick
	best := s.book.Best(side.Opposite())
	if side == Sell {
		p := s.fair + tick + away
		if best != nil {
			p = max(p, best.Price+tick)
		}
		return p
	}
	p := max(s.fair, away+tick) - away
	if best != nil {
		p = min(p, best.Price-tick)
	}
	return p
}

func (g *Generator) shares() uint32 {
	if g.dice.chance(150) {
		return uint32(g.dice.between(1, 99)) // an odd lot
	}
	return uint32(1+g.dice.near(12)) * 100
}

func (g *Generator) add(s *issue) {
	side := pick(&g.dice, []Side{Buy, Sell})
	price := g.price(s, side)
	if price < tick {
		return // no room below an order to sell at a cent
	}
	g.put(s, side, g.shares(), price)
}

func (g *Generator) put(s *issue, side Side, shares uint32, price Price4) {
	g.ref += g.dice.between(1, 8)
	s.live = append(s.live, g.ref)
	m := AddOrder{Ref: g.ref, Side: side, Shares: shares, Stock: s.stock, Price: price}
	if g.dice.chance(30) {
		g.emit(s.locate, &AddOrderMPID{m, pick(&g.dice, makers)})
		return
	}
	g.emit(s.locate, &m)
}

// anyOrder returns one of the stock's orders, or nil. Numbers of orders that
// are gone are weeded out as they are met.
func (g *Generator) anyOrder(s *issue) *Order {
	for len(s.live) > 0 {
		i := g.dice.below(uint64(len(s.live)))
		if o := g.books.Order(s.live[i]); o != nil {
			return o
		}
		last := len(s.live) - 1
		s.live[i] = s.live[last]
		s.live = s.live[:last]
	}
	return nil
}

func (g *Generator) delete(s *issue) {
	if o := g.anyOrder(s); o != nil {
		g.emit(s.locate, &OrderDelete{Ref: o.Ref})
	}
}

func (g *Generator) cancel(s *issue) {
	if o := g.anyOrder(s); o != nil && o.Shares > 1 {
		g.emit(s.locate, &OrderCancel{Ref: o.Ref, Shares: uint32(g.dice.between(1, uint64(o.Shares)-1))})
	}
}

func (g *Generator) replace(s *issue) {
	o := g.anyOrder(s)
	if o == nil {
		return
	}
	price := g.price(s, o.Side)
	if price < tick {
		return
	}
	g.ref += g.dice.between(1, 8)
	s.live = append(s.live, g.ref)
	g.emit(s.locate, &OrderReplace{Ref: o.Ref, NewRef: g.ref, Shares: g.shares(), Price: price})
}

// take is an order that trades at once: it takes what is best on the other
// side, first in line first. What is left of it, if anything, joins the book or
// is withdrawn.
func (g *Generator) take(s *issue, side Side) {
	want := g.shares()
	for range 6 {
		o := s.book.Best(side.Opposite())
		if o == nil {
			return
		}
		at, n := o.Price, min(want, o.Shares)
		g.emit(s.locate, &OrderExecuted{Ref: o.Ref, Shares: n, Match: g.match(s.locate)})
		if want -= n; want == 0 {
			return
		}
		best := s.book.Best(side.Opposite())
		if best != nil && best.Price != at && g.dice.chance(500) {
			g.put(s, side, want, at) // its price was at: nothing there any more
			s.fair = at
			return
		}
	}
}

// hidden is an execution of an order that was never displayed, half way
// between the best prices.
func (g *Generator) hidden(s *issue) {
	bid, ask := s.book.Best(Buy), s.book.Best(Sell)
	if bid == nil || ask == nil {
		return
	}
	g.emit(s.locate, &Trade{
		Side: Buy, Shares: g.shares(), Stock: s.stock, Price: (bid.Price + ask.Price) / 2, Match: g.match(s.locate),
	})
}

func imbalances(auction byte) func(*Generator) {
	return func(g *Generator) {
		for _, s := range g.issues {
			g.imbalance(s, auction)
		}
	}
}

func (g *Generator) imbalance(s *issue, auction byte) {
	away := Price4(g.dice.near(20)) * tick
	m := &NOII{
		Paired: g.dice.below(500) * 100, Imbalance: g.dice.below(300) * 100, Stock: s.stock,
		Far: s.fair + away, Near: s.fair + away/2, Reference: s.fair, Cross: auction, Variation: 'L',
	}
	m.Direction = pick(&g.dice, []byte("BS"))
	if m.Imbalance == 0 {
		m.Direction = 'N'
	}
	g.emit(s.locate, m)
}

// cross is an auction among orders that the book does not show.
func (g *Generator) cross(s *issue, kind byte) {
	m := &CrossTrade{Stock: s.stock, Price: s.fair, Cross: kind}
	// An auction without a taker is reported all the same, with nothing in it.
	if m.Shares = g.dice.below(900) * 100; m.Shares == 0 {
		m.Price = 0
	}
	m.Match = g.match(s.locate)
	g.emit(s.locate, m)
}

func (g *Generator) opening() {
	announce(StartOfMarketHours)(g)
	for _, s := range g.issues {
		if !s.halted {
			g.cross(s, crossOpening)
		}
	}
}

// closing ends regular trading. Orders of the book take part in the auction, at
// its price and not at theirs, and the cross trade reports their volume.
func (g *Generator) closing() {
	announce(EndOfMarketHours)(g)
	for _, s := range g.issues {
		if o := s.book.Best(Buy); o != nil && !s.halted {
			g.emit(s.locate, &OrderExecutedPrice{
				OrderExecuted: OrderExecuted{Ref: o.Ref, Shares: o.Shares, Match: g.match(s.locate)},
				Printable:     'N', Price: max(o.Price-tick, tick),
			})
		}
		g.cross(s, crossClosing)
	}
}

// purge deletes what is left when the market stops taking orders.
func (g *Generator) purge() {
	for _, s := range g.issues {
		for _, ref := range s.live {
			if g.books.Order(ref) != nil {
				g.emit(s.locate, &OrderDelete{Ref: ref})
			}
		}
		s.live = nil
	}
}
