package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/zeroring/zeroring/reactor"
	"github.com/zeroring/zeroring/ring"
	"github.com/zeroring/zeroring/socket"
)

// A world is one run: sockets on hosts of a simulated network, and a story
// that is told to them turn by turn.
//
// It goes through three acts. In the first there are faults. In the second
// they have ended, and whatever the promises say must arrive does, within a
// bounded time. In the third all is closed, and nothing may be left.
type world struct {
	seed  uint64
	dice  *rand.Rand
	net   *reactor.Network
	plan  string // what it is about, for people
	turns int
	lossy bool // connections break, and what was on its way may be lost

	engines []*socket.Engine
	sockets []*socket.Socket
	hwm     map[*socket.Socket]int
	story   story
	bound   int
	bufs    int // ring.LiveBufs before

	sent, received int
}

// A story is what the sockets are used for.
type story interface {
	// act uses the sockets for one turn. calm says that faults have ended.
	act(calm bool) error
	// settled reports whether all that must arrive has.
	settled() bool
}

const (
	stormTurns = 400

	// How many turns may pass in the calm without a message. Time is no measure,
	// as an idle network skips to its next timer; and the largest messages take
	// the smallest buffer some 300 round trips each, several turns a trip.
	calmTurns  = 50_000
	newsTurns  = 1500
	closeLimit = 120 * time.Second
	hwmChoices = 3
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// newWorld draws a world from seed.
func newWorld(seed uint64) *world {
	w := &world{
		seed: seed, dice: rand.New(rand.NewPCG(seed, 1)), bufs: ring.LiveBufs(),
		hwm: make(map[*socket.Socket]int),
	}
	faults := reactor.Faults{
		Latency: w.upTo(2 * time.Millisecond), Jitter: w.upTo(time.Millisecond),
		MaxDelay: w.upTo(50*time.Millisecond) + time.Millisecond,
		Buffer:   1024 << w.dice.IntN(8),
	}
	// The rates are drawn too: some worlds have one fault in plenty, others a
	// little of each.
	for _, rate := range []*float64{
		&faults.ShortRead, &faults.ShortWrite, &faults.Delay, &faults.NoBuffers,
		&faults.Again, &faults.LateCancel, &faults.Refuse,
	} {
		if w.dice.IntN(2) == 0 {
			*rate = w.dice.Float64() * w.dice.Float64()
		}
	}
	if w.lossy = w.dice.IntN(3) == 0; w.lossy {
		faults.Reset = 0.05 * w.dice.Float64()
	}
	w.net = reactor.NewNetwork(seed, faults)
	return w
}

func (w *world) upTo(d time.Duration) time.Duration {
	return time.Duration(w.dice.Int64N(int64(d)))
}

// run tells the story and returns what was wrong.
func (w *world) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	kinds := []struct {
		name string
		make func(*world) (story, error)
	}{
		{"pipeline", newPipeline}, {"requests", newRequests}, {"feed", newFeed}, {"routed", newRouted},
	}
	kind := kinds[w.dice.IntN(len(kinds))]
	if w.story, err = kind.make(w); err != nil {
		return err
	}
	if w.lossy {
		w.plan += " over connections that break"
	}
	for range stormTurns {
		if err := w.turn(false); err != nil {
			return fmt.Errorf("in the storm: %w", err)
		}
	}
	w.net.Heal()
	if w.lossy {
		// Of a connection that broke its ends learn when they have read what
		// came before, and what they send until then is lost.
		for range newsTurns {
			if err := w.turn(false); err != nil {
				return fmt.Errorf("when the storm had passed: %w", err)
			}
		}
	}
	last, since := w.received, w.turns
	for !w.story.settled() {
		if err := w.turn(true); err != nil {
			return fmt.Errorf("after it: %w", err)
		}
		if w.received != last {
			last, since = w.received, w.turns
		}
		if w.turns-since > calmTurns {
			return fmt.Errorf("nothing delivered in %d turns, and there are no faults: %v", calmTurns, w.story)
		}
	}
	return w.end()
}

// turn lets the story act and the reactors run, and then checks.
func (w *world) turn(calm bool) error {
	w.turns++
	if err := w.story.act(calm); err != nil {
		return err
	}
	for range 1 + w.dice.IntN(4) {
		w.net.Step()
	}
	for _, s := range w.sockets {
		for _, p := range s.Stats().Peers {
			// Subscriptions are state, and the mark does not apply to them.
			if p.Queued > w.hwm[s] && s.Type() != socket.TypeSub {
				return fmt.Errorf("%v has %d messages queued towards %q, above its high-water mark of %d",
					s.Type(), p.Queued, p.Endpoint, w.hwm[s])
			}
		}
	}
	return nil
}

// end closes everything and looks for what is left.
func (w *world) end() error {
	for _, s := range w.sockets {
		if err := s.Close(); err != nil {
			return err
		}
	}
	began := w.net.Now()
	for _, e := range w.engines {
		if err := e.Close(); err != nil {
			return err
		}
	}
	if took := w.net.Now().Sub(began); took > closeLimit {
		return fmt.Errorf("closing took %v", took)
	}
	if left := w.net.Open(); left != 0 {
		return fmt.Errorf("%d connections left after closing", left)
	}
	if left := ring.LiveBufs() - w.bufs; left != 0 {
		return fmt.Errorf("%d buffers left after closing", left)
	}
	return nil
}

// host returns an engine of its own, as if another machine.
func (w *world) host() (*socket.Engine, error) {
	e, err := socket.NewEngine(&socket.EngineOptions{
		Reactors: 1 + w.dice.IntN(2), Network: w.net, Seed: w.dice.Uint64() | 1, Logger: quiet,
	})
	if err == nil {
		w.engines = append(w.engines, e)
	}
	return e, err
}

// socket makes a socket of type t on a host of its own.
func (w *world) socket(t socket.Type, o socket.Options) (*socket.Socket, error) {
	e, err := w.host()
	if err != nil {
		return nil, err
	}
	o.Engine = e
	if o.SendHWM == 0 {
		o.SendHWM = []int{2, 17, 1000}[w.dice.IntN(hwmChoices)]
	}
	o.RecvHWM = []int{2, 17, 1000}[w.dice.IntN(hwmChoices)]
	o.Linger = time.Second
	s, err := socket.New(t, &o)
	if err != nil {
		return nil, err
	}
	w.sockets = append(w.sockets, s)
	w.hwm[s] = o.SendHWM
	return s, nil
}

// bind binds s where this world's sockets meet.
func (w *world) bind(s *socket.Socket) (string, error) {
	if w.dice.IntN(3) == 0 {
		w.bound++
		return s.Bind(fmt.Sprintf("ipc://@world-%d", w.bound))
	}
	return s.Bind("tcp://127.0.0.1:*")
}

// wait reports whether err says to try again later, which is no failure.
func wait(err error) bool { return errors.Is(err, socket.ErrWouldBlock) }
