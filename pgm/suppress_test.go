package pgm

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A crowd is a source and so many receivers that each event of each one would
// take too long. All lose the same packets and nothing else is lost, so each loss
// is settled at once: whose back-off ends before the first NCF can have come
// sends a NAK, and all get the NCF and the RDATA.
type crowd struct {
	epoch     time.Time
	now       time.Duration
	dice      *rand.Rand
	source    *Source
	receivers []*Receiver
	delays    []time.Duration // one way, of each receiver
	first     time.Duration   // from the loss to the first NAK, the sum of all
	buf       []byte
}

func newCrowd(receivers, advertised int, rtt, advertisedRTT time.Duration) *crowd {
	c := &crowd{epoch: time.Unix(1e9, 0), dice: rand.New(rand.NewPCG(*simSeed, uint64(rtt))), buf: make([]byte, 2000)}
	c.source = NewSource(SourceConfig{
		TSI: testTSI, NLA: simNLA, Group: simGroup, Receivers: advertised, RTT: advertisedRTT,
	}, c.epoch)
	for range receivers {
		c.receivers = append(c.receivers, NewReceiver(ReceiverConfig{
			TSI: testTSI, Source: simNLA, Group: simGroup, Dice: c.dice.Float64,
		}, c.epoch))
		c.delays = append(c.delays, time.Duration((0.25+0.25*c.dice.Float64())*float64(rtt)))
	}
	return c
}

// deliver hands a packet that is sent at the time at to all receivers.
func (c *crowd) deliver(packet []byte, at time.Duration) {
	h, body, err := ConsumeHeader(packet)
	if err != nil {
		panic(err)
	}
	for i, r := range c.receivers {
		if err := r.Handle(c.epoch.Add(at+c.delays[i]), &h, body); err != nil {
			panic(err)
		}
		for r.Next().Kind != 0 {
		}
	}
}

// send has the source send all it has, and the packets reach all but those of the
// lost number.
func (c *crowd) send(lost SQN, lose bool) (rdata int) {
	for {
		packet, _ := c.source.Next(c.epoch.Add(c.now), c.buf)
		if packet == nil {
			return rdata
		}
		h, body, _ := ConsumeHeader(packet)
		if h.Type == TypeODATA && lose {
			var o Options
			if d, _ := ConsumeData(&h, body, &o); d.SQN == lost {
				continue
			}
		}
		if h.Type == TypeRDATA {
			rdata++
		}
		c.deliver(packet, c.now)
	}
}

// lose has everybody miss one packet, and returns how many NAKs that takes, and
// after how long it is repaired for the last receiver.
func (c *crowd) lose(t *testing.T) (naks int, repaired time.Duration) {
	c.now += time.Second
	sent := c.now
	c.source.Send(c.epoch.Add(c.now), []byte("lost"))
	c.send(c.source.txw.lead, true)
	c.source.Send(c.epoch.Add(c.now), []byte("shows it"))
	c.send(0, false)
	// The first NAK to arrive stops all others as soon as its NCF is there.
	first := time.Duration(1<<63 - 1)
	for i, r := range c.receivers {
		first = min(first, r.Deadline().Sub(c.epoch)+c.delays[i])
	}
	type arrival struct {
		at     time.Duration
		packet []byte
	}
	var arrivals []arrival
	for i, r := range c.receivers {
		deadline := r.Deadline()
		if deadline.Sub(c.epoch) > first+c.delays[i] {
			continue
		}
		packet, _, _ := r.Output(deadline, nil)
		arrivals = append(arrivals, arrival{deadline.Sub(c.epoch) + c.delays[i], packet})
	}
	slices.SortFunc(arrivals, func(a, b arrival) int { return int(a.at - b.at) })
	c.first += first - sent
	rdata := 0
	for _, a := range arrivals {
		c.now = a.at
		h, body, _ := ConsumeHeader(a.packet)
		if err := c.source.Handle(c.epoch.Add(c.now), &h, body); err != nil {
			t.Fatal(err)
		}
		rdata += c.send(0, false)
	}
	if rdata != 1 {
		t.Errorf("%d NAKs brought %d repairs", len(arrivals), rdata)
	}
	return len(arrivals), first + slices.Max(c.delays) - sent
}

