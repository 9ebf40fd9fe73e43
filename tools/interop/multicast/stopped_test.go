package multicast

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// subVariable has a program like this one be a SUB of the endpoint in it, which says
// what the C peers say, until it has all or its standard input ends.
const subVariable = "ZERORING_MULTICAST_SUB"

// stoppedCount is how many messages such a SUB is sent, and stoppedBuffer what room
// the kernel has for it: a fifteenth of them.
const (
	stoppedCount  = 4000
	stoppedBuffer = 384 << 10
)

func beSub(endpoint string) int {
	s := &ourSub{want: stoppedCount, tallies: make(map[int]*ourTally), inOrder: true, marks: make(chan struct{})}
	engine, err := socket.NewEngine(&socket.EngineOptions{Reactors: 1, Logger: quiet})
	if err == nil {
		s.sock, err = socket.New(socket.TypeSub, &socket.Options{Engine: engine, RecvBuf: stoppedBuffer})
	}
	if err == nil {
		err = s.sock.Subscribe(nil)
	}
	if err == nil {
		err = s.sock.Connect(endpoint)
	}
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("ready")
	for s.complete() == 0 {
		m, err := s.sock.Recv(ctx)
		if err != nil {
			break
		}
		s.take(m)
		m.Release()
	}
	for source, y := range s.tallies {
		t := y.finish()
		fmt.Printf("source %d received %d first %d last %d missing %d %s duplicate %d late %d corrupt %d torn %d\n", source,
			t.received, t.first, t.last, t.missing, t.ranges, t.duplicate, t.late, t.corrupt, t.torn+s.unmarked)
		fmt.Printf("latency %d p50 %f p90 %f p99 %f p99.9 %f max %f\n", source, t.p50, t.p90, t.p99, t.p999, t.slowest)
	}
	fmt.Println("resets", s.sock.Stats().Peers[0].Multicast.KernelDrops)
	fmt.Println("end all")
	return 0
}

// TestStopped stops the program of one of two SUBs for a while: what the kernel has no
// room for meanwhile is repaired, and the other SUB does not notice.
func TestStopped(t *testing.T) {
	backend, ok := mine(1)
	if !ok {
		return
	}
	l := lab.Start(t, lab.Config{Hosts: 3, Seed: 1})
	n := net{transport: "epgm", backend: backend}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stopped := startProgram(t, l.Host(2), self, []string{subVariable + "=" + n.address(l.Host(2), ours), "ZERORING_BACKEND=" + backend})
	other := n.receive(t, l.Host(3), ours, listening{count: stoppedCount}).(*ourSub)
	p := plan{source: 1, sizes: []int{packetMessage}, count: stoppedCount, parts: 1, rate: 4000}
	pub := startPub(t, l.Host(1), newEngine(t, backend), n.address(l.Host(1), ours), p, socket.MulticastOptions{})
	send := func(first, last int) {
		t.Helper()
		if err := pub.send(t.Context(), first, last); err != nil {
			t.Fatal(err)
		}
	}
	send(0, stoppedCount/4)
	if err := stopped.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	send(stoppedCount/4, stoppedCount*3/4) // half a second
	if err := stopped.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	send(stoppedCount*3/4, stoppedCount)
	if y := other.report().sources[1]; y.counts() != whole(stoppedCount) {
		t.Errorf("the other SUB: %+v", y)
	}
	got := stopped.report()
	pub.stop()
	y := got.sources[1]
	t.Logf("the kernel dropped %d, p50 %.0f µs, max %.0f µs", got.resets, y.p50, y.slowest)
	if y.counts() != whole(stoppedCount) || got.resets == 0 || y.slowest < float64((100*time.Millisecond).Microseconds()) {
		t.Errorf("the stopped SUB: %+v", got)
	}
}
