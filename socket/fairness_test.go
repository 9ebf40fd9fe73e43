package socket

import "testing"

// TestFairnessAfterSilence: a peer that had nothing for a while has its turn as
// soon as it has something, though another always has.
func TestFairnessAfterSilence(t *testing.T) {
	onBackends(t, func(t *testing.T, e *Engine) {
		for _, typ := range []Type{TypePull, TypeDealer, TypeRouter} {
			pull := newSocket(t, e, typ, Options{})
			at, err := pull.Bind("inproc://" + typ.String())
			if err != nil {
				t.Fatal(err)
			}
			from := TypePush
			if typ != TypePull {
				from = TypeDealer
			}
			busy, seldom := newSocket(t, e, from, Options{}), newSocket(t, e, from, Options{})
			for _, s := range []*Socket{busy, seldom} {
				if err := s.Connect(at); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := pull.TryRecv(); err != ErrWouldBlock { // both are found silent
				t.Fatal(err)
			}
			for range 100 {
				if err := busy.SendBytes(t.Context(), []byte("busy")); err != nil {
					t.Fatal(err)
				}
			}
			for round := range 3 {
				if err := seldom.SendBytes(t.Context(), []byte("seldom")); err != nil {
					t.Fatal(err)
				}
				heard := false
				for range 2 {
					m, err := pull.TryRecv()
					if err != nil {
						t.Fatal(err)
					}
					heard = heard || string(m.Frame(m.Len()-1)) == "seldom"
					m.Release()
				}
				if !heard {
					t.Errorf("%v, round %d: not heard in two messages", typ, round)
				}
				m, err := pull.TryRecv() // finds it silent again
				if err != nil {
					t.Fatal(err)
				}
				m.Release()
			}
		}
	})
}
