package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/tools/itch"
	"github.com/zeroring/zeroring/tools/zeroring/internal/term"
)

// multicastDay is a run of smallDay over a group on loopback.
func multicastDay() Config {
	cfg := smallDay
	cfg.Transport, cfg.Subscribers, cfg.HWM, cfg.Duration, cfg.Laps = "epgm", 5, 100_000, ample, 2
	cfg.Multicast.Mbit = 1000
	return cfg
}

// checkAccounts checks that each subscriber got what it chose but for what was reported
// as lost, and returns how many packets came by repairs.
func checkAccounts(t *testing.T, p *Phase, published int64, each []int64, laps int64) (repaired int64) {
	t.Helper()
	if p.Published != published || p.Wrong != 0 || len(p.Each) != len(each) {
		t.Errorf("%s: %d published, not %d; %d wrong; %d subscribers", p.Name, p.Published, published, p.Wrong, len(p.Each))
	}
	for i, s := range p.Each {
		h := s.Multicast
		if h == nil || h.Packets == 0 || h.Unreported != 0 || h.GapPackets != h.GivenUp || s.Error != "" {
			t.Errorf("%s: subscriber %d heard %+v: %s", p.Name, i, h, s.Error)
			continue
		}
		if s.Messages+s.Dropped != laps*each[i] || s.Dropped > 0 && h.GivenUp == 0 {
			t.Errorf("%s: subscriber %d got %d and lost %d of %d: %+v", p.Name, i, s.Messages, s.Dropped, laps*each[i], h)
		}
		if l := s.Latency; l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max {
			t.Errorf("%s: subscriber %d has the latencies %+v", p.Name, i, l)
		}
		repaired += h.Repaired
	}
	return repaired
}

// Everyone hears all of what they chose by multicast, and where the kernel has no room
// it is repaired.
func TestMulticast(t *testing.T) {
	before := runtime.NumGoroutine()
	cfg := multicastDay()
	cfg.Multicast.Timestamps = true
	r := runJSON(t, &cfg)
	if !strings.HasPrefix(r.Endpoint, "epgm://127.0.0.1;239.19") || r.Mbit != 1000 || len(r.Phases) != 2 {
		t.Fatalf("%+v", r)
	}
	src, err := open(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	all, each := expected(t, file(t, smallDay), spread(src.Symbols(), true, cfg.Subscribers))
	for _, p := range r.Phases {
		checkAccounts(t, p, 2*all, each, 2)
		if s := p.Source; s == nil || s.Packets == 0 || !p.Waits {
			t.Errorf("%s: the source sent %+v", p.Name, s)
		}
		if a := p.Each[0].Arrival; a == nil || a.P50 <= 0 || a.P50 > p.Each[0].Latency.P99 {
			t.Errorf("%s: packets arrived after %+v, and messages after %+v", p.Name, a, p.Each[0].Latency)
		}
	}
	settled(t, before)
}

// A buffer of the kernel that holds a few packets loses many of those that come in one
// go. All of them are asked for again.
func TestMulticastRepairs(t *testing.T) {
	cfg := multicastDay()
	cfg.Rate, cfg.Multicast.RecvBuf = "max", 8000
	p := runJSON(t, &cfg).Phases[0]
	src, err := open(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	all, each := expected(t, file(t, smallDay), spread(src.Symbols(), true, cfg.Subscribers))
	if checkAccounts(t, p, 2*all, each, 2) == 0 || p.Source.Repairs == 0 || p.Each[0].Multicast.KernelDrops == 0 {
		t.Errorf("nothing was lost and repaired: the source sent %+v, and one heard %+v", p.Source, p.Each[0].Multicast)
	}
}

// A publisher and subscribers that know nothing of each other meet at a group.
func TestMulticastApart(t *testing.T) {
	endpoint, err := loopbackEndpoint("epgm")
	if err != nil {
		t.Fatal(err)
	}
	cfg := multicastDay()
	cfg.Multicast.Endpoint = endpoint
	listeners, publisher := cfg, cfg
	listeners.Multicast.Only, listeners.Subscribers = Subscribe, 2
	publisher.Multicast.Only, publisher.Multicast.Wait, publisher.Rate = Publish, ample, "max"

	var out, said bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- Run(ctx, &listeners, Output{To: &out, JSON: true}) }()

	// The publisher calls until somebody listens.
	src, err := open(&publisher)
	if err != nil {
		t.Fatal(err)
	}
	all, _ := expected(t, file(t, smallDay), nil)
	publisher.Multicast.Wait = 500 * time.Millisecond
	if err := Run(ctx, &publisher, Output{To: &said}); err != nil {
		t.Fatal(err)
	}
	src.Close()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || len(r.Phases) != 1 || r.Only != Subscribe {
		t.Fatalf("%v: %s", err, out.String())
	}
	checkAccounts(t, r.Phases[0], 0, []int64{all, all}, 2)
	if text := said.String(); !strings.Contains(text, "to whoever listens") || strings.Contains(text, "delivered") {
		t.Errorf("the publisher says\n%s", text)
	}
}

// Who comes late takes the first number of each topic for granted, and sees what is
// missing afterwards.
func TestLateSubscriber(t *testing.T) {
	s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
	s.apart = true
	if got := count(s, 3, 50, 51, 54); got.messages != 3 || got.dropped != 2 || got.gaps != 1 || got.wrong != 0 {
		t.Errorf("%+v", got)
	}
	<-s.joined.open
	var ts topics
	ts.learn(itch.Append(nil, &itch.StockDirectory{Header: itch.Header{Locate: 3}, Stock: stocks("ABC")[0]}))
	body := appendEnds(nil, []uint64{7, 0, 0, 60}, &ts) // the market's were before its time
	s.take([]*socket.Message{message(endTopic, 0, 0, body)}, 0)
	s.settle(s.last.seq, &s.last.topics)
	if s.tally.dropped != 2+6 || s.tally.gaps != 2 {
		t.Errorf("%+v", s.tally)
	}
}

// What is missing must have been reported as lost since the message of its topic before.
func TestSilentLossIsSeen(t *testing.T) {
	s := newSubscriber(nil, choice{all: true}, newGate(1), newGate(1))
	s.multicast = true
	count(s, 1, 1, 2)
	s.missed = 4 // as Message.Missed has it of the next
	count(s, 2, 3)
	count(s, 1, 5)
	if s.dropped != 4 || s.heard.Unreported != 0 {
		t.Errorf("%d dropped, %d of them unreported", s.dropped, s.heard.Unreported)
	}
	count(s, 1, 8)
	if s.dropped != 6 || s.heard.Unreported != 2 {
		t.Errorf("%d dropped, %d of them unreported", s.dropped, s.heard.Unreported)
	}
}

func TestMulticastCheck(t *testing.T) {
	for says, spoil := range map[string]func(*Config){
		"--transport tcp is no multicast": func(c *Config) { c.Transport, c.Multicast.RecvBuf = "tcp", 1 },
		"--mbit 0":                        func(c *Config) { c.Multicast.Mbit = 0 },
		"--recvbuf -1":                    func(c *Config) { c.Multicast.RecvBuf = -1 },
		"--drop":                          func(c *Config) { c.Drop = true },
		`--only "listen"`:                 func(c *Config) { c.Multicast.Only = "listen" },
		"takes an --endpoint":             func(c *Config) { c.Multicast.Only = Publish },
		"--wait -1s":                      func(c *Config) { c.Multicast.Wait = -time.Second },
		"does not begin with epgm://":     func(c *Config) { c.Multicast.Endpoint = "pgm://lo;239.192.1.1:5555" },
	} {
		cfg := good()
		cfg.Transport, cfg.Multicast.Mbit = "epgm", 100
		if err := cfg.check(); err != nil {
			t.Fatal(err)
		}
		spoil(&cfg)
		if err := cfg.check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, not %q", err, says)
		}
	}
}

