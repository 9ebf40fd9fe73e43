package multicast

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/socket"
)

// The loss matrix: a PUB of ours on host 1, and SUBs of ours on hosts 2 to 4, with a
// switch between them that does the packets harm. Each message is one packet, so that
// what is delivered and what is reported lost can be added up.
//
// The first message is the exception: its packet has OPT_SYN too.
const (
	sourceHost = 1
	receivers  = 3

	// warmUp is how many messages come before the faults: each receiver knows the
	// source then, and answers for all that follows.
	warmUp = 10

	// packetMessage is the size of a message that fills a packet of epgm: 1428 octets
	// of payload less the offset and the longer header of a frame. There are 8 more
	// in one of pgm.
	packetMessage = 1428 - 2 - 10
)

// Whether a cell's data may be lost for good.
type lossiness uint8

const (
	lossless lossiness = iota // the source can repair all of it
	lossy                     // some of it must be lost at one receiver at least
)

// A lossCell is one cell of the matrix. Zeros mean epgm, a second of 2000 messages
// a second, and nothing lost.
type lossCell struct {
	name      string
	faults    string // of frames to all receivers, and to the source; rules are parted by /
	to2       string // instead, to the first receiver only
	raw       bool   // pgm
	fromStart bool   // the faults are there before the source is
	rate      int
	count     int
	size      int
	lost      lossiness
	p50, p99  time.Duration // of each receiver at most; zero means ten seconds
	pub, sub  socket.MulticastOptions
	hwm       int // of receivers
	recvBuf   int
	pausing   pause // of the first receiver
	steps     []lossStep
}

// A lossStep is what happens once so much has been sent.
type lossStep struct {
	at float64 // part of all messages
	do func(l *lab.Lab) error
}

// faultsAt sets the faults of all hosts.
func faultsAt(at float64, faults string) lossStep {
	return lossStep{at, func(l *lab.Lab) error { return setAll(l, faults) }}
}

// blackout cuts the first receiver off, or joins it again.
func blackout(at float64, on bool) lossStep {
	return lossStep{at, func(l *lab.Lab) error { return l.Blackout(sourceHost+1, on) }}
}

