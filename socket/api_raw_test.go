package socket_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A rawListener is a peer that says nothing that a test does not say for it.
type rawListener struct {
	net.Listener
	endpoint string
}

// rawListen listens where sockets of b can connect to.
func (b *bed) rawListen(t testing.TB) rawListener {
	t.Helper()
	return b.rawListenAt(t, b.endpoint(t))
}

func (b *bed) rawListenAt(t testing.TB, endpoint string) rawListener {
	t.Helper()
	network, address := rawAddress(endpoint)
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return rawListener{l, endpoint}
}

// rawAddress is an endpoint in the words of package net.
func rawAddress(endpoint string) (network, address string) {
	if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
		return "unix", path
	}
	return "tcp", strings.TrimPrefix(endpoint, "tcp://")
}

func (l rawListener) accept(t testing.TB) rawConn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return newRawConn(t, c)
}

// A rawConn is a connection to a socket, as a peer has one that is not ours.
type rawConn struct{ net.Conn }

// rawDial connects to an endpoint that a socket has bound.
func rawDial(t testing.TB, endpoint string) rawConn {
	t.Helper()
	network, address := rawAddress(endpoint)
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return newRawConn(t, c)
}

func newRawConn(t testing.TB, c net.Conn) rawConn {
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return rawConn{c}
}

// A greeting of ZMTP 3.1 with the NULL mechanism.
// https://rfc.zeromq.org/spec/37/#greeting
var greeting = append(append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1}, "NULL"...), make([]byte, 48)...)

// ready is a READY command of a peer of that type.
// https://rfc.zeromq.org/spec/37/#the-null-security-mechanism
func ready(typ string) []byte {
	property := append([]byte{11}, "Socket-Type"...)
	property = append(property, 0, 0, 0, byte(len(typ)))
	property = append(property, typ...)
	return command(append([]byte("\x05READY"), property...))
}

// command is a short command frame.
func command(body []byte) []byte { return append([]byte{4, byte(len(body))}, body...) }

// frame is a short message frame.
func frame(body string) []byte { return append([]byte{0, byte(len(body))}, body...) }

// say writes octets. That the socket hung up already is for the caller to see
// when it reads.
func (c rawConn) say(octets ...[]byte) { _, _ = c.Write(bytes.Join(octets, nil)) }

// hear reads n octets.
func (c rawConn) hear(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("reading what the socket says: %v", err)
	}
	return b
}

// ended waits until the socket hangs up, and returns what it said before.
func (c rawConn) ended(t testing.TB) []byte {
	t.Helper()
	said, err := io.ReadAll(c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("the socket does not hang up; it said %q", said)
	}
	return said // or it was reset, as ours had octets that the socket did not read
}

// handshake does a peer's part of the handshake.
func (c rawConn) handshake(t testing.TB, typ string) {
	t.Helper()
	c.say(greeting, ready(typ))
	c.hear(t, 64)
	head := c.hear(t, 2)
	c.hear(t, int(head[1]))
}
