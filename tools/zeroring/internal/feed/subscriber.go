package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/zeroring/zeroring/socket"
)

// A subscriber takes its choice of the feed and keeps account of it.
type subscriber struct {
	sub       *socket.Sub
	choice    choice
	slow      bool
	multicast bool
	stamped   bool        // messages say when they arrived
	hurry     atomic.Bool // be slow no longer: publishing is over
	joined    *gate       // passed at the first message that says so
	ended     *gate

	mu sync.Mutex // guards all below; taken once a batch
	tally
	fresh *hdrhistogram.Histogram // latencies since the last look
	total *hdrhistogram.Histogram // latencies before that
	next  []uint64                // expected number, by locate code
	state int
	err   error

	// Of one whose publisher is in another process.
	apart bool
	late  bool // came when there had been messages: the first number of a topic is taken for granted
	last  ends // what the publisher says in the end

	// Of multicast. A number that is skipped must have been reported as lost since the
	// message of its topic before; Message.Missed counts what was.
	heard   Hearing
	missed  uint64
	lostAt  []uint64                // missed, at the last message by locate code
	arrival *hdrhistogram.Histogram // from stamp to kernel, with timestamps
}

// A subscriber's states: waiting --join--> counting --end--> done, or cutOff from
// either of the first two when it is not waited for any longer.
const (
	waiting = iota
	counting
	done
	cutOff
)

// A tally counts messages.
type tally struct {
	messages int64
	octets   int64 // of all three frames
	dropped  int64 // numbers that were skipped, or never came
	gaps     int64 // how often numbers were skipped
	wrong    int64 // messages that are malformed, repeated or out of order
}

func newSubscriber(sub *socket.Sub, c choice, joined, ended *gate) *subscriber {
	return &subscriber{sub: sub, choice: c, joined: joined, ended: ended, fresh: newHistogram(), total: newHistogram(), arrival: newHistogram()}
}

// subscribe asks for the choice, and for the publisher's own topics last.
func (s *subscriber) subscribe() error {
	wanted := [][]byte{marketTopic[:]}
	if s.choice.all {
		wanted = [][]byte{{}}
	}
	for i := range s.choice.stocks {
		wanted = append(wanted, s.choice.stocks[i][:])
	}
	wanted = append(wanted, []byte(ownTopics))
	for _, topic := range wanted {
		if err := s.sub.Subscribe(topic); err != nil {
			return fmt.Errorf("subscribe to %q: %w", topic, err)
		}
	}
	return nil
}

// batch is how many messages are taken at once; slowness is how long a slow
// subscriber takes over each.
const (
	batch    = 256
	slowness = 50 * time.Microsecond
)

// run receives until ctx ends or the socket is closed.
func (s *subscriber) run(ctx context.Context) {
	msgs := make([]*socket.Message, batch)
	if s.slow {
		msgs = msgs[:16] // so that it sleeps little and often
	}
	for {
		n, err := s.sub.RecvBatch(ctx, msgs)
		if err != nil {
			if !errors.Is(err, socket.ErrClosed) && ctx.Err() == nil {
				s.mu.Lock()
				s.err = err
				s.mu.Unlock()
			}
			return
		}
		s.take(msgs[:n], now())
		if s.slow && !s.hurry.Load() {
			time.Sleep(time.Duration(n) * slowness)
		}
	}
}

// take accounts for messages received at one time, and releases them.
func (s *subscriber) take(msgs []*socket.Message, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range msgs {
		s.missed += uint64(m.Missed())
		d, err := parse(m)
		switch {
		case err != nil:
			s.wrong++
		case d.own():
			s.own(d)
		default:
			s.count(d, at)
			s.octets += int64(m.Size())
			if s.stamped {
				record1(s.arrival, m.Received().UnixNano()-d.stamp)
			}
		}
		m.Release()
	}
}

// own handles the publisher's own topics, which come repeatedly.
func (s *subscriber) own(d delivery) {
	switch {
	case d.topic == joinTopic && s.state == waiting:
		s.state = counting
		s.joined.pass()
	case d.topic == endTopic && s.state == counting:
		s.state = done
		s.last.parse(d.body)
		s.ended.pass()
	}
}

// count accounts for one message.
func (s *subscriber) count(d delivery, at int64) {
	if s.apart && s.state == waiting {
		s.late, s.state = true, counting
		s.joined.pass()
	}
	locate := int(d.body.Locate())
	for locate >= len(s.next) {
		s.next, s.lostAt = append(s.next, s.first()), append(s.lostAt, 0)
	}
	want := s.next[locate]
	if want == 0 {
		want = d.seq
	}
	if d.seq < want {
		s.wrong++
		return
	}
	if d.seq > want {
		s.skipped(d.seq-want, s.lostAt[locate])
	}
	s.next[locate], s.lostAt[locate] = d.seq+1, s.missed
	s.messages++
	record1(s.fresh, at-d.stamp)
}

// first is the number that a topic is expected to begin with, or 0 for any.
func (s *subscriber) first() uint64 {
	if s.late {
		return 0
	}
	return 1
}

// skipped accounts for numbers of one topic that never came. missed is what had been
// reported lost when the topic was whole.
func (s *subscriber) skipped(numbers, missed uint64) {
	s.gaps++
	s.dropped += int64(numbers)
	if s.multicast && s.missed == missed && s.state != cutOff {
		s.heard.Unreported += int64(numbers)
	}
}

// settle compares with what was sent in the end, which is when messages count
// that were dropped with none of the same topic after them. sent has the last
// number by locate code, and topics the codes' symbols.
func (s *subscriber) settle(sent []uint64, t *topics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != done && !s.apart {
		s.state, s.err = cutOff, cmp.Or(s.err, errCutOff)
	}
	mine := map[string]bool{string(marketTopic[:]): true}
	for _, stock := range s.choice.stocks {
		mine[string(stock[:])] = true
	}
	for locate, last := range sent {
		topic := t.byLocate[locate]
		if !s.choice.all && !mine[string(topic[:])] {
			continue
		}
		next, missed := s.first(), uint64(0)
		if locate < len(s.next) {
			next, missed = s.next[locate], s.lostAt[locate]
		}
		if next > 0 && last+1 > next {
			s.skipped(last+1-next, missed)
		}
	}
}

// look returns the tally so far, and what multicast has heard. It adds the latencies
// since the last look to recent, and to those of before.
func (s *subscriber) look(recent *hdrhistogram.Histogram) sight {
	s.listen()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := sight{s.tally, s.heard, latencyOf(s.fresh), s.state > waiting}
	recent.Merge(s.fresh)
	s.total.Merge(s.fresh)
	s.fresh.Reset()
	return now
}

// errCutOff is the trouble of a subscriber that had not got everything when all was
// over. What is missing may have been on its way.
var errCutOff = errors.New("the end of the feed had not come yet")

// A sight is what one look at a subscriber gives.
type sight struct {
	tally
	heard   Hearing
	latency Latency // since the look before
	hears   bool    // something has come
}
