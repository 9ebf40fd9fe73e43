package lab_test

import (
	"sync"
	"testing"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

// BenchmarkFabric is one frame of 1452 octets in UDP from one host to three, of
// which a window is under way. All processors share the work, the sockets' too.
func BenchmarkFabric(b *testing.B) {
	for _, f := range fabrics {
		b.Run(f.String(), func(b *testing.B) { benchmarkFabric(b, f) })
	}
}

func benchmarkFabric(b *testing.B, f lab.Fabric) {
	const window, size = 512, 1452
	l := lab.Start(b, lab.Config{Hosts: 4, Fabric: f})
	var receivers sync.WaitGroup
	room := make(chan struct{}, window) // one for each frame under way, which the last host takes out
	for _, h := range l.Hosts()[1:] {
		conn := listen(b, h, group4)
		receivers.Go(func() {
			buf := make([]byte, size)
			for range b.N {
				if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
					b.Error(err)
				}
				if _, _, err := conn.ReadFromUDPAddrPort(buf); err != nil {
					b.Errorf("host %d: %v", h.Number(), err)
					return
				}
				if h.Number() == len(l.Hosts()) {
					<-room
				}
			}
		})
	}
	source := speak(b, l.Host(1), group4)
	frame := make([]byte, size)
	b.ResetTimer()
	for range b.N {
		room <- struct{}{}
		if _, err := source.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	receivers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
	if s, err := l.Stats(1); err != nil || s.Missed != 0 {
		b.Errorf("%+v, %v", s, err)
	}
}
