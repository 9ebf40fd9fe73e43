package reactor

import (
	"net/netip"
	"testing"
)

// BenchmarkDatagrams sends messages over the loopback interface and reads them,
// on one goroutine: what the calls cost, with what the kernel does in them.
func BenchmarkDatagrams(b *testing.B) {
	for _, bb := range []struct {
		name              string
		messages, octets  int // of each message
		segment           int
		whole, timestamps bool
	}{
		{name: "one of 64", messages: 1, octets: 64},
		{name: "one of 64, with timestamps", messages: 1, octets: 64, timestamps: true},
		{name: "64 of 1452", messages: 64, octets: 1452, whole: true},
		{name: "one of 44 segments", messages: 1, octets: 44 * 1452, segment: 1452},
		{name: "8 of 44 segments", messages: 8, octets: 44 * 1452, segment: 1452},
		{name: "one of 44 segments, plain receiver", messages: 1, octets: 44 * 1452, segment: 1452, whole: true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			g, err := NewGroup(&Config{Reactors: 1, Backend: Epoll})
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			r := g.Reactors()[0]
			open := func() (FD, netip.AddrPort) {
				fd, info, err := r.Datagram(&DatagramOpts{
					Local: at(home), RecvBuf: 4 << 20, SendBuf: 4 << 20, Whole: bb.whole, Timestamps: bb.timestamps,
				})
				if err != nil {
					b.Fatal(err)
				}
				return fd, info.Local
			}
			near, _ := open()
			far, to := open()
			defer r.CloseFD(near)
			defer r.CloseFD(far)
			reader, writer := NewDatagramReader(64, MaxDatagram), NewDatagramWriter(64)
			data := make([]byte, bb.octets)
			b.SetBytes(int64(bb.messages * bb.octets))
			b.ReportAllocs()
			for b.Loop() {
				for range bb.messages {
					writer.Add(to, data, bb.segment)
				}
				if err := writer.Flush(r, near); err != nil {
					b.Fatal(err)
				}
				for got := 0; got < bb.messages*bb.octets; {
					n, err := reader.Read(r, far)
					if err != nil {
						b.Fatal(err)
					}
					for i := range n {
						got += len(reader.At(i).Data)
					}
				}
			}
		})
	}
}
