package lab

import "math/rand/v2"

// Lost returns which of n frames in a row to a host a first rule loses, and
// which it doubles.
func Lost(f Faults, seed uint64, host, n int) (lost, doubled []bool) {
	m := newModel(f, seed, stream(host-1, 0))
	shared := rand.New(rand.NewPCG(seed, sharedStream))
	for range n {
		fate := m.fate(0, 0, drawFrom(shared))
		lost, doubled = append(lost, fate.lost), append(doubled, fate.copies == 2)
	}
	return lost, doubled
}
