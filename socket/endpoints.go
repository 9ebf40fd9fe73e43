package socket

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// sockOpts is how the socket's connections are set up.
func (s *Socket) sockOpts() *reactor.SockOpts {
	o := &s.opts
	return &reactor.SockOpts{
		SendBuf: o.SendBuf, RecvBuf: o.RecvBuf, TOS: o.TOS, Backlog: o.Backlog, Device: o.Device,
		KeepAlive: reactor.KeepAlive{Enable: o.KeepAlive > 0, Idle: o.KeepAlive, Interval: o.KeepAlive},
	}
}

func (s *Socket) logger() *slog.Logger {
	if s.opts.Logger != nil {
		return s.opts.Logger
	}
	return s.engine.log
}

// report logs an error that deserves a line.
func (s *Socket) report(what string, err error, endpoint string) {
	s.logger().Warn(what, "type", s.typ.String(), "endpoint", endpoint, "err", err)
}

// Bind makes the socket reachable at endpoint and returns it resolved: with the
// port or path that * was replaced by.
//
//	tcp://*:5555  tcp://127.0.0.1:*  tcp://[::]:5555  tcp://eth0:5555
//	ipc:///run/feed.sock  ipc://@name  ipc://*
//	inproc://name
//	epgm://eth0;239.192.1.1:5555 and so on: see Multicast in the package's comment
func (s *Socket) Bind(endpoint string) (string, error) {
	resolved, err := s.bind(endpoint)
	if err != nil {
		return "", &EndpointError{"bind", endpoint, err}
	}
	return resolved, nil
}

func (s *Socket) bind(text string) (string, error) {
	e, err := parseEndpoint(text, true)
	if err != nil {
		return "", err
	}
	if s.closed.Load() {
		return "", ErrClosed
	}
	if e.transport.multicast() {
		return text, s.openMulticast(e)
	}
	if e.transport == transportInproc {
		if err := s.bindInproc(e.path); err != nil {
			return "", err
		}
		s.mu.Lock()
		s.names[e.path] = struct{}{}
		s.mu.Unlock()
		return text, nil
	}
	bind := s.bindTCP
	if e.transport == transportIPC {
		bind = s.bindIPC
	}
	l, err := bind(e)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	open := !s.closed.Load()
	if open {
		s.listeners[l.endpoint] = l
	}
	s.mu.Unlock()
	if !open {
		s.retire(0, l.close()...)
		return "", ErrClosed
	}
	return l.endpoint, nil
}

// Connect makes the socket a peer of whoever binds endpoint, now or later. It
// does not wait, and reports only what can never succeed: a malformed endpoint
// or, over inproc, a type of socket that this one does not talk to. The
// connection is made, and made again when it is lost, in the background.
//
//	tcp://host:5555  tcp://[::1]:5555  tcp://eth1;host:5555  tcp://10.0.0.1:0;host:5555
//	ipc:///run/feed.sock  ipc://@name
//	inproc://name
//	epgm://eth0;239.192.1.1:5555 and so on: see Multicast in the package's comment
//
// On REQ, DEALER, PUB and SUB sockets a second Connect to the same endpoint
// does nothing, as with libzmq; on others it makes a second connection.
func (s *Socket) Connect(endpoint string) error { return s.connect(endpoint, nil) }

// ConnectAs is Connect that gives the peer its routing id: what this ROUTER is to
// know it by, whatever it calls itself. So it can be sent to at once, before it is
// there. id has 1 to 255 octets, of which the first is not zero, and no other peer
// may have it: ErrIdentityTaken. libzmq calls it ZMQ_CONNECT_ROUTING_ID.
func (s *Socket) ConnectAs(endpoint string, id []byte) error {
	if err := s.checkGiven(id); err != nil {
		return &EndpointError{"connect", endpoint, err}
	}
	return s.connect(endpoint, slices.Clone(id))
}

// checkGiven says what is wrong with a routing id for a peer.
func (s *Socket) checkGiven(id []byte) error {
	r, ok := s.pat.(*router)
	if !ok {
		return notSupported(s.typ, "gives its peers no routing ids")
	}
	if len(id) == 0 || len(id) > 255 || id[0] == 0 {
		return errBadGiven
	}
	s.lockBoth()
	defer s.unlockBoth()
	if r.taken(id) {
		return ErrIdentityTaken
	}
	return nil
}

