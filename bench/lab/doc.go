// Package lab is a laboratory for multicast: hosts in network namespaces of
// this process, joined by a network that does no harm or as much as it is told.
//
//	l, err := lab.New(lab.Config{Hosts: 3, Seed: 1})
//	defer l.Close()
//	err = l.SetFaults(2, lab.Faults{Loss: 1})
//	err = l.Host(1).Do(func() error { conn, err = net.ListenUDP("udp4", nil); return err })
//	err = l.Host(2).Command(ctx, "tcpdump", "-n").Start()
//
// # Hosts
//
// Host N has one interface e0 with the addresses 10.77.0.N and fd77::N, and
// loopback. Multicast leaves by e0. There is no way out. The hosts know each
// other's MACs, so that there is no ARP to lose.
//
// The namespaces have no names, and programs inside are tied to this process.
// When it ends, even by SIGKILL, the kernel clears everything away.
//
// # Fabrics
//
// A [Bridge] is the kernel's, with veth pairs: what benchmarks run over.
//
// A [Switch] is a goroutine of this process between TAP devices. [Lab.SetFaults]
// has it lose frames, one by one or in bursts, double, reorder, delay and
// corrupt them and limit their rate, for each receiving host by itself, all
// frames or those that a [Filter] chooses, at any time. By one seed and the same
// frames in the same order the same frames are lost.
//
// # Limitations
//
//   - It needs Linux, iproute2, and root or [Reexec].
//   - Over a Bridge a datagram that is larger than the MTU by UDP_SEGMENT crosses
//     in one piece, and UDP_GRO receives it so: faster than any network card. Over
//     a Switch the kernel cuts it up first.
//   - A Switch takes one processor to carry some 100,000 frames a second to three
//     hosts. What comes faster waits in the sending hosts' interfaces for up to
//     10,000 frames each, and then [Stats] counts it as Missed.
//   - A Switch shares this process's scheduler. What keeps all its processors busy
//     had better run in a program of its own, by [Host.Command].
//   - Delays end when the switch's thread is scheduled, which takes some 10 µs on
//     an idle machine and more on a busy one.
//   - Which time a frame arrives at is the kernel's doing; so only faults that do
//     not depend on time are the same for a seed: all but the rate's.
//   - Programs that a [Cmd] has started itself outlive this process if it is
//     killed, with the host they are in.
package lab
