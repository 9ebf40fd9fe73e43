package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// A capture is one packet of a capture file or an interface.
type capture struct {
	at     time.Time
	link   linkType
	octets []byte // good until the next one
	cut    int    // octets that were on the wire and not captured
}

// A reader reads pcap files, as tcpdump -w writes them.
//
// https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/
type reader struct {
	in     *bufio.Reader
	order  binary.ByteOrder
	unit   time.Duration // of the fraction of a second
	link   linkType
	offset int64 // octets read
	buf    []byte
}

const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d
	magicPcapng       = 0x0a0d0d0a

	fileHeaderSize   = 24
	recordHeaderSize = 16

	// maxRecord is tcpdump's own limit (MAXIMUM_SNAPLEN). A file that claims more
	// is not what it says, and makes us allocate nothing.
	maxRecord = 262144
)

// newReader reads the header of a file.
func newReader(in io.Reader) (*reader, error) {
	r := &reader{in: bufio.NewReaderSize(in, 1<<16)}
	header := make([]byte, fileHeaderSize)
	n, err := io.ReadFull(r.in, header)
	if n >= 4 {
		if err := r.magic(header); err != nil {
			return nil, err
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("not a pcap file: %d octets, and its header has %d", n, fileHeaderSize)
		}
		return nil, err
	}
	r.offset = fileHeaderSize
	if major := r.order.Uint16(header[4:]); major != 2 {
		return nil, fmt.Errorf("pcap file of version %d, and 2 is known", major)
	}
	// The upper bits tell of frame check sequences.
	r.link = linkType(r.order.Uint32(header[20:]) & 0xffff)
	if !r.link.known() {
		return nil, fmt.Errorf("link type %d: known are Ethernet, Linux cooked, raw IP and loopback", r.link)
	}
	return r, nil
}

// magic finds byte order and resolution.
func (r *reader) magic(b []byte) error {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		r.order = order
		switch order.Uint32(b) {
		case magicMicroseconds:
			r.unit = time.Microsecond
			return nil
		case magicNanoseconds:
			r.unit = time.Nanosecond
			return nil
		case magicPcapng:
			return errors.New("a pcapng file; make a pcap file of it with: tcpdump -r FILE -w NEW.pcap")
		}
	}
	return errors.New("not a pcap file: unknown magic number")
}

// next returns the next packet, and io.EOF behind the last.
func (r *reader) next() (capture, error) {
	var header [recordHeaderSize]byte
	start := r.offset
	n, err := io.ReadFull(r.in, header[:])
	r.offset += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return capture{}, fmt.Errorf("the file ends inside the record at octet %d", start)
	}
	if err != nil {
		return capture{}, err
	}
	size, wire := r.order.Uint32(header[8:]), r.order.Uint32(header[12:])
	if size > maxRecord {
		return capture{}, fmt.Errorf("the record at octet %d claims %d octets, and %d is the most", start, size, maxRecord)
	}
	if cap(r.buf) < int(size) {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	n, err = io.ReadFull(r.in, r.buf)
	r.offset += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return capture{}, fmt.Errorf("the file ends inside the record at octet %d", start)
	}
	if err != nil {
		return capture{}, err
	}
	at := time.Unix(int64(r.order.Uint32(header[:])), int64(r.order.Uint32(header[4:]))*int64(r.unit))
	return capture{at: at.UTC(), link: r.link, octets: r.buf, cut: max(int(wire)-int(size), 0)}, nil
}
