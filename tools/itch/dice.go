package itch

import "math/bits"

// A dice throws the same numbers for the same seed on every machine and with
// every version of Go, which math/rand does not promise of its derived throws.
// It is splitmix64: https://doi.org/10.1145/2714064.2660195
type dice struct{ state uint64 }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n); n is not 0.
func (d *dice) below(n uint64) uint64 {
	hi, _ := bits.Mul64(d.next(), n)
	return hi
}

// between returns a number in [low, high].
func (d *dice) between(low, high uint64) uint64 { return low + d.below(high-low+1) }

// chance is true n times in a thousand.
func (d *dice) chance(n uint64) bool { return d.below(1000) < n }

// near returns a number in [0, n) that is mostly small.
func (d *dice) near(n uint64) uint64 { return min(d.below(n), d.below(n), d.below(n)) }

func pick[T any](d *dice, from []T) T { return from[d.below(uint64(len(from)))] }
