package bench

import (
	"errors"
	"fmt"
	"time"
)

// This file has the roles that are of connections rather than of messages, and
// the one that forwards.

// connect makes connections and sends a message on each.
func (p *player) connect() error {
	if err := p.ready(); err != nil {
		return err
	}
	stamp := p.job.Stamp()
	body := stamp.New()
	start := monotonic()
	links, err := p.open(Pusher, "", p.job.Connect)
	if err != nil {
		return err
	}
	total := uint64(0)
	for _, l := range links {
		for range max(1, p.job.Conns) {
			stamp.Put(body, total, start)
			if err := l.Send(body); err != nil {
				return err
			}
			total++
		}
	}
	p.results(total)
	if err := p.out.Flush(); err != nil {
		return err
	}
	<-p.gone
	return nil
}

// gather waits for a message of each connection.
func (p *player) gather() error {
	links, err := p.open(Puller, p.job.Bind, nil)
	if err != nil {
		return err
	}
	before, _ := Resident()
	if err := p.ready(); err != nil {
		return err
	}
	c := NewChecker(p.job.Stamp())
	var start int64
	var sum uint64
	for got := range uint64(p.job.Streams) {
		body, err := links[0].Recv()
		if err != nil {
			return fmt.Errorf("after %d connections: %w", got, err)
		}
		seq, err := c.Seq(body, got, false)
		if err != nil {
			return err
		}
		start, sum = c.Intended(body), sum+seq
	}
	elapsed := monotonic() - start
	if n := uint64(p.job.Streams); sum != n*(n-1)/2 {
		return errors.New("some messages came twice and others not at all")
	}
	if p.job.Settle > 0 {
		time.Sleep(time.Duration(p.job.Settle))
	}
	after, _ := Resident()
	p.say("elapsed_ns %d", elapsed)
	p.say("rss0_kb %d", before)
	p.say("rss1_kb %d", after)
	p.results(uint64(p.job.Streams))
	return nil
}

func (p *player) proxy() error {
	d, ok := p.driver.(Proxier)
	if !ok {
		return errors.New("not supported: a proxy")
	}
	front, err := p.open(Puller, p.job.Bind, nil)
	if err != nil {
		return err
	}
	back, err := p.open(Pusher, p.job.Bind, nil)
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	start := p.meter.snapshot()
	if err := d.Proxy(front[0], back[0], p.gone); err != nil {
		return err
	}
	end := p.meter.snapshot()
	p.say("cpu_ns %d", (end.cpu - start.cpu).Nanoseconds())
	p.say("ns %d", end.at.Sub(start.at).Nanoseconds())
	p.say("allocs %d", end.allocs-start.allocs)
	_, most := Resident()
	p.say("rss_kb %d", most)
	return nil
}
