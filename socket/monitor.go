package socket

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// An EventKind says what happened to a connection.
type EventKind uint8

// The kinds of events.
const (
	EventListening    EventKind = iota + 1 // an endpoint was bound
	EventAccepted                          // a connection was accepted; its handshake begins
	EventAcceptFailed                      // accepting failed; it goes on
	EventConnected                         // a connection was made; its handshake begins
	EventReady                             // a handshake is complete: the peer is there
	EventDisconnected                      // a connection, or an attempt at one, ended
	EventRetrying                          // the next attempt is due after Wait
	EventClosed                            // an endpoint is no longer bound
	EventGap                               // data of a source of multicast is lost for good: see Gap
	EventIgnored                           // a ROUTER neither hears nor answers this peer: its routing id is another's
)

var eventNames = [...]string{"none", "listening", "accepted", "accept failed", "connected", "ready", "disconnected", "retrying", "closed", "gap", "ignored"}

// String returns the event's name.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// An Event is something that happened to a connection.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Endpoint string        // the one that was bound or connected to
	Remote   string        // the other end's address, as in PeerStats; empty where that is not known
	Gap      *Gap          // EventGap
	Err      error         // why: EventDisconnected, EventAcceptFailed, EventIgnored (ErrIdentityTaken)
	Wait     time.Duration // EventRetrying
	Dropped  int           // events before this one that were dropped, as nobody took them
}

// eventQueue is how many events wait for a reader that is slow.
const eventQueue = 256

// An eventHub hands events to whoever listens. It never waits for them: I/O
// does not stall because a monitor is not read.
type eventHub struct {
	watched atomic.Int32
	mu      sync.Mutex
	readers map[*eventReader]struct{}
}

type eventReader struct {
	events  chan Event
	dropped int // under the hub's mu
}

// emit hands ev to everybody who listens.
func (h *eventHub) emit(ev Event) {
	if h.watched.Load() == 0 {
		return
	}
	ev.Time = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		ev.Dropped = r.dropped
		select {
		case r.events <- ev:
			r.dropped = 0
		default:
			r.dropped++
		}
	}
}

// Events returns an iterator over what happens to the socket's connections
// from now on, until ctx is done or the socket is closed, which is the last
// thing it sees. Events that are not taken in time are dropped and counted:
// watching never slows a socket down. It can be ranged over once.
func (s *Socket) Events(ctx context.Context) iter.Seq[Event] {
	r := &eventReader{events: make(chan Event, eventQueue)}
	h := &s.events
	h.mu.Lock()
	if h.readers == nil {
		h.readers = make(map[*eventReader]struct{})
	}
	h.readers[r] = struct{}{}
	h.watched.Add(1)
	h.mu.Unlock()
	leave := sync.OnceFunc(func() {
		h.mu.Lock()
		delete(h.readers, r)
		h.watched.Add(-1)
		h.mu.Unlock()
	})
	stop := context.AfterFunc(ctx, leave)
	return func(yield func(Event) bool) {
		defer leave()
		defer stop()
		for {
			select {
			case ev := <-r.events:
				if !yield(ev) {
					return
				}
			case <-ctx.Done():
				return
			case <-s.ended:
				r.rest(yield)
				return
			}
		}
	}
}

// rest yields what is there, of a socket that has no more events.
func (r *eventReader) rest(yield func(Event) bool) {
	for {
		select {
		case ev := <-r.events:
			if !yield(ev) {
				return
			}
		default:
			return
		}
	}
}
