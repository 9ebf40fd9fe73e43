package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/zeroring/zeroring/socket"
)

// A feed is a run under way.
type feed struct {
	cfg      *Config
	engine   *socket.Engine
	src      source
	choices  []choice
	show     display
	interval time.Duration // between two looks
}

// Output says how a run is shown.
type Output struct {
	To   io.Writer
	JSON bool // print the Result as JSON at the end, and nothing before

	// Reports prints a Report as JSON a line several times a second, for another
	// process to read, and one with the Result at the end.
	Reports bool

	// Screen says how large the terminal is on which to redraw a view, 0 for
	// what is not known. Without one, lines are printed.
	Screen func() (columns, rows int)
}

// Run runs what cfg says until it is over or ctx ends. Whatever happened by
// then is shown; an error says what cut it short, if anything but ctx did.
func Run(ctx context.Context, cfg *Config, out Output) error {
	if err := cfg.check(); err != nil {
		return err
	}
	phases, err := cfg.phases()
	if err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	if cfg.multicast() && cfg.Multicast.Endpoint == "" {
		own := *cfg
		if own.Multicast.Endpoint, err = loopbackEndpoint(cfg.Transport); err != nil {
			return err
		}
		cfg = &own
	}
	f, err := start(cfg)
	if err != nil {
		return err
	}
	defer f.close()
	backend := f.engine.Backend()
	result := &Result{
		Input: f.src.String(), Transport: cfg.Transport, Subscribers: cfg.Subscribers, HWM: cfg.HWM,
		Backend: Backend{backend.Name, backend.Reason, append([]string{}, backend.Features...)},
		Phases:  []*Phase{},
	}
	if cfg.multicast() {
		result.Endpoint, result.Mbit, result.Only = cfg.Multicast.Endpoint, cfg.Multicast.Mbit, cfg.Multicast.Only
		result.Subscribers = len(f.choices)
	}
	f.show, f.interval = newDisplay(out, result, phases)
	err = f.run(ctx, phases, result)
	if len(result.Phases) == 0 && err != nil {
		return err // nothing happened that could be shown
	}
	result.Interrupted = ctx.Err() != nil
	return errors.Join(err, f.show.summary(result))
}

func start(cfg *Config) (*feed, error) {
	f := &feed{cfg: cfg}
	var err error
	switch cfg.Multicast.Only {
	case Subscribe:
		f.src, f.choices, err = elsewhere(cfg)
	default:
		f.src, f.choices, err = here(cfg)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	if f.engine, err = newEngine(cfg, 0); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// here opens the input and says who takes what of it.
func here(cfg *Config) (source, []choice, error) {
	src, err := open(cfg)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Multicast.Only == Publish {
		return src, nil, nil
	}
	stocks, err := cfg.choose(src.Symbols())
	if err != nil {
		return src, nil, err
	}
	return src, spread(stocks, len(cfg.Symbols) == 0, cfg.Subscribers), nil
}

// newEngine returns an engine that cfg asks for, with so many reactors.
func newEngine(cfg *Config, reactors int) (*socket.Engine, error) {
	// The view says which backend there is; only trouble may interrupt it.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return socket.NewEngine(&socket.EngineOptions{Backend: cfg.Backend, Logger: log, Reactors: reactors})
}

func (f *feed) run(ctx context.Context, phases []phase, into *Result) error {
	for _, p := range phases {
		if ctx.Err() != nil {
			return nil
		}
		r, err := p.run(ctx, f)
		if r != nil {
			into.Phases = append(into.Phases, r)
			f.show.ended(r)
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil // interrupted while it was being set up
			}
			return err
		}
	}
	return nil
}

func (f *feed) close() {
	if f.engine != nil {
		f.engine.Close()
	}
	if f.src != nil {
		f.src.Close()
	}
}
