package socket_test

import (
	"strconv"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// TestUnsubscribeAtOnce: what a subscriber was about to receive when it
// unsubscribed is dropped, and the rest of it received in order.
func TestUnsubscribeAtOnce(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		pub, sub := b.open(t, socket.TypePub), b.open(t, socket.TypeSub)
		for _, topic := range []string{"A", "B", "end"} {
			subscribe(t, sub, topic)
		}
		b.join(t, pub, sub)
		waitPeers(t, pub, 1)
		until(t, "all topics are known", func() bool { return pub.Stats().Peers[0].Subscriptions == 3 })
		const messages = 60
		for i := range messages {
			send(t, pub, []string{"A", "B", "none"}[i%3]+strconv.Itoa(i))
		}
		send(t, pub, "end")
		want(t, sub, "A0")
		want(t, sub, "B1")
		if err := sub.Unsubscribe([]byte("A")); err != nil {
			t.Fatal(err)
		}
		for i := 4; i < messages; i += 3 {
			want(t, sub, "B"+strconv.Itoa(i))
			if i == 31 {
				subscribe(t, sub, "A")
				if err := sub.Unsubscribe([]byte("A")); err != nil {
					t.Fatal(err)
				}
			}
		}
		want(t, sub, "end")
	})
}
