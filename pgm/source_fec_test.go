package pgm

import (
	"testing"
	"time"
)

// parityNAK is from a receiver of ours.
func (k *stand) parityNAK(sqn SQN, list ...SQN) {
	k.t.Helper()
	h := NewHeader(TypeNAK, testTSI, 5555)
	h.Options = BitParity
	o := Options{Present: SetOf(OptNAKBORng)}
	o.SetNAKList(list)
	k.tell(AppendNAK(nil, &h, &NAK{SQN: sqn, Source: simNLA, Group: simGroup}, &o))
}

// newParityStand has sent its first SPMs.
func newParityStand(t *testing.T, fec FECConfig, first SQN) *stand {
	k := newStand(t, SourceConfig{First: first, NoSYN: true, Heartbeats: []time.Duration{time.Second}, FEC: fec})
	k.sleep(3 * time.Millisecond)
	return k
}

// TestSourceProactive: parity follows each group, and what is left of one when data
// pauses.
func TestSourceProactive(t *testing.T) {
	k := newParityStand(t, FECConfig{Group: 4, Proactive: 2}, 102)
	k.want("SPM 100-99 4:true:false", "SPM 100-99 4:true:false", "SPM 100-99 4:true:false")
	k.send("a", "b", "c")
	k.want(`ODATA 100 "a"`, `ODATA 101 "b"`, `ODATA 102 "c"`)
	k.send("d", "longer")
	k.want(`ODATA 103 "d"`, "ODATA parity 100 [1]", "ODATA parity 101 [1]", `ODATA 104 "longer"`)
	k.sleep(time.Millisecond)
	k.send("f")
	k.sleep(time.Millisecond)
	k.want(`ODATA 105 "f"`)
	k.sleep(time.Millisecond) // 2 ms after the last
	k.want("SPM 100-105 4:true:false of 2", "ODATA parity 104 [8] var (CURR_TGSIZE 2)", "ODATA parity 105 [8] var (CURR_TGSIZE 2)")
	k.s.askSPM()
	k.sleep(2 * time.Second)
	k.want("SPM 100-105 4:true:false of 2", "SPM 100-105 4:true:false of 2")
	k.send("next")
	k.want(`ODATA 108 "next"`)
	// A number that was skipped is asked for: parity says that it was.
	k.nak(106, 107)
	k.pump()
	k.want("NCF [106]", "RDATA parity 106 [8] var (CURR_TGSIZE 2)")
	k.s.Close()
	k.pump()
	k.want("SPM 100-108 FIN 4:true:false of 1", "ODATA parity 108 [4] (CURR_TGSIZE 1)", "ODATA parity 109 [4] (CURR_TGSIZE 1)")
	// Parity NAKs are for who offers parity on demand.
	k.parityNAK(100)
	k.pump()
	k.want()
	if st := k.s.Stats(); st.Astray != 1 || st.Parity != 6 || st.ParityRDATA != 1 || st.RDATA != 1 {
		t.Errorf("%+v", st)
	}
}

// TestSourceOnDemand: parity NAKs are confirmed, and answered with parity packets of
// new numbers, together for all who ask.
func TestSourceOnDemand(t *testing.T) {
	k := newParityStand(t, FECConfig{Group: 4, OnDemand: true}, 100)
	k.said = nil
	k.send("a", "b", "c", "d", "e")
	k.said = nil
	k.parityNAK(100) // one
	k.parityNAK(101) // two
	k.parityNAK(100)
	k.pump()
	k.want("NCF parity [100]", "NCF parity [101]", "RDATA parity 100 [1]", "RDATA parity 101 [1]")
	k.parityNAK(100) // it was sent before the repair can have come
	k.pump()
	k.want()
	k.sleep(time.Millisecond)
	k.parityNAK(103)
	k.pump()
	k.want("NCF parity [103]", "RDATA parity 102 [1]", "RDATA parity 103 [1]", "RDATA parity 100 [1] (PARITY_GRP 1)", "RDATA parity 101 [1] (PARITY_GRP 1)")

	// An open group is repaired when it is closed, by as much as is needed.
	k.parityNAK(107)
	k.pump()
	k.want("NCF parity [107]")
	k.nak(104) // and packets of it at once
	k.pump()
	k.want("NCF [104]", `RDATA 104 "e"`)
	k.send("f")
	k.want(`ODATA 105 "f"`)
	k.sleep(2 * time.Millisecond)
	k.want("SPM 100-105 4:false:true of 2", "RDATA parity 104 [1] (CURR_TGSIZE 2)", "RDATA parity 105 [1] (CURR_TGSIZE 2)")
	k.sleep(time.Millisecond)
	k.parityNAK(102, 106, 200) // 200 is in no group; 106 asks for one more than is missing
	k.pump()
	k.want("NCF parity [102 106]", "RDATA parity 102 [1] (PARITY_GRP 1)", "RDATA parity 103 [1] (PARITY_GRP 1)", "RDATA parity 100 [1] (PARITY_GRP 2)",
		"RDATA parity 106 [1] (CURR_TGSIZE 2)")
	if st := k.s.Stats(); st.NAKOutside != 1 || st.Parity != 0 || st.ParityRDATA != st.RDATA-1 {
		t.Errorf("%+v", st)
	}
	// Numbers come to an end, and begin anew.
	k.said = nil
	for range 100 {
		k.sleep(time.Millisecond)
		k.parityNAK(103)
		k.pump()
	}
	if n := k.s.fec.group(100).next; int(n) >= blockSize-4 {
		t.Errorf("number %d", n)
	}
}

func TestFECConfigPanics(t *testing.T) {
	for _, c := range []FECConfig{
		{Group: 1, Proactive: 1}, {Group: 3, Proactive: 1}, {Group: 256, OnDemand: true}, {Group: 8}, {Proactive: 1},
		{Group: 4, Proactive: 5}, {Group: 128, Proactive: 128}, {Group: 8, Proactive: -1}, {Group: 8, Proactive: 1, Idle: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is taken", c)
				}
			}()
			newStand(t, SourceConfig{FEC: c})
		}()
	}
	defer func() {
		if recover() == nil {
			t.Error("a group larger than a quarter of the window is taken")
		}
	}()
	newStand(t, SourceConfig{WindowPackets: 256, QueuePackets: 8, FEC: FECConfig{Group: 128, Proactive: 1}})
}
