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
// [Options.SendHWM] and [Options.RecvHWM] messages, and over inproc the sum.
// Over a wire what the kernel holds comes on top, and so do small messages of a
// sole peer that were taken ahead of those who will receive them: up to 15, and
// at most an eighth of the high-water mark. A queue that was full has room again
// when half of it was taken.
//
//	                     nobody is there       all who are there are full
//	Push, Dealer,        waits                 waits
//	Pair, Req
//	Rep                  drops the reply       drops the reply
//	Pub, XPub            drops                 drops for those who are, and counts;
//	                                           with XPubNoDrop waits for the slowest
//	XSub                 drops                 drops for those who are, and counts
//	Router               drops, or with        drops and counts, or with
//	                     RouterMandatory       RouterMandatory waits
//	                     ErrNoRoute
//
// A connection that this side is to make counts as there, and so is sent to
// before it is made, unless [Options.Immediate] is set. Where a table entry says
// waits, the Try form returns [ErrWouldBlock].
//
// Connections that this side made are made again when they are lost, after a
// wait that doubles up to [Options.ReconnectMax], unless the peer refused or its
// type does not match. What waits for the peer goes on waiting, with the message
// that was being written; but if that happens to a message twice it is dropped, and
// counted: it may be larger than the peer takes, which ends each connection that it
// comes by. What was written before is lost if the peer had not read it. And
// subscriptions, which are state rather than messages, are sent again, all of
// them, whatever the high-water mark. A Req whose peer is gone with the request
// gets [ErrPeerLost]. Connections that peers made are theirs to make again: what
// waits for such a peer goes with the connection.
//
// Close makes every call return [ErrClosed], sends what is queued for at most
// [Options.Linger], and returns when that is done and nothing is left: no
// goroutine, no descriptor, no address in use. So do Disconnect and Unbind for
// their connections, in the background. A program that ends without Close loses
// what is queued.
//
// What is sent is written at once, or as soon as the peer's system has room. Two
// things may put that off: a sender that sends without a pause is written for by the
// batch, and so are a Dealer and a Router that have more to receive. They are
// written for when they have received it or, if they take long, after 100 to 200 µs.
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
// # Limits
//
// A peer that exceeds one of these loses its connection, and the event
// [EventDisconnected] says why: a frame of [Options.MaxMsgSize] octets (1 GiB, of
// which none is allocated before it arrives), a message of twice that or 64 MiB,
// whichever is more, or of a million frames, a command of 64 KiB, a handshake of
// [Options.HandshakeTimeout] (30 s), a silence of [Options.HeartbeatTimeout]
// (15 s), and 2^20 subscriptions or 256 MiB of them. Routing ids have up to 255
// octets, inproc names 256, and ipc paths 107.
//
// # Limitations
//
//   - The NULL mechanism only: no PLAIN, CURVE or ZAP.
//   - No peers of ZMTP 1.0 or 2.0.
//   - No STREAM sockets and none of libzmq's draft types.
//   - Where both sides of an inproc connection have a Conflate that differs, the
//     side that connects decides, unless the other had bound before.
package socket
