package socket

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// quietEngine starts an engine for as long as t lasts.
func quietEngine(t *testing.T) *Engine {
	t.Helper()
	e, err := NewEngine(&EngineOptions{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// A tandem is a PUSH and a PULL over inproc, or other types that go one way.
type tandem struct {
	t          *testing.T
	push, pull *Socket
	sent, got  uint32
}

func newTandem(t *testing.T) *tandem {
	t.Helper()
	return newTandemOf(t, TypePush, TypePull)
}

func newTandemOf(t *testing.T, push, pull Type) *tandem {
	t.Helper()
	e := quietEngine(t)
	e.spin = defaultSpin // on a machine with one processor too
	x := &tandem{t: t, push: newSocket(t, e, push, Options{}), pull: newSocket(t, e, pull, Options{})}
	if pull == TypeSub {
		if err := x.pull.Subscribe(nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := x.pull.Bind("inproc://tandem"); err != nil {
		t.Fatal(err)
	}
	x.connect(x.push)
	return x
}

func (x *tandem) connect(push *Socket) {
	x.t.Helper()
	if err := push.Connect("inproc://tandem"); err != nil {
		x.t.Fatal(err)
	}
}

// send sends n messages, numbered.
func (x *tandem) send(n int) {
	x.t.Helper()
	for range n {
		if err := x.push.SendBytes(x.t.Context(), binary.BigEndian.AppendUint32(nil, x.sent)); err != nil {
			x.t.Fatal(err)
		}
		x.sent++
	}
}

// recv receives n messages by f and checks their numbers.
func (x *tandem) recv(n int, f func() (*Message, error)) {
	x.t.Helper()
	for range n {
		m, err := f()
		if err != nil {
			x.t.Fatalf("message %d: %v", x.got, err)
		}
		if at := binary.BigEndian.Uint32(m.Frame(0)); at != x.got {
			x.t.Fatalf("message %d came, want %d", at, x.got)
		}
		x.got++
		m.Release()
	}
}

// tended makes the PULL tend its lane.
func (x *tandem) tended() {
	x.t.Helper()
	x.send(2 * tendFrom)
	x.recv(2*tendFrom, x.pull.TryRecv)
	if x.pull.tended == nil || !x.pull.tended.in.lazy {
		x.t.Fatal("the lane is not tended, so the test would see nothing")
	}
	x.send(lazyBatch - 1)
	if octets, _ := x.pull.inlet.in.stream.Peek(); len(octets) > 0 {
		x.t.Fatal("the producer publishes each message")
	}
}

// TestTendedLaneHidesNothing: what was sent can be received, though its producer
// has not published it.
func TestTendedLaneHidesNothing(t *testing.T) {
	for name, recv := range map[string]func(*Socket) (*Message, error){
		"TryRecv": (*Socket).TryRecv,
		"Recv":    func(s *Socket) (*Message, error) { return s.Recv(context.Background()) },
		"RecvBatch": func(s *Socket) (*Message, error) {
			var m [1]*Message
			_, err := s.RecvBatch(context.Background(), m[:])
			return m[0], err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, x := range []*tandem{newTandem(t), newTandemOf(t, TypePub, TypeSub)} {
				x.hidesNothing(func() (*Message, error) { return recv(x.pull) })
			}
		})
	}
}

func (x *tandem) hidesNothing(recv func() (*Message, error)) {
	x.t.Helper()
	for range 3 {
		x.tended()
		x.recv(lazyBatch-1, recv)
		if _, err := x.pull.TryRecv(); err != ErrWouldBlock {
			x.t.Fatalf("nothing is left, but: %v", err)
		}
		if x.pull.tended != nil || x.pull.inlet.in.lazy {
			x.t.Fatal("there was nothing, and the lane is still tended")
		}
	}
}

// TestTendedLaneFills: a lazy producer that runs into the high-water mark has
// published all.
func TestTendedLaneFills(t *testing.T) {
	x := newTandem(t)
	x.tended()
	for {
		err := x.push.TrySendBytes(binary.BigEndian.AppendUint32(nil, x.sent))
		if err == ErrWouldBlock {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		x.sent++
	}
	if n := x.push.outlet.out.stream.Filled(); n != 0 {
		t.Errorf("%d messages are not published", n)
	}
	x.recv(int(x.sent-x.got), x.pull.TryRecv)
}

// TestTendedLaneIsLeft: the producer may leave, lazy as it is.
func TestTendedLaneIsLeft(t *testing.T) {
	x := newTandem(t)
	x.tended()
	if err := x.push.Close(); err != nil {
		t.Fatal(err)
	}
	x.recv(lazyBatch-1, x.pull.TryRecv)
	if _, err := x.pull.TryRecv(); err != ErrWouldBlock {
		t.Fatal(err)
	}
}

// TestTendedLaneGetsCompany: when another producer comes, nothing of the first
// waits until that is silent.
func TestTendedLaneGetsCompany(t *testing.T) {
	x := newTandem(t)
	x.tended()
	other := newSocket(t, x.push.engine, TypePush, Options{})
	x.connect(other)
	for range 10 * lazyBatch {
		if err := other.SendBytes(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 * lazyBatch { // a message of each in turn, so well before the other's last
		m, err := x.pull.TryRecv()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Frame(0)) > 0 {
			x.got++
		}
		m.Release()
		if x.got == x.sent {
			break
		}
	}
	if x.got != x.sent {
		t.Errorf("%d of %d messages came", x.got, x.sent)
	}
	if x.pull.tended != nil {
		t.Error("the lane is still tended")
	}
}

// TestSleepersAreNotTended: while a receiver sleeps, and so waits for the bell,
// no producer is made lazy.
func TestSleepersAreNotTended(t *testing.T) {
	x := newTandem(t)
	ctx, cancel := context.WithCancel(t.Context())
	var asleep sync.WaitGroup
	asleep.Go(func() {
		for {
			m, err := x.pull.Recv(ctx)
			if err != nil {
				return
			}
			m.Release()
		}
	})
	for x.pull.receiving.waiting.Load() == 0 {
		runtime.Gosched()
	}
	x.pull.recvMu.Lock() // so that the sleeper, whom the bell wakes, gets nothing
	p := x.pull.inlet
	x.push.SendBytes(ctx, nil)
	x.pull.receiving.waiting.Store(1)
	p.in.paused -= tendFrom // as if many had come
	x.pull.tend(p)
	if x.pull.tended != nil {
		t.Error("tended")
	}
	x.pull.receiving.waiting.Store(0)
	x.pull.tend(p)
	if x.pull.tended != p {
		t.Error("not tended, without anybody asleep")
	}
	x.pull.recvMu.Unlock()
	cancel()
	asleep.Wait()
}

// TestLanesThatConflateAreNotTended: there is nothing to publish by the batch.
func TestLanesThatConflateAreNotTended(t *testing.T) {
	x := newTandem(t)
	p := x.pull.inlet
	p.in.paused -= tendFrom // as if many had come
	p.in.conflate = true
	x.pull.tend(p)
	if x.pull.tended != nil {
		t.Error("tended")
	}
	p.in.conflate = false
	x.pull.tend(p)
	if x.pull.tended != p {
		t.Error("not tended, though it does not conflate")
	}
}

// TestPauseBeginsAnew: many messages with a pause among them are not many without
// one.
func TestPauseBeginsAnew(t *testing.T) {
	for _, x := range []*tandem{newTandem(t), newTandemOf(t, TypePub, TypeSub)} {
		for range 3 {
			x.send(tendFrom - 1)
			x.recv(tendFrom-1, x.pull.TryRecv)
			if x.pull.tended != nil {
				t.Fatalf("a %v tends its lane", x.pull.typ)
			}
			if _, err := x.pull.TryRecv(); err != ErrWouldBlock {
				t.Fatal(err)
			}
		}
	}
}

// TestTendingEndsOnce: who comes late to end an arrangement that has ended leaves
// alone the one that has begun since.
func TestTendingEndsOnce(t *testing.T) {
	x := newTandem(t)
	other := newSocket(t, x.push.engine, TypePush, Options{})
	x.connect(other)
	p := x.push.outlet.peer
	p.in.paused -= tendFrom // as if many had come
	x.pull.tend(p)
	other.outlet.peer.stopTending()
	if x.pull.tended != p || !p.in.lazy {
		t.Error("another lane is not tended any more")
	}
	p.stopTending()
	if x.pull.tended != nil || p.in.lazy {
		t.Error("it is tended still")
	}
}

// TestTakenAheadEndsWithClose: Close leaves nothing to receive, and no message
// is lent any more.
func TestTakenAheadEndsWithClose(t *testing.T) {
	x := newTandem(t)
	x.send(maxLoans)
	x.recv(1, x.pull.TryRecv)
	if x.pull.loans.ahead.Empty() {
		t.Fatal("nothing was taken ahead")
	}
	if err := x.pull.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := x.pull.TryRecv(); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	for i := range maxLoans {
		if x.pull.loans.back(i) == nil {
			t.Errorf("message %d is not back", i)
		}
	}
}

// TestTakenAheadKeepsMarks: a high-water mark too small to take an eighth of is
// kept exactly.
func TestTakenAheadKeepsMarks(t *testing.T) {
	e := quietEngine(t)
	x := &tandem{t: t, push: newSocket(t, e, TypePush, Options{SendHWM: 3}), pull: newSocket(t, e, TypePull, Options{RecvHWM: 3})}
	if _, err := x.pull.Bind("inproc://tandem"); err != nil {
		t.Fatal(err)
	}
	x.connect(x.push)
	x.send(6)
	x.recv(1, x.pull.TryRecv)
	if !x.pull.loans.ahead.Empty() {
		t.Error("messages were taken ahead of six")
	}
	x.recv(5, x.pull.TryRecv)
}

// TestTakenAheadIsForOthers: who has received wakes the next who waits if messages
// were taken ahead, though the pattern has none left.
func TestTakenAheadIsForOthers(t *testing.T) {
	x := newTandem(t)
	x.send(2)
	x.recv(1, x.pull.TryRecv)
	if x.pull.loans.ahead.Empty() {
		t.Fatal("nothing was taken ahead, so the test would see nothing")
	}
	sleeper := x.pull.receiving.add()
	x.pull.passOnRecv()
	select {
	case <-sleeper.woken:
	default:
		t.Error("a message is there, and who sleeps is not woken")
	}
	x.recv(1, x.pull.TryRecv)
}

// TestFruitlessReceivesLendNothing: a receive that finds no message keeps none of
// those that the socket lends.
func TestFruitlessReceivesLendNothing(t *testing.T) {
	x := newTandem(t)
	for range 2 * maxLoans {
		if _, err := x.pull.TryRecv(); err != ErrWouldBlock {
			t.Fatal(err)
		}
	}
	for i := range maxLoans {
		if x.pull.loans.back(i) == nil {
			t.Errorf("message %d is not back", i)
		}
	}
}

// TestKeptMessagesStayTheirOwners: who keeps messages gets others, whatever is
// taken ahead meanwhile.
func TestKeptMessagesStayTheirOwners(t *testing.T) {
	x := newTandem(t)
	dice := rand.New(rand.NewPCG(1, 2))
	kept := make(map[*Message]uint32)
	check := func(m *Message, number uint32) {
		if at := binary.BigEndian.Uint32(m.Frame(0)); at != number {
			t.Fatalf("message %d became %d", number, at)
		}
	}
	for range 200 {
		n := 1 + dice.IntN(3*maxLoans)
		x.send(n)
		for range n {
			m, err := x.pull.TryRecv()
			if err != nil {
				t.Fatal(err)
			}
			check(m, x.got)
			kept[m] = x.got
			x.got++
		}
		for m, number := range kept {
			check(m, number)
			if dice.IntN(3) > 0 {
				delete(kept, m)
				m.Release()
			}
		}
	}
	for m := range kept {
		m.Release()
	}
}

// TestTendedUnderLoad has a producer that stops and goes on at random, and
// receivers who take turns. A message that stayed behind would end the test by
// its deadline.
func TestTendedUnderLoad(t *testing.T) {
	for _, receivers := range []int{1, 3} {
		x := newTandem(t)
		total := 300_000
		if testing.Short() {
			total = 30_000
		}
		ctx := patient(t)
		var mu sync.Mutex
		seen, got := make([]bool, total), 0
		more := sync.NewCond(&mu)
		var all sync.WaitGroup
		for range receivers {
			all.Go(func() {
				defer more.Broadcast()
				last := -1
				for {
					m, err := x.pull.Recv(ctx)
					if err != nil {
						return
					}
					number := int(binary.BigEndian.Uint32(m.Frame(0)))
					m.Release()
					mu.Lock()
					if seen[number] || number < last {
						t.Errorf("message %d again, or after %d", number, last)
					}
					seen[number], last = true, number
					got++
					mu.Unlock()
					more.Signal()
				}
			})
		}
		dice := rand.New(rand.NewPCG(3, uint64(receivers)))
		for int(x.sent) < total {
			x.send(min(1+dice.IntN(4*tendFrom), total-int(x.sent)))
			mu.Lock()
			for got < int(x.sent) && ctx.Err() == nil {
				more.Wait()
			}
			mu.Unlock()
		}
		x.pull.Close()
		all.Wait()
		if got != total {
			t.Errorf("%d of %d messages came", got, total)
		}
	}
}

// TestTendingEndsWhileOthersSubscribe: who subscribes has the consumer's locks and
// waits for the publisher's, and who ends the tending needs both. The test does
// what who subscribes does, again and again, so that it meets the other in between.
func TestTendingEndsWhileOthersSubscribe(t *testing.T) {
	x := newTandemOf(t, TypePub, TypeSub)
	x.tended()
	stuck := time.AfterFunc(time.Minute, func() { panic("each waits for the other") }) // and so would Close
	defer stuck.Stop()
	p := x.pull.tended
	for range 100 {
		done := make(chan struct{})
		x.pull.recvMu.Lock()
		go func() { p.stopTending(); close(done) }()
		for range 100 {
			runtime.Gosched()
			x.push.sendMu.Lock()
			x.push.unlockSend()
		}
		x.pull.recvMu.Unlock()
		<-done
		if x.pull.tended != nil {
			t.Fatal("the lane is still tended")
		}
		x.recv(int(x.sent-x.got), x.pull.TryRecv)
		x.tended()
	}
}
