// Package interop holds the proof that zeroring talks to libzmq: its tests run
// every socket type against a real libzmq and a real pyzmq in child processes,
// in both roles, over tcp and ipc, on both backends. It has no code of its own:
//
//	go test ./tools/interop
//
// The C end is testdata/peer.c, which the tests compile with gcc and -lzmq; the
// Python end is testdata/peer.py, run by /usr/bin/python3. Debian's packages
// gcc, libzmq3-dev and python3-zmq bring all of it. Where they are missing the
// tests skip and say why, unless CI=true: then they fail.
//
// A row of the matrix knows two sockets as type sock and does not see which of
// them is zeroring's. TestHarness runs the same rows with libzmq on both ends,
// so that a row that fails there blames the suite and not zeroring.
package interop
