package socket

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/zmtp"
)

// What happens between a caller and the reactor that share one connection is
// decided by who comes when. These tests put a session into the state that a
// rare order of events leaves, and look that it gets out of it.

// patience is how long what must happen may take before a test gives up.
const patience = 20 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// onBackends runs f on each backend that may be tested here.
func onBackends(t *testing.T, f func(t *testing.T, e *Engine)) {
	t.Helper()
	names := []string{"epoll", "uring"}
	if forced := os.Getenv("ZERORING_BACKEND"); forced != "" {
		names = []string{forced}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			e, err := NewEngine(&EngineOptions{Backend: name, Logger: quiet})
			if err != nil {
				if name == "uring" && os.Getenv("CI") == "" && os.Getenv("ZERORING_BACKEND") == "" {
					t.Skip(err)
				}
				t.Fatal(err)
			}
			defer func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}()
			f(t, e)
		})
	}
}

// newSocket returns a socket that its engine's Close drops.
func newSocket(t testing.TB, e *Engine, typ Type, o Options) *Socket {
	t.Helper()
	o.Engine = e
	if o.Linger == 0 {
		o.Linger = NoLinger
	}
	o.ReconnectInterval = time.Millisecond
	o.HeartbeatInterval = Off // which would flush what is forgotten
	s, err := New(typ, &o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// join binds one socket, connects the other, and returns the session of the
// latter once it rests: nothing is queued, and who queues something next has the
// duty to flush.
func join(t testing.TB, binds, connects *Socket) (*session, string) {
	t.Helper()
	endpoint, err := binds.Bind("tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	if err := connects.Connect(endpoint); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Socket{connects, binds} {
		if err := s.WaitPeers(patient(t), 1); err != nil {
			t.Fatal(err)
		}
	}
	c := connects.sole.Load()
	rests(t, c)
	return c, endpoint
}

// rests waits until c does.
func rests(t testing.TB, c *session) {
	t.Helper()
	untilOn(t, c, "it rests", func(time.Time) bool { return !c.busy.Load() && !c.queued.Load() })
	onReactor(t, c, func(time.Time) {}) // and has flushed once more since it was busy
}

// onStreams runs f on each backend that may be tested here, with a PUSH that is
// connected to a PULL, and the session of the former, which rests.
func onStreams(t *testing.T, f func(t *testing.T, push, pull *Socket, c *session)) {
	t.Helper()
	onBackends(t, func(t *testing.T, e *Engine) {
		pull := newSocket(t, e, TypePull, Options{})
		push := newSocket(t, e, TypePush, Options{})
		c, _ := join(t, pull, push)
		f(t, push, pull, c)
	})
}

// onReactor runs f on c's reactor, after everything that was posted before.
func onReactor(t testing.TB, c *session, f func(now time.Time)) {
	t.Helper()
	done := make(chan struct{})
	c.r.Post(&reactor.Task{Run: func(now time.Time) {
		f(now)
		close(done)
	}})
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the reactor hangs")
	}
}

// untilOn waits until cond holds on c's reactor.
func untilOn(t testing.TB, c *session, what string, cond func(now time.Time) bool) {
	t.Helper()
	for limit := time.Now().Add(patience); ; {
		var holds bool
		onReactor(t, c, func(now time.Time) { holds = cond(now) })
		if holds {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("not after %v: %s", patience, what)
		}
	}
}

// burstOn makes c's host a sender in the middle of a burst.
func burstOn(c *session) {
	c.host.sendMu.Lock()
	c.wr.Lock()
	c.bursting.Store(true)
	c.p.out.lazy = true
	c.wr.Unlock()
	c.host.sendMu.Unlock()
}

// wantBody receives a message of one frame and compares it.
func wantBody(t testing.TB, s *Socket, body string) {
	t.Helper()
	m, err := s.Recv(patient(t))
	if err != nil {
		t.Fatalf("waiting for %q: %v", body, err)
	}
	if got := string(m.Frame(0)); got != body {
		t.Fatalf("received %q, want %q", got, body)
	}
	m.Release()
}

func sendBody(t testing.TB, s *Socket, body string) {
	t.Helper()
	if err := s.SendBytes(patient(t), []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// TestCloseHearsOfCallersFlush: Close finds a message that a call has queued
// and is about to write. The call does, and Close need not wait for the end of
// Linger to see that.
func TestCloseHearsOfCallersFlush(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		pull := newSocket(t, e, TypePull, Options{})
		push := newSocket(t, e, TypePush, Options{Linger: time.Hour})
		c, _ := join(t, pull, push)
		push.sendMu.Lock()
		if err := push.pat.send([][]byte{[]byte("late")}); err != nil {
			t.Fatal(err)
		}
		if push.ndirty != 1 {
			t.Fatal("the duty to flush did not fall to the call")
		}
		push.ndirty = 0
		push.sendMu.Unlock()
		closed := make(chan error, 1)
		go func() { closed <- push.Close() }()
		untilOn(t, c, "Close waits", func(time.Time) bool { return c.linger.Active() })
		c.flushFromCaller()
		wantBody(t, pull, "late")
		mustClose(t, push, c, closed, "Close goes on waiting for what is written")
	})
}

// TestBurstRestsOnlyWhenOver: a sender that waited for the reactor has since
// written everything by itself. The reactor, which was told of its hurry, may
// not rest while the sender still leaves publishing to it.
func TestBurstRestsOnlyWhenOver(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		burstOn(c)
		onReactor(t, c, func(now time.Time) {
			c.urgent.Store(true)
			c.shippedEver += burstOctets // by the sender
			c.flush(now)
		})
		sendBody(t, push, "next")
		wantBody(t, pull, "next")
	})
}

