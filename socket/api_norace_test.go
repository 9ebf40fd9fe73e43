//go:build !race

package socket_test

// raced says that the test runs under the race detector, which allocates and
// takes its time.
const raced = false
