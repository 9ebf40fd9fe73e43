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
)

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
	}
	return endpoint{}, fmt.Errorf("unknown transport %q: want tcp, ipc or inproc", scheme)
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