// Runs beside each other meet in different places.
func TestLoopbackEndpoint(t *testing.T) {
	a, err := loopbackEndpoint("epgm")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := loopbackEndpoint("epgm"); err != nil || a == b {
		t.Errorf("%s and then %s, %v", a, b, err)
	}
}

// The view of multicast fits 80 columns too.
func TestMulticastScreen(t *testing.T) {
	r := *someResult
	r.Endpoint, r.Transport = "epgm://127.0.0.1;239.192.1.1:5555", "epgm"
	for _, only := range []string{Both, Publish, Subscribe} {
		var out bytes.Buffer
		r.Only = only
		d := &screen{Canvas: term.Canvas{To: &out, Size: terminal(80, 24)}, result: &r, phases: make([]phase, 1)}
		a, s := busy(12)
		s.counts.heard = Hearing{Packets: 99_999_999, Repaired: 999_999, GivenUp: 999_999, NAKs: 99_999}
		for i := range s.counts.each {
			s.counts.each[i].tally.messages = 999_999_999
			s.counts.each[i].heard, s.counts.each[i].latency = s.counts.heard, Latency{999 * 1e6, 999 * 1e6, 999 * 1e6, 999 * 1e6}
		}
		d.live(phase{name: "paced", time: time.Hour}, a, s)
		view := out.String()
		for line := range strings.Lines(view) {
			line = strings.TrimSuffix(line[strings.LastIndex(line, "\x1b[2K")+len("\x1b[2K"):], "\n")
			if term.Width(line) >= term.Columns || strings.HasPrefix(line, "0 slow") && !strings.HasSuffix(line, "999 ms  999 ms  999 ms") {
				t.Errorf("%q, %d columns: %s", only, term.Width(line), line)
			}
		}
		for has, sides := range map[string]string{
			"given up": Subscribe, "repairs": Publish, "published": Publish, "delivered": Subscribe, "heard at": Subscribe,
		} {
			want := only == sides || only == Both && has != "heard at"
			if strings.Contains(view, has) != want {
				t.Errorf("%q: %q is there: %v\n%s", only, has, !want, view)
			}
		}
	}
}
