package feed

import (
	"testing"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/tools/itch"
)

// order is a message of a stock with the locate code given.
func order(locate uint16) []byte {
	return itch.Append(nil, &itch.OrderDelete{Header: itch.Header{Locate: locate, Time: 1}, Ref: 1})
}

// message is what the publisher would send of it.
func message(topic itch.Stock, seq uint64, stamp int64, body []byte) *socket.Message {
	var h [headerLength]byte
	putHeader(&h, seq, stamp)
	return socket.NewMessage(topic[:], h[:], body)
}

func TestParse(t *testing.T) {
	topic := stocks("ABC")[0]
	m := message(topic, 7, 12345, order(3))
	d, err := parse(m)
	if err != nil || d.topic != topic || d.seq != 7 || d.stamp != 12345 || d.body.Locate() != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := parse(message(endTopic, 0, 0, nil)); err != nil || d.topic != endTopic {
		t.Errorf("the publisher's own: %+v, %v", d, err)
	}
	header := make([]byte, headerLength)
	for name, m := range map[string]*socket.Message{
		"no body":        socket.NewMessage(topic[:], header),
		"a frame more":   socket.NewMessage(topic[:], header, order(1), nil),
		"a short topic":  socket.NewMessage(topic[:7], header, order(1)),
		"a short header": socket.NewMessage(topic[:], header[:15], order(1)),
		"a short body":   socket.NewMessage(topic[:], header, order(1)[:18]),
		"an empty body":  socket.NewMessage(topic[:], header, nil),
	} {
		if d, err := parse(m); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestTopics(t *testing.T) {
	var ts topics
	abc := stocks("ABC")[0]
	for _, c := range []struct {
		m    itch.Message
		want string
	}{
		{&itch.SystemEvent{Event: 'O'}, "*"},
		{&itch.OrderDelete{Header: itch.Header{Locate: 2}}, "#2"},                // not introduced yet
		{&itch.StockDirectory{Header: itch.Header{Locate: 2}, Stock: abc}, "#2"}, // too late: it has numbers
		{&itch.OrderDelete{Header: itch.Header{Locate: 2}}, "#2"},
		{&itch.StockDirectory{Header: itch.Header{Locate: 3}, Stock: abc}, "ABC"},
		{&itch.OrderDelete{Header: itch.Header{Locate: 3}}, "ABC"},
		{&itch.OrderDelete{Header: itch.Header{Locate: 65535}}, "#65535"},
		{&itch.AddOrder{Header: itch.Header{Locate: 9}, Stock: stocks("XYZ")[0]}, "XYZ"},
		{&itch.AddOrder{Stock: stocks("XYZ")[0]}, "*"}, // without a code it is not of a stock
		{&itch.SystemEvent{Event: 'C'}, "*"},
	} {
		if got, err := ts.of(itch.Append(nil, c.m)); err != nil || got.String() != c.want {
			t.Errorf("%v of locate %d has the topic %v, %v, not %s", c.m.Type(), itch.Raw(itch.Append(nil, c.m)).Locate(), got, err, c.want)
		}
	}
	other := itch.Append(nil, &itch.StockDirectory{Header: itch.Header{Locate: 3}, Stock: stocks("XYZ")[0]})
	if got, err := ts.of(other); err == nil || err.Error() != "locate code 3 is ABC's and then XYZ's: that is more than one day" {
		t.Errorf("a locate code that changes hands: %v, %v", got, err)
	}
}

// count feeds numbers of one topic to a subscriber and returns its tally.
func count(s *subscriber, locate uint16, numbers ...uint64) tally {
	var msgs []*socket.Message
	for _, n := range numbers {
		msgs = append(msgs, message(stocks("ABC")[0], n, 0, order(locate)))
	}
	s.take(msgs, 1000)
	return s.tally
}

func TestLossIsSeen(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []uint64
		want    tally
	}{
		{"nothing", nil, tally{}},
		{"all there", []uint64{1, 2, 3}, tally{messages: 3}},
		{"one missing", []uint64{1, 3}, tally{messages: 2, dropped: 1, gaps: 1}},
		{"the first missing", []uint64{4, 5}, tally{messages: 2, dropped: 3, gaps: 1}},
		{"two gaps", []uint64{1, 5, 6, 8}, tally{messages: 4, dropped: 4, gaps: 2}},
		{"one twice", []uint64{1, 2, 2, 3}, tally{messages: 3, wrong: 1}},
		{"out of order", []uint64{1, 3, 2, 4}, tally{messages: 3, dropped: 1, gaps: 1, wrong: 1}},
		{"number zero", []uint64{0, 1}, tally{messages: 1, wrong: 1}},
	} {
		s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
		got := count(s, 5, c.numbers...)
		c.want.octets = int64(len(c.numbers)) * (8 + headerLength + 19)
		if got != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, got, c.want)
		}
	}
}

