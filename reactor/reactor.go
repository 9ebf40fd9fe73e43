package reactor

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/zeroring/zeroring/ring"
)

// A Reactor owns a driver and everything reachable from its operations.
//
// One turn of its loop is: run what was posted, fire timers, wait, complete.
// The clock is read once a turn and passed down. State machines never read it
// themselves: that is what lets a test own time.
//
// Methods are marked with who may call them. "Reactor thread only" means from
// a Task, a Timer or a Handler of this very Reactor.
type Reactor struct {
	driver driver
	group  *Group

	// Any goroutine's.
	mailbox ring.Inbox[struct{}] // of Tasks
	bell    ring.Bell            // armed while the reactor may be asleep
	closing atomic.Bool          // set once, by Group.Close
	load    atomic.Int64         // connections at home here
	stats   counters

	// The reactor's thread's.
	now     time.Time // when the last wait returned
	timers  timerHeap
	done    []completion // what the last wait appended
	refused []completion // submitted after closing
	idle    spinner
	tally   tally
	yielded bool  // Yield was called this turn
	waiting int   // OpRecvs and OpReadables in flight
	polling bool  // one of the group's pollers
	closed  bool  // nothing may be submitted any more
	pinned  bool  // the goroutine is locked to its thread
	err     error // of closing the driver; read when the goroutine has ended
}

// A Task is work for a reactor. Its owner embeds it, so that posting allocates
// nothing. Run is set before the first Post and not changed after.
type Task struct {
	node ring.Node[struct{}] // first: runTasks finds the Task by its address
	Run  func(now time.Time)
}

// Post makes the reactor run t soon. A Task that is posted already stands in
// the queue once: it will run after this call began. Once the Group is closed
// it may not run at all. Any goroutine.
func (r *Reactor) Post(t *Task) {
	if r.mailbox.Push(&t.node) {
		r.ring()
	}
}

// ring wakes the reactor if it sleeps. It is called after giving it work.
func (r *Reactor) ring() {
	if r.bell.Ring() {
		r.stats.wakes.Add(1)
		r.driver.wake()
	}
}

// Submit starts op. It must not be in flight. Reactor thread only.
func (r *Reactor) Submit(op *Op) {
	assert(op.Owner != nil && !r.driver.ops().holds(op))
	r.tally.submits++
	if op.waitsForInput() {
		r.waiting++
	}
	if r.closed {
		r.refused = append(r.refused, completion{op: op, result: canceled})
		return
	}
	r.driver.submit(op)
}

// Cancel hastens the completion of op, which comes all the same: with
// -ECANCELED, or with what won the race. If op is not in flight it does
// nothing. Reactor thread only.
func (r *Reactor) Cancel(op *Op) { r.driver.cancel(op) }

// InFlight reports whether op was submitted and has not completed for the last
// time yet. Reactor thread only.
func (r *Reactor) InFlight(op *Op) bool { return r.driver.ops().holds(op) }

// StartTimer makes t fire at the given time, and not at any time it was started
// for before. Reactor thread only.
func (r *Reactor) StartTimer(t *Timer, at time.Time) { r.timers.start(t, at) }

// StopTimer makes t not fire. Reactor thread only.
func (r *Reactor) StopTimer(t *Timer) { r.timers.stop(t) }

// Yield tells the loop that a handler made goroutines runnable. It lets them
// have this thread before it blocks, rather than have the runtime wake another
// one for them. Reactor thread only.
func (r *Reactor) Yield() { r.yielded = true }

// GiveWay lets other threads have the calling goroutine's processor for once, and
// with goroutines before that other goroutines. Who looks on for octets calls it
// between two looks, for what sends them may wait for this very processor: the
// kernel likes to wake a receiver where its sender runs, and that now looks on for
// the answer. Any goroutine.
func (r *Reactor) GiveWay(goroutines bool) {
	if goroutines {
		runtime.Gosched()
	}
	r.driver.giveWay()
}

// Leave gives back the connection that Group.Home counted. Any goroutine.
func (r *Reactor) Leave() { r.load.Add(-1) }

// Now is the reactor's clock: the system's, or a simulated one. Any goroutine.
func (r *Reactor) Now() time.Time { return r.driver.now() }

