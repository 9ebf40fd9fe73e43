package transcript

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zeroring/zeroring/zmtp"
)

const (
	octetsPerLine = 16
	minRepeat     = 24 // shorter runs of one octet are written out
	commentColumn = 52
)

// Format writes a transcript, with a comment for each field of the octets.
func Format(steps []Step) string {
	var out strings.Builder
	for i, step := range steps {
		if i > 0 && step.Verb != "#" && step.Verb[0] < 'a' {
			out.WriteString("\n")
		}
		out.WriteString(step.Text + "\n")
		for _, f := range fields(step.Verb, step.Wire) {
			writeField(&out, f)
		}
	}
	return out.String()
}

// Message is the text of a message's frames as arguments.
func Message(frames [][]byte) string {
	var out strings.Builder
	for _, frame := range frames {
		out.WriteByte(' ')
		if n := repeats(frame); n >= minRepeat && n == len(frame) {
			fmt.Fprintf(&out, "%d*", n)
			frame = frame[:1]
		}
		out.WriteString(strconv.Quote(string(frame)))
	}
	return out.String()
}

// repeats is how many octets at the start of b are equal.
func repeats(b []byte) int {
	n := 0
	for n < len(b) && b[n] == b[0] {
		n++
	}
	return n
}

// A field is a run of octets that mean one thing.
type field struct {
	octets  []byte
	comment string
}

func writeField(out *strings.Builder, f field) {
	comment := f.comment
	for first := true; first || len(f.octets) > 0; first = false {
		line := " "
		n := repeats(f.octets)
		if n >= minRepeat {
			line += fmt.Sprintf(" %02x*%d", f.octets[0], n)
		} else {
			n = min(len(f.octets), octetsPerLine)
			for _, c := range f.octets[:n] {
				line += fmt.Sprintf(" %02x", c)
			}
		}
		f.octets = f.octets[n:]
		if comment != "" {
			line = fmt.Sprintf("%-*s# %s", commentColumn, line, comment)
		}
		out.WriteString(line + "\n")
		comment = ""
	}
}

// fields splits octets as far as it understands them.
func fields(verb string, b []byte) []field {
	if len(b) == 0 {
		return nil
	}
	if strings.HasSuffix(verb, " greeting") {
		return greetingFields(b)
	}
	if strings.HasSuffix(verb, " octets") {
		return []field{{b, ""}}
	}
	var fs []field
	for len(b) > 0 {
		frame, n, err := zmtp.ConsumeFrame(b, len(b))
		if n == 0 || err != nil {
			return append(fs, field{b, "not a whole frame"})
		}
		head := n - len(frame.Body)
		fs = append(fs, field{b[:head], fmt.Sprintf("%s, %d octets", frame.Flags, len(frame.Body))})
		fs = append(fs, bodyFields(frame)...)
		b = b[n:]
	}
	return fs
}

// greetingFields names the fields of a greeting, or of as much of one as is
// there.
func greetingFields(b []byte) (fs []field) {
	for _, f := range []struct {
		size int
		name string
	}{{10, "signature"}, {1, "major version"}, {1, "minor version"}, {20, "mechanism"}, {1, "as-server"}, {31, "filler"}} {
		if n := min(f.size, len(b)); n > 0 {
			fs = append(fs, field{b[:n], f.name})
			b = b[n:]
		}
	}
	return fs
}

func bodyFields(frame zmtp.Frame) []field {
	name, data, err := zmtp.ConsumeCommand(frame.Body)
	if frame.Flags&zmtp.FlagCommand == 0 || err != nil {
		if len(frame.Body) == 0 {
			return nil
		}
		return []field{{frame.Body, text(frame.Body)}}
	}
	fs := []field{{frame.Body[:1+len(name)], string(name)}}
	switch {
	case string(name) == "READY":
		return append(fs, metadataFields(data)...)
	case string(name) == "PING" && len(data) >= 2:
		fs = append(fs, field{data[:2], "TTL in tenths of a second"})
		data = data[2:]
	case string(name) == "ERROR" && len(data) >= 1:
		fs = append(fs, field{data[:1], "size of the reason"})
		data = data[1:]
	}
	if len(data) > 0 {
		fs = append(fs, field{data, text(data)})
	}
	return fs
}

func metadataFields(b []byte) (fs []field) {
	for len(b) > 0 {
		name, value, n, err := zmtp.ConsumeProperty(b)
		if err != nil {
			return append(fs, field{b, "malformed"})
		}
		head := 1 + len(name)
		fs = append(fs, field{b[:head], string(name)}, field{b[head : head+4], "size of the value"})
		if len(value) > 0 {
			fs = append(fs, field{value, text(value)})
		}
		b = b[n:]
	}
	return fs
}

func text(b []byte) string {
	if len(b) > octetsPerLine {
		return fmt.Sprintf("%q…", b[:octetsPerLine])
	}
	return strconv.Quote(string(b))
}
