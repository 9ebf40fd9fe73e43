package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/socket"
)

// A talk is two types of socket that a message can go from one to the other
// and, if there is a way back, back.
type talk struct {
	from, to socket.Type
	back     bool
}

var talks = []talk{
	{socket.TypePush, socket.TypePull, false},
	{socket.TypePub, socket.TypeSub, false},
	{socket.TypePub, socket.TypeXSub, false},
	{socket.TypeXPub, socket.TypeSub, false},
	{socket.TypeXPub, socket.TypeXSub, true},
	{socket.TypeReq, socket.TypeRep, true},
	{socket.TypeReq, socket.TypeRouter, true},
	{socket.TypeDealer, socket.TypeRep, true},
	{socket.TypeDealer, socket.TypeDealer, true},
	{socket.TypeDealer, socket.TypeRouter, true},
	{socket.TypeRouter, socket.TypeRouter, true},
	{socket.TypePair, socket.TypePair, true},
}

func (k talk) String() string { return k.from.String() + "-" + k.to.String() }

// receiverName is the routing id of the receiving end, if its peer needs one.
const receiverName = "receiver"

// ends opens both ends and joins them. binds says which: the sender or else
// the receiver.
func (k talk) ends(t testing.TB, b *bed, senderBinds bool, changes ...change) (from, to *socket.Socket) {
	t.Helper()
	from = b.open(t, k.from, changes...)
	name := func(o *socket.Options) { o.Identity = []byte(receiverName) }
	to = b.open(t, k.to, append(changes[:len(changes):len(changes)], name)...)
	if k.to == socket.TypeSub || k.to == socket.TypeXSub {
		subscribe(t, to, "")
	}
	if senderBinds {
		b.join(t, from, to)
	} else {
		b.join(t, to, from)
	}
	if k.from == socket.TypeXPub {
		want(t, from, "\x01") // the subscription
	}
	return from, to
}

// envelope is what the user of a type sends in front of a message to one of
// another.
func envelope(from, to socket.Type) []string {
	switch {
	case from == socket.TypeRouter:
		return []string{receiverName}
	case from == socket.TypeDealer && to == socket.TypeRep:
		return []string{""}
	}
	return nil
}

// there sends a message and receives it. It returns the frames that its
// answer starts with.
func (k talk) there(t testing.TB, from, to *socket.Socket, frames []string) (answer []string) {
	t.Helper()
	send(t, from, append(envelope(k.from, k.to), frames...)...)
	got := recv(t, to)
	extra := len(got) - len(frames)
	if extra < 0 || strings.Join(got[extra:], "|") != strings.Join(frames, "|") {
		t.Fatalf("%v: received %s, want %s", k, brief(got), brief(frames))
	}
	if k.to == socket.TypeRouter {
		return got[:extra] // the sender's routing id, and what a REQ adds
	}
	if extra != 0 {
		t.Fatalf("%v: received %s, want %s", k, brief(got), brief(frames))
	}
	return nil
}

// again receives the answer to what there sent.
func (k talk) again(t testing.TB, from, to *socket.Socket, answer, frames []string) {
	t.Helper()
	send(t, to, append(answer, frames...)...)
	got := recv(t, from)
	switch k.from {
	case socket.TypeRouter:
		got = got[1:]
	case socket.TypeDealer:
		if k.to == socket.TypeRep {
			got = got[1:]
		}
	}
	if strings.Join(got, "|") != strings.Join(frames, "|") {
		t.Fatalf("%v: answer %s, want %s", k, brief(got), brief(frames))
	}
}

// messageShapes are messages whose encodings differ.
var messageShapes = [][]string{
	{"x"},
	{"topic", "body"},
	{"a", "", "c"},
	{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"},
	{strings.Repeat("s", 255)},
	{strings.Repeat("l", 256)},
	{strings.Repeat("m", 5000), "tail"},
	{strings.Repeat("L", 100_000), strings.Repeat("M", 100_000)},
	{strings.Repeat("X", 3<<20)},
}

// TestEveryPattern sends messages of every shape between every two types that
// talk to each other, both ways, whichever end binds.
func TestEveryPattern(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		for _, k := range talks {
			for _, senderBinds := range []bool{true, false} {
				from, to := k.ends(t, b, senderBinds)
				for _, frames := range messageShapes {
					answer := k.there(t, from, to, frames)
					if k.back {
						k.again(t, from, to, answer, frames)
					}
				}
				closeNow(t, from)
				closeNow(t, to)
			}
		}
	})
}

