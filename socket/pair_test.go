package socket

import "testing"

// newPairs returns two PAIRs that are connected over inproc.
func newPairs(t *testing.T) (binds, connects *Socket) {
	t.Helper()
	e := quietEngine(t)
	binds, connects = newSocket(t, e, TypePair, Options{}), newSocket(t, e, TypePair, Options{})
	if _, err := binds.Bind("inproc://pairs"); err != nil {
		t.Fatal(err)
	}
	if err := connects.Connect("inproc://pairs"); err != nil {
		t.Fatal(err)
	}
	return binds, connects
}

// TestPairDropsWhatItTookAhead: what the peer before sent and nobody received is
// dropped when the next one comes, whether it was taken ahead or not.
func TestPairDropsWhatItTookAhead(t *testing.T) {
	binds, first := newPairs(t)
	for _, body := range []string{"1", "2", "3"} {
		sendBody(t, first, body)
	}
	wantBody(t, binds, "1")
	if binds.loans.ahead.Empty() {
		t.Fatal("nothing was taken ahead, so the test would see nothing")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	wantBody(t, binds, "2") // until then it can be received
	second := newSocket(t, first.engine, TypePair, Options{})
	if err := second.Connect("inproc://pairs"); err != nil {
		t.Fatal(err)
	}
	sendBody(t, second, "new")
	wantBody(t, binds, "new")
}

// A producing end publishes when the consumer looks a second time.
type producingEnd struct {
	laneEnd
	produce func()
}

func (p producingEnd) roomReady() { p.produce() }

// TestPairWakesSleepers: a receiver that finds a message in the very moment that
// it is published leaves the wake-up to the one who sleeps, as two messages may
// have come with it.
func TestPairWakesSleepers(t *testing.T) {
	binds, connects := newPairs(t)
	sendBody(t, connects, "before")
	wantBody(t, binds, "before")
	sleeper := binds.receiving.add()
	if _, err := binds.recvOnce(); err != errWouldBlock {
		t.Fatal(err)
	}
	l := connects.outlet.out
	l.producer = producingEnd{l.producer, func() {
		for range 2 {
			putMessage(l.stream.Reserve(3), nil, [][]byte{{'x'}})
			l.stream.Commit(3)
		}
	}}
	l.stream.Advance(0, 1) // something to tell the producer of between two looks
	l.room.Arm()
	if _, err := binds.recvOnce(); err == errWouldBlock {
		l.producer.roomReady() // it did not look twice, so it comes now
	}
	l.ring()
	select {
	case <-sleeper.woken:
	default:
		t.Error("two messages are there, and who sleeps is not woken")
	}
}
