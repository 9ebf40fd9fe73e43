package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

// The library's PUB queues without limit, or drops. So that it can do neither,
// subscribers acknowledge what they received, and the publisher, an XPUB, waits
// for the slowest. What they send upstream is a letter that is no subscription's
// first octet and two numbers of 8 octets:
//
//	'H' id n    hello: after n subscriptions
//	'A' id n    n messages were received

const upstream = 1 + 8 + 8

// bound is how many messages may be in flight: a high-water mark for each side.
func bound(j bench.Job) uint64 { return 2 * uint64(max(1, j.HWM)) }

// acknowledged is how many messages are acknowledged at a time.
func acknowledged(bound uint64) uint64 { return max(1, bound/4) }

func acknowledgements(j bench.Job) string {
	return fmt.Sprintf("PUB waits for its slowest SUB, %d messages in flight: each SUB acknowledges every %d, upstream to an XPUB",
		bound(j), acknowledged(bound(j)))
}

func (l *link) hello() error {
	l.id = rand.Uint64()
	return l.tell('H', l.subscriptions)
}

func (l *link) acknowledge() error { return l.tell('A', l.received) }

func (l *link) tell(letter byte, n uint64) error {
	b := make([]byte, 0, upstream)
	b = append(b, letter)
	b = binary.BigEndian.AppendUint64(b, l.id)
	b = binary.BigEndian.AppendUint64(b, n)
	return l.socket.SendMulti(zmq4.NewMsg(b))
}

// listen enters into a publisher's ledger what its subscribers tell.
func (l *link) listen() {
	for {
		m, err := l.recv()
		if err != nil {
			return
		}
		b := m.Frames[0]
		if len(b) != upstream {
			continue
		}
		id, n := binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:])
		l.ledger.enter(b[0], id, n)
	}
}

// A ledger has what each subscriber received.
type ledger struct {
	slowest atomic.Uint64 // the least in received, once changed is signalled

	mu            sync.Mutex
	changed       sync.Cond
	closed        bool
	subscriptions uint64
	received      map[uint64]uint64 // by subscriber
}

func newLedger() *ledger {
	l := &ledger{received: make(map[uint64]uint64)}
	l.changed.L = &l.mu
	return l
}

func (l *ledger) enter(letter byte, id, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch letter {
	case 'H':
		l.received[id] = 0
		l.subscriptions += n
	case 'A':
		l.received[id] = n
	}
	slowest := uint64(math.MaxUint64)
	for _, n := range l.received {
		slowest = min(slowest, n)
	}
	l.slowest.Store(slowest)
	l.changed.Broadcast()
}

// until waits for a condition that holds of l.
func (l *ledger) until(holds func() bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !holds() {
		if l.closed {
			return peer.ErrClosed
		}
		l.changed.Wait()
	}
	return nil
}

func (l *ledger) await(subscriptions uint64) error {
	return l.until(func() bool { return l.subscriptions >= subscriptions })
}

// room waits until message number n, counted from 1, may be sent.
func (l *ledger) room(n, bound uint64) error {
	if n <= l.slowest.Load()+bound {
		return nil
	}
	return l.until(func() bool { return n <= l.slowest.Load()+bound })
}

// close waits until all that was sent was received, but not for ever.
func (l *ledger) close(sent uint64) {
	late := time.AfterFunc(peer.Linger, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closed = true
		l.changed.Broadcast()
	})
	defer late.Stop()
	_ = l.until(func() bool { return len(l.received) == 0 || l.slowest.Load() >= sent })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
}
