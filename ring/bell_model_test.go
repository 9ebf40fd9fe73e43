package ring

import "testing"

// The model of Bell: two producers, each with a queue of its own, and a
// consumer that sleeps on both and may also wake by itself, as from a timer.

// What the mutants do.
const (
	bellRingFirst   = "a producer rings before it publishes"
	bellArmLate     = "the consumer looks before it arms"
	bellHalfLook    = "the consumer looks again at one queue only"
	bellArmOnce     = "the consumer sleeps again without arming"
	bellStore       = "Ring loads and stores instead of swapping"
	bellDisarmSleep = "the consumer disarms before it sleeps"
)

const bellItems = 2 // of each producer

// A modelBell is the whole state.
type modelBell struct {
	queue [2]int8 // items that wait
	armed bool
	token bool // a wake-up on its way
	arms  int8 // times armed, less times rung

	producers [2]struct {
		step modelStep
		done int8
	}

	cStep    modelStep
	consumed int8
	timers   int8 // how often it woke by itself
}

// The producers' steps, beside loadArmed, swapArmed and wake.
const bellPublish modelStep = 60

// The consumer's, beside arm, sleep and disarm.
const (
	drainFirst modelStep = iota + 61
	drainSecond
	lookFirst
	lookSecond
)

// produce makes a producer's next step, and reports whether it had one.
func (s *modelBell) produce(me int, mutant string) bool {
	p := &s.producers[me]
	order := []modelStep{bellPublish, loadArmed, swapArmed, wake}
	if mutant == bellRingFirst {
		order = []modelStep{loadArmed, swapArmed, wake, bellPublish}
	}
	if p.step == 0 {
		if p.done == bellItems {
			return false
		}
		p.step = order[0]
	}
	step, rung := p.step, true
	switch step {
	case bellPublish:
		s.queue[me]++
	case loadArmed:
		rung = s.armed
	case swapArmed:
		rung = s.armed || mutant == bellStore
		s.armed = false
		if rung {
			s.arms--
		}
	case wake:
		s.token = true
	}
	if p.step = after(order, step); !rung {
		p.step = after(order, wake)
	}
	if p.step == 0 {
		p.done++
	}
	return true
}

// consume returns the states the consumer's next step may lead to.
func (s modelBell) consume(mutant string) []modelBell {
	order := []modelStep{drainFirst, drainSecond, arm, lookFirst, lookSecond, sleep, disarm}
	switch mutant {
	case bellArmLate:
		order = []modelStep{drainFirst, drainSecond, lookFirst, lookSecond, arm, sleep, disarm}
	case bellHalfLook:
		order = []modelStep{drainFirst, drainSecond, arm, lookFirst, sleep, disarm}
	case bellDisarmSleep:
		order = []modelStep{drainFirst, drainSecond, arm, lookFirst, lookSecond, disarm, sleep}
	}
	if s.cStep == 0 {
		s.cStep = order[0]
	}
	step := s.cStep
	s.cStep = after(order, step)
	switch step {
	case drainFirst, drainSecond:
		q := &s.queue[step-drainFirst]
		s.consumed += *q
		*q = 0
	case arm:
		if mutant == bellArmOnce && s.timers > 0 {
			break
		}
		if !s.armed {
			s.arms++
		}
		s.armed = true
	case lookFirst, lookSecond:
		if s.queue[step-lookFirst] > 0 {
			s.cStep = disarm
		}
	case sleep:
		var all []modelBell
		if s.timers == 0 {
			t := s
			t.timers++
			all = append(all, t)
		}
		if s.token {
			s.token = false
			all = append(all, s)
		}
		return all
	case disarm:
		if s.armed {
			s.arms--
		}
		s.armed = false
	}
	return []modelBell{s}
}

func TestBellModel(t *testing.T) {
	produce := func(me int, mutant string) func(modelBell) []modelBell {
		return func(s modelBell) []modelBell {
			if !s.produce(me, mutant) {
				return nil
			}
			return []modelBell{s}
		}
	}
	build := func(mutant string) model[modelBell] {
		return model[modelBell]{
			actors: []actor[modelBell]{
				{"A", produce(0, mutant)},
				{"B", produce(1, mutant)},
				{"C", func(s modelBell) []modelBell { return s.consume(mutant) }},
			},
			broken: func(s modelBell) string {
				if s.arms < 0 {
					return "there are more wake-ups than times the consumer armed"
				}
				return ""
			},
			done: func(s modelBell) bool {
				return s.consumed == 2*bellItems && s.producers[0].done == bellItems &&
					s.producers[1].done == bellItems && s.cStep == sleep && !s.token
			},
		}
	}
	testModel(t, build, []string{
		bellRingFirst, bellArmLate, bellHalfLook, bellArmOnce, bellStore, bellDisarmSleep,
	})
}
