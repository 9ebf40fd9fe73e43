package pgm

import (
	"fmt"
	"testing"
	"time"
)

// withParity are the options of an SPM that advertises groups of k.
func withParity(k uint32, onDemand bool, more ...OptionType) *Options {
	o := ours(append(more, OptParityPrm)...)
	o.ProactiveParity, o.OnDemandParity, o.ParityGroupSize = true, onDemand, k
	return o
}

// parityOf returns parity packet index of the group of size packets from start on,
// whose payloads are those of talk.data.
func parityOf(t Type, start SQN, k, size, index int) []byte {
	h := NewHeader(t, testTSI, 5555)
	h.Options = BitParity
	var o Options
	longest, varies := 0, false
	for i := range size {
		n := len(fmt.Sprint(uint32(start + SQN(i))))
		varies = varies || i > 0 && n != longest
		longest = max(longest, n)
	}
	c, f := newInterpolation(k), make([]uint8, k)
	for i := range k {
		c.add(i)
	}
	c.weigh()
	c.factors(f, k+index)
	payload, sum := make([]byte, longest), trailer{}
	for i := range size {
		data := fmt.Append(nil, uint32(start+SQN(i)))
		addTimes(f[i], data, payload)
		one := newTrailer(len(data), fragment{})
		sum.add(f[i], &one, false)
	}
	if varies {
		h.Options |= BitVarPktLen
		payload = append(payload, sum.length[:]...)
	}
	if size < k {
		o.Present |= SetOf(OptCurrTGSize)
		o.CurrentTGSize = uint32(size)
	}
	if index >= k {
		o.Present |= SetOf(OptParityGrp)
		o.ParityGroup = uint32(index / k)
	}
	return AppendData(nil, &h, &Data{SQN: start + SQN(index%k), Trail: start - min(start, 100), Payload: payload}, &o)
}

// TestReceiverParity is a conversation: what is missing waits for parity, and is
// decoded.
func TestReceiverParity(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 95, withParity(4, false))
	k.odata(96, 97, 99)
	k.sleep(2 * time.Millisecond) // a back-off without parity is over
	k.want("data 96", "data 97")
	k.tell(parityOf(TypeODATA, 96, 4, 4, 0)) // of 98, and of 99 and 100, which have other lengths
	k.want("data 98", "data 99")
	k.odata(100, 102, 103)
	k.tell(parityOf(TypeODATA, 100, 4, 4, 0))
	k.want("data 100", "data 101", "data 102", "data 103")

	// Two are missing, and parity packets whose number has its own option.
	k.odata(104, 107)
	k.tell(parityOf(TypeODATA, 104, 4, 4, 0))
	k.tell(parityOf(TypeODATA, 104, 4, 4, 0)) // again
	k.want("data 104")
	k.tell(parityOf(TypeRDATA, 104, 4, 4, 9))
	k.want("data 105", "data 106", "data 107")

	// Parity and one packet make the others.
	k.tell(parityOf(TypeODATA, 108, 4, 4, 0))
	k.tell(parityOf(TypeODATA, 108, 4, 4, 1))
	k.tell(parityOf(TypeODATA, 108, 4, 4, 2))
	k.odata(110)
	k.want("data 108", "data 109", "data 110", "data 111")

	// A repair leaves one missing, which can be decoded then.
	k.odata(112, 115)
	k.tell(parityOf(TypeODATA, 112, 4, 4, 3))
	k.rdata(113)
	k.want("data 112", "data 113", "data 114", "data 115")
	if st := k.r.Stats(); st.Decoded != 8 || st.ParityErrors != 0 || st.NAKs != 0 || st.Repaired != 1 {
		t.Errorf("%+v", st)
	}
}

