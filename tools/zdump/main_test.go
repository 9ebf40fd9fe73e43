package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zeroring/zeroring/pgm"
	"github.com/zeroring/zeroring/zmtp"
)

var (
	tsi   = pgm.TSI{GSI: pgm.GSI{1, 2, 3, 4, 5, 6}, Port: 4242}
	from  = netip.MustParseAddr("10.0.0.7")
	group = netip.MustParseAddr("239.192.1.1")
	from6 = netip.MustParseAddr("fe80::9")
	all6  = netip.MustParseAddr("ff0e::1")
)

// A file is a pcap in the making.
type file struct {
	bytes.Buffer
	order binary.AppendByteOrder
	link  linkType
	n     int
}

func newFile(order binary.AppendByteOrder, magic uint32, link linkType) *file {
	f := &file{order: order, link: link}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = order.AppendUint32(order.AppendUint32(b, 0), 0)
	f.Write(order.AppendUint32(order.AppendUint32(b, 65535), uint32(link)))
	return f
}

// add adds a packet, with as many octets cut off its end.
func (f *file) add(packet []byte, cut int) *file {
	f.n++
	b := f.order.AppendUint32(nil, 1_700_000_000)
	b = f.order.AppendUint32(b, uint32(f.n))
	b = f.order.AppendUint32(b, uint32(len(packet)-cut))
	f.Write(f.order.AppendUint32(b, uint32(len(packet))))
	f.Write(packet[:len(packet)-cut])
	return f
}

// ip wraps a payload in IPv4, or in IPv6 with a hop-by-hop option.
func ip(six bool, protocol byte, payload []byte) []byte {
	if six {
		b := []byte{0x60, 0, 0, 0, 0, byte((len(payload) + 8)), 0, 1}
		b[4] = byte((len(payload) + 8) >> 8)
		b = append(append(b, from6.AsSlice()...), all6.AsSlice()...)
		return append(append(b, protocol, 0, 5, 2, 0, 0, 1, 0), payload...)
	}
	total := len(payload) + 24 // with a router alert
	b := []byte{0x46, 0, byte(total >> 8), byte(total), 0, 0, 0, 0, 1, protocol, 0, 0}
	b = append(append(b, from.AsSlice()...), group.AsSlice()...)
	return append(append(b, 0x94, 4, 0, 0), payload...)
}

func udp(port uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 40000)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)+8))
	return append(append(b, 0, 0), payload...)
}

// framed wraps an IP packet in what the link type has in front of it.
func framed(link linkType, packet []byte) []byte {
	etherType := []byte{8, 0}
	if packet[0]>>4 == 6 {
		etherType = []byte{0x86, 0xdd}
	}
	var b []byte
	switch link {
	case linkEthernet:
		b = append(make([]byte, 12), 0x81, 0, 0, 7) // a VLAN
		b = append(b, etherType...)
	case linkNull:
		b = []byte{2, 0, 0, 0}
	case linkLoop:
		b = []byte{0, 0, 0, 2}
	case linkSLL:
		b = append(make([]byte, 14), etherType...)
	case linkSLL2:
		b = append(append(b, etherType...), make([]byte, 18)...)
	}
	return append(append(b, packet...), make([]byte, 3)...) // Ethernet's padding
}

func spm() []byte {
	h := pgm.NewHeader(pgm.TypeSPM, tsi, 7500)
	return pgm.AppendSPM(nil, &h, &pgm.SPM{SQN: 1, Trail: 2, Lead: 3, Path: from}, nil)
}

// data is one packet of the stream, with a message that begins at offset.
func data(t pgm.Type, sqn pgm.SQN, offset int, octets string) []byte {
	h := pgm.NewHeader(t, tsi, 7500)
	payload := append(make([]byte, pgm.OffsetSize), octets...)
	pgm.PutOffset(payload, offset)
	return pgm.AppendData(nil, &h, &pgm.Data{SQN: sqn, Payload: payload}, nil)
}

// dumped runs zdump on standard input.
func dumped(t *testing.T, in []byte, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if !run(t.Context(), append(args, "-"), bytes.NewReader(in), &out, &errs) || errs.Len() > 0 {
		t.Fatalf("%v: %s\nand printed %s", args, &errs, &out)
	}
	return out.String()
}

