package socket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/zmtp"
)

// TestPubDelivers compares whom random messages get to with a search through
// all subscriptions.
func TestPubDelivers(t *testing.T) {
	for seed := range uint64(20) {
		for _, invert := range []bool{false, true} {
			deliver(t, seed, invert)
		}
	}
}

func deliver(t *testing.T, seed uint64, invert bool) {
	rng := rand.New(rand.NewPCG(seed, 0))
	r := newRig(t, TypePub, &Options{InvertMatching: invert})
	defer r.close()
	subs := make(map[*testPeer]map[string]bool)
	for i := range 6 {
		p := r.peer(fmt.Sprint(i), "", 0, true)
		p.held = true
		subs[p] = make(map[string]bool)
	}
	word := func() string { return topicOf(byte(rng.Uint32())) }
	m := newMessage()
	defer m.Release()
	for range 300 {
		p := r.peers[rng.IntN(len(r.peers))]
		switch what := rng.IntN(40); {
		case what == 0 && !p.lost:
			p.lose()
			delete(subs, p)
		case what < 15 && !p.lost:
			topic := word()
			p.far.write(nil, [][]byte{append([]byte{subscribeOctet}, topic...)})
			subs[p][topic] = true
		case what < 20 && !p.lost:
			topic := word()
			p.far.write(nil, [][]byte{append([]byte{cancelOctet}, topic...)})
			delete(subs[p], topic)
		default:
			body := word()
			if err := r.pat.send([][]byte{[]byte(body), []byte("second")}); err != nil {
				t.Fatal(err)
			}
			for p, topics := range subs {
				want := false
				for topic := range topics {
					want = want || strings.HasPrefix(body, topic)
				}
				got := p.far.read(m)
				if got != (want != invert) || got && (m.Len() != 2 || string(m.Frame(0)) != body) || p.far.read(m) {
					t.Fatalf("seed %d: %q to a subscriber of %v: got %v", seed, body, topics, got)
				}
			}
		}
		r.pump()
	}
}

// TestPubToMany sends to ten thousand subscribers of the same topic.
func TestPubToMany(t *testing.T) {
	const count = 10_000
	r := newRig(t, TypePub, new(Options))
	for range count {
		p := r.peer("", "", 0, true)
		p.held = true
		p.far.write(nil, [][]byte{{subscribeOctet}})
	}
	r.pump()
	small, large := []byte("small"), bytes.Repeat([]byte("large"), 1000)
	for _, body := range [][]byte{small, large} {
		if err := r.pat.send([][]byte{body}); err != nil {
			t.Fatal(err)
		}
	}
	m := newMessage()
	for i, p := range r.peers {
		for _, body := range [][]byte{small, large} {
			if !p.far.read(m) || !bytes.Equal(m.Frame(0), body) {
				t.Fatalf("subscriber %d did not get the message", i)
			}
		}
	}
	m.Release()
	r.close()
}

