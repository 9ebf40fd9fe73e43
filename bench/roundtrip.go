package bench

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// This file has the roles of round trips: ask and echo, and both of them.

func (p *player) ask() error {
	first, _ := p.job.Pattern.sides()
	links, err := p.open(first, "", p.job.Connect)
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	return p.askAll(links)
}

func (p *player) askAll(links []Link) error {
	switch {
	case !p.job.workload().Timed():
		return p.askCounted(links)
	case p.job.Rate == 0:
		return p.askInTurn(links[0])
	case p.job.Pattern == ReqRep:
		return p.askByClock(links[0])
	default:
		return p.askOpen(links[0])
	}
}

// An asker stamps requests, checks replies and times them.
type asker struct {
	p        *player
	link     Link
	count    *lane
	body     []byte
	check    *Checker
	hist     *Latencies
	from, to int64 // the window: of those intended in it the time is taken
	late     uint64
}

func (p *player) newAsker(link Link) *asker {
	s := p.job.Stamp()
	return &asker{p: p, link: link, count: p.meter.lane(), body: s.New(), check: NewChecker(s), hist: NewLatencies()}
}

// begin starts the clock and returns the time.
func (a *asker) begin() int64 {
	now := monotonic()
	a.p.meter.begin()
	a.from = now + a.p.job.Warmup
	a.to = a.from + a.p.job.Duration
	return now
}

func (a *asker) request(seq uint64, intended int64) error {
	a.check.Put(a.body, seq, intended)
	if err := a.link.Send(a.body); err != nil {
		return fmt.Errorf("request %d: %w", seq, err)
	}
	return nil
}

// reply receives the reply to request seq and takes its time.
func (a *asker) reply(seq uint64) (now int64, err error) {
	body, err := a.link.Recv()
	if err != nil {
		return 0, fmt.Errorf("reply %d: %w", seq, err)
	}
	if _, err := a.check.Seq(body, seq, true); err != nil {
		return 0, err
	}
	now = monotonic()
	if at := a.check.Intended(body); a.from <= at && at < a.to {
		a.hist.Add(now-at, 1)
	}
	a.count.count.Store(seq + 1)
	return now, nil
}

func (a *asker) results(total uint64) {
	a.p.results(total)
	a.p.say("late %d", a.late)
	a.hist.Pairs(func(ns, n int64) { a.p.say("hist %d %d", ns, n) })
}

// askInTurn sends a request when the reply to the last has come and the gap is
// over. One is in the window at least.
func (p *player) askInTurn(link Link) error {
	a := p.newAsker(link)
	seq := uint64(0)
	now := a.begin()
	end := a.to
	for a.to = math.MaxInt64; now < end || a.hist.TotalCount() == 0; seq++ {
		if err := a.request(seq, now); err != nil {
			return err
		}
		var err error
		if now, err = a.reply(seq); err != nil {
			return err
		}
		if p.job.Gap > 0 {
			sleepUntil(now + p.job.Gap)
			now = monotonic()
		}
	}
	a.results(seq)
	return nil
}

// schedule is when request seq is intended.
func (a *asker) schedule(start int64, seq uint64) int64 {
	return start + int64(seq)*int64(time.Second)/int64(a.p.job.Rate)
}

// await waits for the time of a request that is intended at ns, and counts it
// if it cannot be sent in the window any more.
func (a *asker) await(ns int64) {
	now := monotonic()
	if now < ns {
		sleepUntil(ns)
	} else if now >= a.to && ns >= a.from {
		a.late++
	}
}

// askByClock sends requests at their times, or as soon as the last reply is
// there.
func (p *player) askByClock(link Link) error {
	a := p.newAsker(link)
	start := a.begin()
	seq := uint64(0)
	for at := start; at < a.to; at = a.schedule(start, seq) {
		a.await(at)
		if err := a.request(seq, at); err != nil {
			return err
		}
		if _, err := a.reply(seq); err != nil {
			return err
		}
		seq++
	}
	a.results(seq)
	return nil
}

// askOpen sends requests at their times, whatever has become of those before.
func (p *player) askOpen(link Link) error {
	a := p.newAsker(link)
	start := a.begin()
	total := uint64(0)
	for a.schedule(start, total) < a.to {
		total++
	}
	replied := make(chan error, 1)
	go func() {
		for seq := range total {
			if _, err := a.reply(seq); err != nil {
				replied <- err
				return
			}
		}
		replied <- nil
	}()
	for seq := range total {
		at := a.schedule(start, seq)
		a.await(at)
		if err := a.request(seq, at); err != nil {
			return err
		}
	}
	select {
	case err := <-replied:
		if err != nil {
			return err
		}
	case <-time.After(2 * lateness):
		return errors.New("replies are missing")
	}
	a.results(total)
	return nil
}

// askCounted keeps Window requests of each socket unanswered.
func (p *player) askCounted(links []Link) error {
	errs, totals := make([]error, len(links)), make([]uint64, len(links))
	var all sync.WaitGroup
	for i, link := range links {
		a := p.newAsker(link)
		all.Go(func() { totals[i], errs[i] = a.keepAsking() })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var total uint64
	for _, n := range totals {
		total += n
	}
	p.results(total)
	return nil
}

func (a *asker) keepAsking() (seq uint64, err error) {
	a.begin()
	sent := uint64(0)
	for ; sent < uint64(max(1, a.p.job.Window)); sent++ {
		if err := a.request(sent, 0); err != nil {
			return 0, err
		}
	}
	for ; seq < sent; seq++ {
		if _, err := a.reply(seq); err != nil {
			return seq, err
		}
		if !a.p.meter.stop.Load() {
			if err := a.request(sent, 0); err != nil {
				return seq, err
			}
			sent++
		}
	}
	return seq, nil
}

func (p *player) echo() error {
	_, second := p.job.Pattern.sides()
	links, err := p.open(second, p.job.Bind, nil)
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	total, err := p.echoAll(links[0], p.meter.lane(), p.gone)
	if err != nil {
		return err
	}
	p.results(total)
	return nil
}

// echoAll sends back what comes until stop.
func (p *player) echoAll(link Link, count *lane, stop <-chan struct{}) (total uint64, err error) {
	ended := make(chan struct{})
	closed := make(chan error, 1)
	go func() {
		select {
		case <-stop:
			closed <- link.Close()
		case <-ended:
			closed <- nil
		}
	}()
	for {
		if err = link.Echo(); err != nil {
			break
		}
		p.meter.begin()
		total++
		count.count.Store(total)
	}
	close(ended)
	if closing := <-closed; closing != nil {
		return total, closing
	}
	select {
	case <-stop:
		return total, nil // the error is that it was closed
	default:
		return total, err
	}
}

func (p *player) askAndEcho() error {
	first, second := p.job.Pattern.sides()
	sockets := p.job.Sockets
	p.job.Sockets = 1
	servers, err := p.open(second, p.job.Bind, nil)
	if err != nil {
		return err
	}
	p.job.Sockets = sockets
	clients, err := p.open(first, "", []string{name(p.job.Bind, second, 0)})
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	stop, echoed := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := p.echoAll(servers[0], new(lane), stop)
		echoed <- err
	}()
	err = p.askAll(clients)
	close(stop)
	return errors.Join(err, <-echoed)
}
