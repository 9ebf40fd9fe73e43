package socket

import "testing"

// What the kernel is to cut into packets of one size lies in one piece, has that size,
// and ends with the first that is shorter; and is no more than it takes.
func TestRunOfPackets(t *testing.T) {
	ring := make([]byte, 1<<17)
	at := 0
	packet := func(size int) []byte {
		p := ring[at:][:size]
		at += size
		return p
	}
	begin := func(size int) *source {
		return &source{run: packet(size), segment: size}
	}
	s := begin(1000)
	if !s.extend(packet(1000)) || len(s.run) != 2000 {
		t.Error("one of the same size does not follow")
	}
	if s.extend(packet(1001)) {
		t.Error("a larger one follows")
	}
	if s.extend(ring[at:][:1000]) {
		t.Error("one that lies elsewhere follows")
	}
	s = begin(1000)
	if !s.extend(packet(10)) || s.extend(packet(10)) || s.extend(packet(1000)) || len(s.run) != 1010 {
		t.Error("a shorter one is not the last")
	}
	s = begin(1000)
	s.noGSO = true
	if s.extend(packet(1000)) {
		t.Error("one follows that is to leave by itself")
	}
	at = 0
	for s = begin(1000); s.extend(packet(1000)); {
	}
	if len(s.run) != 64_000 {
		t.Errorf("a run of %d octets, want 64 packets", len(s.run))
	}
	at = 0
	for s = begin(1400); s.extend(packet(1400)); {
	}
	if len(s.run) > maxRun || len(s.run) < maxRun-1400 {
		t.Errorf("a run of %d octets, want as much as %d", len(s.run), maxRun)
	}
}