var errBadGiven = errors.New("a routing id has 1 to 255 octets, of which the first is not zero")

// connect is Connect, with the peer's routing id unless that is nil.
func (s *Socket) connect(endpoint string, given []byte) error {
	e, err := parseEndpoint(endpoint, false)
	if err == nil && s.closed.Load() {
		err = ErrClosed
	}
	switch {
	case err != nil:
	case e.transport.multicast():
		err = s.openMulticast(e)
	case e.transport == transportInproc:
		err = s.connectInproc(e.path, given)
	default:
		err = s.dialEndpoint(e, given)
	}
	if err != nil {
		return &EndpointError{"connect", endpoint, err}
	}
	return nil
}

// dialEndpoint adds a connection to e.
func (s *Socket) dialEndpoint(e endpoint, given []byte) error {
	switch s.typ {
	case TypeReq, TypeDealer, TypePub, TypeSub:
		s.dialing.Lock()
		defer s.dialing.Unlock()
		s.mu.Lock()
		again := len(s.dialers[e.text]) > 0
		s.mu.Unlock()
		if again {
			return nil
		}
	}
	d, err := s.connectTo(e, given)
	if err != nil {
		return err
	}
	s.mu.Lock()
	open := !s.closed.Load()
	if open {
		s.dialers[e.text] = append(s.dialers[e.text], d)
	}
	s.mu.Unlock()
	if !open {
		d.c.closeWithin(0)
		return ErrClosed
	}
	d.c.r.Post(&d.c.tasks.open) // not before: it might be over, and forgotten, too soon
	return nil
}

// Unbind takes back a Bind of the endpoint that Bind returned. Connections
// that came by it end, once what is queued for them is sent, within Linger.
func (s *Socket) Unbind(endpoint string) error {
	if s.closeMulticast(endpoint) {
		return nil
	}
	s.mu.Lock()
	l, linger := s.listeners[endpoint], s.opts.Linger
	delete(s.listeners, endpoint)
	s.mu.Unlock()
	if l != nil {
		s.retire(linger, l.close()...)
		return nil
	}
	if e, err := parseEndpoint(endpoint, true); err == nil && e.transport == transportInproc && s.unbindInproc(e.path) {
		s.mu.Lock()
		delete(s.names, e.path)
		s.mu.Unlock()
		return nil
	}
	return s.notFound("unbind", endpoint)
}

// Disconnect takes back a Connect. What is queued is sent first, within Linger.
func (s *Socket) Disconnect(endpoint string) error {
	if s.closeMulticast(endpoint) {
		return nil
	}
	s.mu.Lock()
	if ds := s.dialers[endpoint]; len(ds) > 0 {
		d := ds[len(ds)-1]
		s.forgetDialer(d)
		linger := s.opts.Linger
		s.mu.Unlock()
		s.retire(linger, d.c)
		return nil
	}
	for p := range s.pipes {
		if p.peer != nil && p.name != "" && "inproc://"+p.name == endpoint {
			s.mu.Unlock()
			p.leave()
			return nil
		}
	}
	s.mu.Unlock()
	return s.notFound("disconnect", endpoint)
}

// closeMulticast takes the endpoint back, if it is multicast and the socket's. What is
// queued is sent first, within Linger, and nothing more is queued when it returns.
func (s *Socket) closeMulticast(endpoint string) bool {
	s.mu.Lock()
	l, linger := s.multicasts[endpoint], s.opts.Linger
	delete(s.multicasts, endpoint)
	s.mu.Unlock()
	if l == nil {
		return false
	}
	s.sendMu.Lock()
	s.pat.settle()
	l.p.left.Store(true)
	s.unlockSend()
	s.wakeSender()
	l.closeWithin(linger)
	return true
}

// multicastsOf returns the links that are to be closed, in the order they were made.
func multicastsOf(all map[string]*multicast) []*multicast {
	var list []*multicast
	for _, l := range all {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *multicast) int { return a.serial - b.serial })
	return list
}