// TestEmptyMessages: frames may be empty, messages may not be.
func TestEmptyMessages(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, false)
		send(t, from, "")
		want(t, to, "")
		send(t, from, "", "", "")
		want(t, to, "", "", "")
		ctx := patient(t)
		wantError(t, "no frames", from.SendParts(ctx), socket.ErrEmptyMessage)
		wantError(t, "no frames", from.TrySendParts(), socket.ErrEmptyMessage)
		wantError(t, "no frames", from.Send(ctx, socket.NewMessage()), socket.ErrEmptyMessage)
		if err := from.SendBytes(ctx, nil); err != nil {
			t.Fatalf("a frame of nil: %v", err)
		}
		want(t, to, "")
	})
}

// TestOrder sends messages of random shapes, in all the ways there are to send
// and receive, and wants every one of them in order.
func TestOrder(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		seed := seed(t)
		from, to := talk{from: socket.TypeDealer, to: socket.TypeDealer}.ends(t, b, true)
		const count = 20_000
		failed := make(chan error, 1)
		go func() { failed <- sendNumbered(t, from, rand.New(rand.NewPCG(seed, 1)), count) }()
		recvNumbered(t, to, rand.New(rand.NewPCG(seed, 2)), count)
		if err := soon(t, "sender ends", failed); err != nil {
			t.Fatal(err)
		}
	})
}

// sendNumbered sends messages of one to four frames that start with their
// number and end with a checksum.
func sendNumbered(t *testing.T, s *socket.Socket, dice *rand.Rand, count int) (err error) {
	ctx := patient(t)
	for i := 0; i < count && err == nil; i++ {
		frames := numbered(i, dice)
		switch i % 5 {
		case 0:
			err = s.Send(ctx, socket.NewMessage(frames...))
		case 1:
			if err = s.TrySendParts(frames...); errors.Is(err, socket.ErrWouldBlock) {
				err = s.SendParts(ctx, frames...)
			}
		case 2:
			m := socket.NewMessage(frames...)
			if err = s.TrySend(m); errors.Is(err, socket.ErrWouldBlock) {
				err = s.Send(ctx, m)
			}
		default:
			err = s.SendParts(ctx, frames...)
		}
	}
	return err
}

func numbered(i int, dice *rand.Rand) [][]byte {
	frames := [][]byte{fmt.Append(nil, i)}
	for range dice.IntN(4) {
		frames = append(frames, bytes.Repeat([]byte{byte(i)}, dice.IntN(1<<dice.IntN(13))))
	}
	return append(frames, checksum(frames))
}

func checksum(frames [][]byte) []byte {
	var sum uint32
	for _, f := range frames {
		sum = crc32.Update(sum, crc32.IEEETable, f)
		sum = crc32.Update(sum, crc32.IEEETable, []byte{0xff})
	}
	return fmt.Append(nil, sum)
}

// recvNumbered receives what sendNumbered sends.
func recvNumbered(t *testing.T, s *socket.Socket, dice *rand.Rand, count int) {
	t.Helper()
	ctx := patient(t)
	batch := make([]*socket.Message, 50)
	for i := 0; i < count; {
		n := 1
		var err error
		switch dice.IntN(3) {
		case 0:
			batch[0], err = s.Recv(ctx)
		case 1:
			if batch[0], err = s.TryRecv(); errors.Is(err, socket.ErrWouldBlock) {
				batch[0], err = s.Recv(ctx)
			}
		case 2:
			n, err = s.RecvBatch(ctx, batch[:1+dice.IntN(len(batch))])
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch[:n] {
			checkNumbered(t, m, i)
			i++
		}
	}
}

func checkNumbered(t *testing.T, m *socket.Message, number int) {
	t.Helper()
	var frames [][]byte
	for i := range m.Len() {
		frames = append(frames, m.Frame(i))
	}
	last := len(frames) - 1
	if string(frames[0]) != fmt.Sprint(number) {
		t.Fatalf("received message %s, want %d", frames[0], number)
	}
	if last == 0 || !bytes.Equal(frames[last], checksum(frames[:last])) {
		t.Fatalf("message %d is damaged: %d frames, %d octets", number, m.Len(), m.Size())
	}
	m.Release()
}

// TestMessageOwnership: a message sent belongs to the socket, one that could
// not be sent is still the caller's, a received one can be kept as a Clone.
func TestMessageOwnership(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true)
		body := []byte("before")
		m := socket.NewMessage(body, []byte("more"))
		copy(body, "behind")
		if m.Len() != 2 || m.Size() != 10 || string(m.Frame(0)) != "before" {
			t.Fatalf("NewMessage did not copy: %q", m.Frame(0))
		}
		m.Append([]byte("end"))
		if err := from.Send(patient(t), m); err != nil {
			t.Fatal(err)
		}
		got, err := to.Recv(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		kept := got.Clone()
		got.Release()
		send(t, from, strings.Repeat("overwrite", 100))
		recv(t, to)
		if s := unpack(kept); strings.Join(s, "|") != "before|more|end" {
			t.Fatalf("clone became %q", s)
		}

		lonely := b.open(t, socket.TypePush)
		m = socket.NewMessage([]byte("mine"))
		wantError(t, "no peer", lonely.TrySend(m), socket.ErrWouldBlock)
		if m.Len() != 1 || string(m.Frame(0)) != "mine" {
			t.Fatalf("a message that was not sent changed")
		}
		if err := from.Send(patient(t), m); err != nil { // so it can go another way
			t.Fatal(err)
		}
		want(t, to, "mine")
	})
}

