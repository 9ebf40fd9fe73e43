package socket_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// TestMulticastLateJoinOfPub: what a PUB offers of the past is received by a SUB that
// comes late, before what is sent then.
func TestMulticastLateJoinOfPub(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		first := b.sub(t, l.endpoint())
		pub := b.pub(t, l.endpoint(), func(o *socket.Options) { o.Multicast.JoinPackets = 3 })
		for i := range 10 {
			send(t, pub, filler(i, 1000)) // in a packet each, since it is received first
			want(t, first, filler(i, 1000))
		}
		late := b.sub(t, l.endpoint(), func(o *socket.Options) { o.Multicast.LateJoin = true })
		send(t, pub, filler(10, 1000))
		got := recv(t, late)
		for i := range 11 {
			if got[0] != filler(i, 1000) {
				continue
			}
			if i != 7 && i != 8 { // as the last message was sent before or after the SPM
				t.Errorf("begins with message %d, though 3 are offered", i)
			}
			for i++; i < 11; i++ {
				wantMissed(t, late, 0, filler(i, 1000))
			}
			return
		}
		t.Errorf("received %s", brief(got))
	})
}

// filler is text of that many octets, unlike that of other numbers.
func filler(n, octets int) string {
	line := fmt.Sprintf("%d.", n)
	return strings.Repeat(line, octets/len(line)+1)[:octets]
}

// sizes are those of frames around the limits of everything: of ZMTP's header, of a
// packet, and of what the kernel cuts.
func sizes() (list []int) {
	list = []int{0, 1, 2, 3, 253, 254, 255, 256, 257}
	for n := 1400; n < 1440; n++ { // around a packet's payload
		list = append(list, n)
	}
	return append(list, 2*1426, 10_000, 65_535, 65_536, 65_537, 1<<20)
}

// TestMulticastMessages: messages of all sizes and of several frames come through,
// in order.
func TestMulticastMessages(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		raw := b.open(t, socket.TypeXSub) // takes all there is
		connectTo(t, raw, l.endpoint())
		arrival := b.sub(t, l.endpoint(), func(o *socket.Options) { o.Multicast.ArrivalOrder = true })
		sub := b.sub(t, l.endpoint())
		pub := b.pub(t, l.endpoint())
		waitPeers(t, pub, 1) // it has no way to know who is there
		dice := rand.New(rand.NewPCG(seed(t), 0))
		var messages [][]string
		for n, size := range sizes() {
			messages = append(messages, []string{filler(n, size)})
		}
		for n := range 300 {
			m := make([]string, 1+dice.IntN(5))
			for i := range m {
				m[i] = filler(n, dice.IntN(1+dice.IntN(5000)))
			}
			messages = append(messages, m)
		}
		done := make(chan error, 1)
		go func() {
			for _, m := range messages {
				if err := pub.SendParts(t.Context(), parts(m)...); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for _, m := range messages {
			for _, s := range []*socket.Socket{sub, raw} {
				wantMissed(t, s, 0, m...)
			}
		}
		left := make(map[string]int) // of what may come in another order where packets were lost
		for _, m := range messages {
			left[strings.Join(m, "|")]++
		}
		for range messages {
			m := strings.Join(recv(t, arrival), "|")
			if left[m]--; left[m] < 0 {
				t.Fatalf("in the order of arrival: %s came too often", brief([]string{m}))
			}
		}
		if err := soon(t, "all is sent", done); err != nil {
			t.Fatal(err)
		}
		if p := pub.Stats().Peers[0]; p.Dropped != 0 || p.Sent != uint64(len(messages)) {
			t.Errorf("sent %d and dropped %d, want %d and 0", p.Sent, p.Dropped, len(messages))
		}
	})
}

