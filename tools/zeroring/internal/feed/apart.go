package feed

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/zeroring/zeroring/socket"
	"github.com/zeroring/zeroring/tools/itch"
)

// This file is for publishers and subscribers in different processes, or on
// different machines, who meet at a group.

// elsewhere stands in for the input that another process publishes. A subscriber then
// takes everything, or what --symbols names, which nobody here can check.
func elsewhere(cfg *Config) (source, []choice, error) {
	all := choice{all: len(cfg.Symbols) == 0}
	for _, symbol := range cfg.Symbols {
		s, err := parseSymbol(symbol)
		if err != nil {
			return nil, nil, err
		}
		all.stocks = append(all.stocks, s)
	}
	choices := make([]choice, cfg.Subscribers)
	for i := range choices {
		choices[i] = all
	}
	return absent{}, choices, nil
}

// absent is the input of one who only subscribes.
type absent struct{ source }

func (absent) String() string { return "a feed published elsewhere" }
func (absent) Close() error   { return nil }

// How often a publisher alone says that it begins or ends, and for how long that it
// ends, so that receivers can repair the last of it.
const (
	callEvery = 20 * time.Millisecond
	partTime  = time.Second
)

// joinApart is join for one side alone.
func (a *arena) joinApart(ctx context.Context) error {
	if a.only == Publish {
		return call(ctx, a.pub.pub, joinTopic, nil, time.After(a.wait))
	}
	return nil // the wait for a source is shown
}

// partApart tells subscribers elsewhere that all is over, and with which numbers.
func (a *arena) partApart(ctx context.Context) {
	if a.only != Publish {
		return
	}
	body := appendEnds(nil, a.pub.seq, &a.pub.topics)
	if a.done == nil {
		_ = call(ctx, a.pub.pub, endTopic, body, time.After(partTime))
	} else {
		_ = call(ctx, a.pub.pub, endTopic, body, a.done)
	}
}

// call repeats one of the publisher's own topics until it is enough, and sends it once
// at least.
func call[T any](ctx context.Context, pub *socket.Pub, topic itch.Stock, body []byte, enough <-chan T) error {
	again := time.NewTicker(callEvery)
	defer again.Stop()
	for {
		if err := pub.SendParts(ctx, topic[:], make([]byte, headerLength), body); err != nil {
			return err
		}
		select {
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// replay publishes, or waits until somebody elsewhere has. That time is up is no error.
func (a *arena) replay(ctx context.Context, laps int) error {
	if a.only != Subscribe {
		return a.pub.replay(ctx, laps)
	}
	select {
	case <-a.ended.open:
	case <-ctx.Done():
	}
	return nil
}

// ends are the last numbers of all topics, by locate code.
//
//	topic   8 octets
//	last    8 octets: the last number, 0 for none
type ends struct {
	seq    []uint64
	topics topics
}

const endLength = 16

func appendEnds(b []byte, seq []uint64, t *topics) []byte {
	for locate, last := range seq {
		b = append(b, t.byLocate[locate][:]...)
		b = binary.BigEndian.AppendUint64(b, last)
	}
	return b
}

func (e *ends) parse(b []byte) {
	for ; len(b) >= endLength; b = b[endLength:] {
		e.topics.byLocate = append(e.topics.byLocate, itch.Stock(b))
		e.seq = append(e.seq, binary.BigEndian.Uint64(b[8:]))
	}
}
