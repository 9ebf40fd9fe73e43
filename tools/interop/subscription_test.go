package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// publishers and subscribers by who is ours.
var (
	weSubscribe = []pairing{{"SUB", "XPUB"}, {"XSUB", "XPUB"}}
	wePublish   = []pairing{{"XPUB", "SUB"}, {"XPUB", "XSUB"}}
)

// topics are of the lengths at which a subscription's frame changes: 246 with
// the 10 octets of "SUBSCRIBE" is the first to need a long frame in ZMTP 3.1,
// 249 with the 7 of "CANCEL", 255 with the one octet of 3.0. libzmq 4.3.4 sends
// those of 246 to 255 octets wrongly, and we understand it all the same.
//
// None starts with an octet 1: libzmq's SUB takes the end of such a
// subscription for the beginning of another (xsub_t::xsend).
func topics() []string {
	var all []string
	for _, n := range []int{1, 2, 244, 245, 246, 247, 248, 249, 253, 254, 255, 256, 1000} {
		all = append(all, strings.Repeat("t", n))
	}
	return append(all, "\x00", "\x00\xff binary", "")
}

// eachSubscription runs f for pairs, in both roles, unsubscribed.
func eachSubscription(t *testing.T, pairs []pairing, o opts, f func(t *testing.T, pub, sub *party)) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range pairs {
			for _, binds := range []bool{true, false} {
				r := row{pairing: p, nearBinds: binds, transport: "tcp", opts: o}
				t.Run(r.name(), func(t *testing.T) {
					l := r.dial(t, us, startC(t))
					f(t, l.first, l.other)
				})
			}
		}
	})
}

// want makes a subscriber ask for a topic, and unwant take it back. An XSUB
// says it with messages.
func (p *party) want(topic string) {
	if p.typ == "XSUB" {
		p.send(lit("\x01" + topic))
	} else {
		p.subscribe(topic)
	}
}

func (p *party) unwant(topic string) {
	if p.typ == "XSUB" {
		p.send(lit("\x00" + topic))
	} else {
		p.unsubscribe(topic)
	}
}

// TestNotices checks that an XPUB's user learns of each subscription and of the
// end of each, once.
func TestNotices(t *testing.T) {
	both := append(append([]pairing(nil), weSubscribe...), wePublish...)
	eachSubscription(t, both, opts{}, func(t *testing.T, pub, sub *party) {
		for _, topic := range topics() {
			sub.want(topic)
			await(t, pub, sub, lit("\x01"+topic))
		}
		for _, topic := range topics() {
			sub.want(topic) // no news
			sub.unwant(topic)
			sub.unwant(topic)
			await(t, pub, sub, lit("\x00"+topic))
		}
	})
}

// TestVerboseNotices checks that XPUB_VERBOSE tells of repetitions too. libzmq
// sends a repeated subscription on, and so do we.
func TestVerboseNotices(t *testing.T) {
	both := append(append([]pairing(nil), weSubscribe...), wePublish...)
	eachSubscription(t, both, opts{verbose: true}, func(t *testing.T, pub, sub *party) {
		for range 3 {
			sub.want("A")
			await(t, pub, sub, lit("\x01A"))
		}
	})
}

// TestNoticesOfTheDead checks that subscriptions end with who made them.
func TestNoticesOfTheDead(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range wePublish {
			r := row{pairing: p, nearBinds: true, transport: "tcp"}
			t.Run(r.name(), func(t *testing.T) {
				child := startC(t)
				l := r.dial(t, us, child)
				for _, topic := range []string{"A", "B"} {
					l.other.want(topic)
					await(t, l.first, l.other, lit("\x01"+topic))
				}
				child.kill()
				seen := map[string]bool{}
				for range 2 {
					seen[string(l.first.recv()[0].shown)] = true
				}
				if !seen["\x00A"] || !seen["\x00B"] {
					t.Errorf("notices %v, want those of the ends of A and B", seen)
				}
			})
		}
	})
}

// TestUpstream checks that an XSUB's messages which are no subscriptions reach
// an XPUB's user whole. No frame starts with an octet 0 or 1: libzmq's XSUB
// looks at each for a subscription, not just at the first.
func TestUpstream(t *testing.T) {
	pairs := []pairing{{"XSUB", "XPUB"}, {"XPUB", "XSUB"}}
	eachSubscription(t, pairs, opts{}, func(t *testing.T, pub, sub *party) {
		sub.want("A") // and with that libzmq has noticed its peer
		await(t, pub, sub, lit("\x01A"))
		for _, msg := range [][]part{lits("hello"), lits("two", "frames"), lits(""), lits("x", strings.Repeat("y", 100_000)), lits("z")} {
			sub.send(msg...)
			expect(t, pub, msg...)
		}
	})
}