func parseRules(rules string) (list []lab.Faults, err error) {
	for rule := range strings.SplitSeq(rules, "/") {
		f, err := lab.ParseFaults(rule)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

func setAll(l *lab.Lab, rules string) error {
	list, err := parseRules(rules)
	if err != nil {
		return err
	}
	return l.SetAll(list...)
}

// A lossRun is a cell that runs.
type lossRun struct {
	t    *testing.T
	c    lossCell
	lab  *lab.Lab
	pub  *ourPub
	subs []*ourSub
	news []*lossNews
	base uint64 // packets of the first messages
}

// lossNews is what a SUB's events say, taken in by a goroutine of its own.
type lossNews struct {
	gaps    atomic.Int64 // packets
	dropped atomic.Int64 // events
	ended   chan error   // the source's end
}

func (n *lossNews) watch(t *testing.T, s *socket.Socket) {
	n.ended = make(chan error, 16)
	events := s.Events(t.Context())
	go func() {
		for ev := range events {
			n.dropped.Add(int64(ev.Dropped))
			switch ev.Kind {
			case socket.EventGap:
				n.gaps.Add(int64(ev.Gap.Packets()))
			case socket.EventDisconnected:
				n.ended <- ev.Err
			}
		}
	}()
}

func (c lossCell) filled() lossCell {
	if c.rate == 0 {
		c.rate = 2000
	}
	if c.rate < 0 {
		c.rate = 0
	}
	if c.count == 0 {
		c.count = 2000
	}
	if c.size == 0 {
		c.size = packetMessage
	}
	if c.p99 == 0 {
		c.p99 = 10 * time.Second
	}
	if c.p50 == 0 {
		c.p50 = c.p99
	}
	return c
}

// A lossResult is the line of a cell.
type lossResult struct {
	sent, lost            int // lost: at the receiver that lost most
	p50, p99, max         float64
	naks, repairs, decode uint64
	frames                uint64 // that the switch did harm to
	took                  time.Duration
}

func (r lossResult) String() string {
	return fmt.Sprintf("sent %d, lost %d, p50 %.2f ms, p99 %.2f ms, max %.1f ms, harmed %d, NAKed %d, repairs %d, decoded %d, %.2f s",
		r.sent, r.lost, r.p50/1e3, r.p99/1e3, r.max/1e3, r.frames, r.naks, r.repairs, r.decode, r.took.Seconds())
}

// run runs the cell and checks it.
func (c lossCell) run(t *testing.T, backend string, seed uint64) lossResult {
	c = c.filled()
	start := time.Now()
	r := &lossRun{t: t, c: c, lab: lab.Start(t, lab.Config{Hosts: 1 + receivers, Seed: seed})}
	t.Logf("backend %s", backend)
	r.open(backend)
	if c.fromStart {
		r.harm()
	}
	r.send(0, warmUp)
	r.await("the first messages", func(s *ourSub) bool { return s.got.Load() >= warmUp })
	r.base = r.pub.source().ODATA
	if !c.fromStart {
		r.harm()
	}
	r.sendSteps()
	if strings.Contains(c.faults+c.to2, "burst") {
		r.endFaults() // a burst is of so many frames, and few come now that could end it
	}
	r.await("all", func(s *ourSub) bool { return int(s.got.Load())+int(heardLost(s)) >= c.count })
	frames := r.harmed()
	r.end()
	result := r.judge()
	result.took, result.frames = time.Since(start), frames
	return result
}

func (r *lossRun) open(backend string) {
	n := net{transport: "epgm", backend: backend}
	if r.c.raw {
		n.transport = "pgm"
	}
	for i := range receivers {
		h := r.lab.Host(sourceHost + 1 + i)
		// More sources than there are, so that it goes on receiving.
		l := listening{count: r.c.count, sources: 2, hwm: r.c.hwm, recvBuf: r.c.recvBuf, options: r.c.sub}
		if i == 0 {
			l.pausing = r.c.pausing
		}
		s := startSub(r.t, h, newEngine(r.t, n.backend), n.address(h, ours), l)
		news := new(lossNews)
		news.watch(r.t, s.sock)
		r.subs, r.news = append(r.subs, s), append(r.news, news)
	}
	h := r.lab.Host(sourceHost)
	p := plan{source: 1, sizes: []int{r.c.size}, count: r.c.count, parts: 1, rate: r.c.rate}
	r.pub = startPub(r.t, h, newEngine(r.t, n.backend), n.address(h, ours), p, r.c.pub)
}

// harm begins the cell's faults.
func (r *lossRun) harm() {
	r.t.Helper()
	err := setAll(r.lab, r.c.faults)
	if err == nil && r.c.to2 != "" {
		var list []lab.Faults
		if list, err = parseRules(r.c.to2); err == nil {
			err = r.lab.SetFaults(sourceHost+1, list...)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *lossRun) send(first, last int) {
	r.t.Helper()
	if err := r.pub.send(r.t.Context(), first, last); err != nil {
		r.t.Fatal(err)
	}
}

// sendSteps sends all but the first messages, and takes the steps at their time.
func (r *lossRun) sendSteps() {
	next := warmUp
	for _, step := range r.c.steps {
		at := int(step.at * float64(r.c.count))
		r.send(next, at)
		next = at
		if err := step.do(r.lab); err != nil {
			r.t.Fatal(err)
		}
	}
	r.send(next, r.c.count)
}

// heardLost is how many packets a SUB says it has lost for good.
func heardLost(s *ourSub) (n uint64) {
	for _, p := range s.sock.Stats().Peers {
		if p.Multicast != nil {
			for _, h := range p.Multicast.Sources {
				n += h.Lost
			}
		}
	}
	return n
}

// await waits until something is so for each SUB.
func (r *lossRun) await(what string, done func(s *ourSub) bool) {
	r.t.Helper()
	for _, s := range r.subs {
		if await(func() bool { return done(s) }) {
			continue
		}
		for k, s := range r.subs {
			r.t.Errorf("host %d: %d received, %d lost: %s", sourceHost+1+k, s.got.Load(), heardLost(s), s.heard())
		}
		r.t.Fatalf("%s of %d have not come; the source: %+v", what, r.c.count, r.pub.source())
	}
}

// harmed is how many frames the switch did harm to. It checks that it lost none that
// it was not to.
func (r *lossRun) harmed() (n uint64) {
	r.t.Helper()
	for _, h := range r.lab.Hosts() {
		s, err := r.lab.Stats(h.Number())
		if err != nil {
			r.t.Fatal(err)
		}
		if s.Missed+s.Overflow+s.Refused > 0 {
			r.t.Errorf("host %d: the laboratory itself lost frames: %+v", h.Number(), s)
		}
		n += s.Lost + s.Bursts + s.Limited + s.Dark + s.Duplicated + s.Reordered + s.Corrupted
	}
	return n
}

func (r *lossRun) endFaults() {
	r.t.Helper()
	if err := r.lab.SetAll(); err != nil {
		r.t.Fatal(err)
	}
}

// end ends the faults and then the source, which all must hear of.
func (r *lossRun) end() {
	r.t.Helper()
	r.endFaults()
	if sent := int(r.pub.source().ODATA - r.base); sent != r.c.count-warmUp && r.c.pub.FEC.Group == 0 {
		r.t.Errorf("%d messages are not %d packets", r.c.count-warmUp, sent)
	}
	r.pub.stop()
	for i, n := range r.news {
		select {
		case err := <-n.ended:
			if !errors.Is(err, io.EOF) {
				r.t.Errorf("host %d: the source ended with %v", sourceHost+1+i, err)
			}
		case <-time.After(patience):
			r.t.Errorf("host %d has not heard that the source ended: %s", sourceHost+1+i, r.subs[i].heard())
		}
	}
}

// judge checks what each receiver has received.
func (r *lossRun) judge() lossResult {
	r.t.Helper()
	result := lossResult{sent: r.c.count}
	for i, s := range r.subs {
		lost := int(heardLost(s))
		heard := s.heard()
		for _, p := range s.sock.Stats().Peers {
			for _, h := range p.Multicast.Sources {
				result.naks += h.NAKEntries
				result.repairs += h.Repaired
				result.decode += h.Decoded
			}
		}
		s.stop()
		y := s.report().sources[1]
		result.lost = max(result.lost, lost)
		result.p50, result.p99, result.max = max(result.p50, y.p50), max(result.p99, y.p99), max(result.max, y.slowest)
		r.judgeOne(sourceHost+1+i, s, r.news[i], y, lost, heard)
	}
	if r.c.lost == lossy && result.lost == 0 {
		r.t.Errorf("nothing was lost for good")
	}
	return result
}

func (r *lossRun) judgeOne(host int, s *ourSub, news *lossNews, y tally, lost int, heard string) {
	r.t.Helper()
	c := &r.c
	wrong := func(format string, args ...any) {
		r.t.Helper()
		r.t.Errorf("host %d: %s: %+v\n%s", host, fmt.Sprintf(format, args...), y, heard)
	}
	if c.sub.ArrivalOrder {
		y.late = 0
	}
	switch {
	case y.duplicate != 0 || y.late != 0 || y.corrupt != 0 || y.torn != 0:
		wrong("what was delivered is not as it was sent")
	case c.lost == lossless && lost != 0:
		wrong("%d packets were lost that the source could repair", lost)
	case y.received+lost != c.count:
		wrong("%d delivered and %d lost are not %d", y.received, lost, c.count)
	case s.unmarked != 0:
		wrong("%d messages have a Missed that is not what was missing", s.unmarked)
	case news.dropped.Load() == 0 && int(news.gaps.Load()) != lost:
		wrong("the events tell of %d lost packets, not %d", news.gaps.Load(), lost)
	case testing.Short(): // the race detector's, with which nothing is fast
	case y.p99 > float64(c.p99.Microseconds()):
		wrong("p99 is %.0f µs, more than %v", y.p99, c.p99)
	case y.p50 > float64(c.p50.Microseconds()):
		wrong("p50 is %.0f µs, more than %v", y.p50, c.p50)
	}
}
