package pgm

import "time"

// announcements is how many SPMs stand at the start of a session, and how many
// with OPT_FIN at its end, before the usual schedule. OpenPGM sends as many.
const announcements = 3

// announceInterval parts them, so that one burst of loss does not take all.
const announceInterval = time.Millisecond

// An spmState is what the next SPM is for.
//
//	starting ──announcements──▶ beating ──Close and last data──▶ finishing
type spmState uint8

const (
	spmStarting  spmState = iota // receivers learn where the source is
	spmBeating                   // ambient and heartbeat SPMs
	spmFinishing                 // every SPM has OPT_FIN
)

// An spmSchedule says when SPMs are due. "Ambient and heartbeat SPMs are described
// as driven by separate timers in this specification to highlight their
// contrasting functions."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.1.6
type spmSchedule struct {
	state     spmState
	announced int  // SPMs sent since the state began
	soon      bool // one is asked for, and due at answer

	sqn     SQN // SPM_SQN of the next
	ambient time.Duration
	beat    time.Duration
	answer  time.Duration // last SPM + IHB_MIN: what asks for one waits for it
	step    int           // index of heartbeats for the interval that runs

	ambientInterval time.Duration
	heartbeats      []time.Duration
}

func (m *spmSchedule) start(c *SourceConfig) {
	m.ambientInterval, m.heartbeats = c.Ambient, c.Heartbeats
}

// finish has the announcements with OPT_FIN begin at once.
func (m *spmSchedule) finish() {
	m.state, m.announced, m.beat, m.step = spmFinishing, 0, 0, 0
}

// when returns when the next SPM is due.
func (m *spmSchedule) when() time.Duration {
	next := min(m.ambient, m.beat)
	if m.soon {
		next = min(next, m.answer)
	}
	return next
}

// hurry has an SPM sent at once.
func (m *spmSchedule) hurry() { m.soon, m.answer = true, 0 }

func (m *spmSchedule) due(at time.Duration) bool { return at >= m.when() }

// dataSent restarts the heartbeat: "IHB_TMR is initialized to a minimum interval
// IHB_MIN after the transmission of any data packet."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-5.1.5
func (m *spmSchedule) dataSent(at time.Duration) {
	if m.state != spmBeating && m.announced < announcements {
		return // those SPMs are nearer than a heartbeat
	}
	m.step = 0
	m.beat = at + m.heartbeats[0]
}

// sent schedules what follows an SPM.
func (m *spmSchedule) sent(at time.Duration) {
	m.sqn++
	m.announced++
	m.soon = false
	m.answer = at + m.heartbeats[0]
	m.ambient = at + m.ambientInterval
	if m.state != spmBeating && m.announced < announcements {
		m.beat = at + announceInterval
		return
	}
	if m.state != spmBeating && m.announced == announcements {
		m.step = 0
	} else {
		m.step = min(m.step+1, len(m.heartbeats)-1)
	}
	if m.state == spmStarting {
		m.state = spmBeating
	}
	m.beat = at + m.heartbeats[m.step]
}

// appendSPM appends the SPM that is due.
func (s *Source) appendSPM(at time.Duration, b []byte) []byte {
	h := NewHeader(TypeSPM, s.cfg.TSI, s.cfg.Port)
	m := SPM{SQN: s.spm.sqn, Trail: s.txw.trail, Lead: s.lead(), Path: s.cfg.NLA}
	o := &s.options
	o.Present = 0
	s.fec.describe(o, m.Lead)
	if !s.cfg.NoBackOff {
		s.tuner.describe(o, s.cfg.RTT)
	}
	if n := SQN(s.cfg.JoinPackets); n > 0 {
		o.Present |= SetOf(OptJoin)
		o.JoinMinimum = s.txw.next - min(n, s.txw.next-s.txw.trail)
	}
	// "The FIN PGM option MUST appear in every SPM sent after the last ODATA for
	// a session."
	//
	// https://www.rfc-editor.org/rfc/rfc3208#section-9.7
	if s.spm.state == spmFinishing {
		o.Present |= SetOf(OptFIN)
	}
	s.spm.sent(at)
	return AppendSPM(b, &h, &m, o)
}

// lead returns TXW_LEAD: the data packet that was sent last.
func (s *Source) lead() SQN {
	if !s.fec.on() {
		return s.txw.next - 1
	}
	// Numbers that are skipped belong to what follows them.
	if first := s.txw.trail - 1; s.fec.last.Before(first) {
		return first
	}
	return s.fec.last
}

// askSPM has an SPM sent, now or when the last one is old enough: "A source MUST
// respond immediately to an SPMR with the corresponding SPM rate limited to once
// per IHB_MIN per TSI."
//
// https://www.rfc-editor.org/rfc/rfc3208#section-13.4
func (s *Source) askSPM() { s.spm.soon = true }
