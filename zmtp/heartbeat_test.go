package zmtp

import (
	"testing"
	"time"
)

const second = time.Second

var (
	anyOctets = message("anything")
	ping      = `PING ttl=0s ""`
)

// wantTick tells the time and wants the next deadline so far off, -1 for none.
func (s *side) wantTick(want time.Duration) *side {
	s.t.Helper()
	if got := s.tick(); got != want || s.err != nil {
		s.t.Fatalf("at %v the next deadline is in %v, err %v; want %v", s.now.Sub(time.Unix(1, 0)), got, s.err, want)
	}
	return s
}

func (s *side) wantSends(want string) *side {
	s.t.Helper()
	if got := frames(s.sends()); got != want {
		s.t.Fatalf("at %v sends %q, want %q", s.now.Sub(time.Unix(1, 0)), got, want)
	}
	return s
}

func (s *side) wantDead() {
	s.t.Helper()
	if s.err != nil {
		s.t.Fatalf("dead before the time: %v", s.err)
	}
	if s.tick(); s.err != ErrHeartbeatTimeout {
		s.t.Fatalf("at %v err is %v, want %v", s.now.Sub(time.Unix(1, 0)), s.err, ErrHeartbeatTimeout)
	}
}

func heartbeats(t *testing.T, minor byte) *side {
	return newReadySide(t, &Config{SocketType: "PAIR", HeartbeatEvery: 5 * second, HeartbeatTimeout: 15 * second}, minor)
}

// "If it sends a PING command and does not receive any traffic within some
// timeout", the connection is dead.
func TestHeartbeatSilence(t *testing.T) {
	s := heartbeats(t, 1)
	s.wantTick(5 * second)
	s.wait(5*second - 1).wantTick(1).wantSends("")
	s.wait(1).wantTick(-1).wantSends(ping) // no deadline before it is sent
	s.wantTick(15 * second)
	s.wait(15*second - 1).wantTick(1).wantSends("") // one is enough
	s.wait(1).wantDead()
}

// "a peer SHOULD treat any incoming traffic (not just a PONG reply) as a sign of
// life."
func TestHeartbeatSignsOfLife(t *testing.T) {
	for name, life := range map[string][]byte{
		"PONG": AppendPong(nil, nil), "message": anyOctets, "part of a frame": anyOctets[:1], "unknown command": command("X"),
	} {
		s := heartbeats(t, 1)
		s.wantTick(5 * second)
		s.wait(5 * second).wantTick(-1).wantSends(ping).wantTick(15 * second)
		s.wait(14 * second).gets(life)
		s.wait(second).wantTick(4 * second).wantSends("") // it would have been dead by now
		s.wait(4 * second).wantTick(-1).wantSends(ping).wantTick(15 * second)
		s.wait(15 * second)
		if s.wantDead(); s.err == nil {
			t.Error(name)
		}
	}
}

// TestHeartbeatBusy: a peer that is heard is not asked.
func TestHeartbeatBusy(t *testing.T) {
	s := heartbeats(t, 1)
	for range 100 {
		s.wait(4 * second).gets(anyOctets).wantTick(5 * second).wantSends("")
	}
}

// TestHeartbeatNotFooled: calls without new octets are no sign of life.
func TestHeartbeatNotFooled(t *testing.T) {
	s := heartbeats(t, 1)
	s.gets(anyOctets[:3]).wantTick(5 * second)
	for range 5 {
		s.wait(second).gets(nil)
	}
	s.wantTick(-1).wantSends(ping).wantTick(15 * second)
	for range 15 {
		s.wait(second).gets(nil)
	}
	s.wantDead()
}

// TestHeartbeatBlocked: a PING that cannot be sent, since the peer reads slowly,
// says nothing about the peer, and is not followed by others.
func TestHeartbeatBlocked(t *testing.T) {
	s := heartbeats(t, 1)
	s.wantTick(5 * second)
	s.wait(5 * second).wantTick(-1)
	s.wait(3600 * second).wantTick(-1)
	s.e.Sent(4) // part of it
	s.wait(3600 * second).wantTick(-1)
	s.e.Sent(len(s.e.Output()))
	s.wantTick(15 * second).wantSends("")
	s.wait(15 * second).wantDead()
}

