package socket_test

import (
	"fmt"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// TestReconnectWhileFull: a receiver whose queue is full when its connection
// is lost and made again still greets its peer, and goes on once it has room.
func TestReconnectWhileFull(t *testing.T) {
	everywhere(t, wireTransport, func(t *testing.T, b *bed) {
		endpoint := b.endpoint(t)
		pull := b.open(t, socket.TypePull, func(o *socket.Options) { o.RecvHWM = 2 })
		push := b.open(t, socket.TypePush)
		bindTo(t, push, endpoint)
		connectTo(t, pull, endpoint)
		waitPeers(t, pull, 1)
		for i := range 2 {
			send(t, push, fmt.Sprint("before ", i))
		}
		until(t, "both are written", func() bool { return push.Stats().Peers[0].Queued == 0 })
		closeNow(t, push)
		untilDown(t, pull)
		again := b.open(t, socket.TypePush)
		bindTo(t, again, endpoint)
		waitPeers(t, again, 1)
		waitPeers(t, pull, 1)
		for i := range 4 {
			send(t, again, fmt.Sprint("after ", i))
		}
		for i := range 2 {
			want(t, pull, fmt.Sprint("before ", i))
		}
		for i := range 4 {
			want(t, pull, fmt.Sprint("after ", i))
		}
	})
}
