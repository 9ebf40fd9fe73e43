package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/zeroring/zeroring/pgm"
)

// A record is what there is to say about one packet. Its fields are those of the
// JSON.
type record struct {
	Time     time.Time   `json:"time"`
	From     string      `json:"from"`
	To       string      `json:"to"`
	Over     string      `json:"over"` // IP or UDP
	TSI      string      `json:"tsi,omitempty"`
	Port     uint16      `json:"port,omitempty"` // Data-Destination Port
	Type     string      `json:"type,omitempty"`
	SQN      *pgm.SQN    `json:"sqn,omitempty"`
	Trail    *pgm.SQN    `json:"trail,omitempty"`
	Lead     *pgm.SQN    `json:"lead,omitempty"`
	Path     *netip.Addr `json:"path,omitempty"`
	Source   *netip.Addr `json:"source,omitempty"`
	Group    *netip.Addr `json:"group,omitempty"`
	NAKList  []pgm.SQN   `json:"nak_list,omitempty"`
	Options  string      `json:"options,omitempty"`
	Octets   *int        `json:"octets,omitempty"` // of payload
	Checksum string      `json:"checksum,omitempty"`
	Error    string      `json:"error,omitempty"`
	Notes    []string    `json:"notes,omitempty"`
	Frames   []frame     `json:"frames,omitempty"`
}

// A dumper prints packets and keeps what it needs of earlier ones.
type dumper struct {
	settings
	out     *bufio.Writer
	options pgm.Options
	streams map[session]*stream
}

const defaultPort = 5555

// packet prints one captured packet if it is PGM.
func (d *dumper) packet(c capture) error {
	ip, ok := c.link.network(c.octets)
	if !ok {
		return nil
	}
	g, ok := consumeIP(ip)
	if !ok || g.udp && !d.wanted(&g) {
		return nil
	}
	r := record{Time: c.at, From: g.from.Addr().String(), To: g.to.Addr().String(), Over: "IP"}
	if g.udp {
		r.From, r.To, r.Over = g.from.String(), g.to.String(), "UDP"
	}
	if c.cut > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d octets were not captured", c.cut))
	}
	var text string
	if g.fragmented {
		text = fmt.Sprintf("a fragment, %d octets, and not put together", len(g.packet))
		r.Error = text
	} else {
		text = pgm.Describe(g.packet)
		d.describe(&g, &r)
	}
	if d.json {
		return d.object(&r)
	}
	name := "PGM"
	if g.udp {
		name = "EPGM"
	}
	line := fmt.Sprintf("%s %s > %s: %s %s", r.Time.Format("15:04:05.000000"), r.From, r.To, name, text)
	switch r.Checksum {
	case "ok":
		line += " [checksum ok]"
	case "none":
		line += " [no checksum]"
	}
	if _, err := fmt.Fprintln(d.out, line); err != nil {
		return err
	}
	return d.details(r.Notes, r.Frames)
}

// wanted reports whether a UDP datagram is to be taken for PGM: one of a port
// that was asked for or, if none was, one of libzmq's usual port or one that is
// PGM beyond doubt.
func (d *dumper) wanted(g *datagram) bool {
	ports := d.ports
	if len(ports) == 0 {
		ports = []uint{defaultPort}
	}
	if slices.Contains(ports, uint(g.from.Port())) || slices.Contains(ports, uint(g.to.Port())) {
		return true
	}
	h, _, err := pgm.ConsumeHeader(g.packet)
	return len(d.ports) == 0 && err == nil && h.Checksum != 0 && h.VerifyChecksum(g.packet) == nil
}

// describe fills in what the packet says.
func (d *dumper) describe(g *datagram, r *record) {
	h, body, err := pgm.ConsumeHeader(g.packet)
	if err == nil {
		r.TSI, r.Port, r.Type = h.TSI().String(), h.DataDestinationPort(), h.Type.String()
		switch err := h.VerifyChecksum(g.packet); {
		case h.Checksum == 0:
			r.Checksum = "none"
		case err != nil:
			r.Checksum = "wrong"
		default:
			r.Checksum = "ok"
		}
		err = d.fields(&h, body, g, r)
	}
	if err != nil {
		r.Error = err.Error()
		return
	}
	r.NAKList = d.options.NAKList()
	r.Options = d.options.String()
}

// fields fills in those of the packet's type.
func (d *dumper) fields(h *pgm.Header, body []byte, g *datagram, r *record) error {
	o := &d.options
	switch h.Type {
	case pgm.TypeSPM:
		s, err := pgm.ConsumeSPM(h, body, o)
		r.SQN, r.Trail, r.Lead, r.Path = &s.SQN, &s.Trail, &s.Lead, &s.Path
		return err
	case pgm.TypeODATA, pgm.TypeRDATA:
		data, err := pgm.ConsumeData(h, body, o)
		if err != nil {
			return err
		}
		octets := len(data.Payload)
		r.SQN, r.Trail, r.Octets = &data.SQN, &data.Trail, &octets
		if d.zmtp && r.Checksum == "ok" && h.Options&pgm.BitParity == 0 {
			frames, notes := d.follow(session{g.from.Addr(), h.TSI()}, &data)
			r.Frames, r.Notes = frames, append(r.Notes, notes...)
		}
		return nil
	case pgm.TypeNAK, pgm.TypeNNAK, pgm.TypeNCF:
		k, err := pgm.ConsumeNAK(h, body, o)
		r.SQN, r.Source, r.Group = &k.SQN, &k.Source, &k.Group
		return err
	case pgm.TypePOLL:
		p, err := pgm.ConsumePOLL(h, body, o)
		r.SQN, r.Path = &p.SQN, &p.Path
		return err
	case pgm.TypePOLR:
		p, err := pgm.ConsumePOLR(h, body, o)
		r.SQN = &p.SQN
		return err
	case pgm.TypeACK:
		a, err := pgm.ConsumeACK(h, body, o)
		r.SQN = &a.Max
		return err
	}
	return pgm.ConsumeSPMR(h, body, o)
}

// object prints a record as JSON.
func (d *dumper) object(r any) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = d.out.Write(append(b, '\n'))
	return err
}

// details prints what stands below a packet's line.
func (d *dumper) details(notes []string, frames []frame) error {
	for _, note := range notes {
		if _, err := fmt.Fprintf(d.out, "    (%s)\n", note); err != nil {
			return err
		}
	}
	for _, f := range frames {
		if _, err := fmt.Fprintf(d.out, "    %s\n", f.text); err != nil {
			return err
		}
	}
	return nil
}
