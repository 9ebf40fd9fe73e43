package itch

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A ReadError says where in the stream reading failed. It wraps the reason:
// ErrType, ErrLength, ErrAfterEnd, io.ErrUnexpectedEOF for a stream cut short,
// or what the source returned.
type ReadError struct {
	Name   string // the file's name, or empty
	Offset int64  // octets before the message, after decompression
	Err    error
}

// Error says where and why.
func (e *ReadError) Error() string {
	name := e.Name
	if name == "" {
		name = "itch"
	}
	return fmt.Sprintf("%s: at octet %d: %v", name, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *ReadError) Unwrap() error { return e.Err }

// ErrAfterEnd is the error of a stream that goes on after its end of session.
var ErrAfterEnd = errors.New("octets after the end of the session")

const frameHeader = 2

// A Reader takes messages off a stream in the files' framing. It needs the same
// few kilobytes whatever the stream claims: a length that no message has ends
// it before anything is read. After an error it returns that error for ever.
type Reader struct {
	name   string
	src    *bufio.Reader
	offset int64 // of the message that Next will return
	used   int   // octets in src that belong to the message given out last
	err    error
}

// NewReader returns a Reader of r, which it reads ahead of.
func NewReader(r io.Reader) *Reader {
	return &Reader{src: bufio.NewReaderSize(r, 64<<10)}
}

// Offset returns how many octets of the stream came before the message that
// Next will return.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next message, which is the Reader's again at the next call.
// After the last one it returns io.EOF, and any other end is a *ReadError.
func (r *Reader) Next() (Raw, error) {
	if r.err != nil {
		return nil, r.err
	}
	m, err := r.next()
	if err != nil && err != io.EOF {
		err = &ReadError{r.name, r.offset, err}
	}
	r.err = err
	if err == nil {
		r.offset += int64(r.used)
	}
	return m, err
}

func (r *Reader) next() (Raw, error) {
	r.src.Discard(r.used) // cannot fail: all of it was peeked
	r.used = 0
	head, err := r.src.Peek(frameHeader)
	if len(head) == 0 && err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, cutShort(err, "a length of 2 octets", len(head))
	}
	n := int(binary.BigEndian.Uint16(head))
	switch {
	case n == 0:
		return nil, r.endOfSession()
	case n > MaxLength:
		return nil, fmt.Errorf("%w: %d octets, and no message has more than %d", ErrLength, n, MaxLength)
	}
	frame, err := r.src.Peek(frameHeader + n)
	if err != nil {
		return nil, cutShort(err, fmt.Sprintf("a message of %d octets", n), len(frame)-frameHeader)
	}
	m := frame[frameHeader:]
	if err := Check(m); err != nil {
		return nil, err
	}
	r.used = len(frame)
	return m, nil
}

// endOfSession returns io.EOF if nothing follows. Zeros in the midst of a file
// are damage, and must not look like its end.
func (r *Reader) endOfSession() error {
	more, err := r.src.Peek(frameHeader + 1)
	if len(more) > frameHeader {
		return ErrAfterEnd
	}
	return err
}

// cutShort turns the end of the stream inside of something into what it is.
func cutShort(err error, what string, have int) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the stream ends after %d octets of %s: %w", have, what, io.ErrUnexpectedEOF)
	}
	return err
}

// A File is a Reader of a file.
type File struct {
	*Reader
	file *os.File
}

// Open opens a file of messages, compressed by gzip or not: the first octets
// say which, whatever the name says.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	src, err := decompressed(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := NewReader(src)
	r.name = path
	return &File{r, f}, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

var gzipMagic = []byte{0x1f, 0x8b}

// decompressed returns what r holds, decompressed if need be. No message starts
// with gzip's magic number: its length would be 8075.
func decompressed(r io.Reader) (io.Reader, error) {
	src := bufio.NewReaderSize(r, 256<<10)
	head, err := src.Peek(len(gzipMagic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.Equal(head, gzipMagic) {
		return src, nil
	}
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, fmt.Errorf("gzip header: %w", err)
	}
	return z, nil
}
