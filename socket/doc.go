// Package socket is ZeroMQ: sockets that carry messages between any number of
// peers, over tcp, ipc and inproc, and that speak ZMTP 3.1 to whoever speaks it.
//
// # Which socket do I need
//
//	I want to …                                          here    there
//	ask, and get the answer                              Req     Rep
//	ask many at a time, or many servers                  Dealer  Rep, Router, Dealer
//	answer many clients, in any order                    Router  Req, Dealer, Router
//	hand out work, each piece to one worker              Push    Pull
//	collect results                                      Pull    Push
//	tell everybody who asked to hear of it               Pub     Sub
//	hear of some topics                                  Sub     Pub
//	publish, and see who subscribes (proxy, last value)  XPub    Sub, XSub
//	subscribe for others (proxy)                         XSub    Pub, XPub
//	talk to exactly one peer                             Pair    Pair
//
// Either side may [Socket.Bind] and the other [Socket.Connect], in any order. A
// type has just the methods its pattern allows. [Socket], which [New] returns,
// has all of them.
//
// # What is guaranteed
//
// A message has one or more frames. It is sent, queued, dropped and received
// whole.
//
// Messages from one peer arrive in the order sent, for as long as its connection
// lasts, and at most once. What was written to a connection that then breaks may
// be lost; what still waits here, or was written in part, goes out on the next.
//
// Each peer has a queue towards it and a queue from it, of at most
// [Options.SendHWM] and [Options.RecvHWM] messages, and over inproc the sum. If
// the peers that a message could go to are all full, Push, Dealer, Req and Pair
// wait; Pub, XPub and Router drop it for those that are, and count that in
// [Socket.Stats].
//
// Connections that this side made are made again when they are lost, and
// subscriptions are sent again. A Req whose peer is gone with the request gets
// [ErrPeerLost].
//
// Close returns when what was sent is written, or after [Options.Linger].
//
// All methods of all types may be called by many goroutines at once. A call that
// is cancelled by its context leaves the socket as it was.
//
// # Whose memory it is
//
// Frames given to SendBytes and SendParts are copied: they are the caller's
// again when the call returns. A [Message] that Recv returns is the caller's until
// Release, which recycles it; after that neither it nor its frames may be
// touched. A message that is not released is left to the garbage collector.
//
// # Limitations
//
//   - The NULL mechanism only: no PLAIN, CURVE or ZAP.
//   - No peers of ZMTP 1.0 or 2.0.
//   - No STREAM sockets and none of libzmq's draft types.
//   - A Router cannot choose a peer's routing id for it (CONNECT_ROUTING_ID).
//   - Where both sides of an inproc connection have a Conflate that differs, the
//     side that connects decides, unless the other had bound before.
package socket