// TestMulticastFilter: each SUB receives what it subscribed to.
func TestMulticastFilter(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		topics := []string{"a", "ab", "b"}
		subs := make([]*socket.Socket, len(topics))
		for i, topic := range topics {
			subs[i] = b.open(t, socket.TypeSub)
			subscribe(t, subs[i], topic)
			connectTo(t, subs[i], l.endpoint())
		}
		pub := b.pub(t, l.endpoint())
		sent := []string{"a1", "ab2", "b3", "c4", "a5", "b6", "ab end", "b end"}
		for _, m := range sent {
			send(t, pub, m, "body")
		}
		for i, topic := range topics {
			for _, m := range sent {
				if strings.HasPrefix(m, topic) {
					want(t, subs[i], m, "body")
				}
			}
		}
		if err := subs[0].Unsubscribe([]byte("a")); err != nil {
			t.Fatal(err)
		}
		subscribe(t, subs[0], "end")
		send(t, pub, "a7")
		send(t, pub, "end")
		want(t, subs[0], "end")
	})
}

// TestMulticastXPub: an XPUB sends, and nothing that others send there reaches its
// user.
func TestMulticastXPub(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		sub := b.sub(t, l.endpoint())
		xpub := b.open(t, socket.TypeXPub, fast)
		bindTo(t, xpub, l.endpoint())
		other := newScripted(l)
		other.odata(0, "another source's")
		other.odata(1, "\x01subscription")
		want(t, sub, "another source's")
		want(t, sub, "\x01subscription")
		l.multicast([]byte("\x01subscription"))
		to(t, l.conn, netip.AddrPortFrom(near, l.port), []byte("\x01subscription"))
		send(t, xpub, "sent")
		want(t, sub, "sent")
		want(t, xpub, "\x01") // as libzmq has it: everybody has subscribed to everything
		wantNothing(t, xpub)
		if err := xpub.SendParts(patient(t), []byte("two"), []byte("frames")); err != nil {
			t.Fatal(err)
		}
		want(t, sub, "two", "frames")
		if err := sub.SendBytes(patient(t), []byte("x")); !errors.Is(err, socket.ErrNotSupported) {
			t.Errorf("a SUB sends: %v", err)
		}
	})
}

// TestMulticastConflate: only the last message is kept, on either side.
func TestMulticastConflate(t *testing.T) {
	conflate := func(o *socket.Options) { o.Conflate = true }
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint(), conflate, func(o *socket.Options) { o.Multicast.Timestamps = true })
		for sqn := range pgm.SQN(10) {
			s.odata(sqn, fmt.Sprint(sqn))
		}
		until(t, "all have come", func() bool {
			all := multicastStats(t, sub).Sources
			return len(all) == 1 && all[0].Delivered == 10
		})
		want(t, sub, "9")
		wantNothing(t, sub)

		l := newLink(t)
		all := b.sub(t, l.endpoint())
		pub := b.open(t, socket.TypePub, conflate, func(o *socket.Options) { o.Multicast.Rate = 1_000_000 })
		bindTo(t, pub, l.endpoint())
		const n = 1000
		for i := range n {
			send(t, pub, fmt.Sprint(i), filler(i, 1000))
		}
		for last, count := -1, 1; ; count++ {
			m := recv(t, all)
			var i int
			if _, err := fmt.Sscan(m[0], &i); err != nil || i <= last || m[1] != filler(i, 1000) {
				t.Fatalf("received %s after message %d", brief(m), last)
			}
			if last = i; last == n-1 {
				if count > n/2 {
					t.Errorf("%d of %d came, though a second has room for a tenth", count, n)
				}
				break
			}
		}
	})
}

// TestMulticastHighWater: a receiver that is slow makes the kernel's queue grow, and
// nothing else.
func TestMulticastHighWater(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.RecvHWM = 4 })
		const n = 1000
		for sqn := range pgm.SQN(n) {
			s.odata(sqn, fmt.Sprint(sqn))
		}
		until(t, "some wait", func() bool { return len(multicastStats(t, sub).Sources) == 1 })
		for i := range n {
			wantMissed(t, sub, 0, fmt.Sprint(i))
		}
		wantNothing(t, sub)
	})
}

