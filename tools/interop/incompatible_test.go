package interop

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/zmtp"
)

// incompatible are the pairs of types that RFC 28 to 31 do not allow.
func incompatible() []pairing {
	var all []pairing
	for _, near := range types {
		for _, far := range types {
			if !slices.Contains(peers[near], far) {
				all = append(all, pairing{near, far})
			}
		}
	}
	return all
}

// TestIncompatible connects what does not go together. The handshake must fail
// on both sides, and ours say why.
func TestIncompatible(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		for _, p := range incompatible() {
			t.Run(p.String(), func(t *testing.T) {
				near := us.open(t, p.near, opts{}).(*ourSock)
				w := near.watch()
				far := startC(t).socket(t, p.far, opts{})
				far.monitor()
				far.connect(near.bind(fresh("tcp")))
				if err := w.refused(); !errors.Is(err, zmtp.ErrIncompatible) {
					t.Errorf("the connection ended with %v, want ErrIncompatible", err)
				}
				far.event(eventHandshakeFailed | eventDisconnected)
			})
		}
	})
}

// TestIncompatibleBinder is the same with libzmq bound. It may hang up before
// it has said what it is, so that we have no reason to give.
func TestIncompatibleBinder(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		child := startC(t)
		for _, p := range incompatible() {
			t.Run(p.String(), func(t *testing.T) {
				near := us.open(t, p.near, opts{}).(*ourSock)
				w := near.watch()
				far := child.socket(t, p.far, opts{})
				near.connect(far.bind(fresh("tcp")))
				w.until(socket.EventDisconnected)
				near.close()
				far.close()
			})
		}
	})
}

// TestOtherMechanism meets libzmq sockets that want PLAIN or CURVE. Neither
// side may take the other for what it is not. libzmq has our whole greeting
// before it has sent its own and hangs up in the middle, so that all we can say
// is that it did.
func TestOtherMechanism(t *testing.T) {
	plainServer := func(s *childSock) { s.set(zmqPlainServer, 1) }
	plainClient := func(s *childSock) {
		s.setOctets(zmqPlainUsername, "user")
		s.setOctets(zmqPlainPassword, "password")
	}
	curveServer := func(s *childSock) {
		s.set(zmqCurveServer, 1)
		s.setOctets(zmqCurveSecretKey, string(gen(32, 1, 1).octets))
	}
	for name, secure := range map[string]func(*childSock){"PLAIN server": plainServer, "PLAIN client": plainClient, "CURVE server": curveServer} {
		t.Run(name, func(t *testing.T) {
			eachBackend(t, func(t *testing.T, us *zeroring) {
				for _, binds := range []bool{true, false} {
					near := us.open(t, "DEALER", opts{}).(*ourSock)
					w := near.watch()
					far := startC(t).socket(t, "DEALER", opts{})
					secure(far)
					far.monitor()
					if binds {
						far.connect(near.bind(fresh("tcp")))
					} else {
						near.connect(far.bind(fresh("tcp")))
					}
					if ev := w.next(socket.EventReady, socket.EventDisconnected); ev.Kind == socket.EventReady {
						t.Error("the handshake succeeded")
					}
					far.event(eventHandshakeFailed | eventDisconnected)
				}
			})
		})
	}
}

// TestLastWord checks that a peer that is refused is told why, if it listens.
func TestLastWord(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{}).(*ourSock)
		raw := dialRaw(t, near.bind(fresh("tcp")))
		raw.say(greeting + "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03REP")
		if heard := string(raw.closed()); !strings.Contains(heard, "\x05ERROR") {
			t.Errorf("heard %q, and no ERROR command", heard)
		}
	})
}
