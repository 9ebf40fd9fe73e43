// Package socket is ZeroMQ: sockets that carry messages between any number of
// peers, over tcp, ipc, inproc and multicast, and that speak ZMTP 3.1 to whoever
// speaks it.
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
// # Multicast
//
// Pub and XPub send, and Sub and XSub receive, over reliable multicast: PGM (RFC
// 3208) in UDP, which libzmq calls epgm, or in IP, for which a program needs
// CAP_NET_RAW. Both talk to libzmq's. Bind and Connect are the same here.
//
//	epgm://eth0;239.192.1.1:5555              interface by name
//	epgm://10.0.0.7;239.192.1.1:5555          or by its address
//	epgm://239.192.1.1:5555                   or as the system chooses
//	epgm://eth0;10.0.0.1@232.1.1.1:5555       that source alone (RFC 4607); many with commas
//	epgm://eth0;[ff15::1234]:5555             IPv6
//	pgm://eth0;239.192.1.1:5555               in IP: protocol 113
//	epgm://eth0;239.1.1.1:5555|eth1;239.1.2.1:5555   two groups that carry the same
//
// One packet serves all receivers, so the cost to the publisher is the same however
// many there are, and nobody tells it what he subscribes to: each receiver filters.
// What is lost on the way receivers ask for again, one for all who miss it, and the
// source repeats it for as long as it keeps it ([MulticastOptions.RecoveryInterval]).
// Messages of a source are received in the order sent, and what is missing holds up
// those behind it until it comes or is given up, unless
// [MulticastOptions.ArrivalOrder] is set.
//
// Nothing is lost in silence. What is given up is told by an [EventGap], with the
// source, the packets and the reason, counted in [HeardStats], and noted in the next
// message, by [Message.Missed].
//
// A source never waits for receivers. It sends at [MulticastOptions.Rate]; what is
// above that waits in the Pub's queue, which then drops or, with
// [Options.XPubNoDrop], makes Send wait. A receiver that is slow is not waited for
// either: when its queue is full it leaves packets to the kernel, when that has no
// more room they are lost, and then repaired or given up. That the network is one
// where the rate fits is for its owner to see to: there is no congestion control.
//
// Two groups that carry the same are sent every packet twice, and a receiver of both
// takes of each what comes first: it asks for what is lost in both. Repairs are asked
// for at the first.
//
// Close of a Pub ends the transport session so that receivers know, which takes a
// fifth of a second in which they can ask for what they miss of the end; what they
// miss after that is lost.
//
// With [MulticastOptions.FEC] a source sends parity too, by which receivers repair
// what they miss without asking. All receivers of the group must then be of
// zeroring: parity makes libzmq's abort.
//
// Receivers on the source's own host hear it by loopback, or with
// [MulticastOptions.Loop]. Several programs of a host may use one group and port.
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
//   - Multicast: all packets that come by one interface and port are read on one
//     reactor. An Engine belongs to one network namespace. There is no congestion control (PGMCC). PGM knows no
//     authentication: who can send to the group can pretend to be a source.
//   - Where both sides of an inproc connection have a Conflate that differs, the
//     side that connects decides, unless the other had bound before.
package socket
