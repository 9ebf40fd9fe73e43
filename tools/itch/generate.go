package itch

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// DayConfig says which day a Generator makes up. The same DayConfig always
// makes the same day, octet by octet.
type DayConfig struct {
	Seed uint64

	// Symbols is how many stocks there are; zero means 300. At most 20,000.
	Symbols int

	// Messages is about how many messages the day has; zero means 500,000. It
	// has some more, because the last orders must go, and never fewer than a
	// few per stock, for the directory and the auctions.
	Messages int
}

const (
	defaultSymbols  = 300
	defaultMessages = 500_000
	maxSymbols      = 20_000
	maxMessages     = 1_000_000_000
)

// A Generator makes up a market day, message by message. The day satisfies
// Checker: it could have happened. It has every message type except for the
// breach of a market-wide circuit breaker and the direct listing, which an
// ordinary day does not.
type Generator struct {
	dice   dice
	issues []*issue // by locate code - 1
	weight []uint64 // running sum of the issues' activity
	books  *Books
	agenda []event // what is planned, by time

	now     Timestamp // of the last message
	ref     uint64    // last order number
	matchNo uint64
	matches [64]matched // some of the last, to be broken
	total   int         // messages that the stages share

	stage int // position in plan
	spent int // messages of this stage so far
	burst int // actions still to come at once

	// out holds framed messages not returned yet, from at on.
	out []byte
	at  int
	err error
}

// A matched is an execution that may be broken.
type matched struct {
	locate uint16
	number uint64
}

// NewGenerator returns a Generator at the start of its day.
func NewGenerator(cfg DayConfig) (*Generator, error) {
	if cfg.Symbols == 0 {
		cfg.Symbols = defaultSymbols
	}
	if cfg.Messages == 0 {
		cfg.Messages = defaultMessages
	}
	if cfg.Symbols < 1 || cfg.Symbols > maxSymbols {
		return nil, fmt.Errorf("itch: a day of %d symbols; 1 to %d are possible", cfg.Symbols, maxSymbols)
	}
	if cfg.Messages < 1 || cfg.Messages > maxMessages {
		return nil, fmt.Errorf("itch: a day of %d messages; 1 to %d are possible", cfg.Messages, maxMessages)
	}
	g := &Generator{dice: dice{cfg.Seed}, books: NewBooks()}
	g.list(cfg.Symbols)
	g.makeAgenda()
	// Per stock come 4 messages in the morning, 2 auctions and 2 imbalances.
	g.total = max(cfg.Messages-8*cfg.Symbols, 1)
	return g, nil
}

// Symbols returns the day's stocks; the one with locate code n is at n-1.
func (g *Generator) Symbols() []Stock {
	all := make([]Stock, len(g.issues))
	for i, s := range g.issues {
		all[i] = s.stock
	}
	return all
}

// Next returns the next message, which is the Generator's again at the next
// call, or io.EOF after the last.
func (g *Generator) Next() (Raw, error) {
	for g.at == len(g.out) {
		if g.err != nil {
			return nil, g.err
		}
		if g.stage == len(plan) {
			return nil, io.EOF
		}
		g.out, g.at = g.out[:0], 0
		g.step()
	}
	n := int(binary.BigEndian.Uint16(g.out[g.at:]))
	m := g.out[g.at+frameHeader : g.at+frameHeader+n]
	g.at += frameHeader + n
	return Raw(m), nil
}

// A stage is a stretch of the day. first runs when it begins, then actions are
// spread over it until its share of the flow is spent.
type stage struct {
	from, to Timestamp
	share    int // in thousandths of the flow
	first    func(g *Generator)
	leaving  bool // orders go rather than come
	auction  byte // imbalances of this auction are published; 0 for none
}

