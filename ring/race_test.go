//go:build race

package ring

// raceDetector says that tests run under the race detector, which allocates.
const raceDetector = true
