package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zeroring/zeroring/socket"
)

// requests are REQs that ask one REP or ROUTER, each in turn.
type requests struct {
	w       *world
	clients []*socket.Socket
	server  *socket.Socket
	router  bool
	waiting []bool
	next    []uint32
	answers []int           // that each client has had since the storm ended
	reply   *socket.Message // not sent for want of room
}

func newRequests(w *world) (story, error) {
	r := &requests{w: w, router: w.dice.IntN(2) == 0}
	t := socket.TypeRep
	if r.router {
		t = socket.TypeRouter
	}
	var err error
	if r.server, err = w.socket(t, socket.Options{RouterMandatory: true}); err != nil {
		return nil, err
	}
	n := 1 + w.dice.IntN(4)
	w.plan = fmt.Sprintf("%d REQ to %v", n, t)
	for range n {
		// A ROUTER that connects may have a reply left from a connection that
		// broke. Only its number tells a REQ that it is an old one.
		c, err := w.socket(socket.TypeReq, socket.Options{ReqCorrelate: r.router && w.lossy || w.dice.IntN(2) == 0})
		if err != nil {
			return nil, err
		}
		r.clients = append(r.clients, c)
	}
	r.waiting, r.next, r.answers = make([]bool, n), make([]uint32, n), make([]int, n)
	return r, w.mesh([]*socket.Socket{r.server}, r.clients)
}

func (r *requests) String() string {
	return fmt.Sprintf("answers since: %v, waiting: %v", r.answers, r.waiting)
}

func (r *requests) act(calm bool) error {
	for i, c := range r.clients {
		if err := r.client(i, c, calm); err != nil {
			return err
		}
	}
	return r.serve()
}

// client asks, or looks for its answer.
func (r *requests) client(i int, c *socket.Socket, calm bool) error {
	if !r.waiting[i] {
		err := c.TrySendParts(r.w.frames(stamp{uint32(i), r.next[i]})...)
		if err == nil {
			r.waiting[i] = true
			r.w.sent++
		} else if !wait(err) {
			return err
		}
		return nil
	}
	m, err := c.TryRecv()
	switch {
	case wait(err):
		return nil
	case errors.Is(err, socket.ErrPeerLost):
		// "socket.ErrPeerLost: the peer that owed a REQ its reply is gone."
		if !r.w.lossy {
			return fmt.Errorf("client %d lost its peer, and no connection broke", i)
		}
		r.waiting[i] = false
		r.next[i]++
		return nil
	case err != nil:
		return err
	}
	defer m.Release()
	st, err := r.w.open(m, 0)
	if err != nil {
		return err
	}
	if st != (stamp{uint32(i), r.next[i]}) {
		return fmt.Errorf("client %d asked for %d and was answered %v", i, r.next[i], st)
	}
	r.waiting[i] = false
	r.next[i]++
	r.w.received++
	if calm {
		r.answers[i]++
	}
	return nil
}

// serve sends requests back as they came.
func (r *requests) serve() error {
	for range 1 + r.w.dice.IntN(4) {
		m := r.reply
		r.reply = nil
		if m == nil {
			var err error
			if m, err = r.server.TryRecv(); wait(err) {
				return nil
			} else if err != nil {
				return err
			}
		}
		err := r.server.TrySend(m)
		switch {
		case err == nil:
		case wait(err):
			r.reply = m
			return nil
		case errors.Is(err, socket.ErrNoRoute):
			m.Release() // whoever asked is gone
			if !r.w.lossy {
				return errors.New("a client is gone, and no connection broke")
			}
		default:
			return err
		}
	}
	return nil
}

func (r *requests) settled() bool {
	done := !slices.ContainsFunc(r.answers, func(n int) bool { return n < 3 })
	if done && r.reply != nil {
		r.reply.Release()
		r.reply = nil
	}
	return done
}

// A feed is a PUB or XPUB and SUBs that each want some of its topics.
type feed struct {
	w      *world
	pub    *socket.Socket
	subs   []*socket.Socket
	wants  [][]byte // by subscriber: the first octets it subscribed to
	books  []*ledger
	next   uint32
	left   int
	calmed bool
}

