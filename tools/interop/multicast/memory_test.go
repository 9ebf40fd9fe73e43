package multicast

import (
	"runtime"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// TestMemory has a source send 60 MB past a receiver that misses one packet for good,
// and then a SUB whose user reads nothing: what source and receiver keep stays within
// their options.
func TestMemory(t *testing.T) {
	backend, ok := mine(0)
	if !ok {
		return
	}
	const (
		mib    = 1 << 20
		window = 4 * mib // of the source, and of the receiver
		count  = 40_000
		// allowed is what the heap may grow by: the windows, a high-water mark of
		// messages twice, buffers of both ends, the tests' own tallies.
		allowed = 2*window + 24*mib
	)
	l := lab.Start(t, lab.Config{Hosts: 2, Seed: 1})
	n := net{transport: "epgm", backend: backend}
	sub := n.receive(t, l.Host(2), ours, listening{
		count: count, sources: 2, pausing: pause{first: count / 2, messages: 1, length: 500 * time.Millisecond},
		options: socket.MulticastOptions{ReceiveOctets: window},
	}).(*ourSub)
	p := plan{source: 1, sizes: []int{packetMessage}, count: count, parts: 1}
	pub := startPub(t, l.Host(1), newEngine(t, backend), n.address(l.Host(1), ours), p,
		socket.MulticastOptions{Rate: 300e6, WindowOctets: window})
	if err := pub.send(t.Context(), 0, warmUp); err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before := heap()
	if err := setAll(l, "loss=100,only=rdata/loss=0.1"); err != nil {
		t.Fatal(err)
	}
	var most uint64
	for i := warmUp; i < count; i += 1000 {
		if err := pub.send(t.Context(), i, min(i+1000, count)); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		most = max(most, heap())
	}
	t.Logf("the heap grew by %d KiB; %d received, %d lost", (int64(most)-int64(before))>>10, sub.got.Load(), heardLost(sub))
	if most > before+allowed {
		t.Errorf("the heap grew by %d octets, more than %d", most-before, allowed)
	}
	if heardLost(sub) == 0 {
		t.Error("nothing was lost for good: the windows have never been full")
	}
	sub.stop()
	if y := sub.report().sources[1]; y.duplicate+y.late+y.corrupt+y.torn > 0 || sub.unmarked > 0 {
		t.Errorf("%+v, %d unmarked", y, sub.unmarked)
	}
}