// TestMulticastRate: a PUB keeps to its rate, and drops what it has no room for or
// waits.
func TestMulticastRate(t *testing.T) {
	const (
		n     = 300
		size  = 1000
		limit = 8_000_000 // a million octets a second
	)
	for _, wait := range []bool{false, true} {
		t.Run(fmt.Sprint("wait=", wait), func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				l := newLink(t)
				sub := b.sub(t, l.endpoint())
				pub := b.open(t, socket.TypePub, func(o *socket.Options) {
					o.XPubNoDrop, o.SendHWM, o.Multicast.Rate, o.Linger = wait, 10, limit, -1
				})
				bindTo(t, pub, l.endpoint())
				start := time.Now()
				for i := range n {
					send(t, pub, filler(i, size))
				}
				sent, dropped := pub.Stats().Peers[0].Sent, pub.Stats().Peers[0].Dropped
				closeNow(t, pub) // sends the rest
				took := time.Since(start)
				if sent+dropped != n || wait != (dropped == 0) {
					t.Errorf("sent %d and dropped %d of %d", sent, dropped, n)
				}
				if least := time.Duration(float64(sent*size) / (limit / 8) * float64(time.Second)); took < least-20*time.Millisecond {
					t.Errorf("%d octets took %v, want %v or more", sent*size, took, least)
				}
				last := -1
				for range sent {
					m := recv(t, sub)[0]
					var i int
					if _, err := fmt.Sscanf(m, "%d.", &i); err != nil || i <= last || m != filler(i, size) {
						t.Fatalf("received %s after message %d", brief([]string{m}), last)
					}
					last = i
				}
				wantNothing(t, sub)
			})
		})
	}
}

// second is the link's other group.
func (l *link) second() *link {
	other := *l
	b := l.group.As4()
	b[1] ^= 1
	other.group = netip.AddrFrom4(b)
	return &other
}

// lines is the endpoint of both groups.
func (l *link) lines() string {
	return l.endpoint() + "|" + strings.TrimPrefix(l.second().endpoint(), "epgm://")
}

// TestMulticastLines: what is lost on one line comes by the other, and nothing comes
// twice. What is lost on both is asked for once.
func TestMulticastLines(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		other := *s
		other.link = s.second()
		other.tsi = s.tsi
		id := socket.SourceID{TSI: s.tsi}
		sub := b.sub(t, s.lines())
		events := look(t, sub)
		s.spm(0, ^pgm.SQN(0))
		other.spm(0, ^pgm.SQN(0))
		lost := []string{"", "A", "B", "A", "B", "", "A"}
		for i, line := range lost {
			sqn, text := pgm.SQN(i), fmt.Sprint("message ", i)
			if line != "A" {
				s.odata(sqn, text)
			}
			if line != "B" {
				other.odata(sqn, text)
			}
			wantMissed(t, sub, 0, text)
		}
		events.want(socket.EventReady, id)
		until(t, "the second ones have come", func() bool { return heard(t, sub, id).Duplicates == 2 })
		if h := heard(t, sub, id); h.NAKs != 0 || h.Lost != 0 {
			t.Errorf("counted %+v, want no NAKs", h)
		}
		n := pgm.SQN(len(lost))
		s.odata(n+1, "behind")
		other.odata(n+1, "behind")
		s.asked(n)
		other.rdata(n, "lost")
		s.rdata(n, "lost")
		want(t, sub, "lost")
		want(t, sub, "behind")
		other.spm(0, n+1, has(pgm.OptFIN))
		s.spm(0, n+1, has(pgm.OptFIN))
		wantError(t, "ended", events.want(socket.EventDisconnected, id).Err, io.EOF)
		wantNothing(t, sub)
	})
}

// TestMulticastBothLines: a PUB of two lines is heard on each, and on both as one.
func TestMulticastBothLines(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		l := newLink(t)
		subs := []*socket.Socket{b.sub(t, l.endpoint()), b.sub(t, l.second().endpoint()), b.sub(t, l.lines())}
		pub := b.pub(t, l.lines())
		const n = 500
		for i := range n {
			send(t, pub, filler(i, i))
		}
		for _, sub := range subs {
			for i := range n {
				wantMissed(t, sub, 0, filler(i, i))
			}
			wantNothing(t, sub)
		}
	})
}