const topics = 5

func newFeed(w *world) (story, error) {
	f := &feed{w: w, left: 60}
	t := []socket.Type{socket.TypePub, socket.TypeXPub}[w.dice.IntN(2)]
	var err error
	if f.pub, err = w.socket(t, socket.Options{}); err != nil {
		return nil, err
	}
	n := 1 + w.dice.IntN(4)
	alike := w.dice.IntN(2) == 0 // everybody wants everything, and there are many
	if alike {
		n += 5
	}
	w.plan = fmt.Sprintf("%v to %d SUB", t, n)
	for range n {
		s, err := w.socket(socket.TypeSub, socket.Options{})
		if err != nil {
			return nil, err
		}
		var wants []byte
		for topic := range byte(topics) {
			if alike || w.dice.IntN(2) == 0 {
				wants = append(wants, topic)
				if err := s.Subscribe([]byte{topic}); err != nil {
					return nil, err
				}
			}
		}
		f.subs, f.wants = append(f.subs, s), append(f.wants, wants)
		f.books = append(f.books, w.newLedger(1))
	}
	return f, w.mesh([]*socket.Socket{f.pub}, f.subs)
}

func (f *feed) String() string {
	return fmt.Sprintf("%d to publish, owed: %v, peers: %+v", f.left, f.owed(), f.pub.Stats().Peers)
}

func (f *feed) owed() (n []int) {
	for _, b := range f.books {
		n = append(n, len(b.owed))
	}
	return n
}

func (f *feed) act(calm bool) error {
	if calm && !f.calmed && f.ready() {
		f.calmed = true
		for _, b := range f.books {
			b.forgive()
		}
	}
	// In the storm it floods. In the calm each message follows when the one
	// before has arrived everywhere: then there is room, so none may be lost.
	for range 1 + f.w.dice.IntN(6) {
		if calm && (!f.calmed || f.left == 0 || !f.quiet()) {
			break
		}
		if err := f.publish(); err != nil {
			return err
		}
	}
	for i, s := range f.subs {
		if err := f.take(i, s); err != nil {
			return err
		}
	}
	return nil
}

// publish sends the next message: a topic, and then the usual frames.
func (f *feed) publish() error {
	st := stamp{0, f.next}
	topic := byte(f.w.dice.IntN(topics))
	frames := append([][]byte{{topic, 'x'}}, f.w.frames(st)...)
	if err := f.pub.TrySendParts(frames...); err != nil {
		return err
	}
	f.next++
	f.w.sent++
	if f.calmed {
		f.left--
	}
	for i, b := range f.books {
		b.next[0] = f.next
		if slices.Contains(f.wants[i], topic) {
			b.owed[st] = true
		}
	}
	return nil
}

func (f *feed) take(i int, s *socket.Socket) error {
	for {
		m, err := s.TryRecv()
		if wait(err) {
			return nil
		} else if err != nil {
			return err
		}
		st, err := f.w.open(m, 1)
		if err == nil && !slices.Contains(f.wants[i], m.Frame(0)[0]) {
			err = fmt.Errorf("subscriber %d got topic %d, which it did not ask for", i, m.Frame(0)[0])
		}
		m.Release()
		if err == nil {
			err = f.books[i].arrived(0, st)
		}
		if err != nil {
			return err
		}
		f.w.received++
	}
}

// ready reports whether everybody is connected and nothing is under way any
// more: all that was subscribed to is known.
func (f *feed) ready() bool {
	for _, p := range f.pub.Stats().Peers {
		if p.Queued > 0 {
			return false
		}
	}
	wanted := 0
	for i, s := range f.subs {
		wanted += len(f.wants[i])
		if up(s) == 0 {
			return false
		}
	}
	return subscriptions(f.pub) == wanted
}

func (f *feed) quiet() bool {
	return !slices.ContainsFunc(f.books, func(b *ledger) bool { return len(b.owed) > 0 })
}

func (f *feed) settled() bool { return f.calmed && f.left == 0 && f.quiet() }

