package interop

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/zmtp"
)

// A watch follows what happens to the connections of one of our sockets.
type watch struct {
	t        *testing.T
	events   chan socket.Event
	endpoint string // whose events count; empty: all
}

// watch begins to follow s. What happened before is not seen.
func (s *ourSock) watch() *watch {
	w := &watch{t: s.t, events: make(chan socket.Event, 4096)}
	events := s.Events(s.t.Context())
	go func() {
		for ev := range events {
			w.events <- ev
		}
	}()
	return w
}

// until waits for an event of that kind and returns it.
func (w *watch) until(kind socket.EventKind) socket.Event {
	w.t.Helper()
	return w.next(kind)
}

// next waits for the next event of one of these kinds.
func (w *watch) next(kinds ...socket.EventKind) socket.Event {
	w.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case ev := <-w.events:
			if slices.Contains(kinds, ev.Kind) && (w.endpoint == "" || w.endpoint == ev.Endpoint) {
				return ev
			}
		case <-limit:
			w.t.Fatalf("no event %v in %v", kinds, patience)
		}
	}
}

// refused waits until a connection ends and requires that its end says that it
// was the peer's fault.
func (w *watch) refused() error {
	w.t.Helper()
	ev := w.until(socket.EventDisconnected)
	var protocol *zmtp.ProtocolError
	var refused *zmtp.RefusedError
	if !errors.As(ev.Err, &protocol) && !errors.As(ev.Err, &refused) && !errors.Is(ev.Err, zmtp.ErrIncompatible) {
		w.t.Errorf("the connection ended with %v (%T), which does not say what the peer did wrong", ev.Err, ev.Err)
	}
	return ev.Err
}
