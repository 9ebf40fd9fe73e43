package bench

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// This file has the roles of messages one way: send, recv, and both of them.

func (p *player) send() error {
	first, _ := p.job.Pattern.sides()
	links, err := p.open(first, p.job.Bind, p.job.Connect)
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	if p.job.Wait > 0 {
		for _, l := range links {
			if err := l.Await(p.job.Wait); err != nil {
				return err
			}
		}
	}
	total, err := p.sendAll(links, true)
	if err != nil {
		return err
	}
	p.results(total)
	return nil
}

// sendAll sends on all links until the time is over, and ends their streams.
// Where it is not counted, the other side is.
func (p *player) sendAll(links []Link, counted bool) (total uint64, err error) {
	threads := max(1, p.job.Threads)
	errs, totals := make([]error, threads), make([]uint64, threads)
	var all sync.WaitGroup
	for t := range threads {
		var mine []Link
		for i := t; i < len(links); i += threads {
			mine = append(mine, links[i])
		}
		l := new(lane)
		if counted {
			l = p.meter.lane()
		}
		all.Go(func() { totals[t], errs[t] = p.sendShare(mine, l) })
	}
	all.Wait()
	for _, n := range totals {
		total += n
	}
	return total, errors.Join(errs...)
}

// sendShare is one thread's part. Each link gets the same messages, in turn.
func (p *player) sendShare(links []Link, count *lane) (total uint64, err error) {
	stamp := p.job.Stamp()
	body := stamp.New()
	p.meter.begin()
	seq := uint64(0)
	for ; !p.meter.stop.Load(); seq++ {
		if p.job.Topics > 0 {
			PutTopic(body, int(Mix(seq)%uint64(p.job.Topics)))
		}
		stamp.Put(body, seq, 0)
		for _, l := range links {
			if err := l.Send(body); err != nil {
				return 0, fmt.Errorf("message %d: %w", seq, err)
			}
		}
		if total += uint64(len(links)); p.meter.due(seq) {
			count.count.Store(total)
		}
	}
	end := stamp.End(nil, seq)
	for _, l := range links {
		if err := l.Send(end); err != nil {
			return 0, fmt.Errorf("the end of a stream: %w", err)
		}
	}
	return total, nil
}

func (p *player) recv() error {
	_, second := p.job.Pattern.sides()
	links, err := p.open(second, p.job.Bind, p.job.Connect)
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	total, err := p.recvAll(links)
	if err != nil {
		return err
	}
	p.results(total)
	return nil
}

// recvAll receives on all links until the ends of their streams.
func (p *player) recvAll(links []Link) (total uint64, err error) {
	errs, totals := make([]error, len(links)), make([]uint64, len(links))
	var all sync.WaitGroup
	for i, link := range links {
		l := p.meter.lane()
		all.Go(func() {
			if p.job.Ordered {
				totals[i], errs[i] = p.recvOrdered(link, l)
			} else {
				totals[i], errs[i] = p.recvMixed(link, l)
			}
			if errs[i] != nil {
				errs[i] = fmt.Errorf("socket %d: %w", i, errs[i])
			}
		})
	}
	all.Wait()
	for _, n := range totals {
		total += n
	}
	return total, errors.Join(errs...)
}

// recvOrdered receives one stream.
func (p *player) recvOrdered(link Link, count *lane) (seq uint64, err error) {
	c := NewChecker(p.job.Stamp())
	for ; ; seq++ {
		body, err := link.Recv()
		if err != nil {
			return seq, fmt.Errorf("after %d messages: %w", seq, err)
		}
		if n, ok := c.IsEnd(body); ok {
			if n != seq {
				return seq, fmt.Errorf("lost %d of %d messages", n-seq, n)
			}
			count.count.Store(seq)
			return seq, nil
		}
		if _, err := c.Seq(body, seq, true); err != nil {
			return seq, err
		}
		if p.meter.due(seq) {
			count.count.Store(seq)
			p.meter.begin()
		}
	}
}

// recvMixed receives streams, or the parts of one that came by several
// connections, and knows by the sum of their numbers that they are all there.
func (p *player) recvMixed(link Link, count *lane) (got uint64, err error) {
	c := NewChecker(p.job.Stamp())
	var sum, wantSum, want uint64
	var late *time.Timer // once all ends are there, what is missing has some time to come
	for ends := 0; ends < p.job.Streams || got < want; {
		body, err := link.Recv()
		if err != nil {
			return got, fmt.Errorf("%d of %d messages came: %w", got, want, err)
		}
		if n, ok := c.IsEnd(body); ok {
			want, wantSum = want+n, wantSum+n*(n-1)/2
			if ends++; ends == p.job.Streams {
				late = time.AfterFunc(lateness, func() { _ = link.Close() })
			}
			continue
		}
		seq, err := c.Seq(body, got, false)
		if err != nil {
			return got, err
		}
		sum += seq
		if got++; p.meter.due(got) {
			count.count.Store(got)
		}
		p.meter.begin()
	}
	late.Stop()
	count.count.Store(got)
	if got != want || sum != wantSum {
		return got, fmt.Errorf("%d messages came instead of %d, or some twice and others not at all", got, want)
	}
	return got, nil
}

// lateness is how long the last messages of a stream may take.
const lateness = 5 * time.Second

func (p *player) both() error {
	if !p.job.Pattern.Messages() {
		return p.askAndEcho()
	}
	first, second := p.job.Pattern.sides()
	binds, connects := second, first
	if p.job.Pattern == PubSub {
		binds, connects = first, second
	}
	sockets := p.job.Sockets
	if p.job.Pattern == PubSub {
		p.job.Sockets = 1 // publisher
	}
	bound, err := p.open(binds, p.job.Bind, nil)
	if err != nil {
		return err
	}
	p.job.Sockets = sockets
	at := make([]string, len(bound))
	for i := range at {
		at[i] = name(p.job.Bind, binds, i)
	}
	connected, err := p.open(connects, "", at)
	if err != nil {
		return err
	}
	senders, receivers := connected, bound
	if p.job.Pattern == PubSub {
		senders, receivers = bound, connected
	}
	if err := p.ready(); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		var err error
		for _, l := range senders {
			if p.job.Wait > 0 {
				err = errors.Join(err, l.Await(p.job.Wait))
			}
		}
		if err == nil {
			_, err = p.sendAll(senders, false)
		}
		if err != nil {
			_ = p.closeAll() // or the receivers wait for ever
		}
		sent <- err
	}()
	total, err := p.recvAll(receivers)
	if err != nil {
		_ = p.closeAll() // or the senders wait for ever
	}
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	p.results(total)
	return nil
}
