package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// dealers opens n sockets of typ on side, connected to endpoint.
func dealers(t *testing.T, side side, typ, endpoint string, n int, o opts) []sock {
	t.Helper()
	all := make([]sock, n)
	for i := range all {
		all[i] = side.open(t, typ, o)
		all[i].connect(endpoint)
	}
	return all
}

// eachSides runs f with zeroring as the first side and libzmq as the second,
// and the other way round.
func eachSides(t *testing.T, f func(t *testing.T, binds, connects side)) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		t.Run("we bind", func(t *testing.T) { f(t, us, startC(t)) })
		t.Run("we connect", func(t *testing.T) { f(t, startC(t), us) })
	})
}

// TestInventedIdentities checks that a ROUTER gives peers without an identity
// one of 5 octets that starts with zero, and that each reaches its own.
func TestInventedIdentities(t *testing.T) {
	eachSides(t, func(t *testing.T, binds, connects side) {
		router := binds.open(t, "ROUTER", opts{})
		peers := dealers(t, connects, "DEALER", router.bind(fresh("tcp")), 5, opts{})
		ids := make(map[string]int)
		for i, d := range peers {
			d.send(lit(fmt.Sprint(i)))
			msg := router.recv()
			id := string(msg[0].shown)
			if len(id) != 5 || id[0] != 0 {
				t.Errorf("invented identity %q, want 5 octets of which the first is 0", id)
			}
			if _, again := ids[id]; again {
				t.Errorf("two peers have the identity %q", id)
			}
			ids[id] = i
		}
		for id, i := range ids {
			router.send(lits(id, fmt.Sprint(i))...)
		}
		for i, d := range peers {
			expect(t, d, lit(fmt.Sprint(i)))
		}
	})
}

// TestIdentityOfZero checks that a peer is let in whose identity starts with a
// zero octet: libzmq allows it, though the RFC does not.
func TestIdentityOfZero(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, id := range []string{"\x00", "\x00\x00\x00\x00\x01", "\x00six.."} {
			router := us.open(t, "ROUTER", opts{})
			endpoint := router.bind(fresh("tcp"))
			d := startC(t).open(t, "DEALER", opts{identity: id})
			d.connect(endpoint)
			d.send(lit("hello"))
			expect(t, router, lits(id, "hello")...)
			router.send(lits(id, "welcome")...)
			expect(t, d, lit("welcome"))
		}
	})
}

// TestConnectAs checks that two ROUTERs talk at once if one gives the other a
// name, as with libzmq's CONNECT_ROUTING_ID.
func TestConnectAs(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		router := us.open(t, "ROUTER", opts{identity: "us", mandatory: true}).(*ourSock)
		child := startC(t)
		far := child.open(t, "ROUTER", opts{identity: "them"})
		endpoint := far.bind(fresh("tcp"))
		router.check("connecting", router.ConnectAs(endpoint, []byte("named")))
		router.send(lits("named", "hello")...)
		expect(t, far, lits("us", "hello")...)
		far.send(lits("us", "welcome")...)
		expect(t, router, lits("named", "welcome")...)
	})
}

// TestIdentities checks identities of the shortest and longest kind.
func TestIdentities(t *testing.T) {
	eachSides(t, func(t *testing.T, binds, connects side) {
		router := binds.open(t, "ROUTER", opts{})
		endpoint := router.bind(fresh("tcp"))
		for _, id := range []string{"a", "peer", "\x01\x00\xff", strings.Repeat("i", 255)} {
			for _, typ := range []string{"DEALER", "REQ"} {
				id := typ[:1] + id[1:]
				d := connects.open(t, typ, opts{identity: id})
				d.connect(endpoint)
				d.send(lit("hello"))
				from := &party{d, typ, id}
				to := &party{router, "ROUTER", ""}
				expect(t, router, join(delivered(from, to), lits("hello"))...)
				router.send(join(envelope(to, from), lits("welcome"))...)
				expect(t, d, lit("welcome"))
				d.close()
			}
		}
	})
}

// TestDuplicateIdentity checks that the second of two peers with one identity
// is ignored, and with ROUTER_HANDOVER takes it over.
func TestDuplicateIdentity(t *testing.T) {
	for _, handover := range []bool{false, true} {
		t.Run(fmt.Sprintf("handover %v", handover), func(t *testing.T) {
			eachBackend(t, func(t *testing.T, us *zeroring) {
				router := us.open(t, "ROUTER", opts{handover: handover}).(*ourSock)
				endpoint := router.bind(fresh("tcp"))
				child := startC(t)
				first := child.open(t, "DEALER", opts{identity: "twin"})
				first.connect(endpoint)
				first.send(lit("first"))
				expect(t, router, lits("twin", "first")...)
				w := router.watch()
				second := child.open(t, "DEALER", opts{identity: "twin"})
				second.connect(endpoint)
				second.send(lit("second"))
				w.until(socket.EventReady)
				if handover {
					expect(t, router, lits("twin", "second")...)
					router.send(lits("twin", "to the second")...)
					expect(t, second, lit("to the second"))
					return
				}
				router.send(lits("twin", "to the first")...)
				expect(t, first, lit("to the first"))
				first.send(lit("still the first"))
				expect(t, router, lits("twin", "still the first")...)
			})
		})
	}
}

