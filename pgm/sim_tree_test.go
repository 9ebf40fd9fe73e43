package pgm

import (
	"encoding/binary"
	"flag"
	"slices"
	"testing"
	"time"
)

var simTree = flag.Bool("pgm.tree", false, "run the large trees, which tests alone do not")

// A tree is receivers behind switches behind a source. Packets, of whatever type, may be
// lost for all on the link from the source, for all behind one switch, or for one
// receiver. With a crybaby one receiver loses 30 %, and the rate has room for all but
// its repairs.
type tree struct {
	receivers, branches int
	packets             int
	rtt                 time.Duration
	crybaby             bool
}

const (
	treeShared  = 0.05 // loss of the first link
	treeBranch  = 0.1  // losses of a packet at all switches together
	treeLeaf    = 0.1  // and at all receivers together
	crybaby     = 3
	crybabyLoss = 0.3
)

// A treeResult is what became of losses. Times are from when a receiver noticed a loss
// until it had the repair.
type treeResult struct {
	naks     []int           // entries for each loss that all share
	repaired []time.Duration // of all but the crybaby, by the first RDATA
	again    []time.Duration // theirs, by a later one: the first was lost too
	noisy    []time.Duration // the crybaby's
}

func (c *tree) run(t *testing.T) *treeResult {
	interval := c.rtt / 4
	size := 256
	// Data, and half as much for repairs: a third of it for all losses but the
	// crybaby's.
	rate := 1.5 * float64(size+DataHeaderSize+20) / interval.Seconds()
	s := newSim(t, *simSeed, SourceConfig{Rate: int64(rate), Receivers: c.receivers, RTT: c.rtt}, c.receivers, ReceiverConfig{})
	c.grow(s)
	r := c.watch(s)
	s.run(c.packets, size, interval, time.Hour)
	for node := range s.receivers {
		if lost := s.receivers[node].lost; lost > 0 {
			t.Errorf("receiver %d: %d lost for good", node, lost)
		}
	}
	slices.Sort(r.naks)
	slices.Sort(r.repaired)
	slices.Sort(r.again)
	slices.Sort(r.noisy)
	return r
}

// grow sets the delays, a quarter to a half of an RTT each way, and the losses. They
// begin when all have joined.
func (c *tree) grow(s *sim) {
	begin := 4 * c.rtt
	losing := func(p float64) func(Type, time.Duration) bool {
		return func(_ Type, at time.Duration) bool { return at >= begin && s.dice.Float64() < p }
	}
	part := func(from, to float64) time.Duration {
		return time.Duration((from + (to-from)*s.dice.Float64()) * float64(c.rtt))
	}
	s.shared.delay, s.shared.drop = part(0.1, 0.1), losing(treeShared)
	s.branches = make([]link, c.branches)
	for b := range s.branches {
		s.branches[b].delay, s.branches[b].drop = part(0.1, 0.2), losing(treeBranch/float64(c.branches))
	}
	for node, r := range s.receivers {
		r.down.delay, r.down.drop = part(0.05, 0.2), losing(treeLeaf/float64(c.receivers))
		r.up.delay = s.shared.delay + s.branches[node%c.branches].delay + r.down.delay
	}
	if c.crybaby {
		s.receivers[crybaby].down.drop = losing(crybabyLoss)
	}
}

// A treeLoss is a packet that the first link has lost, and whose repair is not under way
// yet for longer than an RTT. What is asked for after that is another loss, as is the
// loss of the repair.
type treeLoss struct {
	place int           // in treeResult.naks
	until time.Duration // when NAKs that crossed the repair have come; zero: no repair yet
}

