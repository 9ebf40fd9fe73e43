package socket_test

import (
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// Senders of one socket that wait for different peers: whoever's peer has room,
// or is gone, goes on, whoever has waited longer for another.

// full is a sender and two peers, A and B, with no room for either.
func (b *bed) full(t *testing.T, typ, peers socket.Type, option change) (s *socket.Socket, at map[string]*socket.Socket) {
	t.Helper()
	s = b.open(t, typ, option, func(o *socket.Options) { o.SendHWM = 1 })
	endpoint := b.bind(t, s)
	at = make(map[string]*socket.Socket)
	for _, name := range []string{"A", "B"} {
		p := b.open(t, peers, func(o *socket.Options) { o.RecvHWM, o.Identity = 1, []byte(name) })
		connectTo(t, p, endpoint)
		if peers == socket.TypeSub {
			subscribe(t, p, name)
		}
		at[name] = p
	}
	waitPeers(t, s, 2)
	for name := range at {
		for range 2 { // what both sides hold together
			send(t, s, name, "fills the queue")
		}
	}
	return s, at
}

func TestSendersWaitForTheirPeers(t *testing.T) {
	choosy := []struct {
		typ, peers socket.Type
		option     change
	}{
		{socket.TypeRouter, socket.TypeDealer, func(o *socket.Options) { o.RouterMandatory = true }},
		{socket.TypePub, socket.TypeSub, func(o *socket.Options) { o.XPubNoDrop = true }},
	}
	everywhere(t, []string{"inproc"}, func(t *testing.T, b *bed) {
		for _, c := range choosy {
			for _, leaves := range []bool{false, true} {
				s, at := b.full(t, c.typ, c.peers, c.option)
				sent := make(map[string]chan error)
				for i, name := range []string{"A", "B"} {
					sent[name] = make(chan error, 1)
					go func() { sent[name] <- s.SendParts(patient(t), []byte(name), []byte("waits")) }()
					asleep(t, s, i+1, 0)
				}
				if leaves {
					closeNow(t, at["B"])
				} else {
					recv(t, at["B"])
					recv(t, at["B"])
				}
				switch err := soon(t, "B's sender", sent["B"]); {
				case leaves && c.typ == socket.TypeRouter:
					wantError(t, "to a peer that left", err, socket.ErrNoRoute)
				case err != nil:
					t.Errorf("%v: %v", c.typ, err)
				}
				closeNow(t, s)
				wantError(t, "the other", soon(t, "A's sender", sent["A"]), socket.ErrClosed)
			}
		}
	})
}
