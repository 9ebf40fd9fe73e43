package socket

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/zeroring/zeroring/zmtp"
)

// TestTooLarge: a message that no queue can hold is refused by every way to
// send, before anything is copied, and the socket goes on working.
func TestTooLarge(t *testing.T) {
	e := quietEngine(t)
	push, err := NewPush(&Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	pull, err := NewPull(&Options{Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pull.Bind("inproc://large"); err != nil {
		t.Fatal(err)
	}
	if err := push.Connect("inproc://large"); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	body := make([]byte, 1<<32) // never touched, so never backed by memory
	half := body[:1<<31]
	many := make([][]byte, maxSendFrames+1)
	for name, err := range map[string]error{
		"SendBytes":              push.SendBytes(ctx, body),
		"TrySendBytes":           push.TrySendBytes(body),
		"SendParts":              push.SendParts(ctx, body),
		"SendParts, two halves":  push.SendParts(ctx, half, half),
		"SendParts, many frames": push.SendParts(ctx, many...),
		"TrySendParts":           push.TrySendParts(many...),
	} {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: error %v, want ErrTooLarge", name, err)
		}
	}
	if n, err := push.SendBatch(ctx, [][]byte{{1}, body, {2}}); n != 1 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("SendBatch: %d sent, error %v; want 1 and ErrTooLarge", n, err)
	}
	if err := push.SendParts(ctx, many[1:]...); err != nil {
		t.Errorf("the most frames: %v", err)
	}
	m, err := pull.Recv(ctx)
	if err != nil || m.Len() != 1 || m.Frame(0)[0] != 1 {
		t.Errorf("received %v, error %v", m, err)
	}
}

// TestTopicTooLong: a subscription that publishers end connections for is refused
// where it is made, and the longest that they take is not.
func TestTopicTooLong(t *testing.T) {
	xsub, err := NewXSub(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer xsub.Close()
	pub, err := NewPub(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	at, err := pub.Bind("tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	long := make([]byte, 1+zmtp.MaxTopic+1)
	long[0] = subscribeOctet
	for name, err := range map[string]error{
		"Subscribe":   xsub.Subscribe(long[1:]),
		"Unsubscribe": xsub.Unsubscribe(long[1:]),
		"SendBytes":   xsub.SendBytes(ctx, long),
		"SendParts":   xsub.SendParts(ctx, []byte{subscribeOctet}, long),
	} {
		if !errors.Is(err, ErrTopicTooLong) {
			t.Errorf("%s: error %v, want ErrTopicTooLong", name, err)
		}
	}
	if err := xsub.SendBytes(ctx, long[:len(long)-1]); err != nil {
		t.Fatal(err)
	}
	if err := xsub.Connect(at); err != nil {
		t.Fatal(err)
	}
	if err := pub.WaitPeers(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if n := pub.Stats().Peers[0].Subscriptions; n != 1 {
		t.Errorf("%d subscriptions, want 1", n)
	}
}

// TestLimitsFitQueues: no limit that a user may choose lets a peer send a message
// that no queue can hold.
func TestLimitsFitQueues(t *testing.T) {
	libzmq := LibzmqDefaults().MaxMsgSize
	for _, size := range []int64{0, 1, 1 << 31, 3 << 30, 1 << 40, libzmq, math.MaxInt64, -1} {
		s, err := New(TypePull, &Options{MaxMsgSize: size})
		if err != nil {
			t.Fatal(err)
		}
		e := zmtp.NewEngine(&s.zmtp[0], time.Time{})
		ready := append(zmtp.AppendFrameHeader(nil, zmtp.FrameHeader{Flags: zmtp.FlagCommand, Size: 6}), "\x05READY"...)
		greeted := append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01NULL"), make([]byte, 48)...)
		for _, octets := range [][]byte{greeted, ready} {
			if _, err := e.Consume(time.Time{}, octets, 1); err != nil {
				t.Fatal(err)
			}
		}
		header := zmtp.AppendFrameHeader(nil, zmtp.FrameHeader{Size: maxMessage - maxHeader + 1})
		var broke *zmtp.ProtocolError
		if _, err := e.Consume(time.Time{}, header, 1); !errors.As(err, &broke) {
			t.Errorf("MaxMsgSize %d: error %v for a message of %d octets", size, err, maxMessage+1)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