func TestLinks(t *testing.T) {
	for _, link := range []linkType{linkNull, linkEthernet, linkRawBSD, linkRaw, linkLoop, linkSLL, linkSLL2, linkIPv4, linkIPv6} {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			for _, magic := range []uint32{magicMicroseconds, magicNanoseconds} {
				f := newFile(order, magic, link)
				f.add(framed(link, ip(false, pgm.Protocol, spm())), 0)
				f.add(framed(link, ip(true, pgm.Protocol, spm())), 0)
				f.add(framed(link, ip(false, protocolUDP, udp(5555, spm()))), 0)
				f.add(framed(link, ip(true, protocolUDP, udp(9, spm()))), 0)
				f.add(framed(link, ip(false, protocolUDP, udp(9, []byte("something else")))), 0)
				f.add(framed(link, ip(false, 6, []byte("something else"))), 0)
				f.add([]byte{1}, 0)
				f.add(nil, 0)
				const what = "010203040506:4242 > 7500 SPM seq 1 trail 2 lead 3 nla 10.0.0.7 [checksum ok]\n"
				stamp := "22:13:20.00000"
				if magic == magicNanoseconds {
					stamp = "22:13:20.000000 "
				}
				got := dumped(t, f.Bytes())
				for _, want := range []string{
					" 10.0.0.7 > 239.192.1.1: PGM " + what, " fe80::9 > ff0e::1: PGM " + what,
					" 10.0.0.7:40000 > 239.192.1.1:5555: EPGM " + what, " [fe80::9]:40000 > [ff0e::1]:9: EPGM " + what,
				} {
					if !strings.Contains(got, want) {
						t.Errorf("link type %d: no %sin\n%s", link, want, got)
					}
				}
				if strings.Count(got, "\n") != 4 || strings.Count(got, stamp) != 4 {
					t.Errorf("link type %d: printed\n%s", link, got)
				}
			}
		}
	}
}

// raw is a file of EPGM packets.
func raw(packets ...[]byte) *file {
	f := newFile(binary.LittleEndian, magicMicroseconds, linkRaw)
	for _, p := range packets {
		f.add(ip(false, protocolUDP, udp(5555, p)), 0)
	}
	return f
}

