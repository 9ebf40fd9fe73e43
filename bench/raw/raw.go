// Package raw is what the machine can do without a messaging library: frames
// over tcp and Unix domain sockets by way of package net, and Go channels. It
// does as little as it can, and has none of a library's duties: no queues, no
// high-water marks, no reconnecting, one peer for each socket, one goroutine at
// a time.
//
// A sender appends frames to a buffer of 128 KiB and writes that when it is
// full. A receiver reads as much, and parses in place. Those who ask and reply
// write each message at once. Over a channel what goes is a copy of the
// message, into one of the buffers that the receiver has sent back.
//
// Multicast is datagrams of UDP, and what is lost is lost.
package raw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"

	"github.com/zeroring/zeroring/bench"
)

// A Driver opens raw connections and channels.
type Driver struct {
	// Segments has the kernel cut up and put together datagrams of multicast.
	Segments bool

	mu       sync.Mutex
	channels map[string]*channel
}

const bufferSize = 128 << 10

// About says how it was done.
func (d *Driver) About(j bench.Job) bench.About {
	how := "frames in writes and reads of 128 KiB"
	switch {
	case j.Transport == bench.Inproc:
		how = fmt.Sprintf("chan []byte of %d", j.HWM)
	case j.Pattern == bench.Multicast && d.Segments:
		how = "UDP_SEGMENT and UDP_GRO"
	case j.Pattern == bench.Multicast:
		how = "sendmmsg and recvmmsg"
	}
	return bench.About{Version: runtime.Version(), Settings: []string{how}}
}

// Open returns one end of a connection or channel.
func (d *Driver) Open(k bench.Kind, j bench.Job) (bench.Link, error) {
	if j.Pattern == bench.Multicast {
		return newCastLink(k, j, d.Segments)
	}
	switch k {
	case bench.Pusher, bench.Puller, bench.Requester, bench.Replier:
	default:
		return nil, errors.New("not supported: raw connections have one peer")
	}
	if j.Transport == bench.Inproc {
		return &chanLink{driver: d, kind: k, hwm: j.HWM, size: j.Size}, nil
	}
	l := &netLink{kind: k, in: make([]byte, max(bufferSize, 2*j.Size))}
	if k != bench.Puller {
		l.out = make([]byte, 0, max(bufferSize, j.Size+maxHeader))
	}
	return l, nil
}

// A netLink is a connection. The side that binds accepts it when it first
// receives.
type netLink struct {
	kind     bench.Kind
	listener net.Listener
	mu       sync.Mutex // of conn and closed, when they change
	conn     net.Conn
	closed   bool
	out      []byte // frames to be written
	in       []byte // in[from:to] was read and is to be parsed
	from, to int
}

// A frame is ZMTP's: an octet of flags, then the length in one octet or eight.
const (
	flagLong  = 2
	maxHeader = 9
)

func split(endpoint string) (network, address string, err error) {
	scheme, address, ok := strings.Cut(endpoint, "://")
	switch {
	case ok && scheme == "tcp":
		return "tcp", strings.Replace(address, ":*", ":0", 1), nil
	case ok && scheme == "ipc":
		return "unix", address, nil
	}
	return "", "", fmt.Errorf("not supported: endpoint %s", endpoint)
}

func (l *netLink) Bind(endpoint string) (string, error) {
	network, address, err := split(endpoint)
	if err != nil {
		return "", err
	}
	if l.listener, err = net.Listen(network, address); err != nil {
		return "", err
	}
	scheme, _, _ := strings.Cut(endpoint, "://")
	return scheme + "://" + l.listener.Addr().String(), nil
}

func (l *netLink) Connect(endpoint string) error {
	network, address, err := split(endpoint)
	if err != nil {
		return err
	}
	if l.conn != nil {
		return errors.New("not supported: raw connections have one peer")
	}
	l.conn, err = net.Dial(network, address)
	return err
}

func (l *netLink) Subscribe([]byte) error { return errors.New("not supported: topics") }
func (l *netLink) Await(int) error        { return nil }

func (l *netLink) Send(body []byte) error {
	if len(l.out)+maxHeader+len(body) > cap(l.out) {
		if err := l.flush(); err != nil {
			return err
		}
	}
	if len(body) <= 255 {
		l.out = append(l.out, 0, byte(len(body)))
	} else {
		l.out = binary.BigEndian.AppendUint64(append(l.out, flagLong), uint64(len(body)))
	}
	l.out = append(l.out, body...)
	if l.kind == bench.Pusher {
		return nil
	}
	return l.flush()
}

