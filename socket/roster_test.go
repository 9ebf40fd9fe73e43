package socket

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// check asserts roster's invariants.
func (r *roster) check() error {
	if r.active > len(r.pipes) || r.turn > 0 && r.turn >= r.active {
		return fmt.Errorf("turn %d, active %d of %d", r.turn, r.active, len(r.pipes))
	}
	for i, p := range r.pipes {
		if *r.place(p) != i {
			return fmt.Errorf("the pipe at %d believes to be at %d", i, *r.place(p))
		}
	}
	return nil
}

// TestRoster does things in random order and compares with a map.
func TestRoster(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		r, pipes := newLB().roster, numberedPipes(6)
		active := make(map[*pipe]bool) // an entry is a pipe on the list
		for range 200 {
			p := pipes[rng.IntN(len(pipes))]
			_, listed := active[p]
			switch rng.IntN(5) {
			case 0:
				if !listed {
					r.add(p)
					active[p] = true
				}
			case 1:
				r.remove(p)
				delete(active, p)
			case 2:
				r.activate(p)
				if listed {
					active[p] = true
				}
			case 3:
				r.passivate(p)
				if listed {
					active[p] = false
				}
			case 4:
				if r.active > 0 {
					r.advance()
				}
			}
			if err := r.check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for _, p := range pipes {
				is, listed := active[p]
				if r.has(p) != listed || slices.Contains(r.pipes[:r.active], p) != is || slices.Contains(r.pipes, p) != listed {
					t.Fatalf("seed %d: pipe %d: listed %v, active %v expected", seed, p.number, listed, is)
				}
			}
		}
	}
}

// TestRosterTurns: each active pipe has its turn once in as many turns, and
// who becomes passive costs no other its turn.
func TestRosterTurns(t *testing.T) {
	r, pipes := newLB().roster, numberedPipes(5)
	for _, p := range pipes {
		r.add(p)
	}
	turns := func(n int) map[uint64]int {
		seen := make(map[uint64]int)
		for range n {
			seen[r.pipes[r.turn].number]++
			r.advance()
		}
		return seen
	}
	for range 3 {
		if seen := turns(5); len(seen) != 5 {
			t.Errorf("turns went to %v", seen)
		}
		turns(2)
	}
	r.passivate(pipes[1])
	r.remove(pipes[3])
	if seen := turns(6); len(seen) != 3 || seen[1] != 2 || seen[3] != 2 || seen[5] != 2 {
		t.Errorf("turns went to %v", seen)
	}
}

// TestConservation sends numbered messages among peers that come, go, stop
// reading and go on, and checks that each message gets to one peer, once, in the
// order sent, or is refused.
func TestConservation(t *testing.T) {
	for _, typ := range []Type{TypePush, TypeDealer, TypePair} {
		for seed := range uint64(30) {
			t.Run(fmt.Sprintf("%v/%d", typ, seed), func(t *testing.T) { conserve(t, typ, seed) })
		}
	}
}

func conserve(t *testing.T, typ Type, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(typ)))
	r := newRig(t, typ, new(Options))
	defer r.close()
	count, sent := make(map[int]int), 0
	take := func(p *testPeer, limit int) {
		m, last := newMessage(), -1
		for ; limit > 0 && p.far.read(m); limit-- {
			n := int(m.Frame(0)[0])<<8 | int(m.Frame(0)[1])
			if count[n]++; n <= last {
				t.Fatalf("seed %d: message %d after %d", seed, n, last)
			}
			last = n
		}
		m.Release()
	}
	room := func() bool {
		return slices.ContainsFunc(r.peers, func(p *testPeer) bool { return !p.lost && p.near.writable() })
	}
	for range 500 {
		switch what := rng.IntN(20); {
		case what == 0 && len(r.peers) < 12:
			r.peer("", "", 1+rng.IntN(4), true).held = true
		case what == 1 && len(r.peers) > 0:
			p := r.peers[rng.IntN(len(r.peers))]
			p.lose()
			take(p, 1<<20)
		case what < 8 && len(r.peers) > 0:
			take(r.peers[rng.IntN(len(r.peers))], 1+rng.IntN(3))
		default:
			// PAIR takes one peer of several, so that its room says nothing.
			err := r.pat.send([][]byte{{byte(sent >> 8), byte(sent)}})
			if err == nil {
				sent++
			} else if err != errWouldBlock || typ != TypePair && len(r.events) == 0 && room() {
				t.Fatalf("seed %d: %v, with room %v", seed, err, room())
			}
		}
		r.pump()
	}
	for _, p := range r.peers {
		take(p, 1<<20)
	}
	for n := range sent {
		if count[n] != 1 {
			t.Fatalf("seed %d: message %d of %d came %d times", seed, n, sent, count[n])
		}
	}
	if sent < 5 {
		t.Fatalf("seed %d: only %d messages sent", seed, sent)
	}
}

// TestFairness: nobody gets more than one message ahead of anybody else who has
// messages waiting.
func TestFairness(t *testing.T) {
	for _, typ := range []Type{TypePull, TypeDealer, TypeSub, TypeXSub, TypeRouter} {
		r := newRig(t, typ, new(Options))
		if s, ok := r.pat.(*sub); ok {
			s.subscribe(nil)
		}
		for i := range 5 {
			p := r.peer(fmt.Sprint(i), "", 0, true)
			for range 20 {
				p.far.write(nil, [][]byte{{byte(i)}})
			}
		}
		m, seen := newMessage(), make(map[byte]int)
		for i := range 100 {
			if err := r.pat.recv(m); err != nil {
				t.Fatal(err)
			}
			from := m.Frame(m.Len() - 1)[0]
			if seen[from]++; seen[from] != i/5+1 {
				t.Fatalf("%v: %d messages from peer %d after %d in all", typ, seen[from], from, i+1)
			}
		}
		m.Release()
		r.close()
	}
}
