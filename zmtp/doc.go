// Package zmtp is the ZeroMQ Message Transport Protocol, versions 3.1
// (https://rfc.zeromq.org/spec/37/) and 3.0 (https://rfc.zeromq.org/spec/23/),
// as functions over octets and one pure state machine per connection. There is
// no goroutine, lock, clock or I/O in it: time and octets are arguments.
//
// What crosses a connection, in each direction:
//
//	connection = greeting handshake traffic
//	greeting   = signature version mechanism as-server filler    ; 64 octets
//	signature  = %xFF 8OCTET %x7F
//	version    = major minor                                     ; 3.1
//	mechanism  = 20mechanism-char                                ; "NULL", padded with zeros
//	handshake  = 1*command                                       ; NULL: one READY, or ERROR
//	traffic    = *(command | message)
//	command    = (%x04 size8 | %x06 size64) name-size name data
//	message    = *((%x01 size8 | %x03 size64) body) ((%x00 size8 | %x02 size64) body)
//
// An [Engine] is one side of one connection. Its owner gives it what arrived
// ([Engine.Consume]) and the time ([Engine.Tick]), and sends what
// [Engine.Output] holds before any message of its own:
//
//	greeting --64 octets--> handshake --READY--> traffic
//	    \________________________\__________________\--error, deadline--> failed
//
// Messages are not copied, queued or turned into objects here. Consume says how
// many octets at the front of the input are whole messages, and these octets are
// what the owner queues. Whatever is sent is encoded by the Append functions.
//
// Where libzmq and the RFC differ, the engine does what lets it talk to libzmq,
// and the comment at the place says so.
//
// Beside all this stands the framing of ZMTP 1.0 ([AppendV1Frame], [V1Decoder]),
// which libzmq puts inside PGM: no greeting, no handshake, no engine.
//
// # Limitations
//
//   - The security mechanism is NULL.
//   - Peers that speak ZMTP 1.0 or 2.0 over a connection are refused with a [ProtocolError].
//   - JOIN and LEAVE, of the draft RADIO and DISH sockets, are ignored as any
//     unknown command is.
//   - The Resource property is reported but not acted upon; libzmq does not
//     implement it either.
package zmtp
