package socket

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestConnectTwiceAtOnce: a Connect to an endpoint that another goroutine is
// about to add waits for that, and then adds nothing.
func TestConnectTwiceAtOnce(t *testing.T) {
	// Nobody listens there, so the first is the socket's only as long as it tries
	// again.
	dealer, err := New(TypeDealer, &Options{Linger: NoLinger, ReconnectInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer dealer.Close()
	var both sync.WaitGroup
	connect := func() {
		if err := dealer.Connect("tcp://127.0.0.1:9"); err != nil {
			t.Error(err)
		}
	}
	dealer.sendMu.Lock() // which stops the first where it has a pipe and no dialer
	both.Go(connect)
	for begun := false; !begun; runtime.Gosched() {
		dealer.mu.Lock()
		begun = len(dealer.pipes) == 1
		dealer.mu.Unlock()
	}
	if dealer.dialing.TryLock() {
		t.Error("a second Connect may look for the first before that is added")
		dealer.dialing.Unlock()
	}
	both.Go(connect)
	dealer.sendMu.Unlock()
	both.Wait()
	dealer.mu.Lock()
	defer dealer.mu.Unlock()
	if n := dealer.serial; n != 1 {
		t.Errorf("%d connections", n)
	}
}
