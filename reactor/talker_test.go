package reactor

import (
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zeroring/zeroring/ring"
)

// A talker is one end of a connection that sends and receives at once, each by
// what its dice choose at every step: directly or by an operation, gathered or
// not, into a Buf of its own or one of the driver's. Operations are cancelled at
// some step, or not. Reactor thread only.
type talker struct {
	t    *testing.T
	r    *Reactor
	dice *rand.Rand
	fd   FD
	step Timer

	recv, send           Op
	receiving, sending   bool // in flight
	stopRecv, stopSend   bool // cancelled
	own                  *ring.Buf
	sent, got            int
	ended                bool // the peer has said all
	direct, byOp, undone int  // how often each way was taken, and how often a cancel won
	over                 func()
}

// talkerGoal is how many octets each talker sends: so many that the sockets fill
// up, and that more than one buffer's worth waits now and then.
const talkerGoal = 300_000

// octetOf is octet i of what every talker sends.
func octetOf(i int) byte { return byte(i*7 + i>>8) }

// act is one step.
func (k *talker) act(now time.Time) {
	switch k.dice.IntN(6) {
	case 0, 1:
		k.say()
	case 2, 3:
		k.listen()
	case 4:
		if k.sending {
			k.stopSend = true
			k.r.Cancel(&k.send)
		}
	case 5:
		if k.receiving {
			k.stopRecv = true
			k.r.Cancel(&k.recv)
		}
	}
	if k.sent == talkerGoal && k.ended {
		k.over()
		return
	}
	k.r.StartTimer(&k.step, now.Add(time.Duration(k.dice.IntN(40))*time.Microsecond))
}

// say sends some of what is left.
func (k *talker) say() {
	if k.sending || k.sent == talkerGoal {
		return
	}
	var bufs [][]byte
	at := k.sent
	for range 1 + k.dice.IntN(MaxGather) {
		b := make([]byte, min(k.dice.IntN(1000), talkerGoal-at))
		for i := range b {
			b[i] = octetOf(at)
			at++
		}
		bufs = append(bufs, b)
	}
	if at == k.sent {
		return // nothing but empty slices
	}
	if k.dice.IntN(2) == 0 {
		k.direct++
		switch n, err := k.r.TryWrite(k.fd, bufs); {
		case err == nil && n > 0:
			k.said(n)
		case err != ErrAgain:
			k.t.Errorf("TryWrite: %d, %v", n, err)
		}
		return
	}
	k.send = Op{Kind: OpSend, FD: k.fd, Owner: k, Bufs: bufs}
	k.sending, k.stopSend = true, false
	k.r.Submit(&k.send)
}

// said takes note of octets that were sent, and hangs up after the last.
func (k *talker) said(n int) {
	if k.sent += n; k.sent == talkerGoal {
		if err := k.r.Shutdown(k.fd); err != nil {
			k.t.Errorf("Shutdown: %v", err)
		}
	}
}

// listen receives something.
func (k *talker) listen() {
	if k.receiving || k.ended {
		return
	}
	if k.dice.IntN(2) == 0 {
		k.direct++
		b := make([]byte, 1+k.dice.IntN(2*RecvBufSize))
		switch n, err := k.r.TryRead(k.fd, b); {
		case err == nil && n > 0:
			k.heard(b[:n])
		case err == io.EOF:
			k.end()
		case err != ErrAgain:
			k.t.Errorf("TryRead: %d, %v", n, err)
		}
		return
	}
	k.recv = Op{Kind: OpRecv, FD: k.fd, Owner: k}
	if k.dice.IntN(2) == 0 {
		k.recv.Buf, k.recv.Off = k.own, k.dice.IntN(len(k.own.Data))
	}
	k.receiving, k.stopRecv = true, false
	k.r.Submit(&k.recv)
}

func (k *talker) heard(b []byte) {
	for _, c := range b {
		if c != octetOf(k.got) {
			k.t.Errorf("octet %d is %d, want %d", k.got, c, octetOf(k.got))
			k.got = talkerGoal // once is enough
			return
		}
		k.got++
	}
}

func (k *talker) end() {
	if k.ended = true; k.got != talkerGoal {
		k.t.Errorf("the end came after %d octets of %d", k.got, talkerGoal)
	}
}

func (k *talker) Complete(_ time.Time, op *Op) {
	flying, stopped := &k.sending, k.stopSend
	if op == &k.recv {
		flying, stopped = &k.receiving, k.stopRecv
	}
	if !*flying || op.More {
		k.t.Errorf("kind %d completed once too often, with %d", op.Kind, op.Result)
	}
	*flying = false
	switch {
	case op.Result == canceled && stopped:
		k.undone++
	case op.Result < 0 || op.Result == 0 && op == &k.send:
		k.t.Errorf("kind %d completed with %d", op.Kind, op.Result)
	case op == &k.send:
		k.byOp++
		k.said(int(op.Result))
	case op.Result == 0:
		k.end()
	default:
		k.byOp++
		k.heard(op.Buf.Data[op.Off:][:op.Result])
		if op.Buf != k.own {
			op.Buf.Release()
		}
	}
}

// testTalkers has connections talk both ways until all is said. What was read
// is what was written, the end comes after it, and operations complete once.
func testTalkers(t *testing.T, h *rig) {
	const pairs = 4
	var talkers []*talker
	left := 2 * pairs // guarded by h.mu
	for i := range pairs {
		near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
		for j, fd := range []FD{near, far} {
			k := &talker{t: t, r: h.r, dice: rand.New(rand.NewPCG(uint64(i), uint64(j))), fd: fd, own: ring.NewBuf(5000)}
			k.step.Fire = k.act
			k.over = func() {
				h.mu.Lock()
				left--
				h.mu.Unlock()
				h.tell()
			}
			talkers = append(talkers, k)
		}
	}
	h.do(func(now time.Time) {
		for _, k := range talkers {
			k.act(now)
		}
	})
	h.until("all is said", func() bool { return left == 0 })
	h.do(func(time.Time) {
		direct, byOp, undone := 0, 0, 0
		for _, k := range talkers {
			k.own.Release()
			direct, byOp, undone = direct+k.direct, byOp+k.byOp, undone+k.undone
		}
		if direct == 0 || byOp == 0 {
			t.Errorf("not every way was taken: %d times directly, %d by operation", direct, byOp)
		}
		t.Logf("%d times directly, %d by operation, %d cancelled", direct, byOp, undone)
	})
}