// TestSuppression is T18: how many NAKs a loss takes that all receivers share. What the
// engine does is also what the closed form says.
func TestSuppression(t *testing.T) {
	skipShort(t)
	for _, test := range []struct {
		receivers int
		losses    int
		rtt       time.Duration
	}{
		{3, 1000, 200 * time.Microsecond}, {10, 1000, 200 * time.Microsecond}, {1000, 300, 200 * time.Microsecond}, {10_000, 60, 200 * time.Microsecond},
		{3, 1000, 2 * time.Millisecond}, {10, 1000, 2 * time.Millisecond}, {1000, 300, 2 * time.Millisecond}, {10_000, 60, 2 * time.Millisecond},
		{3, 1000, 20 * time.Millisecond}, {10, 1000, 20 * time.Millisecond}, {1000, 300, 20 * time.Millisecond}, {10_000, 60, 20 * time.Millisecond},
	} {
		c := newCrowd(test.receivers, test.receivers, test.rtt, test.rtt)
		mean, p99, longest := c.measure(t, test.losses)
		want, wantFirst := (&closedForm{test.rtt, c.delays}).expect()
		first := c.first / time.Duration(test.losses)
		rtts := func(d time.Duration) float64 { return float64(d) / float64(test.rtt) }
		t.Logf("%5d receivers, RTT %v: %.2f NAKs a loss (form: %.2f), p99 %d, the first after %.2f RTT (%.2f), longest repair %.1f",
			test.receivers, test.rtt, mean, want, p99, rtts(first), rtts(wantFirst), rtts(longest))
		if !near(mean, want) || !near(float64(first), float64(wantFirst)) {
			t.Errorf("%d receivers, RTT %v, seed %d: %.2f NAKs, the first after %v; by the closed form %.2f and %v",
				test.receivers, test.rtt, *simSeed, mean, first, want, wantFirst)
		}
		if mean > 3 || p99 > 12 || longest > 25*test.rtt {
			t.Errorf("%d receivers, RTT %v: %.2f NAKs, p99 %d, repair %v", test.receivers, test.rtt, mean, p99, longest)
		}
	}
}

func (c *crowd) measure(t *testing.T, losses int) (mean float64, p99 int, longest time.Duration) {
	var all []int
	sum := 0
	for range losses {
		n, d := c.lose(t)
		all, sum, longest = append(all, n), sum+n, max(longest, d)
	}
	slices.Sort(all)
	return float64(sum) / float64(losses), all[(losses-1)*99/100], longest
}

// TestSuppressionLearnt: a source that is told nothing finds out, and one that is
// told too little or too much does no harm for long.
func TestSuppressionLearnt(t *testing.T) {
	const rtt = 200 * time.Microsecond
	for _, receivers := range []int{10, 1000} {
		c := newCrowd(receivers, 0, rtt, rtt)
		first, _ := c.lose(t)
		for range 200 {
			c.lose(t)
		}
		mean, p99, longest := c.measure(t, 200)
		t.Logf("%d receivers, not known: %d NAKs at the first loss, then %.2f, p99 %d, longest repair %v, %d advertised",
			receivers, first, mean, p99, longest, c.source.Stats().Receivers)
		if mean > 3 || p99 > 12 || longest > 25*rtt {
			t.Errorf("%d receivers: %.2f NAKs, p99 %d, repair %v", receivers, mean, p99, longest)
		}
	}
}

// TestSuppressionWrong: a source that is told the wrong number is not drowned.
func TestSuppressionWrong(t *testing.T) {
	skipShort(t)
	const rtt = 200 * time.Microsecond
	for _, test := range []struct {
		receivers, advertised int
		mean                  float64
		longest               time.Duration
	}{
		{1000, 100, 10, 20 * rtt}, {1000, 10_000, 3, 20 * rtt}, {10_000, 60, 100, 20 * rtt}, {10, 10_000, 3, 25 * rtt},
	} {
		c := newCrowd(test.receivers, test.advertised, rtt, rtt)
		mean, p99, longest := c.measure(t, 50)
		t.Logf("%d receivers, told %d: %.2f NAKs a loss, p99 %d, longest repair %v", test.receivers, test.advertised, mean, p99, longest)
		if mean > test.mean || longest > test.longest {
			t.Errorf("%d receivers, told %d: %.2f NAKs a loss, repair %v", test.receivers, test.advertised, mean, longest)
		}
	}
}