// TestBurstEndsOnReactor: a call that had the duty to flush before the burst
// began gets to it now. It leaves the burst to the reactor: ending it takes the
// sender's lock.
func TestBurstEndsOnReactor(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		burstOn(c)
		c.heard.Store(true)
		c.flushFromCaller()
		sendBody(t, push, "next")
		wantBody(t, pull, "next")
	})
}

// TestBurstSlowsDown: a sender that was fast, and now sends one message in the
// time of a nap, does not have to fill a batch before the reactor writes.
func TestBurstSlowsDown(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		burstOn(c)
		var looked time.Time
		onReactor(t, c, func(now time.Time) {
			c.shippedEver += burstOctets
			c.flush(now)
			c.r.StopTimer(&c.nap) // time is the test's
			looked = now
		})
		sendBody(t, push, "slow")
		onReactor(t, c, func(time.Time) {
			c.flush(looked.Add(napTime))
			if !c.busy.Load() {
				t.Error("the message waits for more")
			}
		})
		wantBody(t, pull, "slow")
	})
}

// TestBurstOfLittleFronts: messages that have much behind a small first frame
// are written while they are sent, not at the end.
func TestBurstOfLittleFronts(t *testing.T) {
	for name, message := range map[string][][]byte{
		"a large second frame": {nil, make([]byte, 1024)},
		"nothing at all":       {nil},
	} {
		t.Run(name, func(t *testing.T) {
			onBackends(t, func(t *testing.T, e *Engine) {
				pull := newSocket(t, e, TypePull, Options{RecvHWM: -1})
				push := newSocket(t, e, TypePush, Options{SendHWM: -1})
				c, _ := join(t, pull, push)
				burstOn(c)
				push.sendMu.Lock() // which no reactor gets while somebody sends all the time
				defer push.sendMu.Unlock()
				for range burstOctets {
					push.parts = append(push.parts[:0], message...)
					if err := push.sendParts(); err != nil {
						t.Fatal(err)
					}
				}
				if c.p.out.queued() == burstOctets {
					t.Error("nothing was written")
				}
			})
		})
	}
}

// TestBurstEndsWithConnection: what a REP has replied in a burst is to requests
// of the connection that is lost, and goes with it.
func TestBurstEndsWithConnection(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		dealer := newSocket(t, e, TypeDealer, Options{})
		rep := newSocket(t, e, TypeRep, Options{})
		c, endpoint := join(t, dealer, rep)
		if err := dealer.SendParts(patient(t), nil, []byte("request")); err != nil {
			t.Fatal(err)
		}
		wantBody(t, rep, "request")
		burstOn(c)
		sendBody(t, rep, "reply to the old peer")
		if err := dealer.Close(); err != nil {
			t.Fatal(err)
		}
		untilOn(t, c, "the connection is lost", func(time.Time) bool { return c.state != stateTraffic })
		again := newSocket(t, e, TypeDealer, Options{})
		if _, err := again.Bind(endpoint); err != nil {
			t.Fatal(err)
		}
		if err := again.SendParts(patient(t), nil, []byte("another")); err != nil {
			t.Fatal(err)
		}
		wantBody(t, rep, "another")
		sendBody(t, rep, "reply to the new peer")
		m, err := again.Recv(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(m.Frame(1)); got != "reply to the new peer" {
			t.Errorf("received %q", got)
		}
		m.Release()
	})
}

