//go:build race

package reactor

// raceEnabled: the race detector makes sync.Pool forget things at random, so
// allocations are not counted.
const raceEnabled = true
