package ring

import "testing"

// The model of Inbox, with the Bell by which its producers wake a consumer that
// sleeps. Two producers each publish work for two nodes and push them; the
// consumer takes, unlinks, does the work, and sleeps when there is nothing.

// What the mutants do.
const (
	inboxUnlinkLate    = "a node is unlinked after its work was looked at"
	inboxClearFirst    = "Unlink clears queued before it reads next"
	inboxTakeLoadStore = "Take loads the stack and stores nil"
	inboxPushStore     = "Push stores the top instead of comparing"
	inboxLinkLate      = "Push links next after the swap"
	inboxQueuedStore   = "Push loads and stores queued instead of swapping"
	inboxRingFirst     = "a producer rings before it pushes"
	inboxArmLate       = "the consumer arms after it looked"
	inboxNoSecondLook  = "the consumer sleeps without looking again"
)

const inboxNodes = 2

// inboxScript is the nodes that each producer pushes, by index.
var inboxScript = [2][2]int8{{0, 1}, {1, 0}}

// A modelInbox is the whole state. Nodes are named by index + 1, and 0 is nil.
type modelInbox struct {
	nodes [inboxNodes]struct {
		work   int8 // published by producers
		queued bool
		next   int8
	}
	top   int8
	armed bool
	token bool // a wake-up on its way

	producers [2]struct {
		step   modelStep
		pushed int8 // of its script
		top    int8 // as loaded
	}

	cStep    modelStep
	list     int8 // what Take returned, oldest first, the rest of it
	toTurn   int8 // what is not reversed yet
	node     int8
	rest     int8
	finished int8

	broken string
}

// The producers' steps.
const (
	publishWork modelStep = iota + 1
	loadQueued
	swapQueued
	loadTop
	writeNext
	swapTop
	loadArmed
	swapArmed
	wake
)

// The consumer's.
const (
	loadStack modelStep = iota + 20
	swapStack
	turn
	readNext
	clearQueued
	doWork
	arm
	lookAgain
	sleep
	disarm
)

// push returns the order of the producers' steps.
func inboxPush(mutant string) []modelStep {
	switch mutant {
	case inboxLinkLate:
		return []modelStep{publishWork, loadQueued, swapQueued, loadTop, swapTop, writeNext, loadArmed, swapArmed, wake}
	case inboxRingFirst:
		return []modelStep{publishWork, loadQueued, swapQueued, loadArmed, swapArmed, wake, loadTop, writeNext, swapTop}
	}
	return []modelStep{publishWork, loadQueued, swapQueued, loadTop, writeNext, swapTop, loadArmed, swapArmed, wake}
}

// produce makes a producer's next step, and reports whether it had one.
func (s *modelInbox) produce(me int, mutant string) bool {
	p, order := &s.producers[me], inboxPush(mutant)
	if p.step == 0 {
		if int(p.pushed) == len(inboxScript[me]) {
			return false
		}
		p.step = publishWork
	}
	name := inboxScript[me][p.pushed] + 1
	n := &s.nodes[name-1]
	step, stop := p.step, false
	switch step {
	case publishWork:
		n.work++
	case loadQueued:
		stop = n.queued
	case swapQueued:
		stop = n.queued && mutant != inboxQueuedStore
		n.queued = true
	case loadTop:
		p.top = s.top
	case writeNext:
		n.next = p.top
	case swapTop:
		if s.top != p.top && mutant != inboxPushStore {
			p.step = loadTop
			return true
		}
		s.top = name
	case loadArmed:
		stop = !s.armed
	case swapArmed:
		stop = !s.armed
		s.armed = false
	case wake:
		s.token = true
	}
	if p.step = after(order, step); stop && (step == loadArmed || step == swapArmed) {
		p.step = after(order, wake) // not rung, but what follows the ringing follows
	} else if stop {
		p.step = 0
	}
	if p.step == 0 {
		p.pushed++
		p.top = 0
	}
	return true
}

