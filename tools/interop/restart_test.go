package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// TestPeerKilled kills libzmq's process in the middle of a conversation and
// starts another at the same endpoint. Nothing is done on our side: what was
// bound or connected, and what was subscribed to, must serve the next peer.
func TestPeerKilled(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, r := range rows("tcp", "ipc") {
			r.opts.quick = true
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
	if l.near.typ == "XPUB" {
		l.expectNewSubscription()
		return
	}
	l.flows()
}

// expectNewSubscription takes the notices that an XPUB of ours gives when its
// subscriber is replaced: the old subscription's end, and the new one.
func (l *link) expectNewSubscription() {
	l.t.Helper()
	await(l.t, l.near, l.far, lit("\x00"))
	await(l.t, l.near, l.far, lit("\x01"))
}

// TestWeRestart closes our socket and opens another at the same endpoint.
// libzmq reconnects, and sends its subscriptions again, by itself.
func TestWeRestart(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, r := range rows("tcp", "ipc") {
			r.opts.quick = true
			t.Run(r.name(), func(t *testing.T) {
				l := r.connect(t, us, startC(t))
				l.exchange(lits("before"))
				l.near.close()
				l.replaceNear(us)
				for range 3 {
					l.exchange([]part{lit("after"), lit(""), gen(70000, 1, 1)})
				}
				l.bulk(shape{1000, 30, 9, 2})
			})
		}
	})
}

// replaceNear puts a new socket in the place of the near one, which is closed.
// It has an identity of its own: a libzmq ROUTER ignores for ever who comes
// back before it has noticed that he went.
func (l *link) replaceNear(side side) {
	l.t.Helper()
	l.near = l.openNear(side, "near end again")
	if l.row.nearBinds {
		l.near.bind(l.endpoint)
	} else {
		l.near.connect(l.endpoint)
	}
	l.order()
	l.meet()
	switch l.near.typ {
	case "SUB":
		l.near.subscribe("")
	case "XSUB":
		l.near.send(lit("\x01"))
	case "PUB", "XPUB":
	default:
		l.near.sock.(*ourSock).peers(1)
	}
	l.far.pump()
	if l.far.typ == "XPUB" && l.row.nearBinds {
		// libzmq keeps the pipe of a connection that it made itself, and with it
		// the subscriptions: ours come again and are no news to its user.
		awaitFlow(l.t, l.first, l.other, "")
		return
	}
	if l.far.typ == "XPUB" {
		await(l.t, l.far, l.near, lit("\x00"))
	}
	l.flows()
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

const floodSize = 5000

// flood sends numbered messages until what it returns is called.
func (s *ourSock) flood() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	c := s.begin("flood", func(context.Context) error {
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