// routed is a ROUTER that talks to DEALERs by their names, both ways at once.
type routed struct {
	w       *world
	router  *socket.Socket
	dealers []*socket.Socket
	up      *ledger // to the ROUTER
	down    *ledger // from it, a sender for each DEALER
	left    int
	calmed  bool
}

func newRouted(w *world) (story, error) {
	r := &routed{w: w, left: 100}
	var err error
	if r.router, err = w.socket(socket.TypeRouter, socket.Options{RouterMandatory: true, RouterHandover: true}); err != nil {
		return nil, err
	}
	n := 1 + w.dice.IntN(4)
	w.plan = fmt.Sprintf("ROUTER and %d DEALER", n)
	for i := range n {
		d, err := w.socket(socket.TypeDealer, socket.Options{Identity: name(i)})
		if err != nil {
			return nil, err
		}
		r.dealers = append(r.dealers, d)
	}
	r.up, r.down = w.newLedger(n), w.newLedger(n)
	return r, w.mesh([]*socket.Socket{r.router}, r.dealers)
}

func name(i int) []byte { return []byte{'d', byte('0' + i)} }

func (r *routed) String() string {
	return fmt.Sprintf("%d to send, owed up %d, down %d", r.left, len(r.up.owed), len(r.down.owed))
}

func (r *routed) act(calm bool) error {
	if calm && !r.calmed && r.whole() {
		r.calmed = true
		if r.w.lossy {
			r.up.forgive()
			r.down.forgive()
		}
	}
	for i, d := range r.dealers {
		if err := r.talk(i, d, calm); err != nil {
			return err
		}
	}
	for {
		m, err := r.router.TryRecv()
		if wait(err) {
			return nil
		} else if err != nil {
			return err
		}
		st, err := r.w.open(m, 1)
		if err == nil && string(m.Frame(0)) != string(name(int(st.sender))) {
			err = fmt.Errorf("message %v came as from %q", st, m.Frame(0))
		}
		m.Release()
		if err == nil {
			err = r.up.arrived(0, st)
		}
		if err != nil {
			return err
		}
		r.w.received++
	}
}

// talk sends a message each way between the router and one dealer, and takes
// what the dealer got.
func (r *routed) talk(i int, d *socket.Socket, calm bool) error {
	if !calm || r.calmed && r.left > 0 {
		st := stamp{uint32(i), r.up.next[i]}
		if err := r.book(r.up, st, d.TrySendParts(r.w.frames(st)...)); err != nil {
			return err
		}
		st = stamp{uint32(i), r.down.next[i]}
		frames := append([][]byte{name(i)}, r.w.frames(st)...)
		if err := r.book(r.down, st, r.router.TrySendParts(frames...)); err != nil && !errors.Is(err, socket.ErrNoRoute) {
			return err
		}
		if calm {
			r.left--
		}
	}
	m, err := d.TryRecv()
	if wait(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer m.Release()
	st, err := r.w.open(m, 0)
	if err == nil && int(st.sender) != i {
		err = fmt.Errorf("dealer %d got what was for %d", i, st.sender)
	}
	if err != nil {
		return err
	}
	r.w.received++
	return r.down.arrived(uint32(i), st)
}

func (r *routed) book(l *ledger, st stamp, err error) error {
	if err == nil {
		l.next[st.sender]++
		l.owed[st] = true
		r.w.sent++
	}
	if wait(err) {
		return nil
	}
	return err
}

func (r *routed) whole() bool {
	for _, d := range r.dealers {
		if up(d) == 0 {
			return false
		}
	}
	return up(r.router) >= len(r.dealers)
}

func (r *routed) settled() bool {
	return r.calmed && r.left <= 0 && len(r.up.owed) == 0 && len(r.down.owed) == 0
}

// subscriptions counts the subscriptions that s knows its peers to have.
func subscriptions(s *socket.Socket) int {
	n := 0
	for _, p := range s.Stats().Peers {
		if p.Up {
			n += p.Subscriptions
		}
	}
	return n
}
