package socket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A mixture is a pipeline in which everything happens at once: senders that
// burst, pause and give up, by every form of sending; receivers that do the like;
// peers that come late, so that a connection ceases to be the only one in the
// middle of a burst; high-water marks that change; sockets that close with
// messages queued. Nothing may be lost, come twice or out of order.
type mixture struct {
	*bed
	t       *testing.T
	each    int // messages of a sender
	senders int

	mu   sync.Mutex
	seen []map[uint32]bool // of each sender: what came
	left atomic.Int64      // messages that are still to come
	done chan struct{}     // closed when that is 0
}

// A message of a mixture has a number and some octets that follow from it.
func mixed(dice *rand.Rand, sender, number int, buf []byte) [][]byte {
	size := dice.IntN(100)
	switch dice.IntN(200) {
	case 0:
		size = dice.IntN(200_000)
	case 1, 2, 3:
		size = dice.IntN(5000)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(sender))
	head = binary.BigEndian.AppendUint32(head, uint32(number))
	body := buf[number%64:][:size]
	if size%3 == 0 {
		return [][]byte{nil, head, body}
	}
	return [][]byte{append(head, body...)}
}

// take notes what was received. last is what the same receiver had of each
// sender before.
func (x *mixture) take(m *socket.Message, last []int, buf []byte) {
	defer m.Release()
	head, body := m.Frame(0), []byte(nil)
	if m.Len() == 3 {
		head, body = m.Frame(1), m.Frame(2)
	} else if len(head) >= 8 {
		head, body = head[:8], head[8:]
	}
	if len(head) != 8 {
		x.t.Errorf("received a message of frames not sent so: %d, %q", m.Len(), brief(nil))
		return
	}
	sender, number := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[4:])
	if int(sender) >= x.senders || int(number) >= x.each || !bytes.Equal(body, buf[number%64:][:len(body)]) {
		x.t.Errorf("message %d of sender %d is damaged", number, sender)
		return
	}
	if last != nil {
		if last[sender] >= int(number) {
			x.t.Errorf("message %d of sender %d came after %d", number, sender, last[sender])
		}
		last[sender] = int(number)
	}
	x.mu.Lock()
	twice := x.seen[sender][number]
	x.seen[sender][number] = true
	x.mu.Unlock()
	if twice {
		x.t.Errorf("message %d of sender %d came twice", number, sender)
	} else if x.left.Add(-1) == 0 {
		close(x.done)
	}
}

// pattern is what messages' octets are cut from.
var patternOctets = func() []byte {
	b := make([]byte, 300_000)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}()

// hurry returns a context that is mostly patient and sometimes not at all.
func hurry(dice *rand.Rand, parent context.Context) (context.Context, context.CancelFunc) {
	switch dice.IntN(8) {
	case 0:
		return context.WithTimeout(parent, time.Duration(dice.IntN(200))*time.Microsecond)
	case 1:
		ctx, cancel := context.WithCancel(parent)
		cancel()
		return ctx, func() {}
	}
	return parent, func() {}
}

func gaveUp(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || err == socket.ErrWouldBlock
}

// pause lets others run for a while that a burst may or may not survive.
func pause(dice *rand.Rand) {
	switch dice.IntN(400) {
	case 0:
		<-time.After(time.Duration(dice.IntN(2000)) * time.Microsecond)
	case 1:
		for from := time.Now(); time.Since(from) < time.Duration(dice.IntN(300))*time.Microsecond; {
			runtime.Gosched()
		}
	case 2, 3:
		runtime.Gosched()
	}
}

// send sends all that sender has to send.
func (x *mixture) send(ctx context.Context, s *socket.Socket, sender int, dice *rand.Rand) {
	for n := 0; n < x.each; {
		pause(dice)
		frames := mixed(dice, sender, n, patternOctets)
		c, cancel := hurry(dice, ctx)
		sent, err := 1, error(nil)
		switch dice.IntN(4) {
		case 0:
			err = s.TrySendParts(frames...)
		case 1:
			m := socket.NewMessage(frames...)
			if err = s.Send(c, m); err != nil {
				m.Release()
			}
		default:
			if len(frames) > 1 {
				err = s.SendParts(c, frames...)
				break
			}
			batch := [][]byte{frames[0]}
			for len(batch) < 50 && n+len(batch) < x.each && dice.IntN(10) > 0 {
				next := mixed(dice, sender, n+len(batch), patternOctets)
				if len(next) > 1 {
					break
				}
				batch = append(batch, next[0])
			}
			sent, err = s.SendBatch(c, batch)
			n += sent
			sent = 0
		}
		cancel()
		switch {
		case err == nil:
			n += sent
		case ctx.Err() != nil || !gaveUp(err):
			x.t.Errorf("sender %d stops at %d: %v", sender, n, err)
			return
		}
	}
}