// TestMulticastSources: of a group with sources only these are heard.
func TestMulticastSources(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		s := newScripted(newLink(t))
		next := netip.AddrFrom4(far.As4()).Next()
		other := newScripted(&link{t: t, group: s.group, port: s.port, conn: listenAt(t, netip.AddrPortFrom(next, 0))})
		first := b.sub(t, s.from(far.String()+"@"))
		second := b.sub(t, s.from(next.String()+"@"))
		both := b.sub(t, s.from(next.String()+","+far.String()+"@"))
		s.odata(0, "first")
		other.odata(0, "second")
		want(t, both, "first")
		want(t, both, "second")
		want(t, first, "first")
		want(t, second, "second")
		s.odata(1, "first again")
		other.odata(1, "second again")
		want(t, first, "first again")
		want(t, second, "second again")
		if n := len(multicastStats(t, first).Sources); n != 1 {
			t.Errorf("heard %d sources, want 1", n)
		}
	})
}

// TestMulticastIPv6: the same over IPv6, by address and by name. The loopback
// interface has no way to groups of IPv6 unless it is given one, so that of a network
// namespace is.
func TestMulticastIPv6(t *testing.T) {
	g := ownGroup.As4()
	onMulticast(t, func(t *testing.T, b *bed) {
		ownNamespace(t)
		for _, args := range []string{"link set lo up", "-6 route add local ff00::/8 dev lo table local"} {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				lacks(t, "ip %s: %v\n%s", args, err, out)
			}
		}
		for _, scope := range []string{"ff11", "ff12", "ff15"} { // this interface, this link, this site
			group := fmt.Sprintf("[%s::%x%02x:%x%02x]:5555", scope, g[0], g[1], g[2], g[3])
			sub := b.sub(t, "epgm://lo;"+group)
			pub := b.pub(t, "epgm://[::1];"+group)
			for _, size := range sizes() {
				send(t, pub, filler(size, size))
			}
			for _, size := range sizes() {
				wantMissed(t, sub, 0, filler(size, size))
			}
			st := multicastStats(t, sub)
			if id := st.Sources[0].Source; id.Address.WithZone("") != netip.IPv6Loopback() {
				t.Errorf("%s: the source is %v", scope, id)
			}
			if st.Failures != 0 || multicastStats(t, pub).Failures != 0 {
				t.Errorf("%s: something failed: %+v, %+v", scope, st, multicastStats(t, pub))
			}
			closeNow(t, pub)
			closeNow(t, sub)
		}
	})
}

// ownNamespace gives this goroutine a network namespace, in which there is a loopback
// interface only. Its thread ends with it.
func ownNamespace(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		lacks(t, "no network namespace of our own: %v", err)
	}
}

// lacks ends a test that lacks what a machine can be given: CI has to have it.
func lacks(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// TestMulticastTimestamps: messages say when they arrived, if that is asked for.
func TestMulticastTimestamps(t *testing.T) {
	onMulticast(t, func(t *testing.T, b *bed) {
		for _, on := range []bool{false, true} {
			s := newScripted(newLink(t))
			sub := b.sub(t, s.endpoint(), func(o *socket.Options) { o.Multicast.Timestamps = on })
			before := time.Now()
			s.odata(0, "frames", "of one", "message")
			m, err := sub.Recv(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			at := m.Received()
			switch {
			case !on && !at.IsZero():
				t.Errorf("received at %v, though that was not asked for", at)
			case on && (at.Before(before.Add(-time.Millisecond)) || at.After(time.Now().Add(time.Millisecond))):
				t.Errorf("received at %v, sent at %v", at, before)
			}
			if got := unpack(m); len(got) != 3 || got[2] != "message" {
				t.Errorf("received %q", got)
			}
		}
	})
}
