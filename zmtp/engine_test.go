package zmtp

import (
	"testing"
	"time"
)

// peerGreeting is what a libzmq peer sends, with the given minor version.
func peerGreeting(minor byte) []byte {
	g := appendGreeting(nil, "NULL", false)
	g[minorAt] = minor
	g[signatureSize-2] = 1 // libzmq pads with the size of its identity and 1
	return g
}

func peerReady(socketType string) []byte {
	return appendReady(nil, &Config{SocketType: socketType})
}

// newReadyEngine returns an engine past its handshake with a peer of type PAIR
// and that minor version, with its output sent.
func newReadyEngine(t testing.TB, cfg *Config, minor byte) *Engine {
	t.Helper()
	now := time.Unix(1, 0)
	e := NewEngine(cfg, now)
	for _, b := range [][]byte{peerGreeting(minor), peerReady("PAIR")} {
		if ev, err := e.Consume(now, b, 1); err != nil || ev.N != len(b) {
			t.Fatal(ev, err)
		}
	}
	e.Sent(len(e.Output()))
	return e
}
