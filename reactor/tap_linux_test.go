package reactor

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A tap is the only Ethernet of a network namespace, with the test at its other
// end. It needs root.
type tap struct {
	h       *rig
	file    *os.File
	threads chan func() // run in the namespace
	frame   []byte
}

var (
	tapHome = netip.MustParseAddr("10.99.0.1") // of 10.99.0.0/24
	tapMAC  = []byte{2, 0, 0, 0, 0, 99}        // of everybody else
)

// tap makes one with the given MTU.
func (h *rig) tap(mtu int) *tap {
	h.t.Helper()
	if os.Geteuid() != 0 {
		lacking(h.t, "a network namespace needs root")
	}
	p := &tap{h: h, threads: make(chan func()), frame: make([]byte, 4096)}
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			opened <- os.NewSyscallError("unshare", err)
			return
		}
		opened <- p.open(mtu)
		for f := range p.threads {
			f()
		}
	}()
	if err := <-opened; err != nil {
		close(p.threads)
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			lacking(h.t, fmt.Sprint("no network namespace here: ", err))
		}
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		close(p.threads)
		p.file.Close()
	})
	return p
}

// open makes the interface and brings it up.
func (p *tap) open(mtu int) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("open /dev/net/tun", err)
	}
	control, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(control)
	for _, which := range []string{"all", "default"} { // IPv6 addresses need not be tried first
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/accept_dad", []byte("0"), 0); err != nil {
			return err
		}
	}
	ask := func(fd int, name string, request uint, fill func(*unix.Ifreq)) {
		q, _ := unix.NewIfreq(name)
		fill(q)
		if failed := unix.IoctlIfreq(fd, request, q); failed != nil && err == nil {
			err = os.NewSyscallError("ioctl", failed)
		}
	}
	ask(fd, "tap0", unix.TUNSETIFF, func(q *unix.Ifreq) { q.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI) })
	ask(control, "tap0", unix.SIOCSIFMTU, func(q *unix.Ifreq) { q.SetUint32(uint32(mtu)) })
	ask(control, "tap0", unix.SIOCSIFADDR, func(q *unix.Ifreq) { _ = q.SetInet4Addr(tapHome.AsSlice()) })
	ask(control, "tap0", unix.SIOCSIFNETMASK, func(q *unix.Ifreq) { _ = q.SetInet4Addr([]byte{255, 255, 255, 0}) })
	ask(control, "tap0", unix.SIOCSIFFLAGS, func(q *unix.Ifreq) { q.SetUint16(unix.IFF_UP | unix.IFF_RUNNING) })
	ask(control, "lo", unix.SIOCSIFFLAGS, func(q *unix.Ifreq) { q.SetUint16(unix.IFF_UP | unix.IFF_RUNNING) })
	p.file = os.NewFile(uintptr(fd), "tap")
	return err
}

// within runs f in the namespace.
func (p *tap) within(f func()) {
	done := make(chan bool)
	p.threads <- func() {
		f()
		close(done)
	}
	<-done
}

// six is the interface's number and its own IPv6 address, once it may be used.
func (p *tap) six() (number int, ip netip.Addr) {
	p.h.t.Helper()
	for limit := time.Now().Add(patience); !ip.IsValid(); runtime.Gosched() {
		if time.Now().After(limit) {
			p.h.t.Fatal("the interface has no IPv6 address")
		}
		p.within(func() { number, ip = lookUpSix("/proc/thread-self/net/if_inet6") })
	}
	return number, ip
}

// lookUpSix finds tap0's address in file, unless it is only tentative.
func lookUpSix(file string) (number int, ip netip.Addr) {
	list, _ := os.ReadFile(file)
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line) // address, number, prefix, scope, flags, name
		octets, err1 := hex.DecodeString(f[0])
		n, err2 := strconv.ParseInt(f[1], 16, 32)
		flags, err3 := strconv.ParseInt(f[4], 16, 32)
		if f[5] == "tap0" && errors.Join(err1, err2, err3) == nil && flags&unix.IFA_F_TENTATIVE == 0 && len(octets) == 16 {
			number, ip = int(n), netip.AddrFrom16([16]byte(octets))
		}
	}
	return number, ip
}

// party is rig.party in the namespace.
func (p *tap) party(opts *DatagramOpts) (made *party) {
	p.h.t.Helper()
	var fd FD
	var info DatagramInfo
	var err error
	p.within(func() { fd, info, err = p.h.r.Datagram(opts) })
	if err != nil {
		p.h.t.Fatal(err)
	}
	return p.h.partyOf(fd, info)
}

// next is the next frame of the given EtherType, without its header.
func (p *tap) next(kind uint16) []byte {
	p.h.t.Helper()
	for {
		if err := p.file.SetReadDeadline(time.Now().Add(patience)); err != nil {
			p.h.t.Fatal(err)
		}
		n, err := p.file.Read(p.frame)
		if err != nil {
			p.h.t.Fatalf("no frame: %v", err)
		}
		if n >= 14 && binary.BigEndian.Uint16(p.frame[12:]) == kind {
			return p.frame[14:n]
		}
	}
}

// answer tells who has ip, once that was asked.
func (p *tap) answer(ip netip.Addr) {
	p.h.t.Helper()
	for {
		const arp, senderMAC, senderIP, targetMAC, targetIP = 0x0806, 8, 14, 18, 24
		q := p.next(arp)
		if len(q) < 28 || !bytes.Equal(q[targetIP:28], ip.AsSlice()) {
			continue
		}
		reply := make([]byte, 14+28)
		copy(reply, q[senderMAC:senderIP])
		copy(reply[6:], tapMAC)
		binary.BigEndian.PutUint16(reply[12:], arp)
		a := reply[14:]
		copy(a, q[:8])
		a[7] = 2 // a reply
		copy(a[senderMAC:], tapMAC)
		copy(a[senderIP:], q[targetIP:28])
		copy(a[targetMAC:], q[senderMAC:targetMAC])
		if _, err := p.file.Write(reply); err != nil {
			p.h.t.Fatal(err)
		}
		return
	}
}

// payloads looks at what is in the next n UDP datagrams.
func (p *tap) payloads(n int, look func(i int, b []byte)) {
	p.h.t.Helper()
	for i := range n {
		b, ok := stripIPv4(p.next(0x0800), false)
		if !ok || len(b) < 8 {
			p.h.t.Fatalf("frame %d is no UDP datagram", i)
		}
		look(i, b[8:])
	}
}

// TestDatagramFragments: segments that the path cannot take are sent one by one
// and in fragments, as they are without GSO.
func TestDatagramFragments(t *testing.T) {
	onSockets(t, func(t *testing.T, h *rig) {
		tap := h.tap(1000)
		a := tap.party(&DatagramOpts{Local: at(tapHome)})
		to := netip.MustParseAddrPort("10.99.0.2:999")
		a.send(to, string(make([]byte, 3*700)), 700)
		tap.answer(to.Addr())
		tap.payloads(3, func(_ int, b []byte) {
			if len(b) != 700 {
				t.Errorf("a segment of %d octets, want 700", len(b))
			}
		})
		if a.writer.alone {
			t.Error("the writer has given up segmenting")
		}
		a.send(to, string(make([]byte, 2*1200)), 1200)
		if !a.writer.alone || a.writer.untested {
			t.Error("the writer has not given up segmenting")
		}
		for i, want := range []int{976, 1208 - 976, 976, 1208 - 976} { // of IP's payload
			if b, _ := stripIPv4(tap.next(0x0800), false); len(b) != want {
				t.Errorf("fragment %d has %d octets, want %d", i, len(b), want)
			}
		}
	})
}
