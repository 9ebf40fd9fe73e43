package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/zmtp"
)

// A listener accepts the connections of one bound endpoint.
type listener struct {
	host     *Socket
	r        *reactor.Reactor
	endpoint string // as resolved
	fd       reactor.FD
	accept   reactor.Op
	start    reactor.Task
	stop     reactor.Task
	ending   bool
	failing  bool          // the last accept failed, or one not long before it
	over     chan struct{} // closed when the descriptor is
	remove   string        // a socket file, or a directory made for one, to remove

	again    reactor.Timer // accepts anew after an error that ended accepting
	rest     time.Duration // how long that took last; 0 after a connection
	calm     reactor.Timer // fires when no accept has failed for a while
	failures complaint     // of accepting
	offences complaint     // of peers that do not fit, or break the protocol

	mu       sync.Mutex
	sessions map[*session]struct{} // what it accepted; nil once closed
}

// listen binds e, whose address is at, and starts accepting.
func (s *Socket) listen(e endpoint, at reactor.Addr, remove string) (*listener, error) {
	r := s.engine.group.Home()
	fd, bound, err := r.Listen(at, s.sockOpts())
	if err != nil {
		r.Leave()
		return nil, err
	}
	l := &listener{host: s, r: r, fd: fd, over: make(chan struct{}), remove: remove, sessions: make(map[*session]struct{})}
	l.endpoint = endpointOf(e.transport, bound)
	l.accept = reactor.Op{Kind: reactor.OpAccept, FD: fd, Owner: l}
	submit := func(time.Time) { r.Submit(&l.accept) }
	l.start.Run, l.stop.Run = submit, l.stopping
	l.again.Fire, l.calm.Fire = submit, l.recovered
	s.events.emit(Event{Kind: EventListening, Endpoint: l.endpoint})
	r.Post(&l.start)
	return l, nil
}

// endpointOf writes an address as an endpoint.
func endpointOf(t transport, a reactor.Addr) string {
	if t == transportTCP {
		return "tcp://" + a.String()
	}
	return "ipc://" + a.String()
}

// Complete takes in an accepted connection. Reactor thread.
func (l *listener) Complete(now time.Time, op *reactor.Op) {
	switch {
	case op.Result >= 0 && !l.ending:
		l.accepted(reactor.FD(op.Result))
		l.rest = 0
		if l.failing && !l.calm.Active() {
			l.r.StartTimer(&l.calm, now.Add(complainEvery))
		}
	case op.Result >= 0:
		l.r.CloseFD(reactor.FD(op.Result))
	case !l.ending:
		l.failed(now, reactor.ErrnoError(op.Result))
	}
	switch {
	case op.More:
	case l.ending:
		l.finish()
	default:
		// Something ended accepting that may be so for good, such as the rules of
		// a sandbox: trying again at once would keep the reactor busy with it.
		l.rest = min(max(2*l.rest, shortestRest), longestRest)
		l.r.StartTimer(&l.again, now.Add(l.rest))
	}
}

// After an error that ended accepting it rests, twice as long each time.
const (
	shortestRest = 10 * time.Millisecond
	longestRest  = time.Second
)

// failed tells of an accept that failed.
func (l *listener) failed(now time.Time, err error) {
	l.failing = true
	l.r.StopTimer(&l.calm)
	l.host.events.emit(Event{Kind: EventAcceptFailed, Endpoint: l.endpoint, Err: err})
	if left, line := l.failures.due(now); line {
		l.host.logger().Warn("accepting failed", "endpoint", l.endpoint, "err", err, "left_out", left)
	}
}

// recovered is called when connections were accepted again for a while. Not at
// the first of them: a process that has just one descriptor to spare accepts one
// now and then and fails in between. Reactor thread.
func (l *listener) recovered(time.Time) {
	l.failing = false
	l.failures.over()
	l.host.logger().Info("accepting again", "endpoint", l.endpoint)
}