// TestFilter checks which messages subscribers get: those whose first frame
// starts with a topic they asked for, each once.
func TestFilter(t *testing.T) {
	pairs := []pairing{{"PUB", "SUB"}, {"PUB", "XSUB"}, {"XPUB", "SUB"}, {"XPUB", "XSUB"}, {"SUB", "PUB"}, {"SUB", "XPUB"}, {"XSUB", "PUB"}, {"XSUB", "XPUB"}}
	eachSubscription(t, pairs, opts{}, func(t *testing.T, pub, sub *party) {
		for _, topic := range []string{"A", "AB", "long topic", "fence"} {
			sub.want(topic)
			awaitTopic(t, pub, sub, topic)
		}
		messages := [][]part{
			lits("A"), lits("B"), lits("AB", "A"), lits("", "A"), lits("long topi"), lits("long topic!"),
			lits("B", "A"), {lit("Apple"), gen(70000, 1, 1)}, {lit("Banana"), gen(70000, 2, 1)},
		}
		for _, m := range messages {
			pub.send(m...)
		}
		for _, i := range []int{0, 2, 5, 7} {
			expect(t, sub, messages[i]...)
		}
		sub.unwant("A") // AB is still asked for
		if pub.typ == "XPUB" {
			await(t, pub, sub, lit("\x00A"))
		} else {
			awaitSilence(t, pub, sub, "Apple")
		}
		pub.send(lits("Apple")...)
		pub.send(lits("ABC")...)
		expect(t, sub, lits("ABC")...)
	})
}

// awaitTopic returns once what is published under topic gets through.
func awaitTopic(t *testing.T, pub, sub *party, topic string) {
	t.Helper()
	if pub.typ == "XPUB" {
		await(t, pub, sub, lit("\x01"+topic))
	} else {
		awaitFlow(t, pub, sub, topic)
	}
}

// awaitSilence returns once a PUB knows that nobody wants topic any more.
func awaitSilence(t *testing.T, pub, sub *party, topic string) {
	t.Helper()
	for n := 0; ; n++ {
		pub.send(lits(topic)...)
		pub.send(lits("fence", fmt.Sprint(n))...)
		if differ(sub.recv(), lits("fence", fmt.Sprint(n))) == "" {
			return
		}
		expect(t, sub, lits("fence", fmt.Sprint(n))...)
	}
}

// TestSubscribedTwice subscribes twice and cancels once, which leaves a SUB
// subscribed. libzmq's SUB sends both subscriptions and only the last
// cancellation, so a publisher that counted would never stop.
func TestSubscribedTwice(t *testing.T) {
	pairs := []pairing{{"PUB", "SUB"}, {"SUB", "PUB"}}
	eachSubscription(t, pairs, opts{}, func(t *testing.T, pub, sub *party) {
		for _, topic := range []string{"A", "A", "fence"} {
			sub.want(topic)
		}
		awaitFlow(t, pub, sub, "fence")
		pub.send(lits("A1")...)
		expect(t, sub, lits("A1")...)
		sub.unwant("A")
		awaitFlow(t, pub, sub, "fence")
		pub.send(lits("A2")...)
		expect(t, sub, lits("A2")...)
		sub.unwant("A")
		awaitSilence(t, pub, sub, "A3")
	})
}

// TestManySubscriptions makes more subscriptions than a high-water mark has
// room for, and kills the publisher: all are made again.
func TestManySubscriptions(t *testing.T) {
	const many = 5000
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range weSubscribe {
			r := row{pairing: p, transport: "tcp", opts: opts{quick: true}}
			t.Run(r.name(), func(t *testing.T) {
				first := startC(t)
				l := r.dial(t, us, first)
				for i := range many {
					l.near.want(fmt.Sprintf("topic %d", i))
				}
				l.countNotices(many)
				first.kill()
				l.far = l.openFar(startC(t))
				l.far.bind(l.endpoint)
				l.countNotices(many)
			})
		}
	})
}

// countNotices receives n notices of different subscriptions.
func (l *link) countNotices(n int) {
	l.t.Helper()
	seen := make(map[string]bool)
	for len(seen) < n {
		msg := l.far.recv()
		text := string(msg[0].shown)
		if len(msg) != 1 || !strings.HasPrefix(text, "\x01topic ") || seen[text] {
			l.t.Fatalf("after %d notices %v", len(seen), msg)
		}
		seen[text] = true
	}
}