// TestPatternsGiveBackMemory: one huge message, or a huge envelope, does not
// leave its size behind.
func TestPatternsGiveBackMemory(t *testing.T) {
	r := newRig(t, TypePub, new(Options))
	r.do("peers a b")
	r.do("a -> +")
	r.do("b -> +")
	for _, size := range []int{keepOctets / 2, keepOctets + 1} {
		if err := r.pat.send([][]byte{make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
		if kept := r.pat.(*pub).dist.wire.buf != nil; kept != (size <= keepOctets) {
			t.Errorf("%d octets: kept is %v", size, kept)
		}
	}
	r.close()

	r = newRig(t, TypeRep, new(Options))
	p := r.peer("a", "", 0, true)
	small := [][]byte{[]byte("id"), nil, []byte("body")}
	large := [][]byte{make([]byte, 2*keepOctets), nil, []byte("body")}
	for i := range large[0] {
		large[0][i] = 'x'
	}
	long := make([][]byte, 0, keepOctets)
	for range 10_000 {
		long = append(long, []byte("id"))
	}
	long = append(long, nil, []byte("body"))
	for _, request := range [][][]byte{small, large, small, long, small} {
		p.far.write(nil, request)
		r.do("recv")
		want := len(request) - 1
		if s := r.pat.(*rep); len(s.envelope) != want || string(s.envelope[0]) != string(request[0]) {
			t.Errorf("an envelope of %d frames, want %d", len(s.envelope), want)
		}
		r.do("send reply")
	}
	if s := r.pat.(*rep); cap(s.octets) > keepOctets || cap(s.envelope) > keepOctets/16 {
		t.Errorf("%d octets, %d frames are kept for an envelope of 2", cap(s.octets), cap(s.envelope))
	}
	r.close()
}

// TestXPubStopsReading: a user who does not receive must not make an XPUB grow
// for ever. Subscribers are read no further, and nothing is lost.
func TestXPubStopsReading(t *testing.T) {
	for _, c := range []struct {
		name       string
		size, sent int
		held       int // notices at which it stops
	}{
		{"messages", 4, maxNotices + 3000, maxNotices},
		{"octets", 1 << 20, 20, 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, TypeXPub, new(Options))
			defer r.close()
			p := r.peer("a", "", -1, true)
			for i := range c.sent {
				body := make([]byte, c.size)
				binary.BigEndian.PutUint32(body, uint32(i)|1<<31)
				p.far.write(nil, [][]byte{body})
			}
			r.pump()
			x := r.pat.(*xpub)
			if n := x.notices.Queued(); n != c.held {
				t.Fatalf("%d notices wait, want %d", n, c.held)
			}
			m := newMessage()
			defer m.Release()
			for i := range c.sent {
				if i == c.held/2-1 && x.notices.Queued() != c.held/2+1 {
					t.Errorf("it reads on before half is received: %d wait", x.notices.Queued())
				}
				if err := r.pat.recv(m); err != nil || binary.BigEndian.Uint32(m.Frame(0)) != uint32(i)|1<<31 {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			if x.canRecv() || x.octets != 0 || x.stalled {
				t.Errorf("at the end: %d octets, stalled %v", x.octets, x.stalled)
			}
		})
	}
}

// TestUnheardAreRead: what nobody will receive is read all the same, or the pipe
// of a peer that leaves would never be empty and so never detached.
func TestUnheardAreRead(t *testing.T) {
	for _, c := range []struct{ setup, who string }{
		{"new PUSH|peer a early=x", "a"},
		{"new PUB|peer a early=x", "a"},
		{"new PAIR|peers a|peer b early=x", "b"},
		{"new ROUTER|peer a id=X|peer b id=X early=x", "b"},
	} {
		r := &rig{t: t}
		for line := range strings.SplitSeq(c.setup, "|") {
			r.do(line)
		}
		p := r.find(c.who)
		if p.near.waiting() {
			t.Errorf("%s: what came early waits for ever", c.setup)
		}
		r.do(c.who + " -> y")
		if p.near.waiting() {
			t.Errorf("%s: what comes now waits for ever", c.setup)
		}
		r.close()
	}
}

// TestXPubStalledPeerLeaves: the subscriptions that were not read before the
// peer left do not count, those that were end.
func TestXPubStalledPeerLeaves(t *testing.T) {
	r := newRig(t, TypeXPub, new(Options))
	defer r.close()
	p := r.peer("a", "", -1, true)
	topic := func(i int) []byte { return fmt.Appendf(nil, "\x01%d", i) }
	for i := range maxNotices + 10 {
		p.far.write(nil, [][]byte{topic(i)})
	}
	r.pump()
	p.lose()
	m := newMessage()
	defer m.Release()
	balance := make(map[string]int)
	for r.pat.recv(m) == nil {
		if m.Frame(0)[0] == subscribeOctet {
			balance[string(m.Frame(0)[1:])]++
		} else {
			balance[string(m.Frame(0)[1:])]--
		}
	}
	if len(balance) != maxNotices {
		t.Errorf("told of %d topics, want %d", len(balance), maxNotices)
	}
	for topic, n := range balance {
		if n != 0 {
			t.Fatalf("topic %s: %d more subscriptions than ends", topic, n)
		}
	}
}

// TestPubMaxTopics: a peer at the limit may still do what it could, and one
// topic more ends its connection.
func TestPubMaxTopics(t *testing.T) {
	r := newRig(t, TypePub, new(Options))
	defer r.close()
	p := r.peer("a", "", 0, true)
	do := func(line, want string) {
		t.Helper()
		if got := r.do(line); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	do("a -> +A", "")
	// As good as a million topics: nothing looks at them until p leaves.
	subs := &r.pat.(*pub).subs
	own := subs.held[p.near]
	subs.held[p.near] = append(own, make([]*node, maxTopics-1)...)
	do("a -> +B", "a killed\n")
	do("send B", "")
	do("send A", "a <- A\n")
	subs.held[p.near] = own
	do("a -> +B", "")
	do("send B", "a <- B\n")
}

// TestPubMaxTopicOctets: few topics may be too many as well, if they are long.
// Each counts once, and no more when it is taken back.
func TestPubMaxTopicOctets(t *testing.T) {
	for _, o := range []*Options{new(Options), {XPubManual: true}} {
		r := newRig(t, TypeXPub, o)
		p := r.peer("a", "", 0, true)
		for _, step := range []struct {
			frame string
			want  int
		}{{"+abc", 3}, {"+abc", 3}, {"-b", 3}, {"+", 3}, {"+ab", 5}, {"-abc", 2}, {"-abc", 2}} {
			r.do("a -> " + step.frame)
			if p.near.topicOctets != step.want {
				t.Errorf("after %s: %d octets of topics, want %d", step.frame, p.near.topicOctets, step.want)
			}
		}
		p.near.topicOctets = maxTopicOctets - 3
		for _, step := range [][2]string{{"a -> +efgh", "a killed\n"}, {"a -> +efg", ""}, {"a -> +h", "a killed\n"}, {"a -> -efg", ""}, {"a -> +h", ""}} {
			if got := r.do(step[0]); got != step[1] {
				t.Errorf("%s: got %q, want %q", step[0], got, step[1])
			}
		}
		r.close()
	}
}

// TestPubLongTopic: the longest topic is that of a command, in whatever form it
// comes.
func TestPubLongTopic(t *testing.T) {
	r := newRig(t, TypeXPub, new(Options))
	defer r.close()
	p := r.peer("a", "", 0, true)
	for _, extra := range []int{1, 0} {
		p.far.write(nil, [][]byte{append([]byte{subscribeOctet}, make([]byte, zmtp.MaxTopic+extra)...)})
		r.do("can")
		if got := p.near.subscriptions; got != 1-extra {
			t.Errorf("topic of %d octets: %d subscriptions", zmtp.MaxTopic+extra, got)
		}
	}
}

// TestSubscriptionsCount: the pipe knows how many topics it is subscribed to,
// by which WaitPeers tells subscribers from others.
func TestSubscriptionsCount(t *testing.T) {
	r := newRig(t, TypeXPub, new(Options))
	p := r.peer("a", "", 0, true)
	for _, step := range []struct {
		frame string
		want  int
	}{{"+A", 1}, {"+A", 1}, {"+", 2}, {"-B", 2}, {"-A", 1}, {"hello", 1}, {"-", 0}} {
		r.do("a -> " + step.frame)
		if p.near.subscriptions != step.want {
			t.Errorf("after %s: %d subscriptions, want %d", step.frame, p.near.subscriptions, step.want)
		}
	}
	r.close()

	r = newRig(t, TypeXPub, &Options{XPubManual: true})
	p = r.peer("a", "", 0, true)
	r.do("a -> +A")
	r.do("recv")
	if p.near.subscriptions != 0 {
		t.Errorf("%d subscriptions before one is applied", p.near.subscriptions)
	}
	r.do("apply X")
	if p.near.subscriptions != 1 {
		t.Errorf("%d subscriptions after one is applied", p.near.subscriptions)
	}
	r.close()
}

// TestOptionsAreCopied: the welcome message is the caller's to change.
func TestOptionsAreCopied(t *testing.T) {
	o := &Options{XPubWelcome: []byte("hello")}
	r := newRig(t, TypeXPub, o)
	o.XPubWelcome[0] = 'j'
	r.peer("a", "", 0, true)
	r.pump()
	if got := r.out.String(); got != "a <- hello\n" {
		t.Errorf("got %q", got)
	}
	r.close()
}

// A lowerer is the consumer of a lane that, when it is told of a message, lowers
// the high-water mark of others.
type lowerer []*testPeer

func (l lowerer) roomReady() {}
func (l lowerer) dataReady() {
	for _, p := range l {
		p.near.out.hwm.Store(1)
	}
}

// noDropRig is a PUB with XPubNoDrop and subscribers that read nothing, have room,
// and were sent two messages.
func noDropRig(t *testing.T, subscribers int) (r *rig, s *pub, to []*pipe) {
	r = newRig(t, TypePub, &Options{XPubNoDrop: true})
	for range subscribers {
		p := r.peer("", "", 10, true)
		p.held = true
		p.near.courier = r.courier("x")
		p.far.write(nil, [][]byte{{subscribeOctet}})
		to = append(to, p.near)
	}
	r.pump()
	r.sendMany(2, []byte("body"))
	s = r.pat.(*pub)
	s.settle()
	return r, s, to
}

// closeFull looks that each subscriber was given as many messages, and that none
// is said to have room now.
func (r *rig) closeFull(s *pub, messages uint64) {
	r.t.Helper()
	for i, p := range r.peers {
		if n := p.near.out.written(); n != messages || p.near.dropped.Load() != 0 {
			r.t.Errorf("subscriber %d of %d was given %d messages, want %d, and %d were dropped", i+1, len(r.peers), n, messages, p.near.dropped.Load())
		}
	}
	if err := s.send([][]byte{[]byte("body")}); err != errWouldBlock {
		r.t.Errorf("a message beyond the mark: %v", err)
	}
	r.close()
}

// TestNoDropWhileMarkIsLowered: a message for which all had room is nobody's loss,
// though the mark is lowered, on another goroutine, before it is written.
func TestNoDropWhileMarkIsLowered(t *testing.T) {
	body := [][]byte{[]byte("body")}
	t.Run("while written", func(t *testing.T) {
		r, s, _ := noDropRig(t, 3)
		first := r.peers[0]
		first.far.in.consumer = lowerer(r.peers)
		(&fanPeer{testPeer: first}).take(3) // there are two, so it is to be told of the next
		if err := s.send(body); err != nil {
			t.Fatal(err)
		}
		if r.peers[1].near.out.hwm.Load() != 1 {
			t.Fatal("no mark was lowered")
		}
		r.closeFull(s, 3)
	})
	for _, n := range []int{1, 2} {
		r, s, to := noDropRig(t, n)
		if !s.dist.allOpen(to) {
			t.Fatal("no room")
		}
		lowerer(r.peers).dataReady()
		s.dist.send(to, body)
		r.closeFull(s, 3)
	}
	t.Run("burst", func(t *testing.T) {
		r, s, to := noDropRig(t, maxDirty+1)
		if !r.courier("x").due || !s.dist.allOpen(to) {
			t.Fatal("no burst, or no room")
		}
		lowerer(r.peers).dataReady()
		if s.fan.open(&s.dist) || len(s.fan.shut) > 0 {
			t.Errorf("of a burst, %d subscribers miss the next message", len(s.fan.shut))
		}
		s.dist.send(to, body)
		r.closeFull(s, 3)
	})
}
