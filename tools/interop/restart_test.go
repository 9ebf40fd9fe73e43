package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// TestPeerKilled kills libzmq's process in the middle of a conversation and
// starts another at the same endpoint. Nothing is done on our side: what was
// bound or connected, and what was subscribed to, must serve the next peer.
func TestPeerKilled(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, r := range rows("tcp", "ipc") {
			r.opts = opts{quick: true, unlimited: true}
			t.Run(r.name(), func(t *testing.T) {
				first := startC(t)
				l := r.connect(t, us, first)
				l.exchange(lits("before"))
				w := l.near.sock.(*ourSock).watch()
				first.kill()
				w.until(socket.EventDisconnected)
				l.replaceFar(startC(t))
				for range 3 {
					l.exchange([]part{lit("after"), lit(""), gen(70000, 1, 1)})
				}
				l.bulk(shape{1000, 30, 9, 2})
			})
		}
	})
}

// replaceFar puts a new process in the place of the far one, which is gone.
func (l *link) replaceFar(side side) {
	l.t.Helper()
	l.far = l.openFar(side)
	if l.row.nearBinds {
		l.far.connect(l.endpoint)
	} else {
		l.far.bind(l.endpoint)
	}
	l.order()
	l.meet()
	switch l.far.typ {
	case "SUB":
		l.far.subscribe("")
	case "XSUB":
		l.far.send(lit("\x01"))
	}
	if l.near.typ == "XPUB" && l.row.nearBinds {
		await(l.t, l.near, l.far, lit("\x00"))
	}
	l.flowsAgain(l.near.typ == "XPUB" && !l.row.nearBinds)
}

// flowsAgain returns once what is published reaches the new subscriber. If the
// publisher connects, its pipe outlives its peer, and with it the
// subscriptions: that they are made again is no news to an XPUB's user.
func (l *link) flowsAgain(publisherConnects bool) {
	l.t.Helper()
	if publisherConnects {
		awaitFlow(l.t, l.first, l.other, "")
	} else {
		l.flows()
	}
}

// TestWeRestart closes our socket and opens another at the same endpoint.
// libzmq reconnects, and sends its subscriptions again, by itself.
func TestWeRestart(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, r := range rows("tcp", "ipc") {
			r.opts = opts{quick: true, unlimited: true}
			t.Run(r.name(), func(t *testing.T) {
				l := r.connect(t, us, startC(t))
				l.exchange(lits("before"))
				l.far.sock.(*childSock).monitor()
				l.near.close()
				l.farNotices()
				l.replaceNear(us)
				for range 3 {
					l.exchange([]part{lit("after"), lit(""), gen(70000, 1, 1)})
				}
				l.bulk(shape{1000, 30, 9, 2})
			})
		}
	})
}

// farNotices returns when libzmq's I/O thread knows that our socket is gone.
// Its application thread may take longer to.
func (l *link) farNotices() {
	l.t.Helper()
	l.far.sock.(*childSock).event(eventDisconnected)
	l.far.pump()
	switch {
	case l.row.nearBinds: // so the far one connects, and takes whom it finds for the old one
	case l.far.typ == "XPUB":
		await(l.t, l.far, l.far, lit("\x00"))
	case l.far.typ == "PAIR": // turns others away, for good, until it knows that this one is gone
		const pollOut = 2
		for limit := time.Now().Add(patience); l.far.sock.(*childSock).events()&pollOut != 0; {
			if time.Now().After(limit) {
				l.t.Fatal("the PAIR still has a peer")
			}
		}
	}
}

// replaceNear puts a new socket in the place of the near one, which is closed.
//
// A libzmq that connects takes it for the old one, identity and all. One that
// is bound might still have the old one: a ROUTER would ignore a second peer of
// the same identity for ever, and a PAIR turns a second peer away.
func (l *link) replaceNear(side side) {
	l.t.Helper()
	id := l.near.id
	if !l.row.nearBinds {
		id += " again"
	}
	l.near = l.openNear(side, id)
	near := l.near.sock.(*ourSock)
	if l.row.nearBinds {
		near.bind(l.endpoint)
	} else {
		near.connect(l.endpoint)
	}
	l.order()
	switch near.Type() {
	case socket.TypeSub:
		near.subscribe("")
	case socket.TypeXSub:
		near.send(lit("\x01"))
	case socket.TypePub, socket.TypeXPub: // they count peers that subscribed
	case socket.TypePair:
		awaitFlow(l.t, near, l.far, "")
	default:
		near.peers(1)
		l.far.pump()
	}
	if !l.row.nearBinds {
		l.meet() // a libzmq that connects probes once, not at each reconnection
	}
	l.flowsAgain(l.far.typ == "XPUB" && l.row.nearBinds)
}

