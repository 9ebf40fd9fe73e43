package main

import (
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/zeroring/zeroring/bench"
	"github.com/zeroring/zeroring/bench/peers/internal/peer"
)

// NATS cuts a slow consumer off, or drops its messages. So that it need not, a
// sender asks the receivers of every so manieth message for a reply, and waits
// when too many of those are not answered.

// window is how many asks may be unanswered.
const window = 4

// inFlight is how many messages may be: the high-water marks of both sides. They
// are those of the unanswered asks, and those after the last that is answered.
func inFlight(j bench.Job) int { return (window + 1) * each(j) }

// each is how many messages are sent for an ask.
func each(j bench.Job) int { return max(1, 2*j.HWM/(window+1)) }

// A credit is a sender's account of asks.
type credit struct {
	each    int
	sent    int            // since the last ask, by the goroutine that sends
	next    int            // ask, by that goroutine
	replies [window]string // the subjects at which asks are answered

	mu      sync.Mutex
	changed sync.Cond
	closed  bool
	subs    int         // subscriptions of the peers
	peers   int         // who answer an ask
	left    [window]int // answers that are due to each ask
}

func newCredit(each int) *credit {
	c := &credit{each: each, sent: each}
	c.changed.L = &c.mu
	return c
}

// listen receives answers by nc. Their subject's last letter says to which ask.
func (c *credit) listen(nc *nats.Conn) error {
	inbox := nc.NewInbox()
	for i := range c.replies {
		c.replies[i] = inbox + "." + strconv.Itoa(i)
	}
	_, err := nc.Subscribe(inbox+".*", func(m *nats.Msg) {
		c.answer(int(m.Subject[len(m.Subject)-1] - '0'))
	})
	return err
}

// answer enters a peer's answer to an ask.
func (c *credit) answer(ask int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left[ask]--
	c.changed.Broadcast()
}

// hello enters a peer that has so many subscriptions.
func (c *credit) hello(subs int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers++
	c.subs += subs
	c.changed.Broadcast()
}

// reply counts a message and returns where it is to be answered, if anywhere.
func (c *credit) reply(end bool) (subject string, err error) {
	c.sent++
	if c.sent < c.each && !end {
		return "", nil
	}
	c.sent = 0
	ask := c.next % window
	c.next++
	if err := c.until(func() bool { return c.left[ask] <= 0 }); err != nil {
		return "", err
	}
	c.mu.Lock()
	c.left[ask] = c.peers
	c.mu.Unlock()
	return c.replies[ask], nil
}

// until waits for a condition that holds of c.
func (c *credit) until(holds func() bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !holds() {
		if c.closed {
			return peer.ErrClosed
		}
		c.changed.Wait()
	}
	return nil
}

func (c *credit) await(subs int) error {
	return c.until(func() bool { return c.subs >= subs })
}

// drain waits until all asks are answered, but not for ever.
func (c *credit) drain() {
	late := time.AfterFunc(peer.Linger, c.close)
	defer late.Stop()
	_ = c.until(func() bool { return max(c.left[0], c.left[1], c.left[2], c.left[3]) <= 0 })
	c.close()
}

func (c *credit) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
}
