package lossy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/zeroring/zeroring/bench/lab"
	"github.com/zeroring/zeroring/tools/zeroring/internal/feed"
)

// Output says how a run is shown.
type Output struct {
	To   io.Writer
	JSON bool // print the Result as JSON at the end, and nothing before

	// Screen says how large the terminal is on which to redraw a view, 0 for what is not
	// known. Without one, lines are printed.
	Screen func() (columns, rows int)

	// Keys are what somebody types; nil if nobody does.
	Keys <-chan byte
}

// A run is a laboratory at work. All of it is one goroutine's, that of loop; children's
// readers send it news.
type run struct {
	cfg       *Config
	out       Output
	lab       *lab.Lab
	net       network
	news      chan news
	publisher *child
	pub       feed.Report // the last one
	receivers []*receiver

	steps   []step // that are still to come
	history []past
	chosen  int       // by keys: a receiver from 1 on, or 0 for all
	began   time.Time // when the first message went; zero before
	over    bool      // the publisher is asked to end, or has ended
	gone    bool      // it has ended
	trouble error     // the first there was: others follow from it
	show    display
	result  *Result
}

// A network is what a lab.Lab has to do harm with.
type network interface {
	SetFaults(host int, rules ...lab.Faults) error
	Blackout(host int, on bool) error
	Stats(host int) (lab.Stats, error)
}

// A receiver is one of the processes that listen.
type receiver struct {
	*child
	host    int
	rules   lab.Faults
	text    string // the rules, as they were written
	report  feed.Report
	fresh   *hdrhistogram.Histogram // latencies of the last report
	total   *hdrhistogram.Histogram
	steps   []*hdrhistogram.Histogram // by the run's history
	trend   []float64                 // p99 of each report
	lost    uint64                    // frames, by the switch
	spilt   uint64                    // frames that the switch or this host had no room for
	ended   bool
	outcome *feed.Result
}

// A past is a time in which the network was one way.
type past struct {
	at   time.Duration
	text string
}

// sourceHost is the publisher's. The receivers have those behind it.
const sourceHost = 1

// Patience with what should take no time at all.
const (
	startPatience = 20 * time.Second
	endPatience   = 12 * time.Second // a publisher that repairs gives up before
)

// Run runs what cfg says until it is over or ctx ends, and shows it. An error says what
// went wrong, among it that a message is missing which nobody reported as lost.
func Run(ctx context.Context, cfg *Config, out Output) error {
	if err := cfg.check(); err != nil {
		return err
	}
	steps, err := parseScript(cfg.Faults, cfg.Receivers)
	if err != nil {
		return err
	}
	l, err := lab.New(lab.Config{Hosts: 1 + cfg.Receivers, Seed: cfg.Seed})
	if err != nil {
		return err
	}
	defer l.Close()
	r := newRun(cfg, out, l, steps)
	r.lab, r.show = l, newDisplay(out)
	// Children that still have something to say must not wait for ever: the lab's end
	// kills them, and somebody has to listen until then.
	defer func() { go r.drain() }()
	if err := r.start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	interrupted := r.loop(ctx)
	if r.began.IsZero() && r.trouble != nil {
		return r.trouble // nothing happened that could be shown
	}
	r.conclude(interrupted)
	return errors.Join(r.show.summary(r.result), r.verdict())
}

func newRun(cfg *Config, out Output, net network, steps []step) *run {
	r := &run{cfg: cfg, out: out, net: net, news: make(chan news), steps: steps, history: []past{{text: "no faults"}}}
	r.result = &Result{Endpoint: endpoint, Rate: cfg.Rate, Mbit: cfg.Mbit, FEC: cfg.FEC, Seed: cfg.Seed, Receivers: []*Receiver{}, Steps: []*Step{}}
	return r
}

func newReceiver(c *child, host int) *receiver {
	return &receiver{
		child: c, host: host, fresh: feed.NewHistogram(), total: feed.NewHistogram(),
		steps: []*hdrhistogram.Histogram{feed.NewHistogram()},
	}
}

// start starts the receivers. The publisher follows when all are there.
func (r *run) start(ctx context.Context) error {
	for i := range r.cfg.Receivers {
		host := sourceHost + 1 + i
		c, err := spawn(ctx, r.lab.Host(host), fmt.Sprintf("receiver %d", i+1), r.cfg.Program, r.cfg.receiverArgs(), r.news)
		if err != nil {
			return err
		}
		r.receivers = append(r.receivers, newReceiver(c, host))
	}
	return nil
}