// TestReceiverParityLost: if parity does not come, or not enough, NAKs go out.
func TestReceiverParityLost(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, withParity(4, false))
	k.odata(100, 102, 103)
	k.sleep(parityGrace)
	k.want("data 100")
	k.sleep(time.Millisecond) // but no longer
	k.want("NAK [101] to 10.0.0.1")

	// The next group has begun.
	k = newTalk(t, ReceiverConfig{})
	k.spm(0, 99, withParity(4, false))
	k.odata(100, 102, 103, 104)
	k.sleep(time.Millisecond)
	k.want("data 100", "NAK [101] to 10.0.0.1")

	// It does not suffice.
	k = newTalk(t, ReceiverConfig{})
	k.spm(0, 99, withParity(4, false))
	k.odata(100, 103)
	k.tell(parityOf(TypeODATA, 100, 4, 4, 0))
	k.sleep(time.Millisecond)
	k.want("data 100", "NAK [101 102] to 10.0.0.1")
	k.rdata(102)
	k.want("data 101", "data 102", "data 103")

	// A slow source is not waited for.
	k = newTalk(t, ReceiverConfig{})
	k.spm(0, 69, withParity(64, false))
	for sqn := SQN(70); sqn < 80; sqn++ {
		k.odata(sqn)
		k.sleep(100 * time.Microsecond)
	}
	k.said = nil
	k.odata(81)
	k.sleep(time.Millisecond)
	k.want("NAK [80] to 10.0.0.1")
}

// TestReceiverParityNAKs: parity is asked for by number, at the end of a group, and
// packets if it does not come.
func TestReceiverParityNAKs(t *testing.T) {
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 99, withParity(4, true))
	k.odata(100, 103, 104, 107, 108)
	k.sleep(time.Millisecond)
	k.want("data 100", "NAK parity [101 105] to 10.0.0.1") // two of each group
	k.nak(TypeNCF, 101)                                    // selective: of 101 alone
	h := NewHeader(TypeNCF, testTSI, 5555)
	h.Options = BitParity
	k.tell(AppendNAK(nil, &h, &NAK{SQN: 104, Source: simNLA, Group: simGroup}, nil)) // less than is needed
	if p := k.r.rxw.at(105); p.state != rxWaitNCF {
		t.Errorf("state %d after an NCF for one", p.state)
	}
	k.tell(AppendNAK(nil, &h, &NAK{SQN: 106, Source: simNLA, Group: simGroup}, nil))
	for _, sqn := range []SQN{105, 106} {
		if p := k.r.rxw.at(sqn); p.state != rxWaitData {
			t.Errorf("state %d of %d", p.state, sqn)
		}
	}
	k.tell(parityOf(TypeRDATA, 100, 4, 4, 0))
	k.sleep(10 * time.Millisecond)
	if len(k.said) == 0 || k.said[0] != "NAK parity [100] to 10.0.0.1" && k.said[0] != "NAK parity [100 105] to 10.0.0.1" {
		t.Errorf("%q: one more of the first group", k.said)
	}
	k.said = nil
	k.tell(parityOf(TypeRDATA, 100, 4, 4, 5))
	k.want("data 101", "data 102", "data 103", "data 104")
	k.said = nil
	k.sleep(3 * time.Second)
	for i, line := range k.said {
		if line == "NAK [105 106] to 10.0.0.1" {
			if i == 0 {
				t.Error("no parity asked for")
			}
			return
		}
	}
	t.Errorf("packets are never asked for: %q", k.said)
}

// TestReceiverShortGroup: numbers that a group lacks are neither delivered nor lost.
func TestReceiverShortGroup(t *testing.T) {
	short := func(size uint32) *Options {
		o := withParity(8, true, OptCurrTGSize)
		o.CurrentTGSize = size
		return o
	}
	k := newTalk(t, ReceiverConfig{})
	k.spm(0, 103, withParity(8, true))
	k.odata(104, 105, 106)
	k.spm(0, 106, short(3))
	k.odata(112)
	k.want("data 104", "data 105", "data 106", "data 112")
	k.odata(113) // and the SPM is lost
	k.odata(120)
	k.tell(parityOf(TypeODATA, 112, 8, 2, 0))
	k.want("data 113", "data 120")

	// A missing packet is decoded from a short group.
	k.odata(121)
	k.tell(parityOf(TypeODATA, 120, 8, 3, 0))
	k.want("data 121", "data 122")
	// The number of parity packets to ask for counts what the group lacks.
	k.odata(128)
	k.spm(0, 130, short(3))
	k.sleep(5 * time.Millisecond)
	k.want("data 128", "NAK parity [134] to 10.0.0.1") // 2 + 5
	k.tell(parityOf(TypeRDATA, 128, 8, 3, 0))
	k.tell(parityOf(TypeRDATA, 128, 8, 3, 1))
	k.want("data 129", "data 130")

	// The session ends with a short group.
	k.odata(136)
	o := short(1)
	o.Present |= SetOf(OptFIN)
	k.spm(0, 136, o)
	k.want("data 136", "FIN 136")
}

