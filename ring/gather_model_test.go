package ring

import "testing"

// The model of Gather, Shipped, Interrupted and Rewind: a consumer that writes
// to a connection which takes part of what it is offered and may break. Its
// producer and its look are those of the model of Stream.

// What the mutants of the gathering consumer do.
const (
	gatherPublishedFirst = "Gather loads published before next"
	gatherFromSeen       = "Gather takes of the head what was seen, and goes on to the next"
	shipCountsCut        = "Shipped counts a message that it cut"
	rewindNothing        = "a broken connection goes on in the middle of a message"
)

// The steps of the gathering consumer, beside those of look.
const (
	gatherNext modelStep = iota + 40
	gatherPublished
	writeOut
	shipped
)

const modelPieces = 2 // Gather's limit

// A modelGather is the gathering consumer.
type modelGather struct {
	modelStream

	step     modelStep // zero is between two calls, or in Gather's Peek
	walk     int8      // the chunk that Gather is at
	walkNext int8
	from     int8
	end      int8
	pieces   [modelPieces]modelPiece
	count    int8 // of pieces

	shipped  int8 // octets, since the beginning
	left     int8 // octets, of what Shipped was called with
	headMsgs int8
	broke    bool // the connection did, once
}

// A modelPiece is a slice that Gather returned.
type modelPiece struct{ chunk, from, end int8 }

// consume returns what the consumer's next step may lead to.
func (s modelGather) consume(mutant string) []modelGather {
	switch s.step {
	case gatherNext, gatherPublished:
		s.gather(mutant)
		return []modelGather{s}
	case writeOut:
		return s.write(mutant)
	}
	var all []modelGather
	if s.cStep == 0 && s.step == 0 {
		all = s.between(mutant)
	}
	switch {
	case s.cStep != 0 || s.seen == s.headAt:
		was, head := s.cStep, s.head
		s.look(mutant)
		if s.head != head {
			s.headMsgs = 0
		} else if s.step == shipped && was == loadPublished && s.cStep == 0 && s.seen == s.headAt {
			s.broken = "shipped more than was gathered"
		}
	case s.step == shipped:
		s.ship(mutant)
	default:
		s.walk, s.from, s.count, s.step = s.head, s.headAt, 0, gatherNext
		if mutant == gatherPublishedFirst {
			s.step = gatherPublished
		}
	}
	return append(all, s)
}

// between returns what else the consumer may do between two calls: credit, or
// find that the connection broke and rewind to the start of a message.
func (s modelGather) between(mutant string) (all []modelGather) {
	if s.read < s.consumed {
		t := s
		t.read = t.consumed
		all = append(all, t)
	}
	if !s.broke && s.head != 0 && s.chunk(s.head).held {
		t := s
		t.broke = true
		cut := t.headAt % 2
		if mutant == rewindNothing {
			cut = 0
		}
		t.headAt -= cut
		t.shipped -= cut
		if t.shipped%2 != 0 {
			t.broken = "the next connection starts inside a message"
		}
		all = append(all, t)
	}
	return all
}

// gather makes Gather's next step at the chunk it walks.
func (s *modelGather) gather(mutant string) {
	last := gatherPublished
	if mutant == gatherPublishedFirst {
		last = gatherNext
	}
	if s.step == gatherNext {
		s.walkNext = s.chunk(s.walk).next
	} else {
		s.end = s.chunk(s.walk).published
		if mutant == gatherFromSeen && s.walk == s.head {
			s.end = s.seen
		}
	}
	if s.step != last {
		s.step = gatherNext + gatherPublished - s.step
		return
	}
	if s.end > s.from {
		s.pieces[s.count] = modelPiece{s.walk, s.from, s.end}
		s.count++
	}
	s.walk, s.from, s.step = s.walkNext, 0, gatherNext+gatherPublished-last
	if s.walk == 0 || s.count == modelPieces {
		s.step = writeOut
	}
}

// write returns the states in which the connection took one octet, or two, and
// so on to all.
func (s modelGather) write(mutant string) (all []modelGather) {
	want := s.shipped + 1
	for _, p := range s.pieces[:s.count] {
		s.checkOctets(p.chunk, p.from, p.end, want)
		want += p.end - p.from
	}
	for n := int8(1); n <= want-s.shipped-1; n++ {
		t := s
		t.left, t.step = n, shipped
		t.pieces, t.count, t.walkNext, t.end = [modelPieces]modelPiece{}, 0, 0, 0
		t.shipped += n
		all = append(all, t)
	}
	return all
}

// ship is one turn of Shipped's loop, with octets at the head.
func (s *modelGather) ship(mutant string) {
	if waits := s.seen - s.headAt; s.left < waits {
		s.headAt += s.left
		if mutant == shipCountsCut {
			s.consumedTo((s.headAt + 1) / 2)
		}
		s.left, s.step = 0, 0
		return
	}
	s.left -= s.seen - s.headAt
	s.headAt = s.seen
	s.consumedTo(s.headAt / 2)
	if s.left == 0 {
		s.step = 0
	}
}

// consumedTo counts the messages of the head as consumed, up to messages.
func (s *modelGather) consumedTo(messages int8) {
	s.consumed += messages - s.headMsgs
	s.headMsgs = messages
}

func TestGatherModel(t *testing.T) {
	build := func(mutant string) model[modelGather] {
		return model[modelGather]{
			actors: []actor[modelGather]{
				{"P", func(s modelGather) (all []modelGather) {
					for _, next := range s.produce(mutant) {
						t := s
						t.modelStream = next
						all = append(all, t)
					}
					return all
				}},
				{"C", func(s modelGather) []modelGather { return s.consume(mutant) }},
			},
			broken: func(s modelGather) string {
				if 2*s.consumed > s.shipped {
					return "a message counts as consumed that was not shipped whole"
				}
				return s.wrong()
			},
			done: func(s modelGather) bool { return s.over() && s.step == 0 && s.shipped == 2*modelMessages },
		}
	}
	testModel(t, build, []string{
		gatherPublishedFirst, gatherFromSeen, shipCountsCut, rewindNothing,
		lookPublishedFirst, releaseFilling, releaseUnfilledOnce,
	})
}
