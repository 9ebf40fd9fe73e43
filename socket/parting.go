package socket

import (
	"time"

	"github.com/zeroring/zeroring/reactor"
)

// partLimit is how long a peer that does not read has before what the kernel
// still keeps for it may be lost.
const partLimit = 30 * time.Second

// A parting is what is left of a connection that we have ended: its descriptor,
// which is closed when the peer has closed its own.
//
// The kernel goes on sending what was written. But if anything comes from the
// peer meanwhile, a PING say, and the descriptor is closed by then or is closed
// with that unread, it resets the connection and drops what it had not sent yet.
// "If such a host issues a CLOSE call while received data is still pending in TCP,
// or if new data is received after CLOSE is called, its TCP SHOULD send a RST to
// show that data was lost." https://www.rfc-editor.org/rfc/rfc1122#page-88
type parting struct {
	r     *reactor.Reactor
	fd    reactor.FD
	recv  reactor.Op // to read and drop what comes
	limit reactor.Timer
}

// part ends sending on fd, and closes it in the end. Reactor thread.
func part(now time.Time, r *reactor.Reactor, fd reactor.FD) {
	if r.Shutdown(fd) != nil {
		r.CloseFD(fd)
		return
	}
	p := &parting{r: r, fd: fd}
	p.recv = reactor.Op{Kind: reactor.OpRecv, FD: fd, Owner: p}
	p.limit.Fire = func(time.Time) { r.Cancel(&p.recv) }
	r.StartTimer(&p.limit, now.Add(partLimit))
	r.Submit(&p.recv)
}

// Complete drops what was read. Reactor thread.
func (p *parting) Complete(_ time.Time, op *reactor.Op) {
	if op.Buf != nil {
		op.Buf.Release()
		op.Buf = nil
	}
	again := op.Result > 0 || reactor.ErrnoError(op.Result) == reactor.ErrNoBufs
	if again && p.limit.Active() {
		p.r.Submit(op)
		return
	}
	p.r.StopTimer(&p.limit)
	p.r.CloseFD(p.fd)
}
