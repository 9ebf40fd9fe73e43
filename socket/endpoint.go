package socket

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A transport carries connections.
type transport uint8

const (
	transportTCP transport = iota + 1
	transportIPC
	transportInproc
	transportPGM  // PGM in IP
	transportEPGM // PGM in UDP
)

// multicast reports whether t is PGM, in IP or in UDP.
func (t transport) multicast() bool { return t == transportPGM || t == transportEPGM }

// An endpoint is an address string taken apart. It is not resolved: names stay
// names.
type endpoint struct {
	transport transport
	text      string // as given
	host      string // tcp: literal without brackets, name, interface, or * for any
	port      uint16 // tcp: 0 for any
	source    string // tcp connect: address or interface to connect from, or empty
	srcPort   uint16
	path      string // ipc: path, @name, or * for any; inproc: name
	lines     []line // pgm, epgm: one, or two that carry the same
}

// A line is a group of an endpoint of multicast.
type line struct {
	nic     string       // name or address of the interface; empty for the system's choice
	group   netip.Addr   // multicast
	sources []netip.Addr // to hear no others; none for any
	port    uint16       // not 0
}

// maxInprocName bounds what a name may cost.
const maxInprocName = 256

// parseEndpoint takes text apart. bind says whether it is for Bind, where
// wildcards are allowed and a source address is not.
func parseEndpoint(text string, bind bool) (endpoint, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return endpoint{}, errors.New(`no "://": want transport://address`)
	}
	e := endpoint{text: text}
	if strings.ContainsRune(rest, 0) {
		return endpoint{}, errors.New("address contains a NUL octet")
	}
	switch scheme {
	case "tcp":
		e.transport = transportTCP
		return e.parseTCP(rest, bind)
	case "ipc":
		e.transport = transportIPC
		return e.parseIPC(rest, bind)
	case "inproc":
		e.transport, e.path = transportInproc, rest
		if rest == "" || len(rest) > maxInprocName {
			return endpoint{}, fmt.Errorf("name has %d octets, want 1 to %d", len(rest), maxInprocName)
		}
		return e, nil
	case "pgm", "epgm":
		if e.transport = transportPGM; scheme == "epgm" {
			e.transport = transportEPGM
		}
		return e.parseMulticast(rest)
	}
	return endpoint{}, fmt.Errorf("unknown transport %q: want tcp, ipc, inproc, pgm or epgm", scheme)
}

func (e endpoint) parseTCP(rest string, bind bool) (endpoint, error) {
	if source, target, ok := strings.Cut(rest, ";"); ok {
		if bind {
			return e, errors.New("a source address is for connecting only")
		}
		var err error
		if e.source, e.srcPort, err = parseSource(source); err != nil {
			return e, err
		}
		rest = target
	}
	host, port, err := splitHostPort(rest)
	if err != nil {
		return e, err
	}
	if host == "*" && !bind {
		return e, errors.New("* is no host to connect to")
	}
	e.host = host
	switch {
	case port == "*" && bind:
		return e, nil
	case port == "*" || port == "":
		return e, fmt.Errorf("port %q: want a number", port)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return e, fmt.Errorf("port %q: want a number up to 65535", port)
	}
	if n == 0 && !bind {
		return e, errors.New("port 0 is no port to connect to")
	}
	e.port = uint16(n)
	return e, nil
}

// parseSource takes the part before ; apart: an address or interface, with or
// without a port.
func parseSource(text string) (host string, port uint16, err error) {
	if _, err := netip.ParseAddr(text); err == nil || !strings.Contains(text, ":") {
		if text == "" {
			return "", 0, errors.New("empty source address")
		}
		return text, 0, nil
	}
	host, digits, err := splitHostPort(text)
	if err != nil {
		return "", 0, fmt.Errorf("source address: %w", err)
	}
	if digits == "*" {
		digits = "0"
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("source port %q: want a number up to 65535, or *", digits)
	}
	return host, uint16(n), nil
}

// splitHostPort cuts at the last colon. Brackets around a literal of IPv6 are
// needed, and dropped.
func splitHostPort(text string) (host, port string, err error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", "", fmt.Errorf("%q has no port: want host:port", text)
	}
	host, port = text[:i], text[i+1:]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		literal, ok := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(literal); !ok || err != nil || !addr.Is6() {
			return "", "", fmt.Errorf("%q is no IPv6 address in brackets", host)
		}
		return literal, port, nil
	}
	switch {
	case host == "":
		return "", "", fmt.Errorf("%q has no host: want host:port", text)
	case strings.ContainsAny(host, ":[]"):
		return "", "", fmt.Errorf("host %q: an IPv6 address goes in brackets", host)
	case strings.ContainsAny(host, " \t\r\n/"):
		return "", "", fmt.Errorf("host %q contains a space or a slash", host)
	}
	return host, port, nil
}

func (e endpoint) parseIPC(rest string, bind bool) (endpoint, error) {
	switch {
	case rest == "":
		return e, errors.New("empty path")
	case rest == "@":
		return e, errors.New("empty abstract name")
	case rest == "*" && !bind:
		return e, errors.New("* is no path to connect to")
	case len(rest) > maxIPCPath:
		return e, fmt.Errorf("path has %d octets, more than %d: %w", len(rest), maxIPCPath, errPathTooLong)
	}
	e.path = rest
	return e, nil
}

// maxIPCPath is what fits into sun_path, of 108 octets, with its final NUL.
const maxIPCPath = 107

var errPathTooLong = errors.New("too long for a unix socket")

// maxLines is how many groups may carry the same: an A and a B feed.
const maxLines = 2

func (e endpoint) parseMulticast(rest string) (endpoint, error) {
	for text := range strings.SplitSeq(rest, "|") {
		l, err := parseLine(text)
		if err != nil {
			return e, err
		}
		if len(e.lines) > 0 && e.lines[0].group.Is4() != l.group.Is4() {
			return e, fmt.Errorf("groups %v and %v: want both of IPv4 or both of IPv6", e.lines[0].group, l.group)
		}
		if e.lines = append(e.lines, l); len(e.lines) > maxLines {
			return e, fmt.Errorf("more than %d groups", maxLines)
		}
	}
	return e, nil
}

// parseLine takes one group apart:
//
//	[interface;][source,...@]group:port
func parseLine(text string) (l line, err error) {
	if nic, after, ok := strings.Cut(text, ";"); ok {
		l.nic, text = strings.Trim(nic, "[]"), after
	}
	if strings.Contains(text, ";") {
		return l, errors.New("more than one semicolon: one group both ways is what is supported")
	}
	sources, target, some := strings.Cut(text, "@")
	if !some {
		sources, target = "", text
	}
	host, port, err := splitHostPort(target)
	if err != nil {
		return l, err
	}
	if l.group, err = netip.ParseAddr(host); err != nil || !l.group.IsMulticast() || l.group.Zone() != "" {
		return l, fmt.Errorf("%q is no multicast group: want 224.0.0.0 to 239.255.255.255, or ff00::/8 in brackets", host)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return l, fmt.Errorf("port %q: want a number from 1 to 65535", port)
	}
	l.port = uint16(n)
	if !some {
		return l, nil
	}
	for text := range strings.SplitSeq(sources, ",") {
		addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil || addr.IsMulticast() || addr.Is4() != l.group.Is4() {
			return l, fmt.Errorf("%q is no source for that group: want a unicast address of the same family", text)
		}
		l.sources = append(l.sources, addr)
	}
	return l, nil
}