// TestCallerReadsNoLostConnection: a connection is lost that callers were to
// read. They do not look for octets of it until there is another, but sleep.
func TestCallerReadsNoLostConnection(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		push := newSocket(t, e, TypePush, Options{})
		pull := newSocket(t, e, TypePull, Options{})
		c, endpoint := join(t, push, pull)
		onReactor(t, c, func(now time.Time) {
			c.rd.Lock()
			c.byCaller.Store(true)
			c.rd.Unlock()
			c.fail(now, errConnectTimeout) // as any that the reactor finds
		})
		if err := push.Close(); err != nil {
			t.Fatal(err)
		}
		untilOn(t, c, "there is none", func(time.Time) bool { return c.state == stateWaiting })
		if c.byCaller.Load() {
			t.Error("callers are to read what is not there")
		}
		again := newSocket(t, e, TypePush, Options{})
		if _, err := again.Bind(endpoint); err != nil {
			t.Fatal(err)
		}
		sendBody(t, again, "back")
		wantBody(t, pull, "back")
	})
}

// TestBurstGoesStraight: messages that take the straight way make a batch too, and
// are written while they are sent.
func TestBurstGoesStraight(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		body := make([]byte, 500)
		burstOn(c)
		onReactor(t, c, func(time.Time) { // which is kept from writing itself
			before := c.shippedEver
			for range burstOctets/len(body) + 1 {
				if err := push.SendBytes(t.Context(), body); err != nil {
					t.Error(err)
				}
			}
			if c.shippedEver == before {
				t.Error("nothing was written")
			}
		})
	})
}

// onCallers runs f on each backend that may be tested here, with a PULL whose
// callers read its connection to a PUSH, and no lease that would end that.
func onCallers(t *testing.T, f func(t *testing.T, push, pull *Socket, c *session)) {
	t.Helper()
	onBackends(t, func(t *testing.T, e *Engine) {
		e.spin = defaultSpin // on a machine with one processor too
		push := newSocket(t, e, TypePush, Options{})
		pull := newSocket(t, e, TypePull, Options{})
		c, _ := join(t, push, pull)
		for read := false; !read; { // again if the lease ends before it is stopped
			sendBody(t, push, "for the reactor to read")
			tryBody(t, pull, "for the reactor to read")
			onReactor(t, c, func(time.Time) {
				read = c.reader == readerCaller
				c.r.StopTimer(&c.lease)
			})
		}
		f(t, push, pull, c)
	})
}

// tryBody receives a message of one frame by TryRecv and compares it.
func tryBody(t testing.TB, s *Socket, body string) {
	t.Helper()
	for ctx := patient(t); ; runtime.Gosched() {
		m, err := s.TryRecv()
		if err == nil {
			if got := string(m.Frame(0)); got != body {
				t.Fatalf("received %q, want %q", got, body)
			}
			m.Release()
			return
		}
		if err != ErrWouldBlock || ctx.Err() != nil {
			t.Fatalf("waiting for %q: %v", body, err)
		}
	}
}

// TestTryRecvReads: where callers read the connection, TryRecv does, and need not
// wait for the reactor to take that back.
func TestTryRecvReads(t *testing.T) {
	onCallers(t, func(t *testing.T, push, pull *Socket, c *session) {
		for range 3 {
			sendBody(t, push, "for a caller to read")
			tryBody(t, pull, "for a caller to read")
		}
	})
}

// TestLastCallerGivesReadingBack: who leaves with a message, while others sleep
// and there are no more messages, leaves reading to the reactor.
func TestLastCallerGivesReadingBack(t *testing.T) {
	onCallers(t, func(t *testing.T, push, pull *Socket, c *session) {
		sleeper := pull.receiving.add()
		pull.passOnRecv()
		untilOn(t, c, "the reactor reads", func(time.Time) bool { return c.reader == readerReactor })
		pull.receiving.remove(sleeper)
	})
}

