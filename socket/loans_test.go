package socket

import "testing"

// A sieveFunc is a sieve of one function.
type sieveFunc func(first []byte) bool

func (f sieveFunc) wants(first []byte) bool { return f(first) }

// newAhead returns a PUSH and a PULL that has received the first of 6 messages and
// taken the others ahead.
func newAhead(t *testing.T) (*tandem, *loans) {
	t.Helper()
	x := newTandem(t)
	x.send(6)
	x.recv(1, x.pull.TryRecv)
	if x.pull.loans.ahead.Empty() {
		t.Fatal("nothing was taken ahead, so the test would see nothing")
	}
	return x, &x.pull.loans
}

// TestSiftedMessagesKeepTheirOrder: who receives while others subscribe or
// unsubscribe is not given a message before those that come first and are being
// looked at.
func TestSiftedMessagesKeepTheirOrder(t *testing.T) {
	x, l := newAhead(t)
	l.sift(sieveFunc(func([]byte) bool {
		if m := l.claim(); m != nil {
			t.Errorf("message %x can be received", m.Frame(0))
			m.Release()
		}
		return true
	}))
	x.recv(5, x.pull.TryRecv)
}

// TestDroppedMessagesGoAtOnce: who receives while what was taken ahead is dropped,
// by Close for one, is not given a message that comes after one that was.
func TestDroppedMessagesGoAtOnce(t *testing.T) {
	_, l := newAhead(t)
	l.messages[1].Release() // so that drop stops at the first, as the second release panics
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the first was not dropped, so the test sees nothing")
			}
		}()
		l.drop()
	}()
	if m := l.claim(); m != nil {
		t.Errorf("message %x can be received", m.Frame(0))
		m.Release()
	}
}