// TestHeartbeatBehindPong: a PING is not put behind control octets that wait.
func TestHeartbeatBehindPong(t *testing.T) {
	s := heartbeats(t, 1)
	s.gets(AppendPing(nil, 0, nil)).wantTick(5 * second)
	s.wait(5 * second).wantTick(5 * second).wantSends(`PONG ""`)
	s.wait(5 * second).wantTick(-1).wantSends(ping)
}

func TestHeartbeatHold(t *testing.T) {
	s := heartbeats(t, 1)
	s.wait(5 * second).wantTick(-1).wantSends(ping).wantTick(15 * second)
	s.e.Hold(s.now, true)
	s.wantTick(5 * second)
	s.wait(5*second - 1).wantTick(1).wantSends("")
	s.wait(1).wantTick(5 * second).wantSends(`PONG ""`) // a sign of life to a peer that may be asking
	s.wait(3600 * second).wantTick(5 * second)
	s.wait(3600 * second).wantTick(5 * second).wantSends(`PONG ""`) // and never two at once
	s.e.Hold(s.now, true)
	s.e.Hold(s.now, false)
	s.wantTick(5 * second)
	s.e.Hold(s.now.Add(second), false) // it was not held
	s.wait(5 * second).wantTick(-1).wantSends(ping).wantTick(15 * second)
	s.wait(15 * second).wantDead()
}

// TestHeartbeatAlive: an owner that knows better keeps a silent peer alive, and
// it is asked again each time.
func TestHeartbeatAlive(t *testing.T) {
	s := heartbeats(t, 1)
	for range 3 {
		s.wantAsking(false).wantTick(5 * second).wantAsking(false)
		s.wait(5 * second).wantTick(-1).wantAsking(false).wantSends(ping).wantAsking(true).wantTick(15 * second)
		s.wait(15 * second)
		s.e.Alive(s.now)
	}
	s.wantTick(5 * second)
	s.wait(5 * second).wantTick(-1).wantSends(ping).wantTick(15 * second)
	s.gets(anyOctets).wantAsking(false)

	// "If it receives a PING command with a non-zero TTL" is another matter.
	s.gets(AppendPing(nil, 3*second, nil)).wantTick(3 * second)
	s.wait(2 * second)
	s.e.Alive(s.now)
	s.wantTick(second).wait(second).wantDead()
	s.wantAsking(false)
}

func (s *side) wantAsking(want bool) *side {
	s.t.Helper()
	if got := s.e.Asking(); got != want {
		s.t.Fatalf("at %v asking is %v, want %v", s.now.Sub(time.Unix(1, 0)), got, want)
	}
	return s
}

// TestHeartbeatHoldWithout: without heartbeats of our own, nothing is sent.
func TestHeartbeatHoldWithout(t *testing.T) {
	for _, s := range []*side{heartbeats(t, 0), newReadySide(t, &Config{SocketType: "PAIR"}, 1)} {
		s.e.Hold(s.now, true)
		s.wantTick(-1).wait(3600 * second).wantTick(-1).wantSends("")
	}
}

// TestHeartbeatOldPeer: ZMTP 3.0 has no PING.
func TestHeartbeatOldPeer(t *testing.T) {
	heartbeats(t, 0).wantTick(-1).wait(3600 * second).wantTick(-1).wantSends("")
}

func TestHeartbeatDefaultTimeout(t *testing.T) {
	s := newReadySide(t, &Config{SocketType: "PAIR", HeartbeatEvery: 5 * second}, 1)
	s.wait(5 * second).wantTick(-1).wantSends(ping).wantTick(5 * second)
	s.wait(5 * second).wantDead()
}