// TryRead reads from fd what is there now. It returns ErrAgain if there is
// nothing and io.EOF at the end of the stream. No OpRecv may be in flight for
// fd. Any goroutine.
func (r *Reactor) TryRead(fd FD, b []byte) (int, error) { return r.driver.tryRead(fd, b) }

// TryWrite writes to fd what there is room for now, which may be less than all,
// and returns ErrAgain if there is no room. At most MaxGather slices. No OpSend
// may be in flight for fd. Any goroutine.
func (r *Reactor) TryWrite(fd FD, bufs [][]byte) (int, error) { return r.driver.tryWrite(fd, bufs) }

// Socket makes a socket for an OpConnect to the given address. Any goroutine.
func (r *Reactor) Socket(to Addr, opts *SockOpts) (FD, error) {
	return r.driver.socket(to, opts.orDefault())
}

// Listen makes a socket for an OpAccept, and returns the address it got: a port
// of 0 asks for any. A Unix socket's file that nobody listens on any more is
// taken over, one that somebody does is EADDRINUSE. Any goroutine.
func (r *Reactor) Listen(at Addr, opts *SockOpts) (FD, Addr, error) {
	return r.driver.listen(at, opts.orDefault())
}

// Accepted sets up an FD that an OpAccept brought and returns who connected: a
// Unix peer's address is usually empty. Any goroutine.
func (r *Reactor) Accepted(fd FD, opts *SockOpts) (peer Addr, err error) {
	return r.driver.accepted(fd, opts.orDefault())
}

// LocalAddr is our end's address. Any goroutine.
func (r *Reactor) LocalAddr(fd FD) (Addr, error) { return r.driver.localAddr(fd) }

// Backlogged reports whether octets wait in the kernel because the peer's
// program does not read, while its system acknowledges what it has room for.
// Such a peer is slow, not gone. Any goroutine.
func (r *Reactor) Backlogged(fd FD) bool { return r.driver.backlogged(fd) }

// Shutdown ends sending on fd: the peer reads what was sent and then the end of
// the stream. Closing instead, while octets wait to be read, makes the kernel
// reset the connection, and the peer may lose what it had not read. Any goroutine.
func (r *Reactor) Shutdown(fd FD) error { return r.driver.shutdown(fd) }

// CloseFD closes fd. None of its operations may be in flight, and it must be
// the Reactor they were submitted to, if any were. Any goroutine.
func (r *Reactor) CloseFD(fd FD) { r.driver.closeFD(fd) }

// run is the loop, until the Group is closed.
func (r *Reactor) run() {
	r.now = r.driver.now()
	for !r.closing.Load() {
		r.turn()
	}
	r.shut()
}

// turn is one pass of the loop.
func (r *Reactor) turn() {
	r.begin(r.now)
	if r.poll(r.now); len(r.done) == 0 {
		r.rest()
	}
	r.now = r.driver.now()
	r.complete(r.now)
}

// begin does what was asked for since the last turn.
func (r *Reactor) begin(now time.Time) {
	if r.tally.turns++; r.tally.turns == publishEvery {
		r.stats.publish(&r.tally)
	}
	r.runTasks(now)
	for mark := r.timers.started; ; {
		t := r.timers.due(now, mark)
		if t == nil {
			return
		}
		r.tally.timers++
		t.Fire(now)
	}
}

// runTasks runs what was posted before it began.
func (r *Reactor) runTasks(now time.Time) {
	for n := r.mailbox.Take(); n != nil; {
		t := (*Task)(unsafe.Pointer(n)) // its first field
		n = n.Unlink()                  // t may be posted again from here on
		r.tally.tasks++
		t.Run(now)
	}
}

// poll takes what has completed, without waiting.
func (r *Reactor) poll(now time.Time) {
	r.tally.polls++
	r.done = r.driver.wait(now, now, r.done[:0])
}

// idleNow reports whether there is nothing to do but wait.
func (r *Reactor) idleNow() bool {
	return len(r.done) == 0 && r.mailbox.Empty() && !r.closing.Load()
}