// finish gives the address back. Nothing is in flight. Reactor thread.
func (l *listener) finish() {
	l.r.StopTimer(&l.again)
	l.r.StopTimer(&l.calm)
	l.r.CloseFD(l.fd)
	l.r.Leave()
	if l.remove != "" {
		_ = os.RemoveAll(l.remove)
	}
	close(l.over)
}

// accepted gives a connection a session on the reactor that has the fewest.
func (l *listener) accepted(fd reactor.FD) {
	s := l.host
	peer, err := l.r.Accepted(fd, s.sockOpts())
	if err != nil {
		l.r.CloseFD(fd)
		s.events.emit(Event{Kind: EventAcceptFailed, Endpoint: l.endpoint, Err: err})
		return
	}
	c := newSession(s, l.endpoint)
	if c == nil {
		l.r.CloseFD(fd)
		return
	}
	c.from = l
	c.remote.Store(new(peer.String()))
	l.mu.Lock()
	open := l.sessions != nil
	if open {
		l.sessions[c] = struct{}{}
	}
	l.mu.Unlock()
	s.events.emit(Event{Kind: EventAccepted, Endpoint: l.endpoint, Remote: c.address()})
	c.tasks.open.Run = func(now time.Time) {
		c.state = stateConnecting
		c.opened(now, fd)
		if !open {
			c.fail(now, errEnded)
		}
	}
	c.r.Post(&c.tasks.open)
}

// lost takes note of why a connection ended that was accepted. What its peer is to
// blame for is told: whoever runs that may look at this side only. Any reactor's
// thread.
func (l *listener) lost(now time.Time, remote string, err error) {
	var broke *zmtp.ProtocolError
	what := "connection ended for good"
	switch {
	case errors.As(err, &broke):
		what = "peer broke the protocol"
	case !fatal(err):
		return
	}
	if left, line := l.offences.due(now); line {
		l.host.logger().Warn(what, "type", l.host.typ.String(), "endpoint", l.endpoint, "remote", remote, "err", err, "left_out", left)
	}
}

// stopping ends accepting. Reactor thread.
func (l *listener) stopping(time.Time) {
	l.ending = true
	if l.again.Active() { // so nothing is in flight
		l.finish()
		return
	}
	l.r.Cancel(&l.accept)
}

// close ends accepting, waits until the address is free again, and returns the
// connections that were accepted and are not over yet.
func (l *listener) close() []*session {
	l.r.Post(&l.stop)
	if l.host.engine.manual {
		return l.take()
	}
	<-l.over
	l.host.events.emit(Event{Kind: EventClosed, Endpoint: l.endpoint})
	return l.take()
}

// take empties the list of sessions for good.
func (l *listener) take() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := make([]*session, 0, len(l.sessions))
	for c := range l.sessions {
		open = append(open, c)
	}
	l.sessions = nil
	return open
}

// forget drops a session that is over.
func (l *listener) forget(c *session) {
	l.mu.Lock()
	delete(l.sessions, c)
	l.mu.Unlock()
}

// bindTCP resolves and binds a tcp endpoint.
func (s *Socket) bindTCP(e endpoint) (*listener, error) {
	addr, err := s.bindAddr(e.host)
	if err != nil {
		return nil, err
	}
	at := reactor.Addr{Network: reactor.TCP, IP: netip.AddrPortFrom(addr, e.port)}
	return s.listen(e, at, "")
}

// bindIPC binds a path, an abstract name, or a path of its own choice.
func (s *Socket) bindIPC(e endpoint) (*listener, error) {
	path, remove := e.path, e.path
	switch {
	case path == "*" && s.engine.manual:
		path, remove = fmt.Sprintf("@sim-%d", s.engine.random()), ""
	case path == "*":
		dir, err := os.MkdirTemp("", "zeroring")
		if err != nil {
			return nil, err
		}
		path, remove = filepath.Join(dir, "socket"), dir
	case path[0] == '@' || s.engine.manual:
		remove = ""
	}
	l, err := s.listen(e, reactor.Addr{Network: reactor.Unix, Path: path}, remove)
	if err != nil && remove != "" && remove != e.path {
		_ = os.RemoveAll(remove)
	}
	return l, err
}
