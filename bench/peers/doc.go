// Package peers holds the programs by which other libraries do the benchmark's
// jobs. It is a module of its own, so that what they depend on never enters
// zeroring's.
//
//	pebbe     github.com/pebbe/zmq4: libzmq, called by cgo
//	gozeromq  github.com/go-zeromq/zmq4: ZeroMQ in Go
//	mangos    go.nanomsg.org/mangos/v3: the nanomsg protocols in Go
//	nats      github.com/nats-io/nats.go, with a server in the process that binds
//
// Each is configured for speed as far as its API goes, prints what was set, and
// answers what it cannot do with an error that starts with "not supported: ".
//
// # Those that lose messages
//
// The publishers of go-zeromq, mangos and NATS have no way to wait for a slow
// subscriber: they drop, or queue without limit. A benchmark of what is
// dropped would measure nothing, so their drivers bound what is in flight, at
// little cost: go-zeromq's subscribers acknowledge every few hundred messages
// upstream, NATS's receivers do so by replies, and in mangos, where nothing
// flows upstream, both ends count what passes between library and kernel, so
// that tcp's own flow control does the rest. The bound is twice the job's
// high-water mark, once for each side, as it is in ZeroMQ.
package peers
