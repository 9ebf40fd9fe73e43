package interop

import (
	"fmt"
	"testing"
)

// A pairing is an ordered pair of socket types: the near side's, which is
// zeroring except in TestHarness, and the far side's.
type pairing struct{ near, far string }

func (p pairing) String() string { return p.near + "-" + p.far }

var types = []string{"PAIR", "PUB", "SUB", "XPUB", "XSUB", "REQ", "REP", "DEALER", "ROUTER", "PUSH", "PULL"}

// peers says which types may talk to which: RFC 28 to 31.
var peers = map[string][]string{
	"PAIR":   {"PAIR"},
	"PUB":    {"SUB", "XSUB"},
	"SUB":    {"PUB", "XPUB"},
	"XPUB":   {"SUB", "XSUB"},
	"XSUB":   {"PUB", "XPUB"},
	"REQ":    {"REP", "ROUTER"},
	"REP":    {"REQ", "DEALER"},
	"DEALER": {"REP", "DEALER", "ROUTER"},
	"ROUTER": {"REQ", "DEALER", "ROUTER"},
	"PUSH":   {"PULL"},
	"PULL":   {"PUSH"},
}

// pairings are all that the two tables allow, in the order of types.
func pairings() []pairing {
	var all []pairing
	for _, near := range types {
		for _, far := range peers[near] {
			all = append(all, pairing{near, far})
		}
	}
	return all
}

// A link is a near and a far socket that are connected, and what a message
// looks like on its way between them.
type link struct {
	t         *testing.T
	row       row
	endpoint  string // as resolved by who bound it
	near, far *party
	first     *party // who speaks first; REQ before REP, and so on
	other     *party
}

// A party is one end of a link.
type party struct {
	sock
	typ string
	id  string // the identity it announces
}

// startsBefore reports whether a's type must speak before b's.
func startsBefore(a, b string) bool {
	rank := map[string]int{"REQ": 0, "PUSH": 0, "PUB": 0, "XPUB": 0, "PAIR": 1, "DEALER": 1, "ROUTER": 2, "REP": 3, "SUB": 3, "XSUB": 3, "PULL": 3}
	return rank[a] <= rank[b]
}

// oneWay reports whether messages of the user's flow only from p to its peer.
func (p *party) oneWay() bool { return p.typ == "PUSH" || p.typ == "PUB" || p.typ == "XPUB" }

// envelope is what from puts in front of a body for to.
func envelope(from, to *party) []part {
	switch {
	case from.typ == "ROUTER" && to.typ == "REQ":
		return lits(to.id, "")
	case from.typ == "ROUTER":
		return lits(to.id)
	case from.typ == "DEALER" && to.typ == "REP":
		return lits("")
	}
	return nil
}

// delivered is what to finds in front of a body that from sent.
func delivered(from, to *party) []part {
	switch {
	case to.typ == "ROUTER" && from.typ == "REQ":
		return lits(from.id, "")
	case to.typ == "ROUTER":
		return lits(from.id)
	case to.typ == "DEALER" && from.typ == "REP":
		return lits("")
	}
	return nil
}

func join(front, body []part) []part { return append(front[:len(front):len(front)], body...) }

// pass sends body from one party to the other and checks what arrives.
func (l *link) pass(from, to *party, body []part) {
	l.t.Helper()
	from.send(join(envelope(from, to), body)...)
	if d := differ(to.recv(), join(delivered(from, to), body)); d != "" {
		l.t.Fatalf("%s to %s: received %s", from.typ, to.typ, d)
	}
}

// exchange passes body there and, where messages go both ways, back.
func (l *link) exchange(body []part) {
	l.t.Helper()
	l.pass(l.first, l.other, body)
	if !l.first.oneWay() {
		l.pass(l.other, l.first, body)
	}
}

// A row is what to link: two types, the side each is on, who binds, and where.
type row struct {
	pairing
	nearBinds bool
	transport string
	opts      opts // of both
}

