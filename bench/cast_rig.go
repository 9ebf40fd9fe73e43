package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeroring/zeroring/bench/lab"
)

// Labs keeps the networks that multicast is measured on, so that runs that need
// the same share it one after the other. Nil makes one for each run.
type Labs struct {
	mu   sync.Mutex
	key  lab.Config
	have *lab.Lab
	port int
}

// The ports of runs: each has its own, so that none hears what is left of another.
const (
	firstPort = 7000
	lastPort  = 60000
)

// castGroup is the group that is sent to.
const castGroup = "239.192.1.1"

// get returns a network and a port that no run has had.
func (l *Labs) get(c lab.Config) (*lab.Lab, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.port++; l.port < firstPort || l.port > lastPort {
		l.port = firstPort
	}
	if l.have != nil && l.key == c {
		return l.have, l.port, nil
	}
	if l.have != nil {
		l.have.Close()
	}
	var err error
	l.key = c
	l.have, err = lab.New(c)
	return l.have, l.port, err
}

// Close gives the last of them up.
func (l *Labs) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.have != nil {
		l.have.Close()
		l.have = nil
	}
}

// A castRun is a run of multicast.
type castRun struct {
	*run
	lab       *lab.Lab
	port      int
	receivers []*child
	source    *child
	counts    []castCount // of the packets to each host, from 1 on
}

// A castCount counts packets by type, before any is lost.
type castCount struct {
	frames, odata, rdata, naks, entries atomic.Uint64
}

// doCast has the children do the work: receivers first.
func (r *run) doCast(ctx context.Context) error {
	labs := r.rig.Labs
	if labs == nil {
		labs = new(Labs)
		defer labs.Close()
	}
	net, port, err := labs.get(lab.Config{Hosts: r.w.Peers + 1, Fabric: r.w.Cast.fabric(), Seed: castSeed})
	if err != nil {
		return err
	}
	c := &castRun{run: r, lab: net, port: port, counts: make([]castCount, r.w.Peers+2)}
	r.cast = c
	if err := c.faults(); err != nil {
		return err
	}
	if err := c.start(ctx); err != nil {
		return err
	}
	for _, child := range r.children { // the source is last
		if err := child.begin(); err != nil {
			return errors.Join(child.done(), err)
		}
	}
	for _, child := range c.receivers {
		if err := child.done(); err != nil {
			return err
		}
	}
	c.source.end()
	return c.source.done()
}

// castSeed is of the network's faults.
const castSeed = 1

// faults sets up the network, and has it count what passes.
func (c *castRun) faults() error {
	if !c.w.Cast.Switch {
		return nil
	}
	for host := 1; host <= c.w.Peers+1; host++ {
		count := lab.Faults{Only: c.counts[host].frame}
		harm := lab.Faults{}
		if host > 1 {
			harm.Loss, harm.Rate = c.w.Cast.Loss, c.w.Cast.Link
		}
		if err := c.lab.SetFaults(host, count, harm); err != nil {
			return err
		}
	}
	return nil
}

// The types of PGM packets that are counted.
var (
	isODATA = lab.PGM(0x4)
	isRDATA = lab.PGM(0x5)
	isNAK   = lab.PGM(0x8)
)

// frame counts a frame, and chooses none.
func (n *castCount) frame(frame []byte) bool {
	n.frames.Add(1)
	switch {
	case isODATA(frame):
		n.odata.Add(1)
	case isRDATA(frame):
		n.rdata.Add(1)
	case isNAK(frame):
		n.naks.Add(1)
		n.entries.Add(uint64(nakEntries(frame)))
	}
	return false
}

// nakEntries is how many sequence numbers a NAK in UDP over IPv4 without options
// of its own has: one, and those of OPT_NAK_LIST.
//
//	https://www.rfc-editor.org/rfc/rfc3208#section-9.3
func nakEntries(frame []byte) int {
	const (
		ethernet, udp        = 14, 8
		header, body, option = 16, 20, 4 // of PGM, of a NAK with two IPv4 addresses, of OPT_LENGTH
		optionsFlag, nakList = 1, 2
	)
	ip := ethernet + int(frame[ethernet]&0xf)*4
	p := frame[ip:]
	if frame[ethernet+9] == 17 {
		p = p[udp:]
	}
	entries := 1
	if len(p) < header+body+option || p[5]&optionsFlag == 0 {
		return entries
	}
	for rest := p[header+body+option:]; len(rest) >= option; {
		kind, length := rest[0], int(rest[1])
		if length < option || length > len(rest) {
			break
		}
		if kind&0x7f == nakList {
			entries += (length - option) / 4
		}
		if kind&0x80 != 0 {
			break
		}
		rest = rest[length:]
	}
	return entries
}