// TestCallersDoNotSleep: a receiver who finds another at reading the connection
// comes again until it is given back, and does not sleep: nobody would wake it.
func TestCallersDoNotSleep(t *testing.T) {
	onCallers(t, func(t *testing.T, push, pull *Socket, c *session) {
		ctx := patient(t)
		c.rd.Lock() // as the other does
		done := make(chan error, 1)
		go func() {
			m, err := pull.Recv(ctx)
			if err == nil {
				m.Release()
			}
			done <- err
		}()
		looks := 0
		for limit := time.Now().Add(patience); looks < 10 && time.Now().Before(limit); runtime.Gosched() {
			if pull.hungry.Swap(false) {
				looks++
			}
		}
		c.rd.Unlock()
		if looks < 10 {
			t.Fatalf("it sleeps after %d looks", looks)
		}
		sendBody(t, push, "for either")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestEachLossHasItsReason: why a connection was lost is not said of the next.
func TestEachLossHasItsReason(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		for _, why := range []error{errors.New("one reason"), errors.New("another")} {
			push.trouble.Store(nil)
			onReactor(t, c, func(time.Time) {
				c.rd.Lock()
				c.lost(why)
				c.rd.Unlock()
			})
			untilOn(t, c, "it is lost and made anew", func(time.Time) bool {
				return push.trouble.Load() != nil && c.state == stateTraffic
			})
			if err := push.trouble.Load().err; err != why {
				t.Errorf("lost for %q, but told of %q", why, err)
			}
		}
	})
}

// TestCommandsEndWithConnection: what the engine had to say and could not is not
// said on the next connection, and no Close waits for it.
func TestCommandsEndWithConnection(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		pull := newSocket(t, e, TypePull, Options{})
		push := newSocket(t, e, TypePush, Options{Linger: Off})
		c, _ := join(t, pull, push)
		lose := func() {
			onReactor(t, c, func(now time.Time) {
				c.ctlMu.Lock()
				c.control = append(c.control, "too late"...)
				c.queued.Store(true)
				c.ctlMu.Unlock()
				c.fail(now, errConnectTimeout)
			})
		}
		lose()
		sendBody(t, push, "on the next")
		wantBody(t, pull, "on the next")
		var broke *zmtp.ProtocolError
		if last := pull.trouble.Load(); last != nil && errors.As(last.err, &broke) {
			t.Errorf("said on the next connection, whose peer finds: %v", broke)
		}
		onReactor(t, c, func(time.Time) { push.opts.ReconnectInterval = time.Hour })
		lose()
		closed := make(chan error, 1)
		go func() { closed <- push.Close() }()
		mustClose(t, push, c, closed, "Close waits for what is of a connection that was lost")
	})
}

// TestLastWriteCounts: what a write has written that ends while the connection is
// closed is not sent again on the next.
func TestLastWriteCounts(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		onReactor(t, c, func(now time.Time) {
			c.busy.Store(true)
			if err := push.TrySendBytes([]byte("written")); err != nil {
				t.Error(err)
			}
			c.wr.Lock()
			c.send.Result = 0
			for _, b := range c.gather() {
				c.send.Result += int32(len(b))
			}
			c.wr.Unlock()
			c.state = stateClosing
			c.sent(now)
			c.state = stateTraffic
			c.fail(now, errConnectTimeout)
		})
		sendBody(t, push, "next")
		wantBody(t, pull, "next")
	})
}

// TestCommandsWaitForOnePiece: a command that waits for the rest of a message does
// not wait for all that is queued behind that.
func TestCommandsWaitForOnePiece(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		large := make([]byte, 5000)
		onReactor(t, c, func(now time.Time) {
			c.busy.Store(true)
			for range 3 {
				if err := push.TrySendBytes(large); err != nil {
					t.Error(err)
				}
			}
			c.wr.Lock()
			c.cut = true
			for _, queued := range []bool{true, false} {
				c.queued.Store(queued)
				if n := len(c.gather()); n == 0 || (n == 1) != queued {
					t.Errorf("%d pieces are to be written; a command waits: %v", n, queued)
				}
			}
			c.cut = false
			c.queued.Store(false)
			c.wr.Unlock()
			c.busy.Store(false)
			c.flush(now)
		})
		for range 3 {
			wantBody(t, pull, string(large))
		}
	})
}