// retire ends connections once what is queued for them is sent, within linger.
// Nothing more is queued when it returns.
func (s *Socket) retire(linger time.Duration, connections ...*session) {
	s.sendMu.Lock()
	s.flushDirty() // however short linger is
	s.mu.Lock()
	for _, c := range connections {
		c.retired = true
	}
	for p := range s.pipes {
		if c, ok := p.link.(*session); ok && c.retired {
			p.left.Store(true)
		}
	}
	s.mu.Unlock()
	s.sendMu.Lock()
	s.pat.settle() // which sees that they left
	s.unlockSend()
	s.wakeSender() // who waits for room towards one of these waits for nothing
	for _, c := range connections {
		c.closeWithin(linger)
	}
}

// notFound says that endpoint is none of the socket's. A closed socket has
// none.
func (s *Socket) notFound(op, endpoint string) error {
	if s.closed.Load() {
		return &EndpointError{op, endpoint, ErrClosed}
	}
	return &EndpointError{op, endpoint, ErrNotFound}
}

// Close ends the socket. Every call in progress returns ErrClosed. What is
// queued is sent for at most Linger, and Close returns when the kernel has all of
// it. A descriptor is closed once its peer has read that and closed its own, after
// 30 s at the latest, or with the engine. Close may be called more than once and
// from many goroutines.
func (s *Socket) Close() error {
	s.mu.Lock()
	if s.closed.Swap(true) {
		s.mu.Unlock()
		if !s.engine.manual {
			<-s.ended
		}
		return nil
	}
	close(s.done)
	if s.live == 0 {
		close(s.quiet)
	}
	linger := s.opts.Linger
	listeners, dialers, local := s.listeners, s.dialers, []*pipe(nil)
	s.listeners, s.dialers = nil, nil
	multicasts := multicastsOf(s.multicasts)
	var remote []*session
	for p := range s.pipes {
		if p.peer != nil {
			local = append(local, p)
		} else if c, ok := p.link.(*session); ok {
			remote = append(remote, c)
		}
	}
	s.mu.Unlock()
	s.lockBoth()
	s.loans.drop() // whoever has recvMu next sees that the socket is closed
	s.unlockBoth()
	s.sending.wakeAll()
	s.receiving.wakeAll()
	s.engine.closing(s)
	for _, l := range listeners {
		remote = append(remote, l.close()...)
	}
	for _, ds := range dialers {
		for _, d := range ds {
			remote = append(remote, d.c)
		}
	}
	for _, p := range local {
		p.leave()
	}
	for _, l := range multicasts {
		l.closeWithin(linger)
	}
	// In the order they were made: a simulation must not depend on a map's.
	slices.SortFunc(remote, func(a, b *session) int { return a.serial - b.serial })
	for _, c := range slices.Compact(remote) {
		c.closeWithin(linger)
	}
	if !s.engine.manual {
		s.finish()
	}
	return nil
}

// finish waits until all connections are over and frees what was not received.
func (s *Socket) finish() {
	if !s.engine.manual {
		<-s.quiet
	}
	s.mu.Lock()
	rest := slices.Collect(maps.Keys(s.pipes))
	s.mu.Unlock()
	for _, p := range rest {
		s.drop(p)
	}
	s.lockBoth()
	s.pat.close()
	s.unlockBoth()
	s.engine.remove(s)
	close(s.ended)
}

// sessionOver takes note that c has ended for good. Reactor thread.
func (s *Socket) sessionOver(c *session) {
	if c.from != nil {
		c.from.forget(c)
	}
	p := c.p
	c.p = nil
	if p != nil {
		s.endPipe(p)
	}
	if c.dial == nil {
		return
	}
	c.dial.cancel()
	s.mu.Lock()
	s.forgetDialer(c.dial)
	s.mu.Unlock()
}

// forgetDialer takes d off the list of its endpoint, if it is on it. Under mu.
func (s *Socket) forgetDialer(d *dialer) {
	same := s.dialers[d.e.text]
	i := slices.Index(same, d)
	switch {
	case i < 0:
	case len(same) == 1:
		delete(s.dialers, d.e.text)
	default:
		s.dialers[d.e.text] = slices.Delete(same, i, i+1)
	}
}

// SetLinger changes Linger.
func (s *Socket) SetLinger(linger time.Duration) {
	s.mu.Lock()
	if linger == 0 {
		linger = defaultLinger
	}
	s.opts.Linger = linger
	s.mu.Unlock()
}
