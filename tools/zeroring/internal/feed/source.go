package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/zeroring/zeroring/tools/itch"
)

// A source is the input: a day of messages that can be read again.
type source interface {
	// Next returns a message, which is valid until the next call, or io.EOF.
	Next() (itch.Raw, error)
	// Rewind starts over at the first message.
	Rewind() error
	// Symbols lists the stocks there are.
	Symbols() []itch.Stock
	// Topics returns what is known of locate codes before the first message.
	Topics() topics
	// String says what it is.
	String() string
	Close() error
}

// open opens the source that cfg asks for.
func open(cfg *Config) (source, error) {
	if cfg.File != "" {
		return openFile(cfg.File)
	}
	made := &made{cfg: itch.DayConfig{Seed: cfg.Seed, Symbols: cfg.Stocks, Messages: cfg.Size}}
	if err := made.Rewind(); err != nil {
		return nil, err
	}
	if cfg.Size > maxTape {
		return made, nil
	}
	return record(made)
}

// made is a day made up as it is read.
type made struct {
	cfg itch.DayConfig
	gen *itch.Generator
}

func (s *made) Next() (itch.Raw, error) { return s.gen.Next() }
func (s *made) Symbols() []itch.Stock   { return s.gen.Symbols() }
func (s *made) Topics() topics          { return topics{} } // the directory comes first
func (s *made) Close() error            { return nil }
func (s *made) String() string          { return fmt.Sprintf("a generated day, seed %d", s.cfg.Seed) }

func (s *made) Rewind() (err error) {
	s.gen, err = itch.NewGenerator(s.cfg)
	return err
}

// maxTape is how many messages are kept in memory at most: 150 MB of them.
const maxTape = 4_000_000

// A tape is a source kept in memory, so that reading it takes next to nothing
// of the time that is measured.
type tape struct {
	source        // what was recorded; not read any more
	frames []byte // framed as in files, known to be sound
	at     int
}

func record(s source) (*tape, error) {
	t := &tape{source: s}
	for {
		m, err := s.Next()
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		t.frames = binary.BigEndian.AppendUint16(t.frames, uint16(len(m)))
		t.frames = append(t.frames, m...)
	}
}

func (t *tape) Next() (itch.Raw, error) {
	if t.at == len(t.frames) {
		return nil, io.EOF
	}
	start := t.at + 2
	t.at = start + int(binary.BigEndian.Uint16(t.frames[t.at:]))
	return t.frames[start:t.at], nil
}

func (t *tape) Rewind() error {
	t.at = 0
	return nil
}

// A recording is a file of messages.
type recording struct {
	path    string
	file    *itch.File
	symbols []itch.Stock
	topics  topics // of locate codes that the front names
}

// maxPreface is how far into a file the directory of stocks is looked for. A
// real day has some 11,000 of them, each with four messages or so.
const maxPreface = 500_000

var errEmpty = errors.New("no messages in it")

func openFile(path string) (*recording, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		// Opening a pipe a second time would wait for ever.
		return nil, fmt.Errorf("%s: not a regular file, and the input is read more than once", path)
	}
	r := &recording{path: path}
	if err := r.Rewind(); err != nil {
		return nil, err
	}
	err := r.list()
	if err == nil {
		err = r.Rewind()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// list collects the stocks that the front of the file names, and their locate
// codes.
func (r *recording) list() error {
	seen := map[itch.Stock]bool{}
	for i := range maxPreface {
		m, err := r.file.Next()
		if err == io.EOF && i == 0 {
			return fmt.Errorf("%s: %w", r.path, errEmpty)
		}
		if err == io.EOF {
			break
		}
		if i == 0 && (errors.Is(err, itch.ErrLength) || errors.Is(err, itch.ErrType)) {
			return fmt.Errorf("%w (is it a file of ITCH 5.0 messages, each behind its length in two octets?)", err)
		}
		if err != nil {
			return err
		}
		r.topics.learn(m)
		if s, ok := m.Stock(); ok && !seen[s] {
			seen[s] = true
			r.symbols = append(r.symbols, s)
		}
	}
	return nil
}

func (r *recording) Next() (itch.Raw, error) { return r.file.Next() }
func (r *recording) Symbols() []itch.Stock   { return r.symbols }
func (r *recording) Topics() topics          { return topics{slices.Clone(r.topics.byLocate)} }
func (r *recording) String() string          { return r.path }
func (r *recording) Close() error            { return r.file.Close() }

// Rewind opens the file anew: what is compressed cannot be sought in.
func (r *recording) Rewind() error {
	if r.file != nil {
		r.file.Close()
	}
	file, err := itch.Open(r.path)
	if err != nil {
		return err
	}
	r.file = file
	return nil
}