// Each topic has numbers of its own.
func TestTopicsAreNumberedApart(t *testing.T) {
	s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
	count(s, 1, 1, 2)
	count(s, 300, 1)
	if got := count(s, 1, 3); got.dropped != 0 || got.wrong != 0 || got.messages != 4 {
		t.Errorf("%+v", got)
	}
}

func TestLossAtTheEnd(t *testing.T) {
	var ts topics
	names := stocks("AAA", "BBB", "CCC")
	for i, name := range names {
		ts.learn(itch.Append(nil, &itch.StockDirectory{Header: itch.Header{Locate: uint16(i + 1)}, Stock: name}))
	}
	if market, err := ts.of(itch.Append(nil, &itch.SystemEvent{})); err != nil || market != marketTopic {
		t.Fatal(market, err)
	}
	sent := []uint64{2, 10, 20, 30} // the market, AAA, BBB, CCC
	for _, c := range []struct {
		name   string
		choice choice
		want   tally
	}{
		// Each got numbers 1 to 4 of locate code 2, which is BBB.
		{"all", choice{all: true}, tally{messages: 4, dropped: 2 + 10 + 16 + 30, gaps: 4}},
		{"BBB", choice{stocks: names[1:2]}, tally{messages: 4, dropped: 2 + 16, gaps: 2}},
	} {
		s := newSubscriber(nil, c.choice, newGate(1), newGate(1))
		count(s, 2, 1, 2, 3, 4)
		s.settle(sent, &ts)
		if s.octets = 0; s.tally != c.want {
			t.Errorf("%s: %+v, not %+v", c.name, s.tally, c.want)
		}
		s.settle([]uint64{0, 0, 4, 0}, &ts)
		if s.tally != c.want {
			t.Errorf("%s: nothing is missing, and the tally became %+v", c.name, s.tally)
		}
	}
}

// A gate counts each subscriber once, however often it is told.
func TestJoinAndEnd(t *testing.T) {
	joined, ended := newGate(2), newGate(1)
	a := newSubscriber(nil, choice{all: true}, joined, ended)
	b := newSubscriber(nil, choice{all: true}, joined, newGate(1))
	own := func(s *subscriber, topic itch.Stock) { s.take([]*socket.Message{message(topic, 0, 0, nil)}, 0) }
	own(a, endTopic) // of a phase before: it has not joined this one
	own(a, joinTopic)
	own(a, joinTopic)
	select {
	case <-joined.open:
		t.Fatal("one has joined, and the gate for two is open")
	default:
	}
	own(b, joinTopic)
	<-joined.open
	own(a, endTopic)
	own(a, endTopic)
	<-ended.open
	if a.tally != (tally{}) {
		t.Errorf("the publisher's own messages were counted: %+v", a.tally)
	}
}

func TestMalformedMessagesAreCounted(t *testing.T) {
	s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
	s.take([]*socket.Message{socket.NewMessage([]byte("hello"))}, 0)
	if s.tally != (tally{wrong: 1}) {
		t.Errorf("%+v", s.tally)
	}
}

func TestLatencyIsFromTheStamp(t *testing.T) {
	s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
	abc := stocks("ABC")[0]
	s.take([]*socket.Message{message(abc, 1, 1000, order(1)), message(abc, 2, 1900, order(1)), message(abc, 3, 2500, order(1))}, 2000)
	into := newHistogram()
	s.look(into)
	// 1000, 100 and, from clocks that disagree, -500, which counts as nothing.
	if l := latencyOf(into); into.TotalCount() != 3 || l.P50 != 100 || l.Max < 990 || l.Max > 1010 || into.Min() > 1 {
		t.Errorf("%+v of %d", l, into.TotalCount())
	}
	again := newHistogram()
	s.look(again)
	if again.TotalCount() != 0 || s.total.TotalCount() != 3 {
		t.Errorf("%d at the second look and %d in all", again.TotalCount(), s.total.TotalCount())
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
	count(s, 10, 1)
	d := delivery{topic: stocks("ABC")[0], body: order(10)}
	n := testing.AllocsPerRun(100, func() {
		d.seq = s.next[10]
		s.count(d, 1)
	})
	if n > 0 {
		t.Errorf("%v allocations a message", n)
	}
}
