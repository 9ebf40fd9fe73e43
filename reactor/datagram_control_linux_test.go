package reactor

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlOf is a control message with the given body, whose header says it has
// more octets than it has, by so many.
func controlOf(level, kind int32, body []byte, more int) []byte {
	b := make([]byte, unix.CmsgSpace(len(body)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(len(body)) + more)
	copy(b[unix.CmsgLen(0):], body)
	return b
}

func native(words ...uint32) (b []byte) {
	for _, w := range words {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

// TestDatagramControl takes control messages apart, right ones and wrong ones,
// and every prefix of all.
func TestDatagramControl(t *testing.T) {
	six := netip.MustParseAddr("ff02::1")
	drops := controlOf(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, native(7), 0)
	times := func(seconds ...int64) (b []byte) {
		for _, s := range seconds {
			at := unix.NsecToTimespec(s * 1e9)
			b = append(b, unsafe.Slice((*byte)(unsafe.Pointer(&at)), unsafe.Sizeof(at))...)
		}
		return b
	}
	for i, tt := range []struct {
		messages [][]byte
		want     Datagram // Data is 100 octets
		drops    uint32
	}{
		{[][]byte{drops}, Datagram{}, 7},
		{[][]byte{controlOf(unix.IPPROTO_IP, unix.IP_PKTINFO, append(native(1, 0), 239, 1, 2, 3), 0), drops}, Datagram{To: netip.AddrFrom4([4]byte{239, 1, 2, 3})}, 7},
		{[][]byte{controlOf(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, append(six.AsSlice(), 1, 0, 0, 0), 0), drops}, Datagram{To: six}, 7},
		{[][]byte{controlOf(unix.IPPROTO_UDP, unix.UDP_GRO, native(60), 0), drops}, Datagram{Segment: 60}, 7},
		{[][]byte{controlOf(unix.IPPROTO_UDP, unix.UDP_GRO, native(100), 0)}, Datagram{}, 0},
		{[][]byte{controlOf(unix.IPPROTO_UDP, unix.UDP_GRO, native(0), 0)}, Datagram{}, 0},
		{[][]byte{controlOf(unix.IPPROTO_UDP, unix.UDP_GRO, native(1<<32-60), 0)}, Datagram{}, 0},
		{[][]byte{controlOf(unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, times(5, 0, 0), 0), drops}, Datagram{Time: time.Unix(5, 0)}, 7},
		{[][]byte{controlOf(unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, times(5, 0, 9), 0)}, Datagram{Time: time.Unix(9, 0), Hardware: true}, 0},
		{[][]byte{controlOf(unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, times(0, 3, 0), 0)}, Datagram{}, 0},
		// What is too short, or of another kind.
		{[][]byte{controlOf(unix.IPPROTO_IP, unix.IP_PKTINFO, native(1, 2), 0), drops}, Datagram{}, 7},
		{[][]byte{controlOf(unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, times(5, 6), 0), drops}, Datagram{}, 7},
		{[][]byte{controlOf(unix.IPPROTO_UDP, unix.IP_PKTINFO, native(60, 0, 0), 0), drops}, Datagram{}, 7},
		{[][]byte{controlOf(unix.SOL_SOCKET, 1, nil, 0), drops}, Datagram{}, 7},
		// A length that cannot be ends it.
		{[][]byte{controlOf(unix.SOL_SOCKET, 1, nil, -1), drops}, Datagram{}, 0},
		{[][]byte{controlOf(unix.SOL_SOCKET, 1, nil, -unix.CmsgLen(0)), drops}, Datagram{}, 0},
		{[][]byte{controlOf(unix.SOL_SOCKET, 1, nil, 1<<30), drops}, Datagram{}, 0},
		{[][]byte{controlOf(unix.SOL_SOCKET, 1, nil, -1<<30), drops}, Datagram{}, 0},
	} {
		all := bytes.Join(tt.messages, nil)
		d, g := NewDatagramReader(1, 100), Datagram{Data: make([]byte, 100)}
		d.parseControl(&g, all)
		if g.To != tt.want.To || !g.Time.Equal(tt.want.Time) || g.Hardware != tt.want.Hardware || g.Segment != tt.want.Segment || d.drops != tt.drops {
			t.Errorf("%d: %+v and %d drops, want %+v and %d", i, g, d.drops, tt.want, tt.drops)
		}
		for n := range all {
			d.parseControl(&Datagram{}, bytes.Clone(all[:n]))
		}
	}
}

// FuzzDatagramControl looks for what breaks the parser of control messages.
func FuzzDatagramControl(f *testing.F) {
	f.Add(controlOf(unix.IPPROTO_UDP, unix.UDP_GRO, native(60), 0), 100)
	f.Add(controlOf(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, native(1, 2, 3, 4, 5), 0), 0)
	f.Add(controlOf(unix.SOL_SOCKET, unix.SCM_TIMESTAMPING, make([]byte, 48), 1), 5)
	f.Fuzz(func(t *testing.T, control []byte, size int) {
		words := make([]uint64, len(control)/8+1) // aligned, as the kernel's
		aligned := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
		g := Datagram{Data: make([]byte, uint(size)%MaxDatagram)}
		NewDatagramReader(1, 1).parseControl(&g, aligned[:copy(aligned, control)])
		if g.Segment < 0 || g.Segment >= max(1, len(g.Data)) {
			t.Errorf("segments of %d octets in %d", g.Segment, len(g.Data))
		}
	})
}

func TestStripIPv4(t *testing.T) {
	header := func(first byte, total, size int) []byte {
		b := make([]byte, size)
		if size > 3 {
			b[0] = first
			binary.BigEndian.PutUint16(b[2:], uint16(total))
		}
		return b
	}
	for i, tt := range []struct {
		b         []byte
		truncated bool
		want      int // octets left; -1: refused
	}{
		{header(0x45, 20, 20), false, 0}, {header(0x45, 28, 28), false, 8}, {header(0x45, 25, 28), false, 5},
		{header(0x46, 28, 28), false, 4}, {header(0x4f, 60, 60), false, 0}, {header(0x45, 100, 50), true, 30},
		{header(0x45, 100, 50), false, -1}, {header(0x44, 28, 28), false, -1}, {header(0x40, 28, 28), false, -1},
		{header(0x65, 28, 28), false, -1}, {header(0x05, 28, 28), false, -1}, {header(0x4f, 60, 59), false, -1},
		{header(0x4f, 60, 59), true, -1}, {header(0x46, 20, 28), false, -1}, {header(0x45, 0, 28), false, -1},
		{header(0x45, 28, 19), false, -1}, {nil, false, -1}, {header(0x45, 19, 20), true, -1},
	} {
		b, ok := stripIPv4(tt.b, tt.truncated)
		if got := len(b); ok != (tt.want >= 0) || ok && got != tt.want {
			t.Errorf("%d: %d octets, %v; want %d", i, got, ok, tt.want)
		}
	}
}
