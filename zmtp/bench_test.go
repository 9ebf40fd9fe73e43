package zmtp

import (
	"fmt"
	"testing"
	"time"
)

// stream returns about size octets of whole messages, each of parts frames with
// bodies of that many octets, and how many messages that is.
func stream(size, body, parts int) (b []byte, n int) {
	for len(b) < size {
		for i := range parts {
			flags := FlagMore
			if i == parts-1 {
				flags = 0
			}
			b = AppendFrame(b, flags, make([]byte, body))
		}
		n++
	}
	return b, n
}

// BenchmarkWalk is about finding message ends in what was read, in messages. It
// bounds how fast a reader can be that does not touch the bodies.
func BenchmarkWalk(b *testing.B) {
	for _, shape := range []struct{ body, parts int }{{16, 1}, {64, 1}, {255, 1}, {1024, 1}, {16, 2}, {64, 3}} {
		b.Run(fmt.Sprintf("%dx%d", shape.parts, shape.body), func(b *testing.B) {
			octets, n := stream(64<<10, shape.body, shape.parts)
			b.ReportAllocs()
			messages := 0
			for b.Loop() {
				w := walkMessages(octets, 0, 0, n+1, 1<<30, 1<<31)
				messages += w.n
			}
			report(b, messages)
		})
	}
}

// BenchmarkConsume is BenchmarkWalk by way of an Engine, per read of 64 KiB, and
// for a single message per read, which is what a round trip sees.
func BenchmarkConsume(b *testing.B) {
	for _, size := range []int{1, 64 << 10} {
		b.Run(fmt.Sprintf("read=%d", size), func(b *testing.B) {
			octets, n := stream(size, 64, 1)
			e, now := newReadyEngine(b, &Config{SocketType: "PULL"}, 1), time.Unix(1, 0)
			b.ReportAllocs()
			messages := 0
			for b.Loop() {
				ev, err := e.Consume(now, octets, n)
				if err != nil || ev.N != len(octets) {
					b.Fatal(ev, err)
				}
				messages += ev.Messages
			}
			report(b, messages)
		})
	}
}

func report(b *testing.B, messages int) {
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds()/1e6, "Mmsg/s")
}

func BenchmarkAppendFrameHeader(b *testing.B) {
	buf := make([]byte, 0, 16)
	for b.Loop() {
		AppendFrameHeader(buf, FrameHeader{0, 64})
	}
}
