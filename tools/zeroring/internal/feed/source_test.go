package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/tools/itch"
)

var smallDay = Config{Seed: 3, Stocks: 20, Size: 3000}

// file returns a generated day as a file has it.
func file(t testing.TB, cfg Config) []byte {
	t.Helper()
	g, err := itch.NewGenerator(itch.DayConfig{Seed: cfg.Seed, Symbols: cfg.Stocks, Messages: cfg.Size})
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for {
		m, err := g.Next()
		if err == io.EOF {
			return b
		}
		if err != nil {
			t.Fatal(err)
		}
		b = append(append(b, 0, byte(len(m))), m...)
	}
}

func saved(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll returns all that a source has left, framed.
func readAll(t *testing.T, s source) (all []byte) {
	t.Helper()
	for {
		m, err := s.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, 0, byte(len(m))), m...)
	}
}

// However the day comes, it is the same day, and again after each Rewind.
func TestSources(t *testing.T) {
	want := file(t, smallDay)
	day := itch.DayConfig{Seed: smallDay.Seed, Symbols: smallDay.Stocks, Messages: smallDay.Size}
	unwound := &made{cfg: day}
	if err := unwound.Rewind(); err != nil {
		t.Fatal(err)
	}
	sources := map[string]source{"made as it is read": unwound}
	for name, cfg := range map[string]*Config{
		"tape":       &smallDay,
		"file":       {File: saved(t, "day", want)},
		"compressed": {File: saved(t, "day.gz", packed(t, want))},
	} {
		s, err := open(cfg)
		if err != nil {
			t.Fatal(name, err)
		}
		sources[name] = s
	}
	for name, s := range sources {
		for lap := range 3 {
			if got := readAll(t, s); !bytes.Equal(got, want) {
				t.Errorf("%s, lap %d: %d octets, not the day's %d", name, lap, len(got), len(want))
			}
			if err := s.Rewind(); err != nil {
				t.Fatal(name, err)
			}
		}
		symbols := slices.Clone(s.Symbols())
		if got := dedup(symbols); len(got) != smallDay.Stocks || len(symbols) != smallDay.Stocks {
			t.Errorf("%s: %d symbols, %d of them different, not %d", name, len(symbols), len(got), smallDay.Stocks)
		}
		if err := s.Close(); err != nil {
			t.Error(name, err)
		}
	}
}

func TestLongDaysAreNotKept(t *testing.T) {
	s, err := open(&Config{Stocks: 1, Size: maxTape + 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, kept := s.(*tape); kept {
		t.Errorf("a day of %d messages is kept in memory", maxTape+1)
	}
}

func TestBadSources(t *testing.T) {
	good := file(t, smallDay)
	for name, c := range map[string]struct {
		cfg  Config
		want error
		says string
	}{
		"no such file":    {Config{File: filepath.Join(t.TempDir(), "absent.gz")}, os.ErrNotExist, "absent.gz"},
		"a directory":     {Config{File: t.TempDir()}, nil, "is a directory"},
		"empty":           {Config{File: saved(t, "empty", nil)}, errEmpty, "empty: no messages"},
		"empty, packed":   {Config{File: saved(t, "empty.gz", packed(t, nil))}, errEmpty, "empty.gz: no messages"},
		"cut short":       {Config{File: saved(t, "cut", good[:len(good)-1])}, io.ErrUnexpectedEOF, "cut: at octet "},
		"not ITCH":        {Config{File: saved(t, "text", []byte("Once upon a time"))}, itch.ErrLength, "text: at octet 0: wrong message length: 20334 octets, and no message has more than 50 (is it a file of ITCH"},
		"not a file":      {Config{File: os.DevNull}, nil, os.DevNull + ": not a regular file"},
		"too many stocks": {Config{Stocks: 20_001}, nil, "20001 symbols"},
		"no size":         {Config{Size: -1}, nil, "-1 messages"},
	} {
		s, err := open(&c.cfg)
		if err == nil {
			t.Errorf("%s: opened %v", name, s)
			continue
		}
		if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
