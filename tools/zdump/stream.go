package main

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/zmtp"
)

const (
	maxFrame   = 64 << 20 // octets of one frame's body
	maxHeld    = 1024     // packets of one session that wait for a repair
	maxStreams = 1024     // sessions; those beyond are not followed
	maxBody    = 1024     // octets of a body that go into JSON
)

// A session is what has a stream. The address is there because libzmq gives all
// its sources one GSI.
type session struct {
	from netip.Addr
	tsi  pgm.TSI
}

// A frame is one of ZMTP 1.0, as it is printed.
type frame struct {
	More bool   `json:"more"`
	Size int    `json:"size"`
	Body []byte `json:"body"` // the start of it, at most 1024 octets
	text string
}

// A stream puts a session's data in sequence, as far as it is there.
//
//	lost --a packet in which a message begins--> following --gap that nobody repairs--> lost
type stream struct {
	decoder   *zmtp.V1Decoder
	next      pgm.SQN
	started   bool               // next means something
	following bool               // the decoder is at next
	held      map[pgm.SQN][]byte // payloads behind a gap that begins at next
	frames    []frame
	notes     []string
}

// follow takes a data packet and returns the frames that it completes.
func (d *dumper) follow(key session, data *pgm.Data) (frames []frame, notes []string) {
	s := d.streams[key]
	if s == nil {
		if len(d.streams) >= maxStreams {
			return nil, []string{fmt.Sprintf("not followed: more than %d sessions", maxStreams)}
		}
		s = &stream{decoder: zmtp.NewV1Decoder(maxFrame), held: make(map[pgm.SQN][]byte)}
		d.streams[key] = s
	}
	s.frames, s.notes = nil, nil
	s.take(data.SQN, data.Payload)
	return s.frames, s.notes
}

func (s *stream) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// take puts one packet in its place.
func (s *stream) take(sqn pgm.SQN, payload []byte) {
	switch {
	case !s.started || sqn == s.next:
		s.started = true
		s.feed(sqn, payload)
		s.drain()
	case sqn.Before(s.next):
		s.note("seq %d is before what is awaited, %d", sqn, s.next)
	default:
		if len(s.held) == 0 {
			s.note("gap: seq %d to %d are missing, and what follows waits for them", s.next, sqn.Add(-1))
		}
		s.held[sqn] = bytes.Clone(payload)
		if len(s.held) > maxHeld {
			s.skip()
		}
	}
}

// drain feeds what waited, up to the next gap.
func (s *stream) drain() {
	for {
		payload, ok := s.held[s.next]
		if !ok {
			return
		}
		delete(s.held, s.next)
		s.feed(s.next, payload)
	}
}

// skip gives up the gap that begins at next.
func (s *stream) skip() {
	if len(s.held) == 0 {
		return
	}
	var held []pgm.SQN
	for sqn := range s.held {
		held = append(held, sqn)
	}
	first := slices.MinFunc(held, func(a, b pgm.SQN) int { return cmp.Compare(a.Sub(s.next), b.Sub(s.next)) })
	s.note("seq %d to %d were never repaired: not contiguous here", s.next, first.Add(-1))
	s.following, s.next = false, first
	s.drain()
}

// feed decodes the packet that is next.
func (s *stream) feed(sqn pgm.SQN, payload []byte) {
	s.next = sqn.Add(1)
	offset, data, err := pgm.ConsumeTSDU(payload)
	if err != nil {
		s.following = false
		s.note("seq %d: %v", sqn, err)
		return
	}
	if !s.following {
		if offset == pgm.NoMessage {
			s.note("seq %d: no message begins here", sqn)
			return
		}
		if offset > 0 {
			s.note("seq %d: the first %d octets belong to a message that began before", sqn, offset)
		}
		s.decoder.Reset()
		s.following, data = true, data[offset:]
	}
	for len(data) > 0 {
		f, n, ok, err := s.decoder.Consume(data)
		if err != nil {
			s.following = false
			s.note("seq %d: %v", sqn, err)
			return
		}
		if ok {
			s.frames = append(s.frames, frame{
				More: f.Flags&zmtp.FlagMore != 0, Size: len(f.Body),
				Body: bytes.Clone(f.Body[:min(len(f.Body), maxBody)]), text: f.String(),
			})
		}
		data = data[n:]
	}
}

// finish gives up all gaps and prints what stood behind them.
func (d *dumper) finish() error {
	var keys []session
	for key := range d.streams {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b session) int { return cmp.Compare(a.tsi.String(), b.tsi.String()) })
	for _, key := range keys {
		s := d.streams[key]
		s.frames, s.notes = nil, nil
		for len(s.held) > 0 {
			s.skip()
		}
		if s.following && s.decoder.Partial() {
			s.note("ends inside a frame")
		}
		if len(s.notes)+len(s.frames) == 0 {
			continue
		}
		if err := d.end(key, s); err != nil {
			return err
		}
	}
	return nil
}

// end prints what is left of one session.
func (d *dumper) end(key session, s *stream) error {
	if d.json {
		return d.object(&struct {
			End    string   `json:"end"`
			From   string   `json:"from"`
			Notes  []string `json:"notes,omitempty"`
			Frames []frame  `json:"frames,omitempty"`
		}{key.tsi.String(), key.from.String(), s.notes, s.frames})
	}
	if _, err := fmt.Fprintf(d.out, "end of %v from %v\n", key.tsi, key.from); err != nil {
		return err
	}
	return d.details(s.notes, s.frames)
}
