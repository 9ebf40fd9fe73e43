package zmtp

import (
	"testing"
	"time"
)

// TestHeldEngineGivesSignsOfLife: an engine whose owner does not read, because
// its user is slow, must neither give up the peer nor be given up by it.
func TestHeldEngineGivesSignsOfLife(t *testing.T) {
	start := time.Unix(0, 0)
	cfg := &Config{SocketType: "PULL", HeartbeatEvery: 5 * time.Second, HeartbeatTimeout: 15 * time.Second}
	slow := NewEngine(cfg, start)
	peer := NewEngine(&Config{SocketType: "PUSH", HeartbeatEvery: 5 * time.Second, HeartbeatTimeout: 15 * time.Second}, start)
	pass := func(now time.Time, from, to *Engine) {
		t.Helper()
		b := append([]byte(nil), from.Output()...)
		from.Sent(len(b))
		for len(b) > 0 {
			ev, err := to.Consume(now, b, 1)
			if err != nil {
				t.Fatal(err)
			}
			if ev.N == 0 {
				return
			}
			b = b[ev.N:]
		}
	}
	for range 3 {
		pass(start, slow, peer)
		pass(start, peer, slow)
	}
	if !slow.Ready() || !peer.Ready() {
		t.Fatal("no handshake")
	}
	slow.Hold(start, true)
	for s := range 3600 {
		now := start.Add(time.Duration(s) * time.Second)
		if _, err := slow.Tick(now); err != nil {
			t.Fatalf("after %d s the engine that does not read gave up its peer: %v", s, err)
		}
		pass(now, slow, peer)
		if _, err := peer.Tick(now); err != nil {
			t.Fatalf("after %d s the peer gave up the engine that does not read: %v", s, err)
		}
		peer.Sent(len(peer.Output())) // and nobody reads it
	}
}