// start starts the receivers, then the source.
func (c *castRun) start(ctx context.Context) error {
	w, watches := c.w, c.w.Cast.Test == CastPace
	for i := range w.Peers {
		j := c.job(RoleRecv)
		host := c.lab.Host(i + 2)
		j.Connect = []string{c.at(host)}
		program := c.system.Program
		if c.system.Receiver != nil {
			program = c.system.Receiver
		}
		if watches {
			j.Role, program = RoleWatch, c.system.Watcher
		}
		child, err := c.child(ctx, host, program, j)
		if err != nil {
			return err
		}
		c.receivers = append(c.receivers, child)
	}
	host, j := c.lab.Host(1), c.job(RoleSend)
	j.Bind = c.at(host)
	var err error
	c.source, err = c.child(ctx, host, c.system.Program, j)
	return err
}

func (c *castRun) child(ctx context.Context, host *lab.Host, program []string, j Job) (*child, error) {
	child, err := startChildOn(ctx, host, program, c.system.Env, j)
	if err != nil {
		return nil, err
	}
	c.children = append(c.children, child)
	return child, child.ready()
}

// at is the group, as a host names it.
func (c *castRun) at(host *lab.Host) string {
	return fmt.Sprintf("%s://%s;%s:%d", c.w.Transport, host.Addr(), castGroup, c.port)
}

func (c *castRun) job(role Role) Job {
	w, k := c.w, c.w.Cast
	return Job{
		Role: role, Pattern: w.Pattern, Transport: w.Transport, Size: w.Size, Sockets: 1, Streams: 1,
		HWM: w.HWM(), Warmup: w.Warmup.Nanoseconds(), Duration: w.Duration.Nanoseconds(), BusyPoll: c.system.BusyPoll, NoOffload: c.system.NoOffload,
		Phases: schedule(k.Phases).text(), Drain: k.Drain.Nanoseconds(), Late: k.Late.Nanoseconds(), Take: k.Take,
		Limit: k.Limit, History: k.History, Defaults: k.Defaults,
	}
}

// result puts together what the source and the receivers said.
func (c *castRun) result(to *Result) error {
	to.Processes[RoleSend] = c.source.process()
	to.Figures = make(map[string]float64)
	var cpu []float64
	for i, child := range c.receivers {
		p := child.process()
		name := RoleRecv
		if i > 0 {
			name = Role(fmt.Sprintf("%s%d", RoleRecv, i+1))
		}
		to.Processes[name] = p
		if rate := p.rate(); i == 0 || rate < to.Rate() {
			to.Messages, to.Window = p.Messages, p.Window
		}
		if p.Messages > 0 {
			cpu = append(cpu, float64(p.CPU)/float64(p.Messages))
		}
		if child.answer.hist != nil {
			if to.Latencies == nil {
				to.Latencies = NewLatencies()
			}
			to.Latencies.Merge(child.answer.hist.Histogram)
		}
	}
	perGB := 1e9 / float64(c.w.Size)
	if s := to.Processes[RoleSend]; s.Messages > 0 {
		to.Figures[MetricSourceCPU] = float64(s.CPU) / float64(s.Messages) * perGB
	}
	if len(cpu) > 0 {
		to.Figures[MetricReceiverCPU] = NewSpread(cpu).Median * perGB
	}
	c.figures(to.Figures)
	if c.w.Cast.Test != CastPace && c.w.Cast.Test != CastRamp && to.Messages == 0 {
		return errors.New("no messages in the window")
	}
	if c.w.Cast.Test == CastLatency && to.Latencies == nil {
		return errors.New("no latencies")
	}
	return nil
}

// rate is messages a second.
func (p *Process) rate() float64 {
	if p.Window <= 0 {
		return 0
	}
	return float64(p.Messages) / p.Window.Seconds()
}

// worst is the greatest of what the receivers said, as far as they did.
func (c *castRun) worst(name string) (n int64, ok bool) {
	for _, child := range c.receivers {
		if v, said := child.answer.numbers[name]; said {
			n, ok = max(n, v), true
		}
	}
	return n, ok
}