// watch counts what happens while s runs.
func (c *tree) watch(s *sim) *treeResult {
	r := &treeResult{}
	losses := map[SQN]*treeLoss{}
	sent := map[SQN]time.Duration{} // when the first RDATA of each was
	s.passed = func(packet []byte, lost bool) {
		h, body, _ := ConsumeHeader(packet)
		if h.Type != TypeODATA && h.Type != TypeRDATA {
			return
		}
		sqn := SQN(binary.BigEndian.Uint32(body))
		if _, ok := sent[sqn]; !ok && h.Type == TypeRDATA {
			sent[sqn] = s.now
		}
		if lost {
			losses[sqn] = &treeLoss{place: len(r.naks)}
			r.naks = append(r.naks, 0)
		} else if l := losses[sqn]; l != nil && l.until == 0 {
			l.until = s.now + c.rtt
		}
	}
	var o Options
	s.heard = func(node int, h *Header, body []byte) {
		switch {
		case node == simSource && h.Type == TypeNAK:
			k, err := ConsumeNAK(h, body, &o)
			if err != nil {
				s.fatalf("a NAK: %v", err)
			}
			for _, sqn := range append([]SQN{k.SQN}, o.NAKList()...) {
				if l := losses[sqn]; l != nil && (l.until == 0 || s.now <= l.until) {
					r.naks[l.place]++
				}
			}
		case node >= 0 && h.Type == TypeRDATA:
			sqn, w := SQN(binary.BigEndian.Uint32(body)), s.receivers[node].rxw
			if !w.has(sqn) || !w.at(sqn).missing() {
				return
			}
			p := w.at(sqn)
			took := s.now - p.missed
			switch {
			case c.crybaby && node == crybaby:
				r.noisy = append(r.noisy, took)
			case s.now-sent[sqn] > c.rtt/2:
				r.again = append(r.again, took)
			default:
				r.repaired = append(r.repaired, took)
			}
		}
	}
	return r
}

// trees are those of tests and, behind -pgm.tree, up to 10,000 receivers.
func trees() (list []tree) {
	for _, rtt := range []time.Duration{200 * time.Microsecond, 2 * ms, 20 * ms} {
		for _, noisy := range []bool{false, true} {
			list = append(list, tree{10, 2, 2000, rtt, noisy}, tree{300, 10, 600, rtt, noisy})
			if *simTree {
				list = append(list, tree{1000, 30, 2000, rtt, noisy}, tree{10_000, 100, 1000, rtt, noisy})
			}
		}
	}
	return list
}

// TestSimTree is T18 with losses of all kinds at once: a loss that all share takes few
// NAKs, and the first repair comes within 25 RTT. What one asks for beyond its share comes
// when it comes, also if others miss it and leave it to the one who asked first: these may
// take a second back-off, and no more. Without a crybaby hardly any have to.
func TestSimTree(t *testing.T) {
	skipShort(t)
	const within = 25
	for _, c := range trees() {
		r := c.run(t)
		sum := 0
		for _, n := range r.naks {
			sum += n
		}
		mean, p99 := float64(sum)/float64(len(r.naks)), r.naks[(len(r.naks)-1)*99/100]
		most, longest := c.rtts(r.repaired, 0.999), c.rtts(r.repaired, 1)
		t.Logf("%5d receivers, RTT %v, crybaby %v: %d shared losses, %.2f NAKs each, p99 %d; %d repairs within p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f RTT; of %d lost ones p99 %.1f; the crybaby's p50 %.1f, p99 %.1f",
			c.receivers, c.rtt, c.crybaby, len(r.naks), mean, p99, len(r.repaired), c.rtts(r.repaired, 0.5), c.rtts(r.repaired, 0.99), most, longest,
			len(r.again), c.rtts(r.again, 0.99), c.rtts(r.noisy, 0.5), c.rtts(r.noisy, 0.99))
		if mean > 3 || p99 > 12 || longest > 2*within || !c.crybaby && most > within {
			t.Errorf("%d receivers, RTT %v, crybaby %v, seed %d: %.2f NAKs a loss, p99 %d, repairs within %.1f RTT, the longest %.1f",
				c.receivers, c.rtt, c.crybaby, *simSeed, mean, p99, most, longest)
		}
	}
}

// rtts is a percentile of sorted times in round trips.
func (c *tree) rtts(all []time.Duration, p float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return float64(all[int(p*float64(len(all)-1))]) / float64(c.rtt)
}
