// Package multicast holds the tests of PGM and EPGM against libzmq and against
// OpenPGM itself, in hosts of package lab. It has no code of its own:
//
//	go test ./tools/interop/multicast
//
// The C ends are in testdata; the tests compile them with gcc, -lzmq and -lpgm.
// What they take, send and say is described in testdata/peer.h, and part_test.go
// has the same messages in Go. Debian's packages gcc, libzmq3-dev, libpgm-dev
// and iproute2 bring all of it. Where one is missing, or the tests do not run as
// root, they skip and say why, unless CI=true: then they fail.
package multicast
