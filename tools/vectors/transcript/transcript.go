// Package transcript reads and writes golden vectors: conversations between a
// real libzmq socket and a peer that is a script, with the octets of both.
//
// A transcript is a text file of steps, one to a line, some followed by octets:
//
//	# why this conversation is worth keeping
//	libzmq 4.3.4
//	socket SUB
//	peer PUB 3.1
//	< greeting
//	  ff 00 …            # signature
//	> subscribe "A"
//	  04 0b              # command, 11 octets
//	  09 53 55 …         # SUBSCRIBE
//	  41                 # "A"
//	= message "A" "1"
//
// A ">" step is what libzmq's side was made to do and the octets it sent for
// that, a "<" step what the peer sent, and "=" what libzmq's application saw of
// it. The octets after ">" and the text after "=" are libzmq's. Everything else
// is the script, so a new vector is a file with a script in it and a run of
// tools/vectors.
package transcript

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A Step is one line of a transcript, and the octets under it.
type Step struct {
	Verb string // first word, with the mark in front of it if there is one: "> ready"
	Args []Arg
	Text string // the line as it stood
	Wire []byte // the octets under the line
}

// An Arg is name="value", name=value, "value" or count*"value" after the verb.
type Arg struct{ Name, Value string }

// Arg returns the argument called name, and whether there is one.
func (s *Step) Arg(name string) (string, bool) {
	for _, arg := range s.Args {
		if arg.Name == name {
			return arg.Value, true
		}
	}
	return "", false
}

// Values returns the arguments that have no name.
func (s *Step) Values() [][]byte {
	var values [][]byte
	for _, arg := range s.Args {
		if arg.Name == "" {
			values = append(values, []byte(arg.Value))
		}
	}
	return values
}

// Parse reads a transcript. Empty lines are dropped.
func Parse(text string) ([]Step, error) {
	var steps []Step
	for i, line := range strings.Split(text, "\n") {
		octets, indented := strings.CutPrefix(line, "  ")
		var err error
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case indented && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.Wire, err = appendHex(last.Wire, octets)
		default:
			var step Step
			step, err = ParseStep(line)
			steps = append(steps, step)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return steps, nil
}

// ParseStep reads the line of one step, which has no octets under it yet.
func ParseStep(line string) (Step, error) {
	step := Step{Text: line}
	if strings.HasPrefix(line, "#") {
		step.Verb = "#"
		return step, nil
	}
	mark := ""
	if rest, ok := strings.CutPrefix(line, line[:1]+" "); ok && strings.Contains("<>=", line[:1]) {
		mark, line = line[:2], rest
	}
	verb, rest, _ := strings.Cut(line, " ")
	step.Verb = mark + verb
	for rest = strings.TrimLeft(rest, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		arg, tail, err := parseArg(rest)
		if err != nil {
			return step, err
		}
		step.Args, rest = append(step.Args, arg), tail
	}
	return step, nil
}

func parseArg(s string) (arg Arg, rest string, err error) {
	word := s[:strings.IndexAny(s+" ", ` "`)] // up to a quote or a space
	rest = s[len(word):]
	if !strings.HasPrefix(rest, `"`) {
		if name, value, ok := strings.Cut(word, "="); ok {
			return Arg{name, value}, rest, nil
		}
		return Arg{"", word}, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return Arg{}, "", fmt.Errorf("bad quotes in %q", s)
	}
	arg.Value, err = strconv.Unquote(quoted)
	rest = rest[len(quoted):]
	if name, ok := strings.CutSuffix(word, "="); ok {
		arg.Name = name
	} else if count, ok := strings.CutSuffix(word, "*"); ok {
		n, _ := strconv.Atoi(count)
		arg.Value = strings.Repeat(arg.Value, n)
	} else if word != "" {
		err = fmt.Errorf("unknown argument %q", word)
	}
	return arg, rest, err
}

// appendHex reads one line of octets, up to its comment.
func appendHex(b []byte, line string) ([]byte, error) {
	line, _, _ = strings.Cut(line, "#")
	for _, word := range strings.Fields(line) {
		octet, count, many := strings.Cut(word, "*")
		n := 1
		if many {
			var err error
			if n, err = strconv.Atoi(count); err != nil {
				return b, err
			}
		}
		one, err := hex.DecodeString(octet)
		if err != nil {
			return b, err
		}
		for range n {
			b = append(b, one...)
		}
	}
	return b, nil
}