func (r row) name() string {
	role := "connect"
	if r.nearBinds {
		role = "bind"
	}
	return fmt.Sprintf("%s/%v/%s", r.transport, r.pairing, role)
}

// connect makes the row's sockets and waits until messages can flow.
func (r row) connect(t *testing.T, near, far side) *link {
	t.Helper()
	l := r.dial(t, near, far)
	l.meet()
	l.subscribe()
	return l
}

// dial makes the row's sockets and has them connect.
func (r row) dial(t *testing.T, near, far side) *link {
	t.Helper()
	l := r.open(t, near, far)
	l.meetAt(fresh(r.transport))
	return l
}

// open makes the row's sockets.
func (r row) open(t *testing.T, near, far side) *link {
	t.Helper()
	l := &link{t: t, row: r}
	l.near, l.far = l.openNear(near, "near end"), l.openFar(far)
	l.order()
	return l
}

// meetAt binds one end and connects the other.
func (l *link) meetAt(endpoint string) {
	l.t.Helper()
	if l.row.nearBinds {
		l.endpoint = l.near.bind(endpoint)
		l.far.connect(l.endpoint)
	} else {
		l.endpoint = l.far.bind(endpoint)
		l.near.connect(l.endpoint)
	}
}

func (l *link) openNear(side side, id string) *party {
	l.t.Helper()
	o := l.row.opts
	o.identity = id
	return &party{side.open(l.t, l.row.near, o), l.row.near, id}
}

func (l *link) openFar(side side) *party {
	l.t.Helper()
	o := l.row.opts
	o.identity = "far end"
	o.probe = l.row.probes()
	return &party{side.open(l.t, l.row.far, o), l.row.far, o.identity}
}

// probes reports whether a ROUTER is to speak first. It must know whom it
// speaks to, and is told by the probe of the other.
func (p pairing) probes() bool { return p.near == "ROUTER" && p.far == "ROUTER" }

// order decides who speaks first.
func (l *link) order() {
	l.first, l.other = l.near, l.far
	if !startsBefore(l.near.typ, l.far.typ) {
		l.first, l.other = l.far, l.near
	}
}

// meet takes the probe that the far end sends if it does.
func (l *link) meet() {
	l.t.Helper()
	if l.row.probes() {
		await(l.t, l.near, l.far, lits(l.far.id, "")...)
	}
}

// subscribe makes the other, if it is a subscriber, get everything.
func (l *link) subscribe() {
	l.t.Helper()
	switch l.other.typ {
	case "SUB":
		l.other.subscribe("")
	case "XSUB":
		l.other.send(lit("\x01"))
	}
	l.flows()
}

// flows returns once what is published reaches the subscriber.
func (l *link) flows() {
	l.t.Helper()
	switch l.first.typ {
	case "XPUB":
		await(l.t, l.first, l.other, lit("\x01"))
	case "PUB":
		awaitFlow(l.t, l.first, l.other, "")
	}
}

// close closes both ends: a child serves many links.
func (l *link) close() {
	l.t.Helper()
	l.first.close()
	l.other.close()
}

// bulk sends sh there and, where messages go both ways, back again. A
// REQ, or whoever speaks to a REP, gets each message back and checks that.
func (l *link) bulk(sh shape) {
	l.t.Helper()
	first, other := l.first, l.other
	switch {
	case first.typ == "REQ" || other.typ == "REP":
		window := 1
		if first.typ == "DEALER" {
			window = 200
		}
		echo := other.echo(sh.count)
		first.ask(sh, len(delivered(other, first)), window, envelope(first, other)...).end()
		echo.end()
	default:
		l.flood(first, other, sh)
		if !first.oneWay() {
			l.flood(other, first, sh)
		}
	}
}

func (l *link) flood(from, to *party, sh shape) {
	l.t.Helper()
	drain := to.drain(sh, len(delivered(from, to)))
	from.stream(sh, envelope(from, to)...).end()
	drain.end()
}
