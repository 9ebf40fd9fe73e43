package pgm

import "math/bits"

// A repairSet is which packets of a window wait to be repeated: a bit for each
// place of its index. A bit cannot be set twice, which eliminates duplicates.
type repairSet struct {
	words []uint64
	count int // bits set
	first SQN // none before it is set, if one is set
}

func newRepairSet(places int) repairSet { return repairSet{words: make([]uint64, places/64)} }

// bit returns where the bit of sqn is.
func (s *repairSet) bit(sqn SQN) (word *uint64, bit uint64) {
	place := int(sqn) & (64*len(s.words) - 1)
	return &s.words[place/64], 1 << (place % 64)
}

func (s *repairSet) has(sqn SQN) bool {
	word, bit := s.bit(sqn)
	return *word&bit != 0
}

// add reports whether sqn is new.
func (s *repairSet) add(sqn SQN) bool {
	word, bit := s.bit(sqn)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	if s.count == 0 || sqn.Before(s.first) {
		s.first = sqn
	}
	s.count++
	return true
}

// remove reports whether sqn was there.
func (s *repairSet) remove(sqn SQN) bool {
	word, bit := s.bit(sqn)
	if *word&bit == 0 {
		return false
	}
	*word &^= bit
	s.count--
	return true
}

// oldest returns the oldest of all, none of which precedes trail. There must be
// one.
func (s *repairSet) oldest(trail SQN) SQN {
	assert(s.count > 0, "no repairs are waiting")
	if s.first.Before(trail) {
		s.first = trail
	}
	for {
		place := int(s.first) & (64*len(s.words) - 1)
		if word := s.words[place/64] >> (place % 64); word != 0 {
			s.first += SQN(bits.TrailingZeros64(word))
			return s.first
		}
		s.first += SQN(64 - place%64)
	}
}

// check panics if an invariant does not hold.
func (s *repairSet) check() {
	count := 0
	for _, word := range s.words {
		count += bits.OnesCount64(word)
	}
	assert(count == s.count, "repairs miscounted")
}
