//go:build unix

package interop

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/zmtp"
)

// How often peers are pinged in these tests, and after how much silence they
// count as lost: long enough for a machine that has other things to do, so the
// tests that wait for it do so at the same time.
const (
	beat    = 50 * time.Millisecond
	silence = 3 * time.Second
)

const zmqHeartbeatTTL = 76

// tapped links a ROUTER of libzmq's, bound, to a DEALER of ours through a tap.
func tapped(t *testing.T, us *zeroring, ours, theirs opts) (*ourSock, *childSock, *tap) {
	t.Helper()
	far := startC(t).socket(t, "ROUTER", theirs)
	far.monitor()
	tp := startTap(t, far.bind(fresh("tcp")))
	ours.identity = "us"
	near := us.open(t, "DEALER", ours).(*ourSock)
	near.connect(tp.endpoint())
	talk(t, near, far)
	return near, far, tp
}

// talk exchanges a message.
func talk(t *testing.T, near *ourSock, far *childSock) {
	t.Helper()
	near.send(lit("hello"))
	expect(t, far, lits("us", "hello")...)
	far.send(lits("us", "welcome")...)
	expect(t, near, lit("welcome"))
}

// TestTheirPings has libzmq ping us and checks that it is answered.
func TestTheirPings(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near, far, tp := tapped(t, us, opts{}, opts{heartbeat: beat, silence: patience})
		for range 5 {
			ping := tp.await(true, "PING")
			if pong := tp.await(false, "PONG"); pong != ping[2:] {
				t.Errorf("PONG %q to PING %q", pong, ping)
			}
		}
		talk(t, near, far)
		if n := tp.connections.Load(); n != 1 {
			t.Errorf("%d connections were made, want 1", n)
		}
	})
}

// TestOurPings has us ping libzmq.
func TestOurPings(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near, far, tp := tapped(t, us, opts{heartbeat: beat, silence: patience}, opts{})
		for range 5 {
			tp.await(false, "PING")
			tp.await(true, "PONG")
		}
		talk(t, near, far)
		if n := tp.connections.Load(); n != 1 {
			t.Errorf("%d connections were made, want 1", n)
		}
	})
}

// TestPingsUnderLoad has both ping while messages flow: commands come between
// the frames of messages.
func TestPingsUnderLoad(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		o := opts{heartbeat: time.Millisecond, silence: patience}
		near, far, _ := tapped(t, us, o, o)
		sh := shape{20_000, 500, 3, 4}
		stream := near.stream(sh)
		far.drain(sh, 1).end()
		stream.end()
	})
}

// TestTheyAreSilent lets the network swallow everything: we must notice that
// libzmq is not heard any more, and connect again.
func TestTheyAreSilent(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, us *zeroring) {
		t.Parallel()
		near, far, tp := tapped(t, us, opts{heartbeat: beat, silence: silence, quick: true}, opts{heartbeat: beat, silence: silence})
		w := near.watch()
		tp.freeze()
		if ev := w.until(socket.EventDisconnected); !errors.Is(ev.Err, zmtp.ErrHeartbeatTimeout) {
			t.Errorf("the connection ended with %v, want ErrHeartbeatTimeout", ev.Err)
		}
		far.event(eventDisconnected)
		far.pump()
		far.set(zmqRouterHandover, 1)
		w.until(socket.EventReady)
		talk(t, near, far)
	})
}

// TestTheirTTL has libzmq say with each PING how long it may be silent. We
// send no PINGs of our own, and hold it to that.
func TestTheirTTL(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		far := startC(t).socket(t, "ROUTER", opts{heartbeat: beat, silence: patience})
		far.set(zmqHeartbeatTTL, 300)
		tp := startTap(t, far.bind(fresh("tcp")))
		o := us.options(opts{identity: "us", quick: true})
		o.HeartbeatInterval = socket.Off
		near := us.socket(t, "DEALER", o)
		w := near.watch()
		near.connect(tp.endpoint())
		if ping := tp.await(true, "PING"); ping[:2] != "\x00\x03" {
			t.Fatalf("PING %q, want a TTL of 3 tenths of a second", ping)
		}
		tp.await(false, "PONG")
		tp.freeze()
		if ev := w.until(socket.EventDisconnected); !errors.Is(ev.Err, zmtp.ErrHeartbeatTimeout) {
			t.Errorf("the connection ended with %v, want ErrHeartbeatTimeout", ev.Err)
		}
	})
}

// TestTheyHang stops libzmq's process, as a debugger or an overloaded machine
// does, and lets it go on.
func TestTheyHang(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, us *zeroring) {
		t.Parallel()
		child := startC(t)
		far := child.socket(t, "DEALER", opts{quick: true})
		near := us.open(t, "DEALER", opts{heartbeat: beat, silence: silence}).(*ourSock)
		far.connect(near.bind(fresh("tcp")))
		far.send(lit("hello"))
		expect(t, near, lit("hello"))
		w := near.watch()
		if err := child.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if ev := w.until(socket.EventDisconnected); !errors.Is(ev.Err, zmtp.ErrHeartbeatTimeout) {
			t.Errorf("the connection ended with %v, want ErrHeartbeatTimeout", ev.Err)
		}
		if err := child.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		w.until(socket.EventReady)
		near.send(lit("welcome back"))
		expect(t, far, lit("welcome back"))
	})
}

// TestPingContext pings with a context, which libzmq's PINGs do not have.
func TestPingContext(t *testing.T) {
	eachBackend(t, func(t *testing.T, us *zeroring) {
		near := us.open(t, "PULL", opts{})
		raw := dialRaw(t, near.bind(fresh("tcp")))
		raw.say(handshake + "\x04\x17\x04PING\x00\x64sixteen octets !")
		raw.hear("\x04\x15\x04PONGsixteen octets !")
	})
}