// TestHeartbeatOurTTL: a peer that was told a TTL needs to be pinged however much
// it sends, or it gives up the connection.
func TestHeartbeatOurTTL(t *testing.T) {
	s := newReadySide(t, &Config{SocketType: "PAIR", HeartbeatEvery: 5 * second, HeartbeatTimeout: 3600 * second, HeartbeatTTL: 20 * second}, 1)
	for range 20 {
		s.wait(4 * second).gets(anyOctets).wantTick(second)
		s.wait(second).wantTick(5 * second).wantSends(`PING ttl=20s ""`)
	}
	// It all counts from the end of the handshake, however long that took.
	late := newSide(t, &Config{SocketType: "PAIR", HeartbeatEvery: 5 * second, HeartbeatTTL: second})
	late.wait(7 * second).gets(octets(peerGreeting(1), peerReady("PAIR"))).sends()
	late.wantTick(5 * second).wantSends("")
	// "To avoid PONG storms, a peer should not send more than a small number of
	// PING commands without receiving PONG replies."
	s.gets(anyOctets)
	for i := range maxPings {
		s.wait(5 * second)
		if s.tick(); s.err != nil {
			t.Fatal(s.err)
		}
		if got := frames(s.sends()); got != `PING ttl=20s ""` {
			t.Fatalf("PING %d: %s", i, got)
		}
		s.tick()
	}
	s.wait(5 * second)
	if next := s.tick(); next != (3600-5*maxPings)*second {
		t.Errorf("after %d PINGs the next deadline is in %v", maxPings, next)
	}
	s.wantSends("")
}

// TestHeartbeatPeerTTL: "If it receives a PING command with a non-zero TTL and
// then does not receive any further traffic within that TTL", it is dead.
func TestHeartbeatPeerTTL(t *testing.T) {
	ttl := AppendPing(nil, 2*second, nil)
	for _, every := range []time.Duration{0, 5 * second} {
		s := newReadySide(t, &Config{SocketType: "PAIR", HeartbeatEvery: every}, 1)
		s.gets(ttl).wantTick(2 * second).wantSends(`PONG ""`)
		s.wait(second).gets(ttl).wantTick(2 * second).wantSends(`PONG ""`)
		s.wait(2*second - 1).wantTick(1)
		s.wait(1).wantDead()
	}
	never := newReadySide(t, &Config{SocketType: "PAIR"}, 1)
	never.gets(ttl).wantTick(2 * second)
	never.wait(second).gets(anyOctets).wantTick(-1)                       // further traffic, and no promise since
	never.gets(octets(ttl, anyOctets)).wantTick(-1)                       // further traffic already
	never.gets(ttl).gets(AppendPing(nil, 0, nil)).wantTick(-1)            // the last PING counts
	never.gets(AppendPing(nil, 6553*second, nil)).wantTick(6553 * second) // where libzmq's 16 bits overflow
	old := newReadySide(t, &Config{SocketType: "PAIR"}, 0)
	old.gets(ttl).wantTick(2 * second).wait(2 * second).wantDead()
}

// TestHeartbeatConversation has two engines keep each other alive for a day, and
// counts what it costs.
func TestHeartbeatConversation(t *testing.T) {
	a, b := heartbeats(t, 1), heartbeats(t, 1)
	pings := 0
	for range 24 * 3600 {
		for _, s := range []*side{a.wait(second), b.wait(second)} {
			if s.tick(); s.err != nil {
				t.Fatal(s.err)
			}
		}
		for len(a.e.Output())+len(b.e.Output()) > 0 {
			toB, toA := a.sends(), b.sends()
			if frames(toA) == ping || frames(toB) == ping {
				pings++
			}
			if len(toA) > 0 {
				a.gets(toA)
			}
			if len(toB) > 0 {
				b.gets(toB)
			}
		}
	}
	if pings > 24*3600/5 {
		t.Errorf("%d PINGs in a day", pings)
	}
}
