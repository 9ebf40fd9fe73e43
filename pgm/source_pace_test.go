package pgm

import (
	"testing"
	"time"
)

// TestSourcePace: a source without a rate, asked for ten times what it sends, repeats
// no more than it sends; and little of it if it repeats the same again and again.
func TestSourcePace(t *testing.T) {
	const step, size, before = 100 * time.Microsecond, 1000, 12_000
	for _, test := range []struct {
		name        string
		same        bool // it is always the same that is asked for
		least, most float64
	}{{"others each time", false, 0.5, 1.05}, {"the same each time", true, 0.1, 0.35}} {
		t.Run(test.name, func(t *testing.T) {
			k := newStand(t, SourceConfig{NoSYN: true, RTT: 10 * time.Microsecond})
			k.quiet = true
			payload := string(make([]byte, size))
			for range before {
				k.send(payload)
				k.pump()
			}
			var from SourceStats
			for i := range SQN(1000) { // 100 ms, of which the second half is measured
				if i == 500 {
					from = k.s.Stats()
				}
				first := 10 * i
				if test.same {
					first = 0
				}
				list := numbers(first, 10)
				k.nak(list[0], list[1:]...)
				k.send(payload)
				k.pump()
				k.now += step
			}
			to := k.s.Stats()
			part := float64(to.RDATAOctets-from.RDATAOctets) / float64(to.ODATAOctets-from.ODATAOctets)
			if part < test.least || part > test.most {
				t.Errorf("repairs are %.2f of data, want %.2f to %.2f", part, test.least, test.most)
			}
		})
	}
}
