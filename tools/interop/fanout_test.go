package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// fanOut is what each of several subscribers asks for.
var fanOut = [][]string{{"a"}, {"b"}, {"a", "b"}, {""}, {"c"}, {"a", "aa"}, {"b", "", "b"}}

// published is message i of a fan-out: small ones are copied to each
// subscriber, large ones shared among them.
func published(i int) []part {
	topic := []string{"a1", "aa2", "b3", "c4", "d5"}[i%5]
	return []part{lit(topic), gen([]int{10, 300, 3000, 30000}[i%4], uint64(i), 1)}
}

// wanted reports whether a message is for who asked for topics.
func wanted(msg []part, topics []string) bool {
	for _, topic := range topics {
		if strings.HasPrefix(string(msg[0].octets), topic) {
			return true
		}
	}
	return false
}

// TestFanOut publishes under several topics to many subscribers of libzmq's:
// each gets what it asked for, once and in order.
func TestFanOut(t *testing.T) {
	const messages = 400
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, typ := range []string{"PUB", "XPUB"} {
			pub := us.open(t, typ, opts{unlimited: true}).(*ourSock)
			endpoint := pub.bind(fresh("tcp"))
			child := startC(t)
			subs := make([]sock, len(fanOut))
			for i, topics := range fanOut {
				// libzmq makes subscriptions in alphabetical order: when this
				// one is known, all are.
				last := fmt.Sprint("zz", i)
				subs[i] = child.open(t, "SUB", opts{unlimited: true})
				for _, topic := range append([]string{last}, topics...) {
					subs[i].subscribe(topic)
				}
				subs[i].connect(endpoint)
				awaitFlow(t, pub, subs[i], last)
			}
			for i := range messages {
				pub.send(published(i)...)
			}
			for i, s := range subs {
				for n := range messages {
					if want := published(n); wanted(want, fanOut[i]) {
						expectAfter(t, s, "zz", want)
					}
				}
			}
		}
	})
}

// expectAfter is expect that passes over messages that start with skip.
func expectAfter(t *testing.T, s sock, skip string, want []part) {
	t.Helper()
	msg := s.recv()
	for strings.HasPrefix(string(msg[0].shown), skip) {
		msg = s.recv()
	}
	if d := differ(msg, want); d != "" {
		t.Fatalf("received %s", d)
	}
}

// TestBatches uses the forms of sending and receiving that rows do not.
func TestBatches(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		sh := shape{2000, 100, 7, 1}
		child := startC(t)
		push, err := socket.NewPush(us.options(opts{}))
		if err != nil {
			t.Fatal(err)
		}
		defer push.Close()
		pull := child.open(t, "PULL", opts{})
		if err := push.Connect(pull.bind(fresh("ipc"))); err != nil {
			t.Fatal(err)
		}
		bodies := make([][]byte, sh.count)
		for i := range bodies {
			bodies[i] = gen(sh.size, uint64(i)<<8, sh.seed).octets
		}
		drain := pull.drain(sh, 0)
		if n, err := push.SendBatch(t.Context(), bodies); n != sh.count || err != nil {
			t.Fatalf("SendBatch: %d, %v", n, err)
		}
		drain.end()
	})
}

// TestMessages receives by ranging over messages.
func TestMessages(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		sh := shape{2000, 100, 7, 3}
		pull, err := socket.NewPull(us.options(opts{}))
		if err != nil {
			t.Fatal(err)
		}
		defer pull.Close()
		endpoint, err := pull.Bind(fresh("ipc"))
		if err != nil {
			t.Fatal(err)
		}
		push := startC(t).open(t, "PUSH", opts{})
		push.connect(endpoint)
		stream := push.stream(sh)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var want [][]byte
		i := 0
		for m, err := range pull.Messages(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			if want, err = sh.check(want, m, i, 0); err != nil {
				t.Fatal(err)
			}
			if i++; i == sh.count {
				break
			}
		}
		if i != sh.count {
			t.Fatalf("%d messages, want %d", i, sh.count)
		}
		stream.end()
		if m, err := pull.TryRecv(); !errors.Is(err, socket.ErrWouldBlock) {
			t.Errorf("TryRecv after the last message: %v, %v", m, err)
		}
	})
}

// TestZMTP30 talks to peers of ZMTP 3.0, such as libzmq before 4.3: their
// subscriptions are messages.
func TestZMTP30(t *testing.T) {
	greeting30 := strings.Replace(greeting, "\x03\x01", "\x03\x00", 1)
	ready := func(typ string) string {
		return fmt.Sprintf("\x04%c\x05READY\x0bSocket-Type\x00\x00\x00\x03%s", 22+len(typ), typ)
	}
	eachBackend(t, func(t *testing.T, us *zeroring) {
		t.Run("their SUB", func(t *testing.T) {
			pub := us.open(t, "XPUB", opts{}).(*ourSock)
			raw := dialRaw(t, pub.bind(fresh("tcp")))
			raw.say(greeting30 + ready("SUB") + "\x00\x02\x01A")
			expect(t, pub, lit("\x01A"))
			pub.send(lit("B"))
			pub.send(lits("A", "body")...)
			raw.hear("XPUB\x01\x01A\x00\x04body")
			raw.say("\x00\x02\x00A\x00\x02\x01C")
			expect(t, pub, lit("\x00A"))
			expect(t, pub, lit("\x01C"))
			pub.send(lit("A"))
			pub.send(lit("C"))
			raw.hear("body\x00\x01C")
		})
		t.Run("their PUB", func(t *testing.T) {
			sub := us.open(t, "SUB", opts{}).(*ourSock)
			raw := dialRaw(t, sub.bind(fresh("tcp")))
			raw.say(greeting30 + ready("PUB"))
			sub.subscribe("A")
			raw.hear("\x00\x02\x01A")
			raw.say("\x00\x01B\x00\x02A1")
			expect(t, sub, lit("A1"))
			sub.unsubscribe("A")
			raw.hear("\x00\x02\x00A")
		})
	})
}
