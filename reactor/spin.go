package reactor

import "time"

// A spinner decides whether an idle reactor should stay awake for a while.
// Sleeping costs whoever wakes it, and the message that did, 10 to 20
// microseconds; staying awake costs a processor that somebody else may need.
// So it stays awake only as long as the last pauses say that it pays.
type spinner struct {
	limit time.Duration // how long one spin may take; 0 never spins
	score int8          // 0 … maxScore; short pauses raise it, long ones lower it
}

// maxScore bounds for how many long pauses in a row a spinner goes on.
const maxScore = 4

// worthIt reports whether the next pause is expected to be shorter than limit.
func (s *spinner) worthIt() bool { return s.score >= maxScore/2 }

// learn is told how long a pause was, spent awake or asleep.
func (s *spinner) learn(pause time.Duration) {
	switch {
	case pause > s.limit:
		s.score = max(s.score-1, 0)
	case s.score < maxScore:
		s.score++
	}
}
