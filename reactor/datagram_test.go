package reactor

import (
	"errors"
	"net/netip"
	"testing"
)

// TestDatagramsNotSimulated: a Network has none, and says so.
func TestDatagramsNotSimulated(t *testing.T) {
	h := newRig(t, &Config{Network: NewNetwork(1, Faults{})}, TCP)
	if fd, _, err := h.r.Datagram(&DatagramOpts{}); !errors.Is(err, errors.ErrUnsupported) || fd != NoFD {
		t.Errorf("Datagram = %d, %v; want ErrUnsupported", fd, err)
	}
	if n, err := NewDatagramReader(1, 1).Read(h.r, NoFD); !errors.Is(err, errors.ErrUnsupported) || n != 0 {
		t.Errorf("Read = %d, %v; want ErrUnsupported", n, err)
	}
	writer := NewDatagramWriter(1)
	writer.Add(netip.AddrPort{}, []byte("x"), 0)
	if err := writer.Flush(h.r, NoFD); !errors.Is(err, errors.ErrUnsupported) || writer.Len() != 1 {
		t.Errorf("Flush = %v, with %d left; want ErrUnsupported", err, writer.Len())
	}
}

// TestDatagramWriterLimits: no message, or too many, is one or as many as there
// may be.
func TestDatagramWriterLimits(t *testing.T) {
	for _, tt := range []struct{ messages, want int }{{-1, 1}, {0, 1}, {3, 3}, {MaxDatagrams + 1, MaxDatagrams}} {
		d := NewDatagramWriter(tt.messages)
		for d.Add(netip.AddrPort{}, nil, 0) {
		}
		if d.Len() != tt.want {
			t.Errorf("a writer for %d messages takes %d, want %d", tt.messages, d.Len(), tt.want)
		}
	}
}
