package pgm

// ConsumeSPMR parses the body of an SPM request whose header is h: a receiver
// asks "the immediate transmission of an SPM for the given TSI from a source".
// It has no field of its own. o is overwritten.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-13.6
func ConsumeSPMR(h *Header, body []byte, o *Options) error { return consumeEnd(h, body, o) }

// AppendSPMR appends a whole SPM request to b, with the ports and GSI of h.
// o may be nil.
func AppendSPMR(b []byte, h *Header, o *Options) []byte {
	start := len(b)
	b = appendHeader(b, h, TypeSPMR, o, 0)
	return finish(appendOptions(b, o), start, 0)
}
