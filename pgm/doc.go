// Package pgm is Pragmatic General Multicast, the reliable multicast of RFC 3208
// (https://www.rfc-editor.org/rfc/rfc3208), as functions over octets. There is no
// goroutine, lock, clock or I/O in it: octets, the time and the dice are
// arguments.
//
// Who is who:
//
//	source ---SPM, ODATA, RDATA, NCF, POLL---> group of receivers
//	       <--NAK, NNAK, SPMR, POLR, ACK------
//
// A source numbers what it sends with consecutive sequence numbers ([SQN]). A
// receiver that sees a gap asks for what is missing with a NAK; the source
// confirms it to the whole group with an NCF, so that others keep quiet, and
// repeats the data as RDATA. SPMs say where the source is and what it can still
// repeat. Every packet names the transport session it belongs to by its [TSI]:
// the source's [GSI] and port. Packets travel in IP with protocol number 113, or
// in UDP ("epgm").
//
// # Codec
//
// A packet is the common header ([Header]), the fields of its type ([SPM],
// [Data], [NAK] and so on), options ([Options]) and, in ODATA and RDATA alone,
// the payload, which the RFC calls TSDU:
//
//	h, body, err := pgm.ConsumeHeader(packet)
//	err = h.VerifyChecksum(packet)
//	switch h.Type {
//	case pgm.TypeODATA, pgm.TypeRDATA:
//		data, err := pgm.ConsumeData(&h, body, &options)
//	…
//
// What is consumed aliases the packet, nothing allocates, and an error is a
// [*ProtocolError] that names the field. Whoever sends fills in [NewHeader] and
// uses the Append functions, which write lengths, option bits and checksum.
//
// What libzmq puts in the payload is a piece of one continuous ZMTP 1.0 stream
// behind the offset of the first message that begins in it ([ConsumeTSDU]);
// package zmtp has the framing.
//
// # State machines
//
// A [Source] takes payloads and NAKs and says what to send next; a [Receiver], one
// for each source it hears, takes packets and says what arrived, in order, what is
// lost, and what to ask for. Both say when they want to be called again. Neither
// has a socket: the owner moves the packets.
//
// # Payloads larger than a packet
//
// [Source.Send] splits them with OPT_FRAGMENT, and a [Receiver] puts them together
// up to [ReceiverConfig].MaxAPDU. OpenPGM's receivers take them, up to 16 packets
// and 65535 octets.
//
// # Forward error correction
//
// With [FECConfig] a source adds parity (appendix A): so many packets after each
// group of k, or when receivers ask for a number of them, any of which repairs any
// loss in the group, or both. Receivers learn it from SPMs and need not be told.
// It is off by default, and for our own receivers: those of OpenPGM 5.3 crash or
// never ask. The code is Reed and Solomon's with OpenPGM's generator matrix, and
// what goes over the field is left to github.com/klauspost/reedsolomon.
//
//   - Numbers are skipped when a group is closed early, so windows that are
//     counted in packets hold less data if data pauses often.
//   - A packet asked for by its number is repeated as it is, though its group is
//     complete, where the RFC would rather have parity: it is what a receiver falls
//     back to.
//   - A receiver that wants parity and has not got all other packets of the group,
//     as who has just joined, asks for packets.
//
// # Limitations
//
//   - pgm:// and epgm:// endpoints are not there yet: nothing in this module moves
//     the packets.
//   - POLL, POLR and ACK are parsed and not written.
//   - Redirection and congestion control: their options and bits are parsed and
//     written, and nothing more. There are no designated local repairers.
//   - The round trip time that a source tells its receivers is configured.
//   - NAKs go to where an SPM says that the source is, and data and parity inside
//     the window are believed: PGM knows no authentication. What is decoded has no
//     checksum of its own.
//   - A receiver's NAKs to a source of ours bear OPT_NAK_BO_RNG, which the RFC has
//     in SPMs alone: so the source tells them from OpenPGM's.
//   - Reserved fields are written as zero and not looked at, except those of the
//     type octet, which tell what is not PGM.
//   - Options are written in one order of our own, so what was consumed is
//     appended in other octets if it was ordered otherwise or had options that
//     are unknown here.
package pgm
