// Package multicast holds the tests of PGM and EPGM against libzmq and against
// OpenPGM itself, and of zeroring alone on a network that loses packets, in hosts
// of package lab. It has no code of its own:
//
//	go test ./tools/interop/multicast
//	make pgm-grid
//
// TestMatrix has libzmq, OpenPGM and zeroring talk to each other, TestLoss zeroring
// to itself, with all that a network can do to it. Each of their cells runs on one
// backend. TestGrid runs all combinations, for longer and by more seeds, on both.
//
// The C ends are in testdata; the tests compile them with gcc, -lzmq and -lpgm.
// What they take, send and say is described in testdata/peer.h, and part_test.go
// has the same messages in Go. Debian's packages gcc, libzmq3-dev, libpgm-dev,
// iproute2 and tcpdump bring all of it. Where one is missing, or the tests do not
// run as root, they skip and say why, unless CI=true: then they fail.
package multicast