// rest waits for something to do, in the way that was configured: not asleep,
// awake for a while, or asleep at once.
func (r *Reactor) rest() {
	if r.mayPoll() {
		r.yield()
		r.driver.giveWay()
		return
	}
	if r.yielded {
		r.yieldToAll()
	}
	from := r.driver.now()
	if r.idle.worthIt() {
		for end := from.Add(r.idle.limit); r.idleNow(); {
			r.yield()
			now := r.driver.now()
			if !now.Before(end) || r.timerDue(now) {
				break
			}
			r.poll(now)
		}
	}
	if r.idleNow() {
		r.block()
	}
	if r.idle.limit > 0 {
		r.idle.learn(r.driver.now().Sub(from))
	}
}

// mayPoll reports whether to go on without sleep: octets may come, and not so
// many other reactors do that none would be left to run what they wake.
func (r *Reactor) mayPoll() bool {
	g := r.group
	switch may := r.waiting > 0 && g.pollers > 0; {
	case may == r.polling:
	case !may:
		r.polling = false
		g.polling.Add(-1)
	case g.polling.Add(1) > g.pollers:
		g.polling.Add(-1)
	default:
		r.polling = true
	}
	return r.polling
}

func (r *Reactor) timerDue(now time.Time) bool {
	next := r.timers.next()
	return !next.IsZero() && !next.After(now)
}

// yield lets other goroutines have this thread's processor for once.
func (r *Reactor) yield() {
	r.yielded = false
	if !r.pinned {
		runtime.Gosched()
	}
}

// yieldToAll lets all goroutines that can run have this thread's processor. Those
// left behind by a thread that blocks in the kernel would wait until the runtime
// notices, which looks every 10 ms where little happens.
//
// Gosched alone leaves some behind: we wait in the runtime's global queue
// meanwhile, which comes before the local one at each 61st turn. So it takes a
// second to see that nobody was left, and if it took time, another.
func (r *Reactor) yieldToAll() {
	r.yield()
	for range maxYields {
		from := r.driver.now()
		r.yield()
		if r.driver.now().Sub(from) < yieldTime {
			return
		}
	}
}

// With maxYields in a row a thousand goroutines have run. A yield shorter than
// yieldTime found nobody.
const (
	maxYields = 16
	yieldTime = 2 * time.Microsecond
)

// block waits for a completion, a timer or the bell. The bell is armed first,
// then the mailbox is looked at once more: see ring.Bell.
func (r *Reactor) block() {
	r.stats.publish(&r.tally)
	r.bell.Arm()
	if r.idleNow() {
		r.tally.blocks++
		r.done = r.driver.wait(r.driver.now(), r.timers.next(), r.done[:0])
	}
	r.bell.Disarm()
}

// complete tells the owners.
func (r *Reactor) complete(now time.Time) {
	r.deliver(now, r.done)
	r.done = r.done[:0]
}

func (r *Reactor) deliver(now time.Time, done []completion) {
	r.tally.completions += uint64(len(done))
	for i := range done {
		c := done[i]
		done[i] = completion{} // the slice is reused: keep nothing alive by it
		c.op.Result, c.op.More = c.result, c.more
		if c.op.waitsForInput() {
			r.waiting--
		}
		c.op.Owner.Complete(now, c.op)
	}
}

// shutWait bounds one wait for cancelled operations to complete. They do so at
// once; the bound is for a driver that could not get its cancel through.
const shutWait = 10 * time.Millisecond

// shut completes everything in flight, and refuses the rest. Tasks posted by
// then still run, timers do not.
func (r *Reactor) shut() {
	r.closed = true
	ops := r.driver.ops()
	for {
		ops.each(r.driver.cancel)
		now := r.driver.now()
		until := now
		if ops.live() > 0 {
			until = now.Add(shutWait)
		}
		r.done = r.driver.wait(now, until, r.done[:0])
		r.complete(r.driver.now())
		r.runTasks(r.driver.now())
		refused := r.refused
		r.refused = nil
		r.deliver(r.driver.now(), refused)
		if ops.live() == 0 && len(r.refused) == 0 && len(refused) == 0 && r.mailbox.Empty() {
			break
		}
	}
	r.stats.publish(&r.tally)
}
