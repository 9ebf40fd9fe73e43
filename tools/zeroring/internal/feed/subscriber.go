package feed

import (
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
	sub    *socket.Sub
	choice choice
	slow   bool
	hurry  atomic.Bool // be slow no longer: publishing is over
	joined *gate       // passed at the first message that says so
	ended  *gate

	mu sync.Mutex // guards all below; taken once a batch
	tally
	fresh *hdrhistogram.Histogram // latencies since the last look
	total *hdrhistogram.Histogram // latencies before that
	next  []uint64                // expected number, by locate code
	state int
	err   error
}

// A subscriber's states: waiting --join--> counting --end--> done.
const (
	waiting = iota
	counting
	done
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
	return &subscriber{sub: sub, choice: c, joined: joined, ended: ended, fresh: newHistogram(), total: newHistogram()}
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
		d, err := parse(m)
		switch {
		case err != nil:
			s.wrong++
		case len(d.body) == 0:
			s.own(d)
		default:
			s.count(d, at)
			s.octets += int64(m.Size())
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
		s.ended.pass()
	}
}

// count accounts for one message.
func (s *subscriber) count(d delivery, at int64) {
	locate := int(d.body.Locate())
	for locate >= len(s.next) {
		s.next = append(s.next, 1)
	}
	want := s.next[locate]
	if d.seq < want {
		s.wrong++
		return
	}
	if d.seq > want {
		s.gaps++
		s.dropped += int64(d.seq - want)
	}
	s.next[locate] = d.seq + 1
	s.messages++
	record1(s.fresh, at-d.stamp)
}

// settle compares with what was sent in the end, which is when messages count
// that were dropped with none of the same topic after them. sent has the last
// number by locate code, and topics the codes' symbols.
func (s *subscriber) settle(sent []uint64, t *topics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := map[string]bool{string(marketTopic[:]): true}
	for _, stock := range s.choice.stocks {
		mine[string(stock[:])] = true
	}
	for locate, last := range sent {
		topic := t.byLocate[locate]
		if !s.choice.all && !mine[string(topic[:])] {
			continue
		}
		next := uint64(1)
		if locate < len(s.next) {
			next = s.next[locate]
		}
		if last+1 > next {
			s.gaps++
			s.dropped += int64(last + 1 - next)
		}
	}
}

// look returns the tally so far. It adds the latencies since the last look to
// recent, and to those of before.
func (s *subscriber) look(recent *hdrhistogram.Histogram) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent.Merge(s.fresh)
	s.total.Merge(s.fresh)
	s.fresh.Reset()
	return s.tally
}
