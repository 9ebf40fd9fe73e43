package bench

import (
	"time"
)

// A Tally is a Link that has counted more than messages, by the names that are
// told; see Job.
type Tally interface {
	Tally() map[string]int64
}

// castSource sends to a group, says so, and answers those who miss something
// until it is told to end.
func (p *player) castSource() error {
	plan, err := parseSchedule(p.job.Phases)
	if err != nil {
		return err
	}
	links, err := p.open(Publisher, p.job.Bind, nil)
	if err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	link := links[0]
	sleepUntil(monotonic() + castLead.Nanoseconds())
	var total uint64
	if len(plan) == 0 {
		total, err = p.sendShare(links, p.meter.lane())
	} else {
		total, err = p.sendOnTime(link, plan)
	}
	if err != nil {
		return err
	}
	<-p.gone
	p.results(total)
	p.tally(link)
	return nil
}

// behind is how much longer than planned a phase of a ramp may take, of its
// length: what takes longer is more than the source can do.
const behind = 20

// restless is the rate from which on a source does not sleep between messages,
// since each sleep is longer than that by much.
const restless = 100_000

// sendOnTime sends by a schedule. What is late is sent all the same, but a ramp
// ends with the phase that the source could not keep up with.
func (p *player) sendOnTime(link Link, plan schedule) (total uint64, err error) {
	stamp, count := p.job.Stamp(), p.meter.lane()
	body := stamp.New()
	p.meter.begin()
	start := monotonic()
	begun, kept := start, 0
	for _, phase := range plan {
		for i := range phase.Messages() {
			due := begun + int64(i*uint64(time.Second)/uint64(phase.Rate))
			for now := monotonic(); now < due; now = monotonic() {
				if phase.Rate < restless {
					sleepUntil(due)
				}
			}
			stamp.Put(body, total, due)
			if err := link.Send(body); err != nil {
				return total, err
			}
			if total++; p.meter.due(total) {
				count.count.Store(total)
			}
		}
		begun += phase.For.Nanoseconds()
		if monotonic() > begun+phase.For.Nanoseconds()/behind && p.ramp() {
			break
		}
		kept++
	}
	sleepUntil(begun)
	p.say("phases %d", kept)
	return total, link.Send(stamp.End(nil, total))
}

// ramp reports whether the job is one: of many phases, without a limit for what
// receivers take.
func (p *player) ramp() bool { return len(p.job.Phases) > overloadPhases }

func (p *player) tally(l Link) {
	if t, ok := l.(Tally); ok {
		for name, n := range t.Tally() {
			p.say("%s %d", name, n)
		}
	}
}