// TestCommandsAreLimited: where a peer reads nothing, what the engine has to say
// to it stays the engine's, which then says no more.
func TestCommandsAreLimited(t *testing.T) {
	s := newSocket(t, quietEngine(t), TypePush, Options{})
	c := session{host: s, eng: zmtp.NewEngine(&s.zmtp[0], time.Now())} // with a greeting to say
	c.control = make([]byte, controlLimit)
	if c.takeControl() || len(c.control) > controlLimit || len(c.eng.Output()) == 0 {
		t.Errorf("%d octets wait, and %d are the engine's", len(c.control), len(c.eng.Output()))
	}
	c.control = c.control[:controlLimit-1]
	if !c.takeControl() || !c.queued.Load() || len(c.eng.Output()) > 0 {
		t.Errorf("with room, %d octets are still the engine's", len(c.eng.Output()))
	}
}

// TestBurstIsLazy: a burst that has begun is queued by the batch from its first
// write on.
func TestBurstIsLazy(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		c.bursting.Store(true)
		c.unflushed = burstOctets
		onReactor(t, c, func(time.Time) { // which is kept from ending it
			if err := push.SendBytes(t.Context(), []byte("first")); err != nil {
				t.Error(err)
			}
			if !c.p.out.lazy {
				t.Error("each message is handed over by itself")
			}
		})
		wantBody(t, pull, "first")
	})
}

// TestUnbegunMessageIsNotDropped: a connection that breaks between two messages,
// twice, has not tried to write the second of them.
func TestUnbegunMessageIsNotDropped(t *testing.T) {
	onStreams(t, func(t *testing.T, push, pull *Socket, c *session) {
		onReactor(t, c, func(now time.Time) {
			c.busy.Store(true)
			for _, body := range []string{"written", "waits"} {
				if err := push.TrySendBytes([]byte(body)); err != nil {
					t.Error(err)
				}
			}
			c.wr.Lock()
			c.gather()
			c.shipped(2 + len("written"))
			for range 2 {
				c.cut = true
				c.rewind()
			}
			c.cut = false
			c.wr.Unlock()
			c.busy.Store(false)
			c.flush(now)
		})
		wantBody(t, pull, "waits")
	})
}

// What is sent to many connections in turn is a burst when it keeps coming, for
// as long as it does, and as long as nobody answers.
func TestBurstToMany(t *testing.T) {
	var b spread
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		after time.Duration
		heard bool
		want  bool
	}{
		{time.Second, false, false},
		{burstGap, false, false}, {burstGap, false, false}, {burstGap, false, true}, {0, false, true},
		{burstGap + 1, false, false}, // a pause ends it
		{1, false, false}, {1, false, false}, {1, false, true},
		{1, true, false}, // an answer too
		{1, false, false}, {1, false, false}, {1, false, true},
	} {
		now = now.Add(step.after)
		if got := b.burst(step.heard, now); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	// The reactor's writing keeps it going, however long nothing falls to the sender.
	now = now.Add(time.Second)
	b.flushedAt.Store(now.UnixNano())
	if !b.burst(false, now.Add(burstGap)) {
		t.Error("it ended though the reactor was still writing")
	}
}

// Of many connections each asks all of them whether there is a burst, and each
// tells when it was written.
func TestManyShareABurst(t *testing.T) {
	onStreams(t, func(t *testing.T, push, _ *Socket, c *session) {
		onReactor(t, c, func(now time.Time) {
			sole := push.sole.Swap(nil)
			defer push.sole.Store(sole)
			c.wr.Lock()
			defer c.wr.Unlock()
			c.bursting.Store(false)
			later := now.Add(time.Hour) // so that however slow this is, no pause is seen
			for _, heard := range []bool{false, true} {
				c.heard.Store(heard)
				push.spread.quick.Store(quickFlushes)
				c.noteFlushed(later)
				if got := c.burst(); got == heard {
					t.Errorf("a burst: %v, where the peer was heard: %v", got, heard)
				}
			}
		})
	})
}

// mustClose waits until closed tells that push is, and closes it by force if it
// does not come.
func mustClose(t *testing.T, push *Socket, c *session, closed <-chan error, complaint string) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(patience):
		push.SetLinger(NoLinger)
		c.closeWithin(0)
		t.Error(complaint)
	}
}