// TestReleaseTwice: whoever releases a message twice is told so at once, rather
// than robbed of another later.
func TestReleaseTwice(t *testing.T) {
	m := socket.NewMessage([]byte("x"))
	m.Release()
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	m.Release()
}

// TestForwarding sends on what was received, as a proxy does: frames that
// alias what they arrived in, of every size.
func TestForwarding(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		k := talk{from: socket.TypePush, to: socket.TypePull}
		from, middleIn := k.ends(t, b, true)
		middleOut, to := k.ends(t, b, false)
		for _, frames := range messageShapes {
			send(t, from, frames...)
			m, err := middleIn.Recv(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := middleOut.Send(patient(t), m); err != nil {
				t.Fatal(err)
			}
			want(t, to, frames...)
		}
	})
}

// TestSendBatch sends more than fits at once, so it must wait within.
func TestSendBatch(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		from, to := talk{from: socket.TypePush, to: socket.TypePull}.ends(t, b, true)
		const count = 5000
		bodies := make([][]byte, count)
		for i := range bodies {
			bodies[i] = fmt.Append(nil, i)
		}
		type outcome struct {
			n   int
			err error
		}
		done := make(chan outcome, 1)
		go func() {
			n, err := from.SendBatch(patient(t), bodies)
			done <- outcome{n, err}
		}()
		for i := range count {
			want(t, to, fmt.Sprint(i))
		}
		if o := soon(t, "SendBatch returns", done); o.n != count || o.err != nil {
			t.Fatalf("SendBatch: %d, %v", o.n, o.err)
		}
		if n, err := from.SendBatch(patient(t), nil); n != 0 || err != nil {
			t.Fatalf("SendBatch of nothing: %d, %v", n, err)
		}
		if n, err := to.RecvBatch(patient(t), nil); n != 0 || err != nil {
			t.Fatalf("RecvBatch of nothing: %d, %v", n, err)
		}
	})
}

// What Messages yields may be sent on in the loop, or released.
func TestMessagesSentOnInTheLoop(t *testing.T) {
	everywhere(t, anyTransport, func(t *testing.T, b *bed) {
		rep, req := b.open(t, socket.TypeRep), b.open(t, socket.TypeReq)
		connectTo(t, req, b.bind(t, rep))
		ctx, cancel := context.WithCancel(patient(t))
		served := make(chan int)
		go func() {
			n := 0
			for m, err := range rep.Messages(ctx) {
				if err == nil {
					err = rep.Send(ctx, m)
				}
				if err != nil {
					t.Error(err)
				}
				n++
				m.Release()
			}
			served <- n
		}()
		for i := range 3 {
			want := fmt.Sprint("question ", i)
			if err := req.SendBytes(patient(t), []byte(want)); err != nil {
				t.Fatal(err)
			}
			m, err := req.Recv(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(m.Frame(0)); got != want {
				t.Errorf("%q came back as %q", want, got)
			}
			m.Release()
		}
		cancel()
		if n := <-served; n != 3 {
			t.Errorf("%d were served", n)
		}
	})
}