// TestReceiverHostileParity: parity that is wrong is dropped, and data is asked for
// as if there were none.
func TestReceiverHostileParity(t *testing.T) {
	h := NewHeader(TypeODATA, testTSI, 5555)
	h.Options = BitParity
	various := h
	various.Options |= BitVarPktLen
	with := func(t OptionType, v uint32) *Options {
		return &Options{Present: SetOf(t), ParityGroup: v, CurrentTGSize: v}
	}
	for _, test := range []struct {
		name    string
		h       *Header
		sqn     SQN
		payload string
		o       *Options
	}{
		{"index too high", &h, 100, "123", with(OptParityGrp, 63)},
		{"group number overflows", &h, 100, "123", with(OptParityGrp, 1<<31)},
		{"no packets in the group", &h, 100, "123", with(OptCurrTGSize, 0)},
		{"too many", &h, 100, "123", with(OptCurrTGSize, 5)},
		{"fewer than there are", &h, 100, "123", with(OptCurrTGSize, 1)},
		{"shorter than the data", &h, 100, "12", nil},
		{"longer than the data", &h, 100, "12345", nil},
		{"no room for the length", &various, 100, "1", nil},
		{"length decoded is too large", &various, 100, "123\xff\xff", nil},
	} {
		k := newTalk(t, ReceiverConfig{})
		k.spm(0, 99, withParity(4, false))
		k.odata(100, 102, 103)
		k.tell(AppendData(nil, test.h, &Data{SQN: test.sqn, Trail: 50, Payload: []byte(test.payload)}, test.o))
		for len(k.said) < 2 && k.now < 5*time.Millisecond {
			k.sleep(100 * time.Microsecond)
		}
		k.want("data 100", "NAK [101] to 10.0.0.1")
		k.rdata(101)
		k.want("data 101", "data 102", "data 103")
		if st := k.r.Stats(); st.ParityErrors == 0 || st.Decoded > 0 || st.Lost > 0 {
			t.Errorf("%s: %+v", test.name, st)
		}
	}
	// Group sizes that are none.
	for _, size := range []uint32{0, 1, 3, 256, 1 << 31} {
		k := newTalk(t, ReceiverConfig{})
		k.spm(0, 99, withParity(size, true))
		k.odata(100)
		if st := k.r.Stats(); st.ParityErrors != 1 || k.r.fec.k != 0 {
			t.Errorf("size %d: %+v", size, st)
		}
	}
}

// TestReceiverParityMemory floods a receiver with parity for groups that never come.
func TestReceiverParityMemory(t *testing.T) {
	k := newTalk(t, ReceiverConfig{WindowOctets: 1 << 18})
	k.spm(0, 99, withParity(4, false))
	k.odata(100)
	h := NewHeader(TypeODATA, testTSI, 5555)
	h.Options = BitParity
	for sqn := SQN(104); sqn < 60_000; sqn += 4 {
		h, body, _ := ConsumeHeader(AppendData(nil, &h, &Data{SQN: sqn, Trail: 100, Payload: make([]byte, 600)}, nil))
		if err := k.r.Handle(k.epoch, &h, body); err != nil {
			t.Fatal(err)
		}
	}
	k.listen()
	if k.r.rxw.pool.kept < 100 {
		t.Errorf("%d buffers kept", k.r.rxw.pool.kept)
	}
	if n := k.r.rxw.pool.octets; n > 1<<18*3/4 {
		t.Errorf("%d octets", n)
	}
	if n := len(k.r.fec.parity); n > 1<<18/bufferGrain {
		t.Errorf("%d packets", n)
	}
	// Another size of groups begins with nothing.
	k.spm(0, 99, withParity(8, false))
	if k.r.rxw.pool.kept != 0 {
		t.Errorf("%d buffers kept", k.r.rxw.pool.kept)
	}
}