func TestTypes(t *testing.T) {
	nakHead, spmrHead := pgm.NewHeader(pgm.TypeNAK, tsi, 7500), pgm.NewHeader(pgm.TypeSPMR, tsi, 7500)
	var list pgm.Options
	list.SetNAKList([]pgm.SQN{8, 9})
	wrong, none := spm(), spm()
	wrong[7]++
	none[6], none[7] = 0, 0
	f := raw(
		data(pgm.TypeODATA, 5, pgm.NoMessage, "abc"), pgm.AppendNAK(nil, &nakHead, &pgm.NAK{SQN: 7, Source: from, Group: group}, &list),
		pgm.AppendSPMR(nil, &spmrHead, nil), wrong, none, []byte("not PGM"),
	)
	cut := ip(false, protocolUDP, udp(5555, spm()))
	f.add(cut, 6)
	fragment := ip(false, pgm.Protocol, spm())
	fragment[6] = 0x20
	f.add(fragment, 0)
	got := dumped(t, f.Bytes())
	want := `22:13:20.000001 10.0.0.7:40000 > 239.192.1.1:5555: EPGM 010203040506:4242 > 7500 ODATA trail 0 seq 5 [5 octets] [checksum ok]
22:13:20.000002 10.0.0.7:40000 > 239.192.1.1:5555: EPGM 7500 > 010203040506:4242 NAK (10.0.0.7 -> 239.192.1.1) seq 7 (NAK_LIST [8 9]) [checksum ok]
22:13:20.000003 10.0.0.7:40000 > 239.192.1.1:5555: EPGM 7500 > 010203040506:4242 SPMR [checksum ok]
22:13:20.000004 10.0.0.7:40000 > 239.192.1.1:5555: EPGM 010203040506:4242 > 7500 SPM seq 1 trail 2 lead 3 nla 10.0.0.7 pgm: Checksum: wrong
22:13:20.000005 10.0.0.7:40000 > 239.192.1.1:5555: EPGM 010203040506:4242 > 7500 SPM seq 1 trail 2 lead 3 nla 10.0.0.7 [no checksum]
22:13:20.000006 10.0.0.7:40000 > 239.192.1.1:5555: EPGM malformed, 7 octets: pgm: Checksum: truncated
22:13:20.000007 10.0.0.7:40000 > 239.192.1.1:5555: EPGM 010203040506:4242 > 7500 SPM malformed, 30 octets: pgm: SPM_PATH AFI: truncated
    (6 octets were not captured)
22:13:20.000008 10.0.0.7 > 239.192.1.1: PGM a fragment, 36 octets, and not put together
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestPorts: a port that was asked for is the only one.
func TestPorts(t *testing.T) {
	f := raw(spm())
	f.add(ip(false, protocolUDP, udp(9, spm())), 0)
	f.add(ip(false, protocolUDP, udp(9, []byte("not PGM"))), 0)
	for args, want := range map[string]int{"": 2, "--port=9": 2, "--port=5555": 1, "--port=5555,9": 3, "--port=40000": 3, "--port=1": 0} {
		got := dumped(t, f.Bytes(), strings.Fields(args)...)
		if n := strings.Count(got, "\n"); n != want {
			t.Errorf("%q: %d lines, want %d\n%s", args, n, want, got)
		}
	}
}

// threeMessages is a stream of them, and where each begins.
func threeMessages() (octets string, begins [4]int) {
	var b []byte
	for i := range 3 {
		begins[i] = len(b)
		b = zmtp.AppendV1Frame(b, zmtp.FlagMore, fmt.Appendf(nil, "topic %d", i))
		b = zmtp.AppendV1Frame(b, 0, bytes.Repeat([]byte{byte('a' + i)}, 300))
	}
	begins[3] = len(b)
	return string(b), begins
}

// below are the lines under the packets' own.
func below(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "end of ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func message(i int) string {
	letters := strings.Repeat(string(rune('a'+i)), 40)
	return fmt.Sprintf("    more 7 \"topic %d\"\n    last 300 %q…\n", i, letters)
}

func TestStream(t *testing.T) {
	octets, begins := threeMessages()
	at := func(n int) string { return octets[begins[n]:begins[n+1]] }
	first, second, third := data(pgm.TypeODATA, 0xffffffff, 0, at(0)), data(pgm.TypeODATA, 0, 0, at(1)), data(pgm.TypeODATA, 1, 0, at(2))
	repair := data(pgm.TypeRDATA, 0, 0, at(1))
	const gap = "    (gap: seq 0 to 0 are missing, and what follows waits for them)\n"
	wrong := bytes.Clone(second)
	wrong[6]++
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    string
	}{
		{"in order, and the numbers wrap", [][]byte{first, second, third}, message(0) + message(1) + message(2)},
		{"repaired", [][]byte{first, third, repair}, message(0) + gap + message(1) + message(2)},
		{"repeated", [][]byte{first, second, repair}, message(0) + message(1) + "    (seq 0 is before what is awaited, 1)\n"},
		{"wrong checksum", [][]byte{first, wrong, third, second}, message(0) + gap + message(1) + message(2)},
		{"never repaired", [][]byte{first, third}, message(0) + gap + "end of 010203040506:4242 from 10.0.0.7\n" +
			"    (seq 0 to 0 were never repaired: not contiguous here)\n" + message(2)},
		{"joined late", [][]byte{data(pgm.TypeODATA, 1, pgm.NoMessage, "..."), data(pgm.TypeODATA, 2, 3, "..."+at(0))},
			"    (seq 1: no message begins here)\n    (seq 2: the first 3 octets belong to a message that began before)\n" + message(0)},
		{"a message in two packets", [][]byte{data(pgm.TypeODATA, 1, 0, at(0)[:100]), data(pgm.TypeODATA, 2, begins[1]-100, at(0)[100:]+at(1))},
			message(0) + message(1)},
		{"ends inside", [][]byte{data(pgm.TypeODATA, 1, 0, at(0)[:100])},
			"    more 7 \"topic 0\"\nend of 010203040506:4242 from 10.0.0.7\n    (ends inside a frame)\n"},
		{"not ZMTP", [][]byte{data(pgm.TypeODATA, 1, 0, "\x00\x00"), data(pgm.TypeODATA, 2, 0, at(0))},
			"    (seq 1: zmtp: ZMTP 1.0 frame without flags)\n" + message(0)},
	} {
		if got := below(dumped(t, raw(test.packets...).Bytes(), "-x")); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// TestHeld: a gap is given up when too much waits behind it.
func TestHeld(t *testing.T) {
	f := raw(data(pgm.TypeODATA, 0, 0, ""))
	for i := range maxHeld + 1 {
		f.add(ip(false, protocolUDP, udp(5555, data(pgm.TypeODATA, pgm.SQN(i+2), 0, "\x02\x00x"))), 0)
	}
	got := dumped(t, f.Bytes(), "--zmtp")
	if !strings.Contains(got, "(seq 1 to 1 were never repaired: not contiguous here)") ||
		strings.Count(got, "last 1 \"x\"") != maxHeld+1 || strings.Contains(got, "end of") {
		t.Errorf("printed %s", got)
	}
}

func TestJSON(t *testing.T) {
	octets, _ := threeMessages()
	got := dumped(t, raw(spm(), data(pgm.TypeODATA, 5, 0, octets), []byte("not PGM")).Bytes(), "--json", "-x")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	var records [3]record
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &records[i]); err != nil {
			t.Fatal(err)
		}
	}
	if r := records[0]; !r.Time.Equal(time.Unix(1_700_000_000, 1000)) || r.TSI != tsi.String() || *r.SQN != 1 || *r.Lead != 3 ||
		*r.Path != from || r.Checksum != "ok" || r.Over != "UDP" || r.To != "239.192.1.1:5555" {
		t.Errorf("got %s", lines[0])
	}
	if r := records[1]; r.Type != "ODATA" || len(r.Frames) != 6 || !r.Frames[0].More || r.Frames[1].Size != 300 || string(r.Frames[0].Body) != "topic 0" {
		t.Errorf("got %s", lines[1])
	}
	if r := records[2]; r.Error != "pgm: Checksum: truncated" {
		t.Errorf("got %s", lines[2])
	}
}

// TestEmpty: a file of no packets is no error.
func TestEmpty(t *testing.T) {
	if got := dumped(t, newFile(binary.LittleEndian, magicMicroseconds, linkEthernet).Bytes(), "-x"); got != "" {
		t.Errorf("printed %s", got)
	}
}

// TestBad has one line for everything that is wrong.
func TestBad(t *testing.T) {
	good := raw(spm()).Bytes()
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint32(huge[fileHeaderSize+8:], maxRecord+1)
	version := bytes.Clone(good)
	version[4] = 3
	link := newFile(binary.LittleEndian, magicMicroseconds, 147).Bytes()
	for _, test := range []struct {
		in   []byte
		args string
		want string
	}{
		{nil, "-", "-: not a pcap file: 0 octets, and its header has 24"},
		{[]byte("GIF"), "-", "-: not a pcap file: 3 octets, and its header has 24"},
		{[]byte("GIF89a"), "-", "-: not a pcap file: unknown magic number"},
		{good[:10], "-", "-: not a pcap file: 10 octets, and its header has 24"},
		{good[:30], "-", "-: the file ends inside the record at octet 24"},
		{good[:len(good)-1], "-", "-: the file ends inside the record at octet 24"},
		{good[:fileHeaderSize+recordHeaderSize], "-", "-: the file ends inside the record at octet 24"},
		{huge, "-", "-: the record at octet 24 claims 262145 octets, and 262144 is the most"},
		{version, "-", "-: pcap file of version 3, and 2 is known"},
		{link, "-", "-: link type 147: known are Ethernet, Linux cooked, raw IP and loopback"},
		{[]byte{0x0a, 0x0d, 0x0d, 0x0a}, "-", "-: a pcapng file; make a pcap file of it with: tcpdump -r FILE -w NEW.pcap"},
		{nil, "", "name one file, or an interface with --live"},
		{nil, "--live lo -", "name one file, or an interface with --live"},
		{nil, "--port 0 -", "--port 0: a port is 1 to 65535"},
		{nil, "--port 65536 -", "--port 65536: a port is 1 to 65535"},
		{nil, "no-such-file", "open no-such-file: no such file or directory"},
	} {
		var out, errs strings.Builder
		if run(t.Context(), strings.Fields(test.args), bytes.NewReader(test.in), &out, &errs) || errs.String() != "zdump: "+test.want+"\n" {
			t.Errorf("%x %q: %q, want %q", test.in, test.args, &errs, test.want)
		}
	}
}

// TestFile reads one that has a name.
func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pcap")
	if err := os.WriteFile(name, raw(spm()).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	if !run(context.Background(), []string{name}, nil, &out, &errs) || !strings.Contains(out.String(), " SPM seq 1 ") {
		t.Errorf("printed %s and %s", &out, &errs)
	}
}

// FuzzDump: no file makes it panic, hang or print without end.
func FuzzDump(f *testing.F) {
	octets, _ := threeMessages()
	for _, link := range []linkType{linkEthernet, linkSLL, linkRaw} {
		c := newFile(binary.LittleEndian, magicMicroseconds, link)
		c.add(framed(link, ip(false, pgm.Protocol, data(pgm.TypeODATA, 1, 0, octets))), 0)
		c.add(framed(link, ip(true, protocolUDP, udp(5555, spm()))), 0)
		f.Add(c.Bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, asJSON := range []bool{false, true} {
			var out bytes.Buffer
			w := bufio.NewWriter(&out)
			d := &dumper{settings: settings{zmtp: true, json: asJSON}, out: w, streams: make(map[session]*stream)}
			_ = d.file(context.Background(), bytes.NewReader(in)) // an error is as good as none
			if err := errors.Join(d.finish(), w.Flush()); err != nil {
				t.Fatal(err)
			}
			if out.Len() > 1000+200*len(in) {
				t.Fatalf("%d octets printed of %d", out.Len(), len(in))
			}
		}
	})
}
