package reactor

import "sync/atomic"

// Stats counts what reactors did since they started. What a count is divided by
// Turns says how well work is batched.
type Stats struct {
	Turns       uint64 // passes of the loop
	Submits     uint64 // operations submitted
	Completions uint64 // completions delivered
	Tasks       uint64 // posted tasks run
	Timers      uint64 // timers fired
	Wakes       uint64 // times another goroutine had to wake a reactor
	Polls       uint64 // looks at the driver that did not wait
	Blocks      uint64 // waits for which the reactor gave up its thread

	Connections int // counted by Home and not given back by Leave
}

// add sums up reactors.
func (s *Stats) add(o Stats) {
	s.Turns += o.Turns
	s.Submits += o.Submits
	s.Completions += o.Completions
	s.Tasks += o.Tasks
	s.Timers += o.Timers
	s.Wakes += o.Wakes
	s.Polls += o.Polls
	s.Blocks += o.Blocks
	s.Connections += o.Connections
}

// counters are what Stats is read from. All but wakes are written by the
// reactor's thread alone, which batches: it counts in plain fields during a
// turn and adds those up here once.
type counters struct {
	turns, submits, completions, tasks, timers, polls, blocks atomic.Uint64

	wakes atomic.Uint64 // any goroutine
}

// A tally is what the reactor counted since it last published.
type tally struct {
	turns, submits, completions, tasks, timers, polls, blocks uint64
}

// publishEvery is after how many turns a busy reactor publishes what it
// counted. One that goes to sleep publishes before.
const publishEvery = 64

// publish adds t to c and clears it. A counter that did not change costs a
// comparison.
func (c *counters) publish(t *tally) {
	bump(&c.turns, t.turns)
	bump(&c.submits, t.submits)
	bump(&c.completions, t.completions)
	bump(&c.tasks, t.tasks)
	bump(&c.timers, t.timers)
	bump(&c.polls, t.polls)
	bump(&c.blocks, t.blocks)
	*t = tally{}
}

func bump(c *atomic.Uint64, n uint64) {
	if n != 0 {
		c.Add(n)
	}
}

func (c *counters) read() Stats {
	return Stats{
		Turns:       c.turns.Load(),
		Submits:     c.submits.Load(),
		Completions: c.completions.Load(),
		Tasks:       c.tasks.Load(),
		Timers:      c.timers.Load(),
		Wakes:       c.wakes.Load(),
		Polls:       c.polls.Load(),
		Blocks:      c.blocks.Load(),
	}
}