// TestUnroutable checks that a ROUTER drops what it has no peer for, and with
// ROUTER_MANDATORY says so.
func TestUnroutable(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, mandatory := range []bool{false, true} {
			router := us.open(t, "ROUTER", opts{mandatory: mandatory}).(*ourSock)
			d := startC(t).open(t, "DEALER", opts{identity: "known"})
			d.connect(router.bind(fresh("tcp")))
			router.peers(1)
			ctx, cancel := router.patient()
			defer cancel()
			err := router.SendParts(ctx, []byte("unknown"), []byte("body"))
			if mandatory && !errors.Is(err, socket.ErrNoRoute) || !mandatory && err != nil {
				t.Errorf("mandatory %v: sending to nobody: %v", mandatory, err)
			}
			router.send(lits("known", "body")...)
			expect(t, d, lit("body"))
		}
	})
}

// TestTheirMandatory checks that libzmq sees ours come and go.
func TestTheirMandatory(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		router := startC(t).socket(t, "ROUTER", opts{mandatory: true})
		router.monitor()
		d := us.open(t, "DEALER", opts{identity: "known"})
		d.connect(router.bind(fresh("tcp")))
		d.send(lit("hello"))
		expect(t, router, lits("known", "hello")...)
		if name := router.try(lits("known", "body")...); name != "" {
			t.Errorf("sending to our DEALER: %s", name)
		}
		expect(t, d, lit("body"))
		d.close()
		router.event(eventDisconnected)
		if name := router.try(lits("nobody", "body")...); name != "EHOSTUNREACH" {
			t.Errorf("sending to nobody: %q", name)
		}
	})
}

// TestHops sends requests through envelopes of several hops, as brokers do.
func TestHops(t *testing.T) {
	eachSides(t, func(t *testing.T, binds, connects side) {
		rep := binds.open(t, "REP", opts{})
		d := connects.open(t, "DEALER", opts{})
		d.connect(rep.bind(fresh("tcp")))
		for _, hops := range [][]string{{}, {"a"}, {"a", "bb", "ccc"}, strings.Split(strings.Repeat("hop ", 20), " ")[:20]} {
			front := append(append([]string(nil), hops...), "")
			d.send(lits(append(front, "question", "", "more")...)...)
			expect(t, rep, lits("question", "", "more")...)
			rep.send(lits("answer", "", "")...)
			expect(t, d, lits(append(front, "answer", "", "")...)...)
		}
		// An envelope without its delimiter is no request: it is dropped.
		d.send(lits("no", "delimiter")...)
		d.send(lits("", "good")...)
		expect(t, rep, lit("good"))
	})
}

// TestBroker sends requests from REQs through a ROUTER and a DEALER to REPs:
// ours on both sides of libzmq's broker, and libzmq's on both sides of ours.
func TestBroker(t *testing.T) {
	const clients, workers, each = 4, 3, 50
	eachBackend(t, func(t *testing.T, us *zeroring) {
		t.Run("their broker", func(t *testing.T) {
			broker := startC(t)
			front, back := broker.socket(t, "ROUTER", opts{}), broker.socket(t, "DEALER", opts{})
			frontEnd, backEnd := front.bind(fresh("tcp")), back.bind(fresh("ipc"))
			broker.must("proxy %d %d", front.h, back.h)
			var calls []*call
			reps := dealers(t, us, "REP", backEnd, workers, opts{})
			serve(t, us, reps)
			for i, c := range dealers(t, us, "REQ", frontEnd, clients, opts{}) {
				calls = append(calls, c.ask(shape{each, 50, uint64(i), 4}, 0, 1))
			}
			for _, c := range calls {
				c.end()
			}
		})
		t.Run("our broker", func(t *testing.T) {
			front, back := us.open(t, "ROUTER", opts{}).(*ourSock), us.open(t, "DEALER", opts{}).(*ourSock)
			frontEnd, backEnd := front.bind(fresh("tcp")), back.bind(fresh("ipc"))
			forward(t, front, back)
			forward(t, back, front)
			rep := startC(t).open(t, "REP", opts{})
			rep.connect(backEnd)
			echo := rep.echo(2 * each)
			var calls []*call
			for i := range 2 { // a child does one thing at a time
				req := startC(t).open(t, "REQ", opts{})
				req.connect(frontEnd)
				calls = append(calls, req.ask(shape{each, 50, uint64(i), 4}, 0, 1))
			}
			for _, c := range append(calls, echo) {
				c.end()
			}
		})
	})
}

// serve has sockets echo until the test is over.
func serve(t *testing.T, us *zeroring, reps []sock) {
	for _, r := range reps {
		forward(t, r.(*ourSock), r.(*ourSock))
	}
}

