package socket

import "time"

// What the tests of the API need to see from inside.

// Asleep is how many goroutines sleep in calls that send, and that receive.
func (s *Socket) Asleep() (sending, receiving int) {
	return int(s.sending.waiting.Load()), int(s.receiving.waiting.Load())
}

// StartPool starts what resolves names and is never closed.
func StartPool() error { return offload(func() {}) }

// SetLastWait changes how long a proxy that is to end waits for room, until what
// it returns is called.
func SetLastWait(d time.Duration) (undo func()) {
	before := lastWait
	lastWait = d
	return func() { lastWait = before }
}
