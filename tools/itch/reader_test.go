package itch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// small is a day that tests can afford to read octet by octet.
var small = DayConfig{Seed: 3, Symbols: 2, Messages: 300}

// drain reads to the end and returns what it saw.
func drain(r interface{ Next() (Raw, error) }) (all []Raw, err error) {
	for {
		m, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, bytes.Clone(m))
	}
}

func same(t *testing.T, got, want []Raw) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages, not %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("message %d is %x, not %x", i, got[i], want[i])
		}
	}
}

func TestReader(t *testing.T) {
	file := day(t, DayConfig{Seed: 9, Symbols: 30, Messages: 20_000})
	want := split(file)
	sources := map[string]io.Reader{
		"whole":      bytes.NewReader(file),
		"by octets":  iotest.OneByteReader(bytes.NewReader(file)),
		"halves":     iotest.HalfReader(bytes.NewReader(file)),
		"with EOF":   iotest.DataErrReader(bytes.NewReader(file)),
		"with a end": io.MultiReader(bytes.NewReader(file), strings.NewReader("\x00\x00")),
	}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) {
			r := NewReader(src)
			got, err := drain(r)
			if err != io.EOF || r.Offset() != int64(len(file)) {
				t.Fatalf("ended at %d of %d: %v", r.Offset(), len(file), err)
			}
			same(t, got, want)
		})
	}
}

// A stream cut anywhere gives the whole messages before the cut. Between two
// messages that is a good end; the Checker is who misses the end of the day.
func TestEveryTruncation(t *testing.T) {
	file := day(t, small)
	want := split(file)
	ends := map[int]int{0: 0} // offset: messages before it
	at := 0
	for i, m := range want {
		at += frameHeader + len(m)
		ends[at] = i + 1
	}
	whole := 0
	for n := range len(file) {
		got, err := drain(NewReader(bytes.NewReader(file[:n])))
		if i, ok := ends[n]; ok {
			whole = i
			if err != io.EOF {
				t.Fatalf("cut to %d octets, after message %d: %v", n, i, err)
			}
		} else {
			var at *ReadError
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &at) {
				t.Fatalf("cut to %d octets: %v", n, err)
			}
			if ends[int(at.Offset)] != whole || at.Offset > int64(n) {
				t.Fatalf("cut to %d octets: the error is at %d, and message %d starts elsewhere", n, at.Offset, whole)
			}
		}
		same(t, got, want[:whole])
	}
	if _, err := judge(want[:len(want)-1]); !errors.Is(err, ErrDay) {
		t.Errorf("a day without its last message: %v", err)
	}
}

func TestBadStreams(t *testing.T) {
	good := AppendFrame(nil, &OrderDelete{Ref: 1})
	read := errors.New("the disk is on fire")
	for _, c := range []struct {
		name string
		src  io.Reader
		want error
		says string
	}{
		{"too long", strings.NewReader("\x00\x33A"), ErrLength, "at octet 21: wrong message length: 51 octets"},
		{"longest length", strings.NewReader("\xff\xff"), ErrLength, "65535 octets"},
		{"unknown type", strings.NewReader("\x00\x01z"), ErrType, `at octet 21: unknown message type: 'z'`},
		{"not its length", strings.NewReader("\x00\x02AB"), ErrLength, "'A' (add order) has 36 octets, not 2"},
		{"half a length", strings.NewReader("\x00"), io.ErrUnexpectedEOF, "ends after 1 octets of a length of 2"},
		{"half a message", strings.NewReader("\x00\x24ABC"), io.ErrUnexpectedEOF, "ends after 3 octets of a message of 36"},
		{"only a length", strings.NewReader("\x00\x24"), io.ErrUnexpectedEOF, "ends after 0 octets of a message of 36"},
		{"more after the end", strings.NewReader("\x00\x00\x00"), ErrAfterEnd, "at octet 21: octets after the end"},
		{"read error", iotest.ErrReader(read), read, "at octet 21: the disk is on fire"},
		{"read error after the end", io.MultiReader(strings.NewReader("\x00\x00"), iotest.ErrReader(read)), read, "on fire"},
		{"read error inside", io.MultiReader(strings.NewReader("\x00\x24AB"), iotest.ErrReader(read)), read, "on fire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader(io.MultiReader(bytes.NewReader(good), c.src))
			got, err := drain(r)
			if len(got) != 1 || !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%d messages and then: %v", len(got), err)
			}
			if _, again := r.Next(); again != err {
				t.Errorf("the next error is %v", again)
			}
		})
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	file := day(t, small)
	r := NewReader(nil)
	n := testing.AllocsPerRun(10, func() {
		r.src.Reset(bytes.NewReader(file))
		r.err, r.used = nil, 0
		for {
			if _, err := r.Next(); err == io.EOF {
				break
			} else if err != nil {
				panic(err)
			}
		}
	})
	if n > 1 { // the bytes.Reader
		t.Errorf("%v allocations for a whole day", n)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := day(t, small)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(file)
	z.Close()
	// Names lie on purpose: only the content counts.
	for name, content := range map[string][]byte{
		"plain": file, "plain.gz": file, "packed.gz": packed.Bytes(), "packed": packed.Bytes(),
	} {
		f, err := Open(write(t, dir, name, content))
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := drain(f)
		if err != io.EOF {
			t.Fatal(name, err)
		}
		same(t, got, split(file))
		if err := f.Close(); err != nil {
			t.Error(name, err)
		}
	}
}

func TestOpenBadFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "absent") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Open(write(t, dir, "broken.gz", []byte("\x1f\x8bnothing"))); err == nil || !strings.Contains(err.Error(), "broken.gz") {
		t.Errorf("a broken gzip header: %v", err)
	}
	empty, err := Open(write(t, dir, "empty", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if _, err := empty.Next(); err != io.EOF {
		t.Errorf("an empty file: %v", err)
	}

	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(day(t, small))
	z.Close()
	cut, err := Open(write(t, dir, "cut.gz", packed.Bytes()[:packed.Len()/2]))
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Close()
	if _, err := drain(cut); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "cut.gz: at octet ") {
		t.Errorf("a compressed file cut short: %v", err)
	}
}

func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// FuzzReader: whatever the stream and however it arrives, the messages are the
// same, each is sound, and together with the framing they are the stream's
// front.
func FuzzReader(f *testing.F) {
	file := day(f, DayConfig{Seed: 3, Symbols: 1, Messages: 10})
	f.Add(file[:200])
	f.Add(append(bytes.Clone(file[:14]), 0, 0))
	f.Add([]byte("\x00\x13D"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream))
		got, err := drain(r)
		var front []byte
		for _, m := range got {
			if err := Check(m); err != nil {
				t.Fatal(err)
			}
			front = append(append(front, 0, byte(len(m))), m...)
		}
		if !bytes.HasPrefix(stream, front) || r.Offset() != int64(len(front)) {
			t.Fatalf("%d messages, offset %d, %v", len(got), r.Offset(), err)
		}
		if rest := stream[len(front):]; (err == io.EOF) != (len(rest) == 0 || string(rest) == "\x00\x00") {
			t.Fatalf("%v before %x", err, rest)
		}
		slow, slowErr := drain(NewReader(iotest.OneByteReader(bytes.NewReader(stream))))
		same(t, slow, got)
		if slowErr.Error() != err.Error() {
			t.Fatalf("%v by octets, %v at once", slowErr, err)
		}
	})
}
