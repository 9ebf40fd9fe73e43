package ring

import "testing"

// The model of Offer: two goroutines that claim slots and, when they find none,
// take a lock and offer anew those that are back, and one that takes the lock once
// and claims all that wait. There are two slots, filled offerFills times in all.

// What the mutants do.
const (
	offerTwoWords  = "the end of the offer is a word of its own, read after counting"
	offerEarlyLook = "a claimer goes by what it saw before it counted"
	offerNotBack   = "a slot is offered again before it is back"
	offerNoLook    = "who got the lock offers without looking again"
	offerTwoSteps  = "counting is a load and a store"
	offerRestSteps = "the rest is claimed by a load and a store"
)

const (
	offerSlots = 2
	offerFills = 4
)

// A modelOffer is the whole state.
type modelOffer struct {
	next, end int8
	locked    bool
	filled    [offerSlots]bool // holds an item that nobody has taken
	out       [offerSlots]bool // filled and not back
	fills     int8             // items there ever were
	taken     int8
	wrong     bool // somebody took a slot that was not theirs

	claimers [2]struct {
		step      modelStep
		next      int8 // as loaded
		end       int8
		slot      int8 // as claimed
		underLock bool // claims under the lock
	}

	rest struct { // of who claims all
		step      modelStep
		next, end int8
	}
}

// A claimer's steps.
const (
	offerLook modelStep = iota + 80
	offerCount
	offerStore
	offerEnd
	offerTake
	offerBack
	offerLock
	offerMake
	offerSwap
	offerEmpty
	offerTakeRest
	offerRested
)

// fill offers the slots that are back, from the first on.
func (s *modelOffer) fill(mutant string) {
	back := func(i int8) bool { return !s.out[i] || mutant == offerNotBack }
	start := int8(0)
	for start < offerSlots && !back(start) {
		start++
	}
	end := start
	for ; end < offerSlots && back(end) && s.fills < offerFills; end++ {
		s.wrong = s.wrong || s.filled[end]
		s.filled[end], s.out[end] = true, true
		s.fills++
	}
	if end > start {
		s.next, s.end = start, end
	}
}

// found says what a claimer that found nothing does next.
func (s *modelOffer) found(me int) {
	c := &s.claimers[me]
	c.step = offerLock
	if c.underLock {
		c.step = offerMake
	}
}

// claim makes a claimer's next step, and reports whether it had one.
func (s *modelOffer) claim(me int, mutant string) bool {
	c := &s.claimers[me]
	switch c.step {
	case 0, offerLook:
		c.next, c.end = s.next, s.end
		if c.step = offerCount; c.next >= c.end {
			s.found(me)
		}
	case offerCount:
		switch mutant {
		case offerTwoSteps:
			s.next = c.next + 1
			c.slot, c.end = c.next, s.end
		case offerEarlyLook:
			c.slot = c.next // and c.end as it was
			s.next++
		default:
			c.slot, c.end = s.next, s.end
			s.next++
		}
		c.step = offerStore
		if mutant == offerTwoWords {
			c.step = offerEnd
		}
	case offerEnd:
		c.end, c.step = s.end, offerStore
	case offerStore:
		if c.step = offerTake; c.slot >= c.end {
			s.found(me)
		} else if c.underLock {
			s.locked, c.underLock = false, false
		}
	case offerTake:
		s.wrong = s.wrong || !s.filled[c.slot]
		s.filled[c.slot] = false
		s.taken++
		c.step = offerBack
	case offerBack:
		s.out[c.slot] = false
		c.step = offerLook
	case offerLock:
		if s.locked {
			return false
		}
		s.locked, c.underLock = true, true
		if c.step = offerLook; mutant == offerNoLook {
			c.step = offerMake
		}
	case offerMake:
		s.fill(mutant)
		s.locked, c.underLock = false, false
		c.step = offerLook
	}
	return true
}

// claimRest makes the next step of who claims all, and reports whether it had one.
func (s *modelOffer) claimRest(mutant string) bool {
	c := &s.rest
	switch c.step {
	case 0:
		if s.locked {
			return false
		}
		s.locked = true
		c.step = offerSwap
	case offerSwap:
		c.next, c.end, c.step = s.next, s.end, offerEmpty
		if mutant != offerRestSteps {
			s.next, s.end, c.step = 0, 0, offerTakeRest
		}
	case offerEmpty:
		s.next, s.end, c.step = 0, 0, offerTakeRest
	case offerTakeRest:
		for i := c.next; i < c.end; i++ {
			s.wrong = s.wrong || !s.filled[i]
			s.filled[i], s.out[i] = false, false
			s.taken++
		}
		s.locked, c.step = false, offerRested
	default:
		return false
	}
	return true
}

func TestOfferModel(t *testing.T) {
	claim := func(me int, mutant string) func(modelOffer) []modelOffer {
		return func(s modelOffer) []modelOffer {
			if s.wrong || !s.claim(me, mutant) {
				return nil
			}
			return []modelOffer{s}
		}
	}
	rest := func(mutant string) func(modelOffer) []modelOffer {
		return func(s modelOffer) []modelOffer {
			if s.wrong || !s.claimRest(mutant) {
				return nil
			}
			return []modelOffer{s}
		}
	}
	build := func(mutant string) model[modelOffer] {
		return model[modelOffer]{
			actors: []actor[modelOffer]{{"A", claim(0, mutant)}, {"B", claim(1, mutant)}, {"C", rest(mutant)}},
			broken: func(s modelOffer) string {
				if s.wrong {
					return "a slot went to two, or was filled while somebody had it"
				}
				return ""
			},
			done: func(s modelOffer) bool { return s.taken == offerFills },
		}
	}
	testModel(t, build, []string{offerTwoWords, offerEarlyLook, offerNotBack, offerNoLook, offerTwoSteps, offerRestSteps})
}
