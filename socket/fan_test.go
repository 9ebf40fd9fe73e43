package socket

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/ring"
)

// TestFanAgainstModel sends random messages to random subscribers, some of whom
// have little room, while couriers come now and then. Whatever is batched with
// what, each gets what it was subscribed to when that was sent, in order, or it
// counts as dropped.
func TestFanAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		m := newFanModel(t, seed)
		for range 400 {
			m.step()
		}
		m.end()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// A fanModel is a publisher, and what its subscribers are to get.
type fanModel struct {
	*rig
	rng    *rand.Rand
	invert bool
	fans   []*fanPeer
	sent   int
	topic  string // of the last message: bursts have one
}

type fanPeer struct {
	*testPeer
	topics map[string]bool
	hwm    int
	owed   []string // what it was to get
	got    []string
}

func newFanModel(t *testing.T, seed uint64) *fanModel {
	rng := rand.New(rand.NewPCG(seed, 0))
	o := &Options{InvertMatching: rng.IntN(4) == 0}
	m := &fanModel{rig: newRig(t, TypePub, o), rng: rng, invert: o.InvertMatching}
	for range 6 + rng.IntN(6) {
		m.join()
	}
	m.tell()
	return m
}

// tell tells the pattern what it is to be told. Nobody reads.
func (m *fanModel) tell() {
	for i := 0; i < len(m.events); i++ { // they may grow
		m.events[i]()
	}
	m.events = m.events[:0]
}

// join adds a subscriber, of everything as a rule.
func (m *fanModel) join() {
	p := &fanPeer{topics: make(map[string]bool), hwm: 1000}
	if m.rng.IntN(3) == 0 {
		p.hwm = 1 + m.rng.IntN(8)
	}
	p.testPeer = m.peer(fmt.Sprint(len(m.fans)), "", p.hwm, true)
	p.held = true
	p.near.out.conflate = m.rng.IntN(8) == 0
	if at := m.rng.IntN(7); at < 6 {
		p.near.courier = m.courier(fmt.Sprint(at % 3))
	}
	m.fans = append(m.fans, p)
	if !m.invert {
		m.subscribe(p, "")
	}
}

func (m *fanModel) subscribe(p *fanPeer, topic string) {
	p.far.write(nil, [][]byte{append([]byte{subscribeOctet}, topic...)})
	p.topics[topic] = true
}

func (m *fanModel) step() {
	p := m.fans[m.rng.IntN(len(m.fans))]
	switch what := m.rng.IntN(200); {
	case what < 140:
		m.publish()
	case what < 170:
		if c := m.couriers[fmt.Sprint(m.rng.IntN(3))]; c != nil && c.due {
			m.pat.collect(c)
		}
	case what < 190:
		p.take(m.rng.IntN(10))
	case what < 194 && !p.lost:
		m.subscribe(p, []string{"", "A", "B"}[m.rng.IntN(3)])
	case what < 197 && !p.lost:
		for topic := range p.topics {
			p.far.write(nil, [][]byte{append([]byte{cancelOctet}, topic...)})
			delete(p.topics, topic)
			break
		}
	case what == 197:
		p.lose()
	case what == 198:
		m.join()
	case what == 199:
		m.pat.settle()
	}
	m.tell()
	for _, p := range m.fans {
		if queued := p.near.out.stream.Queued(); queued > p.hwm {
			m.t.Errorf("%d messages wait for %s, which has room for %d", queued, p.name, p.hwm)
		}
	}
}

func (m *fanModel) publish() {
	if m.rng.IntN(10) == 0 {
		m.topic = []string{"A", "B", "C"}[m.rng.IntN(3)]
	}
	m.sent++
	body := m.topic + fmt.Sprint(m.sent)
	parts := [][]byte{[]byte(body)}
	switch m.rng.IntN(30) {
	case 0:
		parts = append(parts, make([]byte, fanMessage))
	case 1:
		parts = append(parts, make([]byte, 300), nil)
	}
	if err := m.pat.send(parts); err != nil {
		m.t.Fatal(err)
	}
	for _, p := range m.fans {
		matched := false
		for topic := range p.topics {
			matched = matched || strings.HasPrefix(body, topic)
		}
		if !p.lost && matched != m.invert {
			p.owed = append(p.owed, body)
		}
	}
}

