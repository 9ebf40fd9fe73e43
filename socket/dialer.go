package socket

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// A dialer connects a session to one endpoint, again and again.
type dialer struct {
	host    *Socket
	e       endpoint
	given   []byte // routing id for the peer; nil for none
	c       *session
	addrs   []reactor.Addr // what the name resolved to; tried in turn
	source  reactor.Addr
	wait    time.Duration // before the next attempt, without jitter
	fresh   bool          // addrs are of this attempt
	told    bool          // that attempts fail is logged
	resolve error
	cancel  context.CancelFunc // ends name resolution
	ctx     context.Context
}

var (
	errConnectTimeout = errors.New("socket: connecting took too long")
	errNoAddress      = errors.New("socket: name has no address")
)

// connectTo makes a session towards e, whose routing id is given unless nil. Its
// open task sets it going.
func (s *Socket) connectTo(e endpoint, given []byte) (*dialer, error) {
	c := newSession(s, e.text)
	if c == nil {
		return nil, ErrClosed
	}
	d := &dialer{host: s, e: e, given: given, c: c}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	c.dial = d
	if !s.opts.Immediate {
		if !s.attach(c.newPipe(), false) {
			c.r.Leave()
			s.delist()
			return nil, ErrClosed
		}
	}
	c.tasks.open.Run = func(now time.Time) { d.proceed(now) }
	return d, nil
}

// attempt starts the next attempt to connect. Reactor thread.
func (d *dialer) attempt(now time.Time) {
	d.fresh = false
	d.proceed(now)
}

// proceed resolves the endpoint, unless that is done, and connects. Reactor
// thread; it is posted again when the name is resolved.
func (d *dialer) proceed(now time.Time) {
	c := d.c
	if c.state != stateWaiting {
		return
	}
	if !d.fresh {
		d.fresh = true
		if !d.literal() {
			err := offload(func() {
				d.lookUp()
				c.r.Post(&c.tasks.open)
			})
			if err != nil {
				d.retryAfter(now, err)
			}
			return
		}
	}
	if d.resolve != nil {
		d.retryAfter(now, d.resolve)
		return
	}
	d.connect(now)
}

// connect starts connecting to the next of the addresses. Reactor thread.
func (d *dialer) connect(now time.Time) {
	c := d.c
	addr := d.addrs[0]
	d.addrs = append(d.addrs[1:], addr)
	opts := *d.host.sockOpts()
	opts.Source = d.source
	fd, err := c.r.Socket(addr, &opts)
	if err != nil {
		d.retryAfter(now, err)
		return
	}
	c.rd.Lock()
	c.wr.Lock()
	c.fd = fd
	c.wr.Unlock()
	c.rd.Unlock()
	c.state = stateConnecting
	c.remote.Store(new(addr.String()))
	c.connect.FD, c.connect.Addr = fd, addr
	if t := d.host.opts.ConnectTimeout; t > 0 {
		c.r.StartTimer(&c.clock, now.Add(t))
	}
	c.submit(&c.connect)
}

// retryAfter takes note of an attempt that failed before there was anything to
// close. That is no peer who is not there yet: it is a name that does not
// resolve, an interface that does not exist, a process without descriptors. So
// the first in a row is logged. Reactor thread.
func (d *dialer) retryAfter(now time.Time, err error) {
	if !d.told {
		d.told = true
		d.host.report("cannot connect yet", err, d.e.text)
	}
	d.host.lost(d.e.text, "", err)
	d.retry(now, false)
}

// retry schedules the next attempt. wasUp says that the one before succeeded.
// Reactor thread.
func (d *dialer) retry(now time.Time, wasUp bool) {
	o := &d.host.opts
	if o.ReconnectInterval < 0 {
		d.c.over()
		return
	}
	if wasUp || d.wait == 0 {
		d.wait = o.ReconnectInterval
	}
	// The upper half: no thundering herd, and no attempt right away either.
	wait := d.wait/2 + time.Duration(uint64(d.wait/2)*uint64(d.host.engine.random())>>32)
	d.wait = min(2*d.wait, o.ReconnectMax)
	d.host.events.emit(Event{Kind: EventRetrying, Endpoint: d.e.text, Wait: wait})
	d.c.r.StartTimer(&d.c.clock, now.Add(wait))
}

// connected takes in the outcome of an attempt. Reactor thread.
func (c *session) connected(now time.Time) {
	if c.state != stateConnecting {
		return
	}
	c.r.StopTimer(&c.clock)
	c.dial.told = false
	if err := reactor.ErrnoError(c.connect.Result); err != nil {
		c.fail(now, err)
		return
	}
	c.host.events.emit(Event{Kind: EventConnected, Endpoint: c.peer, Remote: c.address()})
	c.opened(now, c.fd)
}

// literal resolves an endpoint that needs nobody's help, and reports whether
// it is one.
func (d *dialer) literal() bool {
	d.resolve = nil
	if d.e.transport == transportIPC {
		d.addrs = []reactor.Addr{{Network: reactor.Unix, Path: d.e.path}}
		return true
	}
	addr, err := netip.ParseAddr(d.e.host)
	if err != nil || d.e.source != "" {
		return false
	}
	d.addrs = []reactor.Addr{{Network: reactor.TCP, IP: netip.AddrPortFrom(addr, d.e.port)}}
	return true
}

// lookUp resolves the endpoint's name, and source if it has one. It blocks, so
// it runs on the pool, and only while the session waits for it.
func (d *dialer) lookUp() {
	ctx, cancel := context.WithTimeout(d.ctx, lookUpTime)
	defer cancel()
	ips, err := lookUpHost(ctx, d.e.host)
	if err == nil && len(ips) == 0 {
		err = errNoAddress
	}
	if err != nil {
		d.resolve = fmt.Errorf("resolving %q: %w", d.e.host, err)
		return
	}
	if d.e.source != "" {
		source, err := sourceAddr(d.e.source, ips[0].Is6())
		if err != nil {
			d.resolve = fmt.Errorf("source address: %w", err)
			return
		}
		d.source = reactor.Addr{Network: reactor.TCP, IP: netip.AddrPortFrom(source, d.e.srcPort)}
	}
	d.addrs = d.addrs[:0]
	for _, ip := range ips {
		d.addrs = append(d.addrs, reactor.Addr{Network: reactor.TCP, IP: netip.AddrPortFrom(ip, d.e.port)})
	}
}
