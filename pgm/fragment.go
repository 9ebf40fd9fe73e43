package pgm

import "encoding/binary"

// A fragment says which part of an APDU a payload is: the fields of OPT_FRAGMENT.
//
// https://www.rfc-editor.org/rfc/rfc3208#section-9.2
type fragment struct {
	first  SQN
	offset uint32
	length uint32 // zero: the payload is an APDU of its own
}

func (f fragment) null() bool { return f.length == 0 }

// fragmentOf returns that of a packet with those options.
func fragmentOf(o *Options) fragment {
	if !o.Present.Has(OptFragment) || o.FragmentEncoded {
		return fragment{}
	}
	return fragment{o.FragmentSQN, o.FragmentOffset, o.FragmentLength}
}

// describe adds the option to o, if there is one.
func (f fragment) describe(o *Options) {
	if !f.null() {
		o.Present |= SetOf(OptFragment)
		o.FragmentEncoded, o.FragmentNull = false, false
		o.FragmentSQN, o.FragmentOffset, o.FragmentLength = f.first, f.offset, f.length
	}
}

// put writes the three fields as they stand in the option.
func (f fragment) put(b []byte) {
	binary.BigEndian.PutUint32(b, uint32(f.first))
	binary.BigEndian.PutUint32(b[4:], f.offset)
	binary.BigEndian.PutUint32(b[8:], f.length)
}

// getFragment is the reverse of put.
func getFragment(b []byte) fragment {
	return fragment{SQN(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])}
}
