//go:build !race

// The race detector makes sync.Pool drop things, so that pooled memory is made anew.

package socket

import (
	"bytes"
	"strings"
	"testing"
)

// rounds are what a message, or one each way, takes with each pattern.
var rounds = []struct {
	name  string
	typ   Type
	opts  Options
	setup string // commands of the transcripts, separated by a bar
	head  [][]byte
	round func(r *round)
}{
	{"PUSH", TypePush, Options{}, "peers a b", nil, func(r *round) { r.send(); r.send(); r.taken(0); r.taken(1) }},
	{"PULL", TypePull, Options{}, "peers a b", nil, func(r *round) { r.give(0); r.give(1); r.recv(); r.recv() }},
	{"PAIR", TypePair, Options{}, "peers a", nil, func(r *round) { r.send(); r.taken(0); r.give(0); r.recv() }},
	{"DEALER", TypeDealer, Options{}, "peers a", nil, func(r *round) { r.send(); r.taken(0); r.give(0); r.recv() }},
	{"REQ", TypeReq, Options{}, "peers a", [][]byte{nil}, func(r *round) { r.send(); r.taken(0); r.give(0); r.recv() }},
	{"REP", TypeRep, Options{}, "peers a", [][]byte{[]byte("id"), nil}, func(r *round) { r.give(0); r.recv(); r.send(); r.taken(0) }},
	{"ROUTER", TypeRouter, Options{}, "peer a id=A", nil, func(r *round) { r.give(0); r.recv(); r.sendTo("A"); r.taken(0) }},
	{"PUB", TypePub, Options{}, "peers a b c|a -> +|b -> +", nil, func(r *round) { r.send(); r.taken(0); r.taken(1) }},
	{"PUB to one", TypePub, Options{}, "peers a b|a -> +to|b -> +other", nil, func(r *round) { r.send(); r.taken(0) }},
	{"PUB several topics", TypePub, Options{}, "peers a b c|a -> +|a -> +to|b -> +top|c -> +topic", nil,
		func(r *round) { r.send(); r.taken(0); r.taken(1); r.taken(2) }},
	{"PUB inverted", TypePub, Options{InvertMatching: true}, "peers a b c|a -> +topic", nil,
		func(r *round) { r.send(); r.taken(1); r.taken(2) }},
	{"PUB no drop", TypePub, Options{XPubNoDrop: true}, "peers a b|a -> +|b -> +", nil,
		func(r *round) { r.send(); r.taken(0); r.taken(1) }},
	{"PUB burst to many", TypePub, Options{}, strings.Repeat("|peer a courier=x early=+", 50)[1:], nil, (*round).burst},
	{"XPUB", TypeXPub, Options{}, "peers a|a -> +|recv", nil, func(r *round) { r.send(); r.taken(0); r.give(0); r.recv() }},
	{"XPUB manual", TypeXPub, Options{XPubManual: true}, "peers a|a -> +|recv|apply T", nil, func(r *round) { r.give(0); r.recv() }},
	{"SUB", TypeSub, Options{}, "peers a|subscribe to", nil, func(r *round) { r.give(0); r.recv() }},
	{"XSUB", TypeXSub, Options{}, "peers a b", nil, func(r *round) { r.give(0); r.recv(); r.send(); r.taken(0); r.taken(1) }},
}

// TestPatternsDoNotAllocate holds every pattern to no allocation for a message,
// in both directions, in steady state, for messages that are copied and for
// messages that are shared.
func TestPatternsDoNotAllocate(t *testing.T) {
	for i := range rounds {
		c := &rounds[i]
		for _, size := range []int{10, 5000} {
			r := newRound(t, c.typ, &c.opts, c.setup, c.head, size)
			c.round(r) // what is kept is made now
			if n := testing.AllocsPerRun(200, func() { c.round(r) }); n != 0 {
				t.Errorf("%s, %d octets: %v allocations, want 0", c.name, size, n)
			}
			r.m.Release()
			r.close()
		}
	}
}

// BenchmarkPatterns measures routing: pipes in memory, no socket around it. It
// includes what the far side does to read.
func BenchmarkPatterns(b *testing.B) {
	for i := range rounds {
		c := &rounds[i]
		b.Run(c.name, func(b *testing.B) {
			r := newRound(b, c.typ, &c.opts, c.setup, c.head, 64)
			b.ReportAllocs()
			for b.Loop() {
				c.round(r)
			}
			r.m.Release()
			r.close()
		})
	}
}

// A round is a rig for messages that are all the same: topic, empty, body, with
// an envelope on the far side.
type round struct {
	*rig
	m                 *Message
	parts             [][]byte
	enveloped, routed [][]byte
}

func newRound(t testing.TB, typ Type, o *Options, setup string, head [][]byte, size int) *round {
	r := &round{rig: newRig(t, typ, o), m: newMessage()}
	for _, line := range bytes.Split([]byte(setup), []byte("|")) {
		r.do(string(line))
	}
	for _, p := range r.peers {
		p.held = true
	}
	r.parts = [][]byte{[]byte("topic"), nil, bytes.Repeat([]byte("x"), size)}
	r.enveloped = append(append([][]byte{}, head...), r.parts...)
	r.routed = append([][]byte{nil}, r.parts...)
	return r
}

func (r *round) send() {
	if err := r.pat.send(r.parts); err != nil {
		r.t.Fatalf("%v: send: %v", r.typ, err)
	}
}

func (r *round) sendTo(id string) {
	r.routed[0] = append(r.routed[0][:0], id...)
	if err := r.pat.send(r.routed); err != nil {
		r.t.Fatalf("%v: send: %v", r.typ, err)
	}
}

func (r *round) recv() {
	r.pump()
	if err := r.pat.recv(r.m); err != nil {
		r.t.Fatalf("%v: recv: %v", r.typ, err)
	}
	r.same()
}

func (r *round) give(i int) { r.peers[i].far.write(nil, r.enveloped) }

func (r *round) taken(i int) {
	if !r.peers[i].far.read(r.m) {
		r.t.Fatalf("%v: peer %d was sent nothing", r.typ, i)
	}
	r.same()
}

// burst sends ten messages before the courier comes.
func (r *round) burst() {
	c := r.courier("x")
	c.call = func() {}
	for range 10 {
		r.send()
	}
	r.pat.collect(c)
	for i := range r.peers {
		for range 10 {
			r.taken(i)
		}
	}
}

// same checks the message's end, which is the same everywhere.
func (r *round) same() {
	if n := r.m.Len(); n < 3 || string(r.m.Frame(n-1)) != string(r.parts[2]) || string(r.m.Frame(n-3)) != "topic" {
		r.t.Fatalf("%v: the message has changed: %d frames", r.typ, n)
	}
}