// TestWelcome checks that a subscriber is greeted if it wants to be.
func TestWelcome(t *testing.T) {
	both := append(append([]pairing(nil), weSubscribe...), wePublish...)
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range both {
			r := row{pairing: p, nearBinds: p.near == "XPUB", transport: "tcp", opts: opts{welcome: "W elcome"}}
			t.Run(r.name(), func(t *testing.T) {
				l := r.open(t, us, startC(t))
				l.other.want("W") // before it is connected
				l.meetAt(fresh("tcp"))
				await(t, l.first, l.other, lit("\x01W"))
				expect(t, l.other, lit("W elcome"))
			})
		}
	})
}

// TestFirstMessage checks what WaitPeers promises a publisher: that what is
// sent after it gets to the subscriber, from the first message on.
func TestFirstMessage(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range []pairing{{"PUB", "SUB"}, {"XPUB", "SUB"}} {
			r := row{pairing: p, nearBinds: true, transport: "tcp"}
			t.Run(r.name(), func(t *testing.T) {
				pub := us.socket(t, p.near, us.options(opts{}))
				sub := startC(t).open(t, p.far, opts{})
				sub.subscribe("A")
				sub.connect(pub.bind(fresh("tcp")))
				pub.peers(1)
				pub.send(lit("A first"))
				expect(t, sub, lit("A first"))
			})
		}
	})
}

// TestPubIsDeaf checks that a PUB throws away what a subscriber sends it.
func TestPubIsDeaf(t *testing.T) {
	eachSubscription(t, []pairing{{"PUB", "XSUB"}}, opts{}, func(t *testing.T, pub, sub *party) {
		sub.want("A")
		sub.send(lits("to nobody", "in particular")...)
		sub.want("B")
		awaitFlow(t, pub, sub, "B")
		if _, err := pub.sock.(*ourSock).TryRecv(); !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("TryRecv of a PUB: %v, want ErrNotSupported", err)
		}
	})
}

// TestManual has the user of an XPUB decide what a subscription stands for:
// who asks for A gets XA.
func TestManual(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := us.options(opts{})
		o.XPubManual = true
		xpub, err := socket.NewXPub(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { xpub.Close() })
		pub := &ourSock{t, xpub.Untyped()}
		sub := startC(t).open(t, "XSUB", opts{})
		sub.connect(pub.bind(fresh("tcp")))
		sub.send(lit("\x01A"))
		await(t, pub, sub, lit("\x01A"))
		if err := xpub.ApplySubscription([]byte("XA")); err != nil {
			t.Fatal(err)
		}
		pub.send(lit("A"))
		pub.send(lit("XA"))
		expect(t, sub, lit("XA"))
		sub.send(lit("\x00A"))
		await(t, pub, sub, lit("\x00A"))
		if err := xpub.ApplyCancel([]byte("XA")); err != nil {
			t.Fatal(err)
		}
		sub.send(lit("\x01B"))
		await(t, pub, sub, lit("\x01B"))
		if err := xpub.ApplySubscription([]byte("XB")); err != nil {
			t.Fatal(err)
		}
		pub.send(lit("XA"))
		pub.send(lit("XB"))
		expect(t, sub, lit("XB"))
	})
}

const zmqInvertMatching = 74

// TestInvertMatching has subscribers get what they did not ask for.
func TestInvertMatching(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		inverted := us.options(opts{})
		inverted.InvertMatching = true
		t.Run("we publish", func(t *testing.T) {
			pub := us.socket(t, "XPUB", inverted)
			sub := startC(t).socket(t, "SUB", opts{})
			sub.set(zmqInvertMatching, 1)
			invert(t, pub, sub)
		})
		t.Run("we subscribe", func(t *testing.T) {
			pub := startC(t).socket(t, "XPUB", opts{})
			pub.set(zmqInvertMatching, 1)
			invert(t, pub, us.socket(t, "SUB", inverted))
		})
	})
}

func invert(t *testing.T, pub, sub sock) {
	t.Helper()
	sub.connect(pub.bind(fresh("tcp")))
	sub.subscribe("A")
	await(t, pub, sub, lit("\x01A"))
	for _, text := range []string{"A1", "B", "AB", "C"} {
		pub.send(lit(text))
	}
	expect(t, sub, lit("B"))
	expect(t, sub, lit("C"))
}
