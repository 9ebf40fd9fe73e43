package ring

import (
	"slices"
	"testing"
)

// The model of Stream. A producer commits and appends messages under a
// high-water mark, in chunks that are recycled; a consumer peeks, advances and
// credits. The consumer that gathers is in gather_model_test.go and shares the
// producer and look.
//
// A message is two octets, so that half a message exists: message i is the
// octets 2i-1 and 2i.
const (
	modelChunks   = 3
	modelRoom     = 4 // octets in a chunk
	modelMessages = 5
	modelAppended = 3 // this message comes by Append
	modelHuge     = 4 // this one is alone in its chunk
	modelLimit    = 3 // the high-water mark
)

// What the mutants of the producer and of look do.
const (
	publishBeforeFill   = "the octets are published before they are written"
	publishAfterSeal    = "a chunk's last message is published after it was sealed"
	fullLooksAhead      = "full counts a message that was not credited"
	lookPublishedFirst  = "look loads published before next"
	freeUnsealed        = "a chunk is freed when it is full, before it is sealed"
	poolBeforeReset     = "a chunk goes to the pool before it is reset"
	releaseFilling      = "the Buf of an empty chunk is released while the producer fills it"
	releaseUnfilledOnce = "the Buf of a chunk to be published once is released before it is"
)

// A modelChunk is a chunk. Chunks are named by index + 1, and 0 is nil.
type modelChunk struct {
	octets    [modelRoom]int8
	published int8 // octets: half as many messages
	next      int8
	once      bool
	used      bool // not in the pool
	held      bool // refers to its Buf
}

// A modelStep is where an actor is. Zero is between two calls.
type modelStep int8

// The producer's steps, each one access to what is shared.
const (
	loadRead modelStep = iota + 1
	takeChunk
	linkChunk
	fillOctets
	storePublished
	storeLate // publishAfterSeal
)

// The steps of look.
const (
	loadFirst modelStep = iota + 20
	loadNext
	loadPublished
	releaseBuf
	resetPublished
	resetNext
	putChunk
)

// A modelStream is what the two sides share, and the state of each.
type modelStream struct {
	chunks [modelChunks]modelChunk
	first  int8
	read   int8

	pStep    modelStep
	tail     int8
	room     int8 // octets of tail, or 0 if it takes no more messages
	tailAt   int8
	fresh    int8 // taken from the pool, not linked yet
	late     int8 // publishAfterSeal: the old tail
	written  int8
	readSeen int8

	cStep    modelStep
	head     int8
	headAt   int8
	seen     int8
	next     int8
	consumed int8 // messages

	broken string
}

func (s *modelStream) chunk(name int8) *modelChunk { return &s.chunks[name-1] }

// after is the step that follows in an order, zero at its end. Mutants order
// steps otherwise.
func after(order []modelStep, step modelStep) modelStep {
	if i := slices.Index(order, step) + 1; i > 0 && i < len(order) {
		return order[i]
	}
	return 0
}

// produce returns what the producer's next step may lead to.
func (s modelStream) produce(mutant string) []modelStream {
	message := s.written + 1
	commit := []modelStep{fillOctets, storePublished}
	if mutant == publishBeforeFill {
		slices.Reverse(commit)
	}
	if s.pStep == 0 { // what the next Push needs first, by the producer's own fields
		switch {
		case message > modelMessages:
			return nil
		case s.written-s.readSeen >= modelLimit:
			s.pStep = loadRead
		case message == modelAppended || s.room-s.tailAt < 2:
			s.pStep = takeChunk
		default:
			s.pStep = commit[0]
		}
	}
	switch s.pStep {
	case loadRead:
		s.readSeen = s.read
		if mutant == fullLooksAhead {
			s.readSeen++
		}
		s.pStep = 0
	case takeChunk:
		return s.take(message)
	case linkChunk:
		s.link(message, mutant)
	case fillOctets:
		s.fill(s.tail, s.tailAt)
		s.committed(commit)
	case storePublished:
		if mutant == publishAfterSeal && s.tailAt+2 == s.room {
			s.late = s.tail
		} else {
			s.chunk(s.tail).published = s.tailAt + 2
		}
		s.committed(commit)
	case storeLate:
		s.chunk(s.late).published = modelRoom
		s.late, s.pStep = 0, 0
	}
	return []modelStream{s}
}

// committed goes on to Commit's next step, or ends it.
func (s *modelStream) committed(order []modelStep) {
	if s.pStep = after(order, s.pStep); s.pStep == 0 {
		s.tailAt += 2
		s.written++
		if s.chunk(s.tail).once {
			s.room, s.tailAt = 0, 0
		}
	}
}

// take returns the states in which the pool gave each of its chunks. For
// Append the chunk is filled and published while nobody else has it.
func (s modelStream) take(message int8) (all []modelStream) {
	s.pStep = linkChunk
	for i, c := range s.chunks {
		if c.used {
			continue
		}
		t := s
		t.fresh = int8(i + 1)
		t.chunks[i].used, t.chunks[i].held = true, true
		t.chunks[i].once = message == modelAppended || message == modelHuge
		if message == modelAppended {
			t.fill(t.fresh, 0)
			t.chunks[i].published = 2
		}
		all = append(all, t)
	}
	return all
}