// consume makes the consumer's next step, and reports whether it had one.
func (s *modelInbox) consume(mutant string) bool {
	switch s.cStep {
	case 0, loadStack:
		s.cStep = swapStack
		s.toTurn = 0
		if s.top == 0 {
			s.cStep = arm
			if mutant == inboxArmLate {
				s.cStep = lookAgain
			}
		} else if mutant == inboxTakeLoadStore {
			s.toTurn = s.top
		}
	case swapStack:
		if mutant != inboxTakeLoadStore {
			s.toTurn = s.top
		}
		s.top = 0
		s.cStep = turn
	case turn:
		n := &s.nodes[s.toTurn-1]
		s.toTurn, n.next, s.list = n.next, s.list, s.toTurn
		if s.toTurn == s.list {
			s.broken = "a node is linked to itself"
		} else if s.toTurn == 0 {
			s.nextNode(mutant)
		}
	case readNext, clearQueued, doWork:
		s.visit(mutant)
	default:
		return s.idle(mutant)
	}
	return true
}

// nextNode goes on with the first node of the list, or with the next Take.
func (s *modelInbox) nextNode(mutant string) {
	s.node, s.rest, s.cStep = s.list, 0, 0
	if s.node != 0 {
		s.cStep = inboxVisit(mutant)[0]
	}
}

// inboxVisit is the order of the consumer's steps with a node.
func inboxVisit(mutant string) []modelStep {
	switch mutant {
	case inboxUnlinkLate:
		return []modelStep{doWork, readNext, clearQueued}
	case inboxClearFirst:
		return []modelStep{clearQueued, readNext, doWork}
	}
	return []modelStep{readNext, clearQueued, doWork}
}

// visit makes the consumer's next step with a node: Unlink and the work.
func (s *modelInbox) visit(mutant string) {
	n := &s.nodes[s.node-1]
	switch s.cStep {
	case readNext:
		s.rest, n.next = n.next, 0
	case clearQueued:
		n.queued = false
	case doWork:
		s.finished += n.work
		n.work = 0
	}
	if s.cStep = after(inboxVisit(mutant), s.cStep); s.cStep == 0 {
		s.list = s.rest
		s.nextNode(mutant)
	}
}

// idle makes the next step of a consumer that found nothing.
func (s *modelInbox) idle(mutant string) bool {
	switch s.cStep {
	case arm:
		s.armed = true
		s.cStep = lookAgain
		if mutant == inboxNoSecondLook || mutant == inboxArmLate {
			s.cStep = sleep
		}
	case lookAgain:
		s.cStep = sleep
		if s.top != 0 {
			s.cStep = disarm
		} else if mutant == inboxArmLate {
			s.cStep = arm
		}
	case sleep:
		if !s.token {
			return false
		}
		s.token = false
		s.cStep = disarm
	case disarm:
		s.armed = false
		s.cStep = 0
	}
	return true
}

// race says whether a producer and the consumer are at the same next. Whoever
// writes it must own the node.
func (s modelInbox) race(mutant string) string {
	if s.broken != "" {
		return s.broken
	}
	for me, p := range s.producers {
		if p.step != writeNext {
			continue
		}
		name := inboxScript[me][p.pushed] + 1
		if s.cStep == turn && s.toTurn == name || s.cStep == readNext && s.node == name {
			return "a producer and the consumer are at the same next"
		}
	}
	a, b := s.producers[0], s.producers[1]
	if a.step == writeNext && b.step == writeNext && inboxScript[0][a.pushed] == inboxScript[1][b.pushed] {
		return "two producers are at the same next"
	}
	return ""
}

// over reports whether all work is done and the consumer asleep.
func (s modelInbox) over() bool {
	return s.finished == 4 && s.producers[0].pushed == 2 && s.producers[1].pushed == 2 && s.cStep == sleep && !s.token
}

func TestInboxModel(t *testing.T) {
	one := func(step func(*modelInbox) bool) func(modelInbox) []modelInbox {
		return func(s modelInbox) []modelInbox {
			if !step(&s) {
				return nil
			}
			return []modelInbox{s}
		}
	}
	build := func(mutant string) model[modelInbox] {
		return model[modelInbox]{
			actors: []actor[modelInbox]{
				{"A", one(func(s *modelInbox) bool { return s.produce(0, mutant) })},
				{"B", one(func(s *modelInbox) bool { return s.produce(1, mutant) })},
				{"C", one(func(s *modelInbox) bool { return s.consume(mutant) })},
			},
			broken: func(s modelInbox) string { return s.race(mutant) },
			done:   modelInbox.over,
		}
	}
	testModel(t, build, []string{
		inboxUnlinkLate, inboxClearFirst, inboxTakeLoadStore, inboxPushStore, inboxLinkLate,
		inboxQueuedStore, inboxRingFirst, inboxArmLate, inboxNoSecondLook,
	})
}