var plan = []stage{
	{from: Clock(3, 0, 0), to: Clock(4, 0, 0), first: (*Generator).morning},
	{from: Clock(4, 0, 0), to: Clock(9, 25, 0), share: 30, first: announce(StartOfSystemHours)},
	{from: Clock(9, 25, 0), to: Clock(9, 30, 0), share: 30, first: imbalances(crossOpening), auction: crossOpening},
	{from: Clock(9, 30, 0), to: Clock(10, 0, 0), share: 240, first: (*Generator).opening},
	{from: Clock(10, 0, 0), to: Clock(15, 30, 0), share: 390},
	{from: Clock(15, 30, 0), to: Clock(15, 50, 0), share: 110},
	{from: Clock(15, 50, 0), to: Clock(16, 0, 0), share: 160, first: imbalances(crossClosing), auction: crossClosing},
	{from: Clock(16, 0, 0), to: Clock(19, 59, 0), share: 40, first: (*Generator).closing, leaving: true},
	{from: Clock(19, 59, 0), to: Clock(20, 0, 0), first: (*Generator).purge},
	{from: Clock(20, 0, 0), to: Clock(20, 5, 0), first: announce(EndOfSystemHours)},
	{from: Clock(20, 5, 0), to: Clock(20, 5, 1), first: announce(EndOfMessages)},
}

// step emits one action's messages, or begins a stage, or ends one.
func (g *Generator) step() {
	s := &plan[g.stage]
	quota := g.total * s.share / 1000
	if g.spent == 0 && s.first != nil {
		g.keepAgenda(s.from)
		g.advance(s.from)
		s.first(g)
	}
	if g.spent >= quota {
		g.keepAgenda(s.to)
		g.stage, g.spent, g.burst = g.stage+1, 0, 0
		return
	}
	g.advance(g.when(s, quota))
	before := len(g.out)
	g.act(s)
	// An action may find nothing to do; it counts all the same, so that the
	// stage ends.
	g.spent += max(countFrames(g.out[before:]), 1)
}

// when returns the time of the next action. Actions come in bursts: one thing
// leads to another within microseconds, and then nothing happens for a while.
func (g *Generator) when(s *stage, quota int) Timestamp {
	if g.burst > 0 {
		g.burst--
		return g.now + Timestamp(g.dice.between(150, 12_000))
	}
	g.burst = int(g.dice.near(120))
	length := uint64(s.to - s.from)
	slot := length / uint64(quota)
	at := s.from + Timestamp(uint64(g.spent)*slot+g.dice.below(slot+1))
	g.keepAgenda(at)
	return at
}

// advance moves the clock forward, by a little at least.
func (g *Generator) advance(to Timestamp) {
	g.now = max(to, g.now+1)
}

// emit stamps m, applies it to the books and queues it. Messages of one action
// are some hundred nanoseconds apart.
func (g *Generator) emit(locate uint16, m Message) {
	*m.header() = Header{Locate: locate, Tracking: uint16(g.dice.below(16)), Time: g.now}
	g.now += Timestamp(g.dice.between(40, 900))
	if err := g.books.Apply(m); err != nil && g.err == nil {
		g.err = fmt.Errorf("itch: the generator contradicts itself: %w", err)
	}
	g.out = AppendFrame(g.out, m)
}

func countFrames(b []byte) (n int) {
	for ; len(b) > 0; n++ {
		b = b[frameHeader+int(binary.BigEndian.Uint16(b)):]
	}
	return n
}

// busy picks a stock, the active ones more often.
func (g *Generator) busy() *issue {
	at := g.dice.below(g.weight[len(g.weight)-1])
	i, found := slices.BinarySearch(g.weight, at)
	if found {
		i++ // weight[i] is the sum up to and with i: at belongs to the next
	}
	return g.issues[i]
}

// match returns a new match number and remembers it.
func (g *Generator) match(locate uint16) uint64 {
	g.matchNo++
	g.matches[g.matchNo%uint64(len(g.matches))] = matched{locate, g.matchNo}
	return g.matchNo
}