func (l *netLink) flush() error {
	if len(l.out) == 0 {
		return nil
	}
	_, err := l.conn.Write(l.out)
	l.out = l.out[:0]
	return err
}

func (l *netLink) Recv() ([]byte, error) {
	if l.conn == nil {
		if err := l.accept(); err != nil {
			return nil, err
		}
	}
	for {
		if body, n := parse(l.in[l.from:l.to]); n > 0 {
			l.from += n
			return body, nil
		}
		if l.from > 0 {
			l.to = copy(l.in, l.in[l.from:l.to])
			l.from = 0
		}
		n, err := l.conn.Read(l.in[l.to:])
		if n == 0 && err == io.EOF && l.kind == bench.Replier {
			// Its client has left, and it goes on until it is closed.
			err = l.accept()
		}
		if l.to += n; n == 0 && err != nil {
			return nil, err
		}
	}
}

// accept waits for the peer.
func (l *netLink) accept() error {
	conn, err := l.listener.Accept()
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.Join(net.ErrClosed, conn.Close())
	}
	if l.conn != nil {
		err = l.conn.Close()
	}
	l.conn = conn
	return err
}

// parse returns the body of the frame at the start of b and the frame's size,
// or 0 if it is not whole yet.
func parse(b []byte) (body []byte, size int) {
	if len(b) < 2 {
		return nil, 0
	}
	header, n := 2, int(b[1])
	if b[0]&flagLong != 0 {
		if len(b) < maxHeader {
			return nil, 0
		}
		header, n = maxHeader, int(binary.BigEndian.Uint64(b[1:]))
	}
	if len(b)-header < n {
		return nil, 0
	}
	return b[header : header+n], header + n
}

func (l *netLink) Echo() error {
	body, err := l.Recv()
	if err != nil {
		return err
	}
	return l.Send(body)
}

func (l *netLink) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var err error
	if l.conn != nil {
		if l.kind == bench.Pusher {
			err = l.flush()
		}
		err = errors.Join(err, l.conn.Close())
	}
	if l.listener != nil {
		err = errors.Join(err, l.listener.Close())
	}
	return err
}

// A channel is both directions between two links. Buffers go round: what the
// receiver is done with goes back to the sender.
type channel struct {
	there, back lane
	closed      chan struct{}
	once        sync.Once
}

type lane struct{ full, empty chan []byte }

func newLane(hwm, size int) lane {
	l := lane{make(chan []byte, hwm+1), make(chan []byte, hwm+1)}
	for range hwm + 1 {
		l.empty <- make([]byte, 0, size)
	}
	return l
}

type chanLink struct {
	driver    *Driver
	kind      bench.Kind
	hwm, size int
	c         *channel
	in, out   lane
	last      []byte // what Recv returned
}

func (l *chanLink) Bind(endpoint string) (string, error) {
	l.c = &channel{
		there: newLane(l.hwm, l.size), back: newLane(l.hwm, l.size), closed: make(chan struct{}),
	}
	l.in, l.out = l.c.there, l.c.back
	l.driver.mu.Lock()
	defer l.driver.mu.Unlock()
	if l.driver.channels == nil {
		l.driver.channels = make(map[string]*channel)
	}
	l.driver.channels[endpoint] = l.c
	return endpoint, nil
}

func (l *chanLink) Connect(endpoint string) error {
	l.driver.mu.Lock()
	defer l.driver.mu.Unlock()
	if l.c = l.driver.channels[endpoint]; l.c == nil {
		return fmt.Errorf("nobody is at %s", endpoint)
	}
	l.in, l.out = l.c.back, l.c.there
	return nil
}

func (l *chanLink) Subscribe([]byte) error { return errors.New("not supported: topics") }
func (l *chanLink) Await(int) error        { return nil }

func (l *chanLink) Send(body []byte) error {
	select {
	case b := <-l.out.empty:
		l.out.full <- append(b[:0], body...) // has room: there are no more buffers
		return nil
	case <-l.c.closed:
		return io.ErrClosedPipe
	}
}

func (l *chanLink) Recv() ([]byte, error) {
	if l.last != nil {
		l.in.empty <- l.last
		l.last = nil
	}
	select {
	case b := <-l.in.full:
		l.last = b
		return b, nil
	case <-l.c.closed:
		return nil, io.ErrClosedPipe
	}
}

func (l *chanLink) Echo() error {
	body, err := l.Recv()
	if err != nil {
		return err
	}
	return l.Send(body)
}

// Close ends both sides, for they are of one process and the receiver is the
// last to need it.
func (l *chanLink) Close() error {
	if l.c != nil {
		l.c.once.Do(func() { close(l.c.closed) })
	}
	return nil
}
