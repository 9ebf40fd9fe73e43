package socket_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// ping is a PING command with a time to live of 0.
// https://rfc.zeromq.org/spec/37/#heartbeating
var ping = command([]byte("\x04PING\x00\x00"))

// TestPeerHangsUpAfterPing: what a peer sent before it was gone is received,
// though it does not read the answer to its PING any more.
func TestPeerHangsUpAfterPing(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		const messages = 300
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.RecvHWM = 1 })
		peer := rawDial(t, b.bind(t, pull))
		peer.handshake(t, "PUSH")
		var said []byte
		for i := range messages {
			said = append(said, frame(fmt.Sprint(i))...)
			if i%50 == 0 {
				said = append(said, ping...)
			}
		}
		peer.say(said)
		if err := peer.Close(); err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			want(t, pull, fmt.Sprint(i))
		}
	})
}

// TestCloseThoughPeerTalks: what was sent before Close arrives, though the peer
// says something meanwhile that nobody waits for any more.
func TestCloseThoughPeerTalks(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		const messages = 2000
		push := b.open(t, socket.TypePush, func(o *socket.Options) { o.SendHWM, o.Linger = messages, -1 })
		l := b.rawListen(t)
		connectTo(t, push, l.endpoint)
		peer := l.accept(t)
		peer.handshake(t, "PULL")
		body := bytes.Repeat([]byte("x"), 200)
		for range messages {
			if err := push.SendBytes(t.Context(), body); err != nil {
				t.Fatal(err)
			}
		}
		closed := make(chan error, 1)
		go func() { closed <- push.Close() }()
		got, room := 0, make([]byte, 4096)
		for {
			peer.say(ping)
			n, err := peer.Read(room)
			got += n
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("after %d octets: %v", got, err)
			}
		}
		if whole := messages * len(frame(string(body))); got < whole {
			t.Errorf("%d octets came, want %d", got, whole)
		}
		if err := peer.Close(); err != nil {
			t.Fatal(err)
		}
		if err := soon(t, "Close", closed); err != nil {
			t.Fatal(err)
		}
	})
}

// TestPartingEndsWithPeer: a connection that was ended is closed once the peer
// has closed its own, and with the engine at the latest.
func TestPartingEndsWithPeer(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		push := b.open(t, socket.TypePush)
		l := b.rawListen(t)
		connectTo(t, push, l.endpoint)
		connectTo(t, push, l.endpoint)
		goes, stays := l.accept(t), l.accept(t)
		for _, peer := range []rawConn{goes, stays} {
			peer.handshake(t, "PULL")
		}
		waitPeers(t, push, 2)
		send(t, push, "one")
		send(t, push, "other")
		before := openDescriptors()
		if err := push.Close(); err != nil {
			t.Fatal(err)
		}
		goes.ended(t)
		if err := goes.Close(); err != nil {
			t.Fatal(err)
		}
		until(t, "our end and the peer's are closed", func() bool { return openDescriptors() <= before-2 })
		stays.ended(t) // and the engine is closed before it
	})
}