// recv receives until everything has come. ordered says that nobody else
// receives from s.
func (x *mixture) recv(ctx context.Context, s *socket.Socket, ordered bool, dice *rand.Rand) {
	var last []int
	if ordered {
		last = slices.Repeat([]int{-1}, x.senders)
	}
	batch := make([]*socket.Message, 20)
	for ctx.Err() == nil {
		pause(dice)
		c, cancel := hurry(dice, ctx)
		n, err := 1, error(nil)
		switch dice.IntN(4) {
		case 0:
			batch[0], err = s.TryRecv()
		case 1:
			n, err = s.RecvBatch(c, batch)
		default:
			batch[0], err = s.Recv(c)
		}
		cancel()
		if err != nil {
			if !gaveUp(err) {
				x.t.Errorf("receiving: %v", err)
				return
			}
			continue
		}
		for _, m := range batch[:n] {
			x.take(m, last, patternOctets)
		}
	}
}

func TestMixture(t *testing.T) {
	rounds, each := 12, 4000
	if raced || testing.Short() {
		rounds, each = 4, 1500
	}
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for i := range rounds {
			mix(t, b, each, rand.New(rand.NewPCG(seed(t), uint64(i))))
			if t.Failed() {
				return
			}
		}
	})
}

// mix runs one mixture.
func mix(t *testing.T, b *bed, each int, dice *rand.Rand) {
	pushes, pulls := 1+dice.IntN(3), 1+dice.IntN(3)
	perPush, perPull := 1+dice.IntN(2), 1+dice.IntN(3)
	x := &mixture{bed: b, t: t, each: each, senders: pushes * perPush, done: make(chan struct{})}
	x.left.Store(int64(x.senders * each))
	for range x.senders {
		x.seen = append(x.seen, make(map[uint32]bool))
	}
	size := []int{1, 2, 10, 1000, 1000, -1}
	option := func(o *socket.Options) {
		o.SendHWM, o.RecvHWM = size[dice.IntN(len(size))], size[dice.IntN(len(size))]
		o.Linger, o.HeartbeatInterval = socket.Off, socket.Off // which might hide that nobody was woken
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	bindPush := dice.IntN(2) == 0
	var froms, tos, binds, connects []*socket.Socket
	for range pushes {
		froms = append(froms, b.open(t, socket.TypePush, option))
	}
	for range pulls {
		tos = append(tos, b.open(t, socket.TypePull, option))
	}
	if binds, connects = tos, froms; bindPush {
		binds, connects = froms, tos
	}
	var endpoints []string
	for _, s := range binds {
		endpoints = append(endpoints, b.bind(t, s))
	}
	var sending, receiving sync.WaitGroup
	for i, s := range froms {
		for j := range perPush {
			d := rand.New(rand.NewPCG(dice.Uint64(), 1))
			sending.Go(func() { x.send(ctx, s, i*perPush+j, d) })
		}
	}
	received, stop := context.WithCancel(ctx)
	for _, s := range tos {
		for range perPull {
			d := rand.New(rand.NewPCG(dice.Uint64(), 2))
			receiving.Go(func() { x.recv(received, s, perPull == 1, d) })
		}
	}
	for _, s := range connects {
		for _, endpoint := range endpoints {
			connectTo(t, s, endpoint)
			<-time.After(time.Duration(dice.IntN(3000)) * time.Microsecond) // the next comes in mid-burst
		}
	}
	for range dice.IntN(5) {
		froms[dice.IntN(pushes)].SetSendHWM(size[dice.IntN(len(size))])
		tos[dice.IntN(pulls)].SetRecvHWM(size[dice.IntN(len(size))])
	}
	sending.Wait()
	for _, s := range froms {
		closeNow(t, s) // what is queued is sent first
	}
	select {
	case <-x.done:
	case <-ctx.Done():
		t.Errorf("%d messages of %d are lost: %d senders at %d sockets, %d sockets with %d receivers\n%s", x.left.Load(), x.senders*each, x.senders, pushes, pulls, perPull, stacks())
	}
	stop()
	receiving.Wait()
	for _, s := range tos {
		closeNow(t, s)
	}
}
