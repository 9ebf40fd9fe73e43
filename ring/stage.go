package ring

// stageOctets is how much a stage holds: the lines of a batch of small messages,
// which stay in the producer's first cache.
const stageOctets = 8 << 10

// A stage is where the producer puts messages that it publishes by the batch,
// before Publish copies them to a chunk. A chunk's cache lines are the consumer's,
// who read there last, and to take one over costs far more than to write to
// it. That is for nothing as long as stores are only buffered, but any locked
// instruction, such as a mutex has, waits for all of them. So with a lock for each
// message the producer would wait for each message's lines, one after the other;
// from a stage it writes those of a batch at once.
//
// While there is a stage the Stream's room is the stage, and tail keeps what was
// known of the tail's own.
type stage struct {
	buf  *Buf
	tail struct {
		room     []byte
		at       int
		messages uint32
	}
}

// Stage publishes what was filled, and stages what is filled from here on, until
// Unstage or until something comes that is too large or is not copied. The
// producer's to call. It pays if the producer takes a lock for each message, the
// consumer runs on another processor, and Publish is called for many.
func (s *Stream) Stage() {
	s.Publish()
	if s.stage.buf == nil {
		s.setStage(NewBuf(stageOctets))
	}
}

// Unstage publishes what was filled and ends staging. The producer's to call.
func (s *Stream) Unstage() {
	if s.stage.buf != nil {
		s.unload().Release()
	}
}

// setStage makes buf, which is empty, the room.
func (s *Stream) setStage(buf *Buf) {
	s.stage.buf = buf
	t := &s.stage.tail
	t.room, t.at, t.messages = s.room, s.tailAt, s.tailMsgs
	s.room, s.tailAt, s.tailMsgs, s.tailSeen = buf.Data, 0, 0, 0
}

// unload publishes what is on the stage and makes the tail's own room the room
// again. It returns the stage.
func (s *Stream) unload() *Buf {
	octets, messages := s.room[:s.tailAt], s.tailMsgs
	buf, t := s.stage.buf, &s.stage.tail
	s.room, s.tailAt, s.tailMsgs, s.tailSeen = t.room, t.at, t.messages, t.messages
	s.stage = stage{}
	if messages > 0 {
		copy(s.Reserve(len(octets)), octets)
		s.tailAt += len(octets)
		s.tailMsgs += messages
		s.Publish()
	}
	return buf
}
