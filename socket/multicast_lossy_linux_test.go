package socket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/socket"
)

// A player is a source of package pgm whose packets get lost, come twice, in another
// order or broken, by the dice. NAKs get lost too.
type player struct {
	*scripted
	source *pgm.Source
	dice   *rand.Rand
	fate   fate
	held   [][]byte // to be sent later
	buf    []byte
}

// A fate is how likely what happens to a packet is.
type fate struct{ loss, twice, late, broken float64 }

func newPlayer(l *link, f fate, seed uint64) *player {
	s := newScripted(l)
	return &player{
		scripted: s, dice: rand.New(rand.NewPCG(seed, 0)), fate: f, buf: make([]byte, 1<<16),
		source: pgm.NewSource(pgm.SourceConfig{TSI: s.tsi, Port: l.port, NLA: far, Group: l.group, QueuePackets: 1000}, time.Now()),
	}
}

// send sends what the source has to send.
func (p *player) send() error {
	for {
		packet, _ := p.source.Next(time.Now(), p.buf)
		if packet == nil {
			return nil
		}
		packet = bytes.Clone(packet)
		roll := func(likely float64) bool { return p.dice.Float64() < likely }
		switch {
		case roll(p.fate.loss):
			continue
		case roll(p.fate.late):
			p.held = append(p.held, packet)
			continue
		case roll(p.fate.broken):
			packet[p.dice.IntN(len(packet))] ^= 1 << p.dice.IntN(8)
		case roll(p.fate.twice):
			p.held = append(p.held, packet)
		}
		out := append([][]byte{packet}, p.held...)
		if len(p.held) < 3 {
			out = out[:1]
		} else {
			p.held = nil
		}
		for _, packet := range out {
			if _, err := p.conn.WriteToUDPAddrPort(packet, netip.AddrPortFrom(p.group, p.port)); err != nil {
				return err
			}
		}
	}
}

// answer takes what receivers ask for, for a moment.
func (p *player) answer() error {
	if err := p.conn.SetReadDeadline(time.Now().Add(200 * time.Microsecond)); err != nil {
		return err
	}
	b := make([]byte, 2000)
	for {
		n, _, err := p.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		h, body, err := pgm.ConsumeHeader(b[:n])
		if err == nil && h.TSI() == p.tsi && p.dice.Float64() >= p.fate.loss {
			err = p.source.Handle(time.Now(), &h, body)
		}
		if err != nil {
			return err
		}
	}
}

// play sends n messages, in a packet each, and then answers until told to stop.
func (p *player) play(n int, stop <-chan struct{}) error {
	for i := 0; ; {
		for range 20 {
			if i < n && p.source.Send(time.Now(), whole(fmt.Sprint(i), filler(i, i%1000))) {
				i++
			}
		}
		if i == n {
			p.source.Close()
		}
		if err := errors.Join(p.send(), p.answer()); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

// TestMulticastLossy: over a line that loses, repeats, swaps and breaks packets, what
// is received is in order, and with what is told as lost it is all that was sent.
func TestMulticastLossy(t *testing.T) {
	const n = 1000 // with so few, not too many events wait
	for _, c := range []struct {
		name string
		fate fate
		set  change
		all  bool // nothing may be lost
	}{
		{"repaired", fate{0.05, 0.02, 0.05, 0.02}, none, true},
		{"in the order of arrival", fate{0.05, 0.02, 0.05, 0.02}, func(o *socket.Options) { o.Multicast.ArrivalOrder = true }, true},
		{"with a budget", fate{0.2, 0.02, 0.05, 0.02}, func(o *socket.Options) { o.Multicast.LatencyBudget = 2 * time.Millisecond }, false},
		{"in the order of arrival, with a budget", fate{0.2, 0.02, 0.05, 0.02}, func(o *socket.Options) {
			o.Multicast.LatencyBudget, o.Multicast.ArrivalOrder = 2*time.Millisecond, true
		}, false},
		{"with little room in the kernel", fate{}, func(o *socket.Options) { o.RecvBuf, o.RecvHWM = 10_000, 5 }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			onMulticast(t, func(t *testing.T, b *bed) {
				p := newPlayer(newLink(t), c.fate, seed(t))
				sub := b.sub(t, p.endpoint(), c.set)
				events := look(t, sub)
				p.odata(0, "first") // and numbers are as the source's, which begins with 0 as well
				want(t, sub, "first")
				stop, ended := make(chan struct{}), make(chan error, 1)
				end := sync.OnceFunc(func() { close(stop) })
				defer end()
				if !p.source.Send(time.Now(), whole("first")) {
					t.Fatal("no room for one packet")
				}
				go func() { ended <- p.play(n, stop) }()
				got, lost := receiveAll(t, sub, events, !strings.Contains(c.name, "arrival"))
				end()
				if err := soon(t, "the source ends", ended); err != nil {
					t.Fatal(err)
				}
				h := heard(t, sub, p.id())
				if len(got)+int(h.Lost) != n || c.all && h.Lost > 0 || lost != int(h.Lost) {
					t.Errorf("%d received of %d, and %d lost by events; %+v", len(got), n, lost, h)
				}
				t.Logf("%d lost, %d repaired, %d dropped by the kernel", h.Lost, h.Repaired, multicastStats(t, sub).KernelDrops)
			})
		})
	}
}

// receiveAll receives until the source's end, and returns the numbers of the messages and
// how many packets are lost by what is told of gaps.
func receiveAll(t *testing.T, sub *socket.Socket, events *onlooker, ordered bool) (got map[int]bool, lost int) {
	got = make(map[int]bool)
	missed, last := 0, -1
	take := func() bool {
		m, err := sub.TryRecv()
		if err != nil {
			return false
		}
		missed += m.Missed()
		frames, i := unpack(m), 0
		if _, err := fmt.Sscan(frames[0], &i); err != nil || got[i] || len(frames) != 2 || frames[1] != filler(i, i%1000) {
			t.Fatalf("received %s, which is broken or comes again", brief(frames))
		}
		if got[i] = true; ordered && i <= last {
			t.Fatalf("received message %d after %d", i, last)
		}
		last = i
		return true
	}
	for over := false; !over; {
		select {
		case ev := <-events.events:
			if ev.Dropped > 0 {
				t.Fatalf("%d events were dropped", ev.Dropped)
			}
			switch ev.Kind {
			case socket.EventGap:
				lost += ev.Gap.Packets()
			case socket.EventDisconnected:
				wantError(t, "ended", ev.Err, io.EOF)
				over = true
			}
		case <-time.After(100 * time.Microsecond):
		}
		for take() {
		}
	}
	for take() {
	}
	if missed > lost {
		t.Errorf("messages tell of %d lost packets, events of %d", missed, lost)
	}
	return got, lost
}
