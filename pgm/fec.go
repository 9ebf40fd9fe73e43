package pgm

import "github.com/klauspost/reedsolomon"

// Forward error correction: any k of the packets of a block, data or parity, make
// the k data packets. A block's packets are the values of one polynomial of degree
// below k at points of the field of 256 elements, octet by octet: the data packets
// those at the first k points, parity packets those at the points behind. So
// whatever is there, what is not there is interpolated from it, and the source's
// encoder and the receiver's decoder are one function.
//
// The points are 0 and then the powers of 2 modulo x⁸+x⁴+x³+x²+1, which makes the
// parity that of OpenPGM's generator matrix (rs_encode of its reed_solomon.c).
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11
const (
	// maxGroup is the size of the largest transmission group, k: a power of two so
	// that the number of a packet has that of its group and its place there.
	maxGroup = 128

	// blockSize is how many packets, data and parity, a group has at most.
	// OpenPGM's is the same.
	blockSize = 255

	gfPolynomial = 0x11d
)

// A galois has the field's logarithms to the base 2, and their inverse, twice so
// that a sum of two needs no modulo.
type galois struct {
	log [256]uint8
	exp [2 * 255]uint8
}

var gf = func() (g galois) {
	x := 1
	for i := range 255 {
		g.exp[i], g.exp[i+255], g.log[x] = uint8(x), uint8(x), uint8(i)
		if x <<= 1; x > 0xff {
			x ^= gfPolynomial
		}
	}
	return g
}()

func (g *galois) mul(a, b uint8) uint8 {
	if a == 0 || b == 0 {
		return 0
	}
	return g.exp[int(g.log[a])+int(g.log[b])]
}

// point returns where the polynomial has the value that is packet i of a block.
func (g *galois) point(i int) uint8 {
	if i == 0 {
		return 0
	}
	return g.exp[i-1]
}

// An interpolation makes packets of a block from k others.
type interpolation struct {
	known  []uint8 // their points
	weight []uint8 // log of the product of the distances of one to all others
}

// newInterpolation has memory for groups of k.
func newInterpolation(k int) interpolation {
	return interpolation{make([]uint8, 0, k), make([]uint8, k)}
}

// begin forgets what is known.
func (c *interpolation) begin() { c.known = c.known[:0] }

// add notes that packet i of the block is known.
func (c *interpolation) add(i int) { c.known = append(c.known, gf.point(i)) }

// weigh is to be called when all are added: distances cost k² steps.
func (c *interpolation) weigh() {
	for i, x := range c.known {
		sum := 0
		for j, y := range c.known {
			if i != j {
				sum += int(gf.log[x^y])
			}
		}
		c.weight[i] = uint8(sum % 255)
	}
}

// factors returns in f by what each known packet is to be multiplied so that
// their sum is packet i, which is not known.
func (c *interpolation) factors(f []uint8, i int) {
	x, sum := gf.point(i), 0
	for _, y := range c.known {
		sum += int(gf.log[x^y])
	}
	sum %= 255
	for j, y := range c.known {
		log := sum - int(gf.log[x^y]) - int(c.weight[j]) // > −2·255
		f[j] = gf.exp[(log+2*255)%255]
	}
}

// A trailer is what is encoded beside the payload: its length, and the options
// that belong to it, which is OPT_FRAGMENT "with the exception of the first three
// bytes of the option common-header".
//
// https://www.rfc-editor.org/rfc/rfc3208#section-11.2
type trailer struct {
	length   [lengthSize]uint8
	fragment [fragmentSize - 3]uint8
}

const (
	// lengthSize is what is appended to parity of packets that differ in length.
	lengthSize = 2

	fragmentSize = 16 // of OPT_FRAGMENT

	// fecOverhead is how much more than a data packet a parity packet may have:
	// OPT_LENGTH, OPT_CURR_TGSIZE, OPT_PARITY_GRP, OPT_FRAGMENT, and the length.
	fecOverhead = optionSize + 8 + 8 + fragmentSize + lengthSize
)

// newTrailer returns that of a payload of so many octets and, unless it is null,
// of a fragment.
func newTrailer(length int, f fragment) (t trailer) {
	t.length = [lengthSize]uint8{uint8(length >> 8), uint8(length)}
	if f.null() {
		t.fragment[0] = optEncodedNull
		return t
	}
	f.put(t.fragment[1:])
	return t
}

// add adds another trailer that many times, without the options unless there are
// some.
func (t *trailer) add(factor uint8, u *trailer, fragments bool) {
	for i, x := range u.length {
		t.length[i] ^= gf.mul(factor, x)
	}
	if !fragments {
		return
	}
	for i, x := range u.fragment {
		t.fragment[i] ^= gf.mul(factor, x)
	}
}

// addTimes adds factor times in to out, which is not shorter.
func addTimes(factor uint8, in, out []byte) {
	// The zero value is usable; what it calls starts no goroutine.
	reedsolomon.LowLevel{}.GalMulSliceXor(factor, in, out[:len(in)])
}