// drain listens to children until all have ended. Nothing is done about it.
func (r *run) drain() {
	alive := 0
	for _, c := range r.receivers {
		if !c.ended {
			alive++
		}
	}
	if r.publisher != nil && !r.gone {
		alive++
	}
	for alive > 0 {
		if n := <-r.news; n.report == nil {
			alive--
		}
	}
}

// loop runs until all children have ended, and reports whether somebody interrupted it.
func (r *run) loop(ctx context.Context) (interrupted bool) {
	ticks := time.NewTicker(drawEvery)
	defer ticks.Stop()
	deadline := time.Now().Add(startPatience)
	stop, keys := ctx.Done(), r.out.Keys
	for !r.done() {
		select {
		case n := <-r.news:
			r.take(ctx, n)
			if r.over && deadline.IsZero() {
				deadline = time.Now().Add(endPatience)
			}
			if !r.began.IsZero() && !r.over {
				deadline = time.Time{}
			}
		case <-stop:
			stop, keys, interrupted = nil, nil, true
			if r.publisher == nil {
				return true
			}
			r.end()
			deadline = time.Now().Add(endPatience)
		case key := <-keys:
			r.press(key)
		case now := <-ticks.C:
			r.advance(now)
			r.observe()
			r.show.live(r)
			if !deadline.IsZero() && now.After(deadline) {
				r.abort(errors.New("not all processes began and ended in time"))
				return interrupted
			}
		}
	}
	return interrupted
}

// end asks the publisher to end; the receivers end when they have everything.
func (r *run) end() {
	if r.publisher != nil && !r.over {
		r.publisher.interrupt()
	}
	r.over = true
}

// done reports whether all have ended.
func (r *run) done() bool {
	for _, c := range r.receivers {
		if !c.ended {
			return false
		}
	}
	return r.publisher == nil || r.gone
}

// take takes news in.
func (r *run) take(ctx context.Context, n news) {
	if n.from == r.publisher {
		r.takePublisher(n)
		return
	}
	for _, c := range r.receivers {
		if c.child == n.from {
			r.takeReceiver(c, n)
		}
	}
	if r.publisher == nil && r.ready() {
		p, err := spawn(context.WithoutCancel(ctx), r.lab.Host(sourceHost), "publisher", r.cfg.Program, r.cfg.publisherArgs(), r.news)
		if err != nil {
			r.abort(err)
			return
		}
		r.publisher = p
	}
}

// ready reports whether all receivers listen.
func (r *run) ready() bool {
	for _, c := range r.receivers {
		if c.report.Elapsed == 0 || c.ended {
			return false
		}
	}
	return true
}

func (r *run) takePublisher(n news) {
	switch {
	case n.report == nil:
		if asked := r.over && r.began.IsZero(); n.err != nil && !asked { // it may have been too young to obey
			r.abort(n.err)
		}
		r.gone, r.over = true, true
		r.interruptReceivers() // who is there still gets no repairs any more
	case n.report.Result != nil:
		if p := n.report.Result.Phases; len(p) > 0 {
			r.result.Published = p[0]
		}
		r.result.Input, r.result.Backend = n.report.Result.Input, n.report.Result.Backend
	default:
		if r.began.IsZero() {
			r.began = time.Now().Add(-n.report.Elapsed)
		}
		r.pub = *n.report
	}
}

func (r *run) takeReceiver(c *receiver, n news) {
	switch {
	case n.report == nil:
		c.ended = true
		if n.err != nil {
			r.abort(n.err)
		}
		r.release()
	case n.report.Result != nil:
		c.outcome = n.report.Result
	default:
		c.report = *n.report
		c.fresh.Reset()
		n.report.Collect(c.fresh)
		c.total.Merge(c.fresh)
		c.steps[len(c.steps)-1].Merge(c.fresh)
		if !r.began.IsZero() {
			c.trend = append(c.trend, float64(c.fresh.ValueAtQuantile(99)))
		}
	}
}

// release tells the publisher that nobody needs it any more, once that is so.
func (r *run) release() {
	for _, c := range r.receivers {
		if !c.ended {
			return
		}
	}
	if r.publisher != nil {
		r.publisher.in.Close()
	}
}

// abort takes note of trouble, and ends all children.
func (r *run) abort(err error) {
	if r.trouble == nil {
		r.trouble = err
	}
	r.end()
	r.interruptReceivers()
}

func (r *run) interruptReceivers() {
	for _, c := range r.receivers {
		if !c.ended {
			c.interrupt()
		}
	}
}
