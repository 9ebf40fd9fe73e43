package reactor

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readiness are the tests of OpReadable and OpWritable. They are part of the suite.
var readiness = []suiteTest{
	{"readable", testReadable},
	{"readable and read by turns", testReadableByTurns},
	{"readable at the end", testReadableEnd},
	{"writable", testWritable},
	{"cancel readiness", testCancelReadiness},
	{"close the group during readiness", testCloseDuringReadiness},
}

// testReadable: octets complete an OpReadable whenever they came, as often as one
// is submitted, until they were read, by whatever means.
func testReadable(t *testing.T, h *rig) {
	near, far := h.pair()
	ready := h.call(OpReadable, far)
	h.submit(ready)
	ready.idle()
	h.write(near, "first")
	ready.want(0)
	for range 3 {
		h.submit(ready)
		ready.want(0)
	}
	if got := h.readAll(far, 5); got != "first" {
		t.Errorf("got %q, want first", got)
	}
	h.submit(ready)
	ready.idle()
	h.write(near, "second")
	ready.want(0)
	b := make([]byte, 10)
	if n, err := h.r.TryRead(far, b); err != nil || string(b[:n]) != "second" {
		t.Errorf("TryRead = %q, %v; want second", b[:n], err)
	}
	h.write(near, "third")
	h.until("arrival", func() bool { return h.waiting(far) })
	h.turns() // the edge comes while nobody waits
	h.submit(ready)
	ready.want(0)
	if got := h.readAll(far, 5); got != "third" {
		t.Errorf("got %q, want third", got)
	}
}

// testReadableByTurns reads a stream that never rests, some of it or all that is
// there, and waits for more in between.
func testReadableByTurns(t *testing.T, h *rig) {
	near, far := h.pair()
	const count = 200_000
	wait := h.feed(near, count)
	defer wait()
	dice := rand.New(rand.NewPCG(23, 29))
	ready := h.call(OpReadable, far)
	b := make([]byte, 4000)
	for got := 0; got < count; {
		h.submit(ready)
		ready.want(0)
		for again := true; again; again = again && dice.IntN(4) > 0 {
			n, err := h.r.TryRead(far, b[:1+dice.IntN(len(b))])
			if err != nil && err != ErrAgain {
				t.Fatal(err)
			}
			for _, c := range b[:n] {
				if c != byte(got) {
					t.Fatalf("octet %d is %d", got, c)
				}
				got++
			}
			again = err == nil
		}
	}
	h.submit(ready)
	ready.idle()
	h.cancel(ready)
	ready.fails(syscall.ECANCELED)
}

func testReadableEnd(t *testing.T, h *rig) {
	near, far := h.pair()
	ready := h.call(OpReadable, far)
	h.submit(ready)
	if err := h.r.Shutdown(near); err != nil {
		t.Fatal(err)
	}
	ready.want(0)
	for range 2 { // it does not go away
		h.submit(ready)
		ready.want(0)
	}
}

// testWritable: room completes an OpWritable, whenever it came.
func testWritable(t *testing.T, h *rig) {
	near, far := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	room := h.call(OpWritable, near)
	for range 2 {
		h.submit(room)
		room.want(0)
	}
	for range 3 {
		total := h.filled(near)
		h.submit(room)
		room.idle()
		if got := h.readAll(far, total); strings.Trim(got, "\x00") != "" {
			t.Error("what arrives is not what was sent")
		}
		room.want(0)
		h.submit(room)
		room.want(0)
	}
}

func testCancelReadiness(t *testing.T, h *rig) {
	near, _ := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	h.filled(near)
	for _, kind := range []OpKind{OpReadable, OpWritable} {
		ready := h.call(kind, near)
		h.do(func(time.Time) { ready.start(); h.r.Cancel(&ready.Op) })
		ready.fails(syscall.ECANCELED)
		h.submit(ready)
		ready.idle()
		h.cancel(ready)
		ready.fails(syscall.ECANCELED)
		ready.idle()
	}
}

func testCloseDuringReadiness(t *testing.T, h *rig) {
	near, _ := h.pairWith(&SockOpts{SendBuf: 8 << 10, RecvBuf: 8 << 10})
	h.filled(near)
	in, out := h.call(OpReadable, near), h.call(OpWritable, near)
	h.submit(in, out)
	if err := h.g.Close(); err != nil {
		t.Fatal(err)
	}
	in.fails(syscall.ECANCELED)
	out.fails(syscall.ECANCELED)
}