// least is the least, where each of them said something.
func (c *castRun) least(name string) int64 {
	one := slices.MinFunc(c.receivers, func(a, b *child) int { return cmp.Compare(a.answer.numbers[name], b.answer.numbers[name]) })
	return one.answer.numbers[name]
}

// figures are what a test is about, beside rates and latencies.
func (c *castRun) figures(f map[string]float64) {
	for metric, name := range map[string]string{
		MetricSilence: "silence_ns", MetricFirst: "first_ns", MetricCaught: "caught_ns", MetricGaps: "gaps", MetricPast: "past",
		MetricRateError: "error_ppm", MetricBurst: "burst_ns",
	} {
		if v, ok := c.worst(name); ok {
			f[metric] = float64(v)
		}
	}
	if total := c.source.answer.numbers["total"]; total > 0 && c.w.Cast.Test != CastPace && c.w.Cast.Test != CastJoin {
		f[MetricLost] = float64(total-c.least("total")) / float64(total)
	}
	if early, later := c.least("early_ns"), c.least("later_ns"); early > 0 {
		f[MetricGrowth] = float64(later) / float64(early)
	}
	if ppm, ok := f[MetricRateError]; ok {
		f[MetricRateError] = ppm / 1e6
	}
	switch c.w.Cast.Test {
	case CastOverload:
		c.overload(f)
	case CastRamp:
		f[MetricHighest] = c.highest()
	case CastLatency:
		c.repairs(f)
	}
}

// overloadPhases are: normal, too much, recovery, normal.
const overloadPhases = 4

// overload finds how much came while there was too much, of what receivers could
// have taken, and how much came when it was over.
func (c *castRun) overload(f map[string]float64) {
	phases := c.w.Cast.Phases
	capacity := float64(c.w.Cast.Take)
	if c.w.Cast.Link > 0 {
		capacity = float64(c.w.Cast.Link) / 8 / float64(c.w.Size+castOverhead)
	}
	f[MetricGoodput] = float64(c.least("during1")) / (capacity * phases[1].For.Seconds())
	f[MetricAfter] = min(1, float64(c.least("during3"))/float64(phases[3].Messages())) // more is what waited
}

// castOverhead is what a message costs on a link beside its body: the headers of
// Ethernet, IP, UDP, PGM and ZMTP, if each is a packet of its own.
const castOverhead = 14 + 20 + 8 + 24 + 9

// highest is the rate of the last phase of which nothing was lost.
func (c *castRun) highest() (rate float64) {
	kept := c.source.answer.numbers["phases"]
	for i, p := range c.w.Cast.Phases[:min(int(kept), len(c.w.Cast.Phases))] {
		if uint64(c.least("in"+strconv.Itoa(i))) < p.Messages() {
			break
		}
		rate = float64(p.Rate)
	}
	return rate
}

// repairs compares what was asked for and repeated to what was lost. Which part
// of what was lost was data is not known, but of what was sent it is.
func (c *castRun) repairs(f map[string]float64) {
	if c.w.Cast.Loss == 0 {
		return
	}
	var lost float64
	for host := 2; host <= c.w.Peers+1; host++ {
		n := &c.counts[host]
		if frames := n.frames.Load(); frames > 0 {
			lost += c.w.Cast.Loss / 100 * float64(n.odata.Load())
		}
	}
	if lost == 0 {
		return
	}
	f[MetricNAKs] = float64(c.counts[1].entries.Load()) / lost
	f[MetricNAKPackets] = float64(c.counts[1].naks.Load()) / lost
	f[MetricRepairs] = float64(c.counts[2].rdata.Load()) / lost
}

// startChildOn is startChild, on a host of a laboratory.
func startChildOn(ctx context.Context, host *lab.Host, argv, env []string, j Job) (*child, error) {
	c := newChild(j)
	cmd := host.Command(ctx, argv[0], append(argv[1:len(argv):len(argv)], j.Args()...)...)
	return c, c.start(ctx, cmd.Cmd, cmd, env)
}

// castTime is about what a run of multicast takes beside its warm-up and window.
func (w Workload) castTime() time.Duration {
	const processes, settles = 40 * time.Millisecond, 300 * time.Millisecond
	over := w.Cast.length() - w.Warmup - w.Duration*9/8
	return max(over, 0) + castLead + settles + time.Duration(w.Peers)*processes
}