// TestPeerLostInRequest kills the REP that owes our REQ a reply.
func TestPeerLostInRequest(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, binds := range []bool{true, false} {
			r := row{pairing: pairing{"REQ", "REP"}, nearBinds: binds, transport: "tcp", opts: opts{quick: true}}
			t.Run(r.name(), func(t *testing.T) {
				first := startC(t)
				l := r.connect(t, us, first)
				near := l.near.sock.(*ourSock)
				near.send(lit("question"))
				expect(t, l.far, lit("question"))
				first.kill()
				ctx, cancel := near.patient()
				defer cancel()
				if m, err := near.Recv(ctx); !errors.Is(err, socket.ErrPeerLost) {
					t.Fatalf("Recv of a reply from the dead: %v, %v, want ErrPeerLost", m, err)
				}
				l.replaceFar(startC(t))
				l.exchange(lits("question again"))
			})
		}
	})
}

// TestPeerLostInReply kills the REQ that our REP is about to reply to. The
// reply has nowhere to go, and the REP goes on to the next request.
func TestPeerLostInReply(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, binds := range []bool{true, false} {
			r := row{pairing: pairing{"REP", "REQ"}, nearBinds: binds, transport: "tcp", opts: opts{quick: true}}
			t.Run(r.name(), func(t *testing.T) {
				first := startC(t)
				l := r.connect(t, us, first)
				w := l.near.sock.(*ourSock).watch()
				l.far.send(lit("question"))
				expect(t, l.near, lit("question"))
				first.kill()
				w.until(socket.EventDisconnected)
				l.near.send(lit("answer"))
				l.replaceFar(startC(t))
				l.exchange(lits("question again"))
			})
		}
	})
}

// TestKilledMidStream kills a PULL while our PUSH floods it. Its successor gets
// whole messages in order: some in between are lost, none is torn or doubled.
func TestKilledMidStream(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, binds := range []bool{true, false} {
			r := row{pairing: pairing{"PUSH", "PULL"}, nearBinds: binds, transport: "tcp", opts: opts{quick: true}}
			t.Run(r.name(), func(t *testing.T) {
				first := startC(t)
				l := r.connect(t, us, first)
				stop := l.near.sock.(*ourSock).flood()
				last := uint64(0)
				for range 50 {
					last = l.takeNumbered(last)
				}
				first.kill()
				l.replaceFar(startC(t))
				for range 500 {
					last = l.takeNumbered(last)
				}
				stop()
			})
		}
	})
}

// TestKilledWhenFull kills a PULL after our PUSH got stuck in the middle of a
// message. What its successor gets begins with a whole one.
func TestKilledWhenFull(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, binds := range []bool{true, false} {
			r := row{pairing: pairing{"PUSH", "PULL"}, nearBinds: binds, transport: "ipc", opts: opts{quick: true, hwm: fillHWM}}
			t.Run(r.name(), func(t *testing.T) {
				first := startC(t)
				l := r.connect(t, us, first)
				near := l.near.sock.(*ourSock)
				n := near.fill()
				first.kill()
				l.replaceFar(startC(t))
				near.send(lit("end"))
				last := -1
				for msg := l.far.recv(); differ(msg, lits("end")) != ""; msg = l.far.recv() {
					seq := int(binary.BigEndian.Uint64(msg[0].shown)) >> 8
					if d := differ(msg, []part{gen(fillSize, uint64(seq)<<8, 1)}); d != "" || seq <= last || seq >= n {
						t.Fatalf("message %d of %d after %d: %s", seq, n, last, d)
					}
					last = seq
				}
				if !binds && last != n-1 {
					t.Errorf("the last message is %d, and %d was still queued", last, n-1)
				}
			})
		}
	})
}

const floodSize = 5000

// flood sends numbered messages until what it returns is called.
func (s *ourSock) flood() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	c := s.begin("flood", func(context.Context, func()) error {
		body := make([]byte, floodSize)
		for seq := uint64(1); ; seq++ {
			fillBody(body, seq, 1)
			err := s.SendBytes(ctx, body)
			if errors.Is(err, context.Canceled) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	return func() {
		s.t.Helper()
		cancel()
		c.end()
	}
}

// takeNumbered receives a message of a flood, which must come after the one
// numbered last, and returns its number.
func (l *link) takeNumbered(last uint64) uint64 {
	l.t.Helper()
	msg := l.far.recv()
	if len(msg) != 1 || msg[0].size != floodSize {
		l.t.Fatalf("received %v", msg)
	}
	seq := binary.BigEndian.Uint64(msg[0].shown)
	want := make([]byte, floodSize)
	fillBody(want, seq, 1)
	if d := differ(msg, []part{{octets: want}}); d != "" || seq <= last {
		l.t.Fatalf("message %d after %d: %s", seq, last, d)
	}
	return seq
}
