package bench

import (
	"fmt"
	"time"
)

// castReceiver receives what a source sends to a group, until the end of the
// stream or until that should have come long ago.
func (p *player) castReceiver() error {
	plan, err := parseSchedule(p.job.Phases)
	if err != nil {
		return err
	}
	h := &castEar{job: p.job, plan: plan, meter: p.meter, lane: p.meter.lane(), check: NewChecker(p.job.Stamp())}
	h.latencies, h.early, h.later = NewLatencies(), NewLatencies(), NewLatencies()
	h.in, h.during = make([]uint64, len(plan)), make([]uint64, len(plan)+1)
	open := func() (Link, error) {
		h.joined = monotonic()
		links, err := p.open(Subscriber, "", p.job.Connect)
		if err != nil {
			return nil, err
		}
		return links[0], nil
	}
	var link Link
	if p.job.Late == 0 {
		if link, err = open(); err != nil {
			return err
		}
	}
	if err := p.ready(); err != nil {
		return err
	}
	h.until = monotonic() + castLead.Nanoseconds() + p.job.Drain + h.length().Nanoseconds()
	if p.job.Late > 0 {
		sleepUntil(monotonic() + p.job.Late)
		if link, err = open(); err != nil {
			return err
		}
	}
	closer := time.AfterFunc(time.Duration(h.until-monotonic()), func() { _ = link.Close() })
	defer closer.Stop()
	if err := h.listen(link); err != nil {
		return err
	}
	p.results(h.got)
	h.say(p)
	p.tally(link)
	return nil
}

// A castEar is a receiver and what it has heard. What it has not heard is for a
// figure, and not a fault: but no message comes twice, late or corrupt.
type castEar struct {
	job    Job
	plan   schedule
	meter  *meter
	lane   *lane
	check  *Checker
	joined int64 // when it joined, by the monotonic clock
	until  int64 // when it gives up

	got, next uint64 // messages that came; the number that is due
	lost      uint64
	ended     bool

	// Of a stream with a schedule, whose message 0 was due at start.
	start, last   int64
	first, caught int64
	past          uint64
	silence       int64
	in, during    []uint64
	latencies     *Latencies
	early, later  *Latencies
	phaseEnd      uint64
	phase         int
}

// length is how long the source sends.
func (h *castEar) length() time.Duration {
	if len(h.plan) > 0 {
		return Cast{Phases: h.plan}.length()
	}
	return h.job.warmup() + h.job.duration()*9/8
}

// listen receives until the end.
func (h *castEar) listen(link Link) error {
	pause := int64(0)
	if h.job.Take > 0 {
		pause = int64(time.Second) / int64(h.job.Take)
	}
	for free := int64(0); ; {
		body, err := link.Recv()
		if err != nil {
			if monotonic() >= h.until {
				break // nobody has said that it ended
			}
			return fmt.Errorf("after %d messages: %w", h.got, err)
		}
		if n, ok := h.check.IsEnd(body); ok {
			h.lost += max(n, h.next) - h.next
			h.ended = true
			break
		}
		if err := h.take(body); err != nil {
			return err
		}
		if pause > 0 {
			now := monotonic()
			free = max(free, now-pause*takeBurst) + pause
			if free > now {
				sleepUntil(free)
			}
		}
	}
	h.lane.count.Store(h.got)
	h.quiet(min(monotonic(), h.start+h.length().Nanoseconds()))
	return nil
}

// takeBurst is how many messages a receiver of limited rate makes up for that it
// could have taken before.
const takeBurst = 16

// take takes in a message.
func (h *castEar) take(body []byte) error {
	seq, err := h.check.Seq(body, h.next, false)
	if err != nil {
		return err
	}
	if h.got > 0 {
		if seq < h.next {
			return fmt.Errorf("message %d came where %d was due", seq, h.next)
		}
		h.lost += seq - h.next
	}
	h.next = seq + 1
	if len(h.plan) > 0 {
		h.time(seq, h.check.Intended(body))
	} else if h.got == 0 {
		h.first = monotonic()
	}
	if h.meter.due(h.got) {
		h.lane.count.Store(h.got)
		h.meter.begin()
	}
	h.got++
	return nil
}

// time notes when message seq came, which was due at intended.
func (h *castEar) time(seq uint64, intended int64) {
	now := monotonic()
	if h.got == 0 {
		h.start = intended - h.plan.of(seq).due.Nanoseconds()
		h.first, h.last = now, max(h.start, h.joined)
		h.enter(seq)
	}
	h.quiet(now)
	for seq >= h.phaseEnd && h.phase < len(h.plan)-1 {
		h.enter(seq)
	}
	h.in[h.phase]++
	h.during[h.plan.at(time.Duration(now-h.start))]++
	if intended < h.joined {
		h.past++
	}
	if h.caught == 0 && now-intended < caughtUp.Nanoseconds() {
		h.caught = now
	}
	since := intended - h.start - h.job.Warmup
	if since < 0 || since >= h.job.Duration {
		return
	}
	h.latencies.Add(now-intended, 1)
	switch since * 3 / h.job.Duration {
	case 0:
		h.early.Add(now-intended, 1)
	case 2:
		h.later.Add(now-intended, 1)
	}
}

// caughtUp is the age of a message that is as new as any.
const caughtUp = 5 * time.Millisecond

// enter goes to the phase that message seq is of.
func (h *castEar) enter(seq uint64) {
	h.phase, h.phaseEnd = 0, 0
	for i, p := range h.plan {
		h.phase = i
		if h.phaseEnd += p.Messages(); seq < h.phaseEnd {
			return
		}
	}
}

// quiet notes that there was nothing from the last message to now.
func (h *castEar) quiet(now int64) {
	h.silence = max(h.silence, now-h.last)
	h.last = now
}

// say tells what was heard.
func (h *castEar) say(p *player) {
	p.say("lost %d", h.lost)
	p.say("ended %d", map[bool]int{true: 1}[h.ended])
	if h.got > 0 {
		p.say("first_ns %d", h.first-h.joined)
	}
	if len(h.plan) == 0 || h.got == 0 {
		return
	}
	p.say("silence_ns %d", h.silence)
	p.say("past %d", h.past)
	if h.caught > 0 {
		p.say("caught_ns %d", h.caught-h.joined)
	}
	for i := range h.plan {
		p.say("in%d %d", i, h.in[i])
		p.say("during%d %d", i, h.during[i])
	}
	if h.early.TotalCount() > 0 && h.later.TotalCount() > 0 {
		p.say("early_ns %d", h.early.ValueAtQuantile(50))
		p.say("later_ns %d", h.later.ValueAtQuantile(50))
	}
	h.latencies.Pairs(func(ns, n int64) { p.say("hist %d %d", ns, n) })
}
