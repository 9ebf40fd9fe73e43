package itch

import (
	"cmp"
	"slices"
)

// An event is something planned for a time of the day.
type event struct {
	at    Timestamp
	issue *issue
	run   func(g *Generator, s *issue)
}

// makeAgenda plans the day's incidents: a new issue is released, some stocks
// are halted, some restricted.
func (g *Generator) makeAgenda() {
	for _, s := range g.issues {
		if s.ipo {
			g.plan(Clock(8, 0, 0), s, (*Generator).quoteIPO)
			g.plan(Clock(10, 30, 0), s, (*Generator).release)
		}
	}
	for range 1 + len(g.issues)/100 {
		g.planHalt(pick(&g.dice, g.issues), g.trading())
	}
	s, at := pick(&g.dice, g.issues), g.trading()
	g.plan(at, s, func(g *Generator, s *issue) { g.operational(s, 'H') })
	g.plan(at+Clock(0, 2, 0), s, func(g *Generator, s *issue) { g.operational(s, 'T') })
	for range 1 + len(g.issues)/50 {
		g.plan(g.trading(), pick(&g.dice, g.issues), (*Generator).restrict)
		g.plan(g.trading(), pick(&g.dice, g.issues), (*Generator).breakTrade)
		g.plan(g.trading(), pick(&g.dice, g.issues), (*Generator).retail)
	}
	slices.SortStableFunc(g.agenda, func(a, b event) int { return cmp.Compare(a.at, b.at) })
}

func (g *Generator) plan(at Timestamp, s *issue, run func(*Generator, *issue)) {
	g.agenda = append(g.agenda, event{at, s, run})
}

// planHalt plans a limit-up-limit-down pause of five minutes.
func (g *Generator) planHalt(s *issue, at Timestamp) {
	if s.ipo {
		return
	}
	g.plan(at, s, (*Generator).pause)
	g.plan(at+Clock(0, 4, 50), s, (*Generator).collar)
	g.plan(at+Clock(0, 5, 0), s, (*Generator).release)
}

// trading returns a time at which a halt would begin and end within the hours
// of regular trading, after the new issue's release.
func (g *Generator) trading() Timestamp {
	return Clock(10, 31, 0) + Timestamp(g.dice.below(uint64(Clock(5, 0, 0))))
}

// keepAgenda runs what is due by then.
func (g *Generator) keepAgenda(by Timestamp) {
	for len(g.agenda) > 0 && g.agenda[0].at <= by {
		e := g.agenda[0]
		g.agenda = g.agenda[1:]
		g.advance(e.at)
		e.run(g, e.issue)
	}
}

func (g *Generator) quoteIPO(s *issue) {
	g.emit(s.locate, &IPOQuoting{Stock: s.stock, ReleaseTime: 10*3600 + 30*60, Qualifier: 'A', Price: s.fair})
}

func (g *Generator) pause(s *issue) {
	s.halted = true
	g.emit(s.locate, s.action("LUDP"))
}

func (g *Generator) collar(s *issue) {
	g.emit(s.locate, &LULDCollar{Stock: s.stock, Reference: s.fair, Upper: s.fair + s.fair/20, Lower: s.fair - s.fair/20})
}

// release ends a halt with an auction. A stock that was halted twice over is
// released at the first occasion.
func (g *Generator) release(s *issue) {
	if !s.halted {
		return
	}
	g.cross(s, crossHalt)
	s.halted = false
	g.emit(s.locate, s.action("    "))
}

func (g *Generator) operational(s *issue, action byte) {
	g.emit(s.locate, &OperationalHalt{Stock: s.stock, Market: 'X', Action: action})
}

func (g *Generator) restrict(s *issue) {
	g.emit(s.locate, &RegSHO{Stock: s.stock, Action: '1'})
}

func (g *Generator) retail(s *issue) {
	g.emit(s.locate, &RPII{Stock: s.stock, Interest: pick(&g.dice, []byte("BSAN"))})
}

// breakTrade breaks one of the last executions, of whichever stock it was.
func (g *Generator) breakTrade(*issue) {
	slot := &g.matches[g.dice.below(uint64(len(g.matches)))]
	if slot.number == 0 {
		return
	}
	g.emit(slot.locate, &BrokenTrade{Match: slot.number})
	*slot = matched{} // it can be broken once
}
