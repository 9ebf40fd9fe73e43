package bench_test

import (
	"errors"
	"testing"

	"github.com/zeroring/zeroring/bench"
)

func TestStamp(t *testing.T) {
	for _, s := range []bench.Stamp{{Size: 8}, {Size: 15}, {Size: 16}, {Size: 23}, {Size: 24}, {Size: 64}, {Size: 1000}, {Prefix: 8, Size: 64}, {Prefix: 8, Size: 16}} {
		c := bench.NewChecker(s)
		body := s.New()
		for seq := range uint64(40) {
			s.Put(body, seq, int64(1000+seq))
			if _, ok := s.IsEnd(body); ok {
				t.Fatalf("%+v: message %d looks like the end", s, seq)
			}
			if got, err := c.Seq(body, seq, true); err != nil || got != seq {
				t.Fatalf("%+v: message %d: %d, %v", s, seq, got, err)
			}
			if _, err := c.Seq(body, seq+1, true); err == nil || errors.Is(err, bench.ErrCorrupt) {
				t.Fatalf("%+v: message %d in the place of the next: %v", s, seq, err)
			}
			if got, err := c.Seq(body, seq+3, false); err != nil || got != seq {
				t.Fatalf("%+v: message %d out of order: %d, %v", s, seq, got, err)
			}
			if at := c.Intended(body); s.Size-s.Prefix >= 24 && at != int64(1000+seq) {
				t.Fatalf("%+v: message %d was intended at %d", s, seq, at)
			}
		}
	}
}

// Every octet of a message is looked at sooner or later, those of the topic and
// the intended time apart.
func TestStampFindsCorruption(t *testing.T) {
	for _, s := range []bench.Stamp{{Size: 8}, {Size: 16}, {Size: 64}} {
		c := bench.NewChecker(s)
		for i := range s.Size {
			if s.Size > 16 && i >= 8 && i < 24 {
				continue
			}
			body := s.New()
			s.Put(body, 16, 0)
			body[i] ^= 0x40
			if _, err := c.Seq(body, 16, true); err == nil {
				t.Errorf("%+v: octet %d was changed and nobody saw it", s, i)
			}
		}
		if _, err := c.Seq(s.New()[:s.Size-1], 16, true); !errors.Is(err, bench.ErrCorrupt) {
			t.Errorf("%+v: cut short: %v", s, err)
		}
	}
}

func TestEnd(t *testing.T) {
	for _, s := range []bench.Stamp{{Size: 64}, {Prefix: 8, Size: 64}} {
		if n, ok := s.IsEnd(s.End(nil, 12345)); !ok || n != 12345 {
			t.Errorf("%+v: the end of 12345 messages is read as %d, %v", s, n, ok)
		}
	}
}