// link is push: it puts fresh behind the tail.
func (s *modelStream) link(message int8, mutant string) {
	switch {
	case s.tail == 0:
		s.first = s.fresh
	case !s.chunk(s.tail).used:
		s.broken = "the producer sealed a chunk that it had lost"
	default:
		s.chunk(s.tail).next = s.fresh
	}
	s.tail, s.room, s.tailAt, s.fresh = s.fresh, modelRoom, 0, 0
	s.pStep = 0
	if message == modelAppended {
		s.room = 0
		s.written++
	}
	if s.late != 0 {
		s.pStep = storeLate
	}
}

func (s *modelStream) fill(name, at int8) {
	c := s.chunk(name)
	if !c.held {
		s.broken = "the producer wrote to a Buf that was released"
	}
	c.octets[at], c.octets[at+1] = 2*s.written+1, 2*s.written+2
}

// look makes the consumer's next step, of finding more octets.
func (s *modelStream) look(mutant string) {
	loads := []modelStep{loadNext, loadPublished}
	if mutant == lookPublishedFirst {
		slices.Reverse(loads)
	}
	free := []modelStep{resetPublished, resetNext, putChunk}
	if mutant == poolBeforeReset {
		free = []modelStep{putChunk, resetPublished, resetNext}
	}
	if s.cStep == 0 {
		s.cStep = loads[0]
		if s.head == 0 {
			s.cStep = loadFirst
		}
	}
	step := s.cStep
	if step == free[0] {
		s.release()
	}
	switch step {
	case loadFirst:
		s.head = s.first
		s.cStep = 0
		return
	case loadNext:
		s.next = s.chunk(s.head).next
	case loadPublished:
		s.seen = s.chunk(s.head).published
	case releaseBuf:
		s.release()
	case resetPublished:
		s.chunk(s.head).published = 0
	case resetNext:
		s.chunk(s.head).next = 0
	case putChunk:
		s.chunk(s.head).used = false
	}
	if s.cStep = after(loads, step); s.cStep == 0 && slices.Contains(loads, step) {
		s.cStep = s.decide(free, mutant)
	} else if slices.Contains(free, step) {
		s.cStep = after(free, step)
		if s.cStep == 0 {
			s.head, s.headAt, s.seen, s.next = s.next, 0, 0, 0
		}
	}
}

// decide is look's switch, on what it loaded. It returns the next step.
func (s *modelStream) decide(free []modelStep, mutant string) modelStep {
	c := s.chunk(s.head)
	switch {
	case s.seen > s.headAt:
		return 0
	case s.seen < s.headAt:
		s.broken = "consumed beyond what was published"
		return 0
	case s.next != 0, mutant == freeUnsealed && s.seen == modelRoom:
		return free[0]
	}
	once, published := c.once, s.seen > 0
	if mutant == releaseFilling {
		once = true
	} else if mutant == releaseUnfilledOnce {
		published = true
	}
	if c.held && once && published {
		return releaseBuf
	}
	return 0
}

// release drops the head's Buf unless it was.
func (s *modelStream) release() { s.chunk(s.head).held = false }

// checkOctets reads octets of a chunk, which must be those from want on.
func (s *modelStream) checkOctets(name, from, end, want int8) {
	c := s.chunk(name)
	if !c.used || !c.held {
		s.broken = "the consumer read a Buf that was released"
	}
	for at := from; at < end; at++ {
		if c.octets[at] != want {
			s.broken = "the consumer read the wrong octets"
		}
		want++
	}
	if s.pStep == fillOctets && s.tail == name && from <= s.tailAt && s.tailAt < end {
		s.broken = "both sides are at the same octets"
	}
}

// consume returns what the next step of a consumer that advances message by
// message may lead to.
func (s modelStream) consume(mutant string) []modelStream {
	var all []modelStream
	if s.cStep == 0 && s.read < s.consumed { // it credits when it likes
		t := s
		t.read = t.consumed
		all = append(all, t)
	}
	if s.cStep == 0 && s.seen > s.headAt {
		s.checkOctets(s.head, s.headAt, s.headAt+2, 2*s.consumed+1)
		s.headAt += 2
		s.consumed++
	} else {
		s.look(mutant)
	}
	return append(all, s)
}

// wrong says what is wrong with s whoever the consumer is.
func (s modelStream) wrong() string {
	switch {
	case s.broken != "":
		return s.broken
	case s.written-s.consumed > modelLimit:
		return "more messages wait than the high-water mark allows"
	}
	return ""
}

// over reports whether everything was consumed and every chunk but the last
// recycled.
func (s modelStream) over() bool {
	used := 0
	for _, c := range s.chunks {
		if c.used {
			used++
		}
	}
	return s.consumed == modelMessages && s.read == s.consumed && s.cStep == 0 && s.head == s.tail && used == 1
}

func TestStreamModel(t *testing.T) {
	build := func(mutant string) model[modelStream] {
		return model[modelStream]{
			actors: []actor[modelStream]{
				{"P", func(s modelStream) []modelStream { return s.produce(mutant) }},
				{"C", func(s modelStream) []modelStream { return s.consume(mutant) }},
			},
			broken: modelStream.wrong,
			done:   modelStream.over,
		}
	}
	testModel(t, build, []string{
		publishBeforeFill, publishAfterSeal, fullLooksAhead, lookPublishedFirst,
		freeUnsealed, poolBeforeReset, releaseFilling, releaseUnfilledOnce,
	})
}