// forward sends on what from receives, until the test is over.
func forward(t *testing.T, from, to *ourSock) {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		for {
			m, err := from.Recv(ctx)
			if err == nil {
				err = to.Send(ctx, m)
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// TestCorrelate checks REQ_CORRELATE, which puts a number in front of the
// request that must come back with the reply, and REQ_RELAXED, by which a REQ
// may ask again: the reply to its first question is then not to be mistaken for
// that to the second.
func TestCorrelate(t *testing.T) {
	eachSides(t, func(t *testing.T, binds, connects side) {
		router := binds.open(t, "ROUTER", opts{})
		req := connects.open(t, "REQ", opts{identity: "asker", correlate: true, relaxed: true})
		req.connect(router.bind(fresh("tcp")))
		numbers := make([]string, 2)
		for i := range numbers {
			req.send(lit(fmt.Sprint("question ", i)))
			msg := router.recv()
			if len(msg) != 4 || len(msg[1].shown) != 4 || msg[2].size != 0 {
				t.Fatalf("request %v, want identity, number, delimiter, body", msg)
			}
			numbers[i] = string(msg[1].shown)
		}
		if numbers[0] == numbers[1] {
			t.Errorf("both requests have the number %q", numbers[0])
		}
		for i, number := range numbers {
			router.send(lits("asker", number, "", fmt.Sprint("answer ", i))...)
		}
		expect(t, req, lit("answer 1"))
	})
	eachSides(t, func(t *testing.T, binds, connects side) {
		rep := binds.open(t, "REP", opts{})
		req := connects.open(t, "REQ", opts{correlate: true})
		req.connect(rep.bind(fresh("tcp")))
		for range 3 {
			req.send(lits("question", "")...)
			expect(t, rep, lits("question", "")...)
			rep.send(lits("", "answer")...)
			expect(t, req, lits("", "answer")...)
		}
	})
}

// TestProbe checks PROBE_ROUTER: an empty message to each new peer.
func TestProbe(t *testing.T) {
	eachSides(t, func(t *testing.T, binds, connects side) {
		router := binds.open(t, "ROUTER", opts{})
		endpoint := router.bind(fresh("tcp"))
		for _, typ := range []string{"DEALER", "ROUTER", "REQ"} {
			d := connects.open(t, typ, opts{identity: typ, probe: true})
			d.connect(endpoint)
			await(t, router, d, lits(typ, "")...)
		}
	})
}

// TestRoundRobin checks that messages go to three peers in strict turns.
func TestRoundRobin(t *testing.T) {
	const rounds = 100
	for typ, peer := range map[string]string{"PUSH": "PULL", "DEALER": "DEALER"} {
		t.Run(typ, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, us *zeroring) {
				push := us.open(t, typ, opts{}).(*ourSock)
				pulls := dealers(t, startC(t), peer, push.bind(fresh("tcp")), 3, opts{})
				push.peers(3)
				for i := range 3 * rounds {
					push.send(lits(fmt.Sprint(i%3), "more")...)
				}
				seen := make(map[string]bool)
				for _, p := range pulls {
					turn := string(p.recv()[0].shown)
					seen[turn] = true
					for range rounds - 1 {
						expect(t, p, lits(turn, "more")...)
					}
				}
				if len(seen) != 3 {
					t.Errorf("turns went to %v", seen)
				}
			})
		})
	}
}

// TestManyToOne checks that what several peers send at once all arrives, each
// peer's in its order.
func TestManyToOne(t *testing.T) {
	const each = 100
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for typ, peer := range map[string]string{"PULL": "PUSH", "ROUTER": "DEALER", "DEALER": "DEALER"} {
			pull := us.open(t, typ, opts{}).(*ourSock)
			endpoint := pull.bind(fresh("tcp"))
			names := []string{"a", "b", "c"}
			child := startC(t)
			for _, name := range names {
				p := child.open(t, peer, opts{identity: name})
				p.connect(endpoint)
				for i := range each {
					p.send(lits(name, fmt.Sprint(i))...)
				}
			}
			next := make(map[string]int)
			for range each * len(names) {
				msg := pull.recv()
				name, number := string(msg[len(msg)-2].shown), string(msg[len(msg)-1].shown)
				if number != fmt.Sprint(next[name]) {
					t.Fatalf("%s from %s: message %s, want %d", typ, name, number, next[name])
				}
				next[name]++
			}
		}
	})
}

// TestRequestsInTurn has one REP serve several REQs of libzmq.
func TestRequestsInTurn(t *testing.T) {
	const each = 20
	eachBackend(t, func(t *testing.T, us *zeroring) {
		rep := us.open(t, "REP", opts{})
		reqs := dealers(t, startC(t), "REQ", rep.bind(fresh("tcp")), 10, opts{})
		for round := range each {
			for i, r := range reqs {
				r.send(lit(fmt.Sprint(round, i)))
			}
			rep.echo(len(reqs)).end()
			for i, r := range reqs {
				expect(t, r, lit(fmt.Sprint(round, i)))
			}
		}
	})
}