// take reads up to n messages.
func (p *fanPeer) take(n int) {
	m := newMessage()
	for ; n > 0 && p.far.read(m); n-- {
		p.got = append(p.got, string(m.Frame(0)))
	}
	m.Release()
}

// end looks whether everything sent is accounted for.
func (m *fanModel) end() {
	m.pat.settle()
	for _, p := range m.fans {
		p.take(m.sent)
		lost := len(p.owed) - len(p.got)
		switch {
		case p.near.out.conflate:
			if !isSubsequence(p.got, p.owed) || lost < 0 || len(p.owed) > 0 && p.got[len(p.got)-1] != p.owed[len(p.owed)-1] {
				m.t.Errorf("%s, which keeps the last only, got %v of %v", p.name, p.got, p.owed)
			}
		case p.hwm == 1000 && !slices.Equal(p.got, p.owed):
			m.t.Errorf("%s got %v of %v", p.name, p.got, p.owed)
		case lost != int(p.near.dropped.Load()) || !isSubsequence(p.got, p.owed):
			m.t.Errorf("%s got %d of %d and %d were dropped: %v of %v", p.name, len(p.got), len(p.owed), p.near.dropped.Load(), p.got, p.owed)
		}
	}
	m.close()
}

// isSubsequence reports whether some stands in all, in order.
func isSubsequence(some, all []string) bool {
	for _, s := range some {
		i := slices.Index(all, s)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}

// fanRig is a PUB with many subscribers to everything and one courier.
func fanRig(t testing.TB, subscribers int) *rig {
	r := newRig(t, TypePub, new(Options))
	for range subscribers {
		p := r.peer("", "", 0, true)
		p.held = true
		p.near.courier = r.courier("x")
		p.far.write(nil, [][]byte{{subscribeOctet}})
	}
	r.pump()
	return r
}

func (r *rig) sendMany(messages int, body []byte) {
	for range messages {
		if err := r.pat.send([][]byte{body}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestFanSharesOctets: everybody is handed the same memory, which is given back
// when the last has read it.
func TestFanSharesOctets(t *testing.T) {
	r := fanRig(t, 8)
	r.sendMany(2, []byte("first"))
	for _, p := range r.peers {
		(&fanPeer{testPeer: p}).take(2)
	}
	r.sendMany(100, make([]byte, 30))
	r.do("come x")
	first, _ := r.peers[0].far.in.look()
	if len(first) != 100*32 {
		t.Fatalf("%d octets in one piece, want %d", len(first), 100*32)
	}
	for _, p := range r.peers {
		if octets, _ := p.far.in.look(); len(octets) != len(first) || &octets[0] != &first[0] {
			t.Error("octets are not shared")
		}
	}
	if fan := &r.pat.(*pub).fan; fan.buf != nil {
		t.Error("the burst is over, and its memory kept")
	}
	r.close()
}

// TestFanCopiesFewOctets: to subscribers that do not read, many small bursts are
// no more than their octets. Each by itself would keep a buffer.
func TestFanCopiesFewOctets(t *testing.T) {
	r := fanRig(t, 8)
	defer r.close()
	for range 200 {
		r.sendMany(3, []byte("body"))
		r.do("come x")
	}
	if each := (ring.LiveBufs() - r.bufs) / len(r.peers); each > 4 { // chunks, of which each is twice the one before
		t.Errorf("600 messages of 6 octets are in %d buffers for each subscriber", each)
	}
	for _, p := range r.peers {
		read := &fanPeer{testPeer: p}
		if read.take(1000); len(read.got) != 600 {
			t.Errorf("%d messages came", len(read.got))
		}
	}
}

// TestFanGrows: the buffers of long bursts are large, and those of short ones
// small again.
func TestFanGrows(t *testing.T) {
	r := fanRig(t, 8)
	defer r.close()
	fan := &r.pat.(*pub).fan
	read := func() {
		for _, p := range r.peers {
			(&fanPeer{testPeer: p}).take(1000)
		}
		r.pump()
	}
	for range 20 {
		r.sendMany(900, make([]byte, 1000))
		r.do("come x")
		read()
	}
	if fan.size != maxFan {
		t.Errorf("after long bursts a buffer has %d octets, want %d", fan.size, maxFan)
	}
	for range 20 {
		r.sendMany(3, make([]byte, 10))
		r.do("come x")
		read()
	}
	if fan.size > minFan {
		t.Errorf("after short bursts a buffer has %d octets, want %d", fan.size, minFan)
	}
}
