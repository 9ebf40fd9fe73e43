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
	src, err := open(cfg)
	if err != nil {
		return nil, err
	}
	f.src = src
	stocks, err := cfg.choose(src.Symbols())
	if err != nil {
		f.close()
		return nil, err
	}
	f.choices = spread(stocks, len(cfg.Symbols) == 0, cfg.Subscribers)
	// The view says which backend there is; only trouble may interrupt it.
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	f.engine, err = socket.NewEngine(&socket.EngineOptions{Backend: cfg.Backend, Logger: log})
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
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
	f.src.Close()
}
