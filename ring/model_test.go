package ring

import (
	"fmt"
	"strings"
	"testing"
)

// The model tests check the queues' arguments rather than their code. A model
// restates an algorithm one access to shared memory per step, as actors over
// one comparable state, and the search visits every interleaving of them. That
// is enough: Go's atomics are sequentially consistent, and so is everything
// else in a program without data races (https://go.dev/ref/mem). Races over
// plain memory are looked for too, by asking of each state whether two actors
// are about to touch the same.
//
// Whoever changes the order of accesses in a queue changes it in its model. So
// that a model cannot decay into one that never fails, each is run on mutants
// as well, and the test fails if one of them passes.

// A model is an algorithm to search.
type model[S comparable] struct {
	start  S
	actors []actor[S]

	broken func(S) string // what is wrong with a state, if anything
	done   func(S) bool   // whether all that was to happen did; the actors may go on
}

// An actor is one thread of control.
type actor[S comparable] struct {
	name string
	step func(S) []S // the states that its next step may lead to; none if it must wait
}

// explore searches m and returns how many states it has. The error names the
// shortest schedule to what is wrong: a broken state, or one from which m can
// not get done any more, whether the actors are stuck or merely busy.
func explore[S comparable](m model[S]) (states int, err error) {
	type edge struct{ from, actor int }
	all := []S{m.start}
	ids := map[S]int{m.start: 0}
	into := [][]edge{nil} // the first edge into a state lies on a shortest schedule
	var finishing []int
	schedule := func(id int) string {
		var names []string
		for id != 0 {
			e := into[id][0]
			names = append([]string{m.actors[e.actor].name}, names...)
			id = e.from
		}
		return "schedule: " + strings.Join(names, " ")
	}
	for id := 0; id < len(all); id++ { // all grows
		if why := m.broken(all[id]); why != "" {
			return len(all), fmt.Errorf("%s\n%s\nbroken: %+v", why, schedule(id), all[id])
		}
		if m.done(all[id]) {
			finishing = append(finishing, id)
		}
		for a, actor := range m.actors {
			for _, next := range actor.step(all[id]) {
				to, known := ids[next]
				if !known {
					to = len(all)
					ids[next] = to
					all, into = append(all, next), append(into, nil)
				}
				if to != 0 {
					into[to] = append(into[to], edge{id, a})
				}
			}
		}
	}
	if len(finishing) == 0 {
		return len(all), fmt.Errorf("no schedule gets it done, in %d states", len(all))
	}
	hopeful := make([]bool, len(all))
	for len(finishing) > 0 {
		id := finishing[len(finishing)-1]
		finishing = finishing[:len(finishing)-1]
		if hopeful[id] {
			continue
		}
		hopeful[id] = true
		for _, e := range into[id] {
			finishing = append(finishing, e.from)
		}
	}
	for id, hope := range hopeful {
		if !hope {
			return len(all), fmt.Errorf("it cannot get done any more\n%s\nlost: %+v", schedule(id), all[id])
		}
	}
	return len(all), nil
}

// testModel searches the algorithm as it is, which must hold, and each mutant,
// which must not.
func testModel[S comparable](t *testing.T, build func(mutant string) model[S], mutants []string) {
	states, err := explore(build(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d states", states)
	for _, mutant := range mutants {
		t.Run(mutant, func(t *testing.T) {
			_, err := explore(build(mutant))
			if err == nil {
				t.Fatal("the model does not see what is wrong with this")
			}
			t.Log(err)
		})
	}
}

// TestExplore checks that the search itself can tell: two actors that add to a
// counter, atomically or by load and store, and one that gives up half-way.
func TestExplore(t *testing.T) {
	type state struct{ counter, step, seen [2]int8 }
	build := func(kind string) model[state] {
		add := func(me int) actor[state] {
			return actor[state]{string(rune('A' + me)), func(s state) []state {
				switch s.step[me] {
				case 0:
					s.seen[me] = s.counter[0]
					s.step[me] = 1
					if kind == "" {
						s.counter[0]++
						s.step[me] = 2
					}
				case 1:
					if kind == "waits" {
						return nil
					}
					s.counter[0] = s.seen[me] + 1
					s.step[me] = 2
				default:
					return nil
				}
				return []state{s}
			}}
		}
		return model[state]{
			actors: []actor[state]{add(0), add(1)},
			broken: func(s state) string {
				if kind == "broken" && s.step == [2]int8{2, 2} {
					return "it says so"
				}
				return ""
			},
			done: func(s state) bool { return s.counter[0] == 2 },
		}
	}
	testModel(t, build, []string{"load and store", "waits", "broken"})
}
