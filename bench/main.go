package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// Main runs a process's [Job], which its arguments say, with sockets of d, and
// exits.
func Main(d Driver) {
	if err := Serve(d, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		os.Exit(1)
	}
}

// Serve does the job that args say, and talks to the one that started it as
// [Job] says.
func Serve(d Driver, args []string, in io.Reader, out io.Writer) error {
	p := &player{driver: d, out: bufio.NewWriter(out), gone: make(chan struct{}), started: make(chan struct{})}
	j, err := ParseJob(args)
	if err == nil {
		p.job, p.meter = j, newMeter(j)
		go p.listen(in)
		err = p.play()
	}
	switch {
	case errors.Is(err, errNotNeeded):
		err = nil
	case err != nil:
		p.say("error %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	default:
		p.say("done")
	}
	return errors.Join(err, p.out.Flush())
}

// A player is one process at its role.
type player struct {
	job     Job
	driver  Driver
	meter   *meter
	out     *bufio.Writer
	started chan struct{} // closed at the line "go"
	gone    chan struct{} // closed at the end of the input
	links   []Link        // what closeAll closes
	closing sync.Mutex
}

// errNotNeeded is when the input ends before the work began.
var errNotNeeded = errors.New("not needed")

// listen reads what the one that started this process has to say.
func (p *player) listen(in io.Reader) {
	defer close(p.gone)
	lines := bufio.NewScanner(in)
	for begun := false; lines.Scan(); {
		if lines.Text() == "go" && !begun {
			begun = true
			close(p.started)
		}
	}
}

func (p *player) say(format string, args ...any) {
	// An error stays in the writer and is Flush's.
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func (p *player) play() error {
	roles := map[Role]func() error{
		RoleSend: p.send, RoleRecv: p.recv, RoleBoth: p.both, RoleAsk: p.ask, RoleEcho: p.echo,
		RoleProxy: p.proxy, RoleConnect: p.connect, RoleGather: p.gather, RoleWatch: p.watch,
	}
	if p.job.Pattern == Multicast {
		roles[RoleSend], roles[RoleRecv] = p.castSource, p.castReceiver
	}
	role, ok := roles[p.job.Role]
	if !ok {
		return fmt.Errorf("no role %q", p.job.Role)
	}
	if err := p.job.workload().Check(); err != nil {
		return err
	}
	about := p.driver.About(p.job)
	p.say("version %s", about.Version)
	p.say("backend %s", about.Backend)
	for _, s := range about.Settings {
		p.say("setting %s", s)
	}
	err := role()
	return errors.Join(err, p.closeAll())
}

// workload is what of the job a Workload says, in order to check it.
func (j Job) workload() Workload {
	return Workload{
		Name: "job", Pattern: j.Pattern, Transport: j.Transport, Size: j.Size, Peers: j.Sockets,
		Conns: j.Conns, Threads: j.Threads, Reactors: j.Reactors, Window: j.Window, Topics: j.Topics, Rate: j.Rate,
	}.Normal()
}

// open opens the job's sockets, binds those of a role that has bind or connects
// the others, and says where.
func (p *player) open(k Kind, bind string, connect []string) ([]Link, error) {
	links := make([]Link, max(1, p.job.Sockets))
	for i := range links {
		l, err := p.driver.Open(k, p.job)
		if err != nil {
			return nil, err
		}
		links[i] = l
		p.links = append(p.links, l)
		if k == Subscriber {
			if err := subscribe(l, p.job.Topics); err != nil {
				return nil, err
			}
		}
		if bind != "" {
			at, err := l.Bind(name(bind, k, i))
			if err != nil {
				return nil, err
			}
			p.say("endpoint %s", at)
			connect = append(connect, at)
			continue
		}
		for range max(1, p.job.Conns) {
			if err := l.Connect(connect[i%len(connect)]); err != nil {
				return nil, err
			}
		}
	}
	return links, nil
}

// name fills in what may be chosen of an endpoint, but for tcp, where the
// system chooses.
func name(bind string, k Kind, i int) string {
	if strings.HasPrefix(bind, "tcp:") {
		return bind
	}
	return strings.ReplaceAll(bind, "*", fmt.Sprintf("%c%d", 'a'+rune(k), i))
}

func subscribe(l Link, topics int) error {
	if topics == 0 {
		return l.Subscribe(nil)
	}
	topic := make([]byte, topicSize)
	for i := range topics {
		PutTopic(topic, i)
		if err := l.Subscribe(topic); err != nil {
			return err
		}
	}
	return nil
}

// ready says that the sockets are open and waits for the start.
func (p *player) ready() error {
	p.say("ready")
	if err := p.out.Flush(); err != nil {
		return err
	}
	select {
	case <-p.started:
		return nil
	case <-p.gone:
		// Both may have come; then the start came first.
		select {
		case <-p.started:
			return nil
		default:
			return errNotNeeded
		}
	}
}

// results says what the meter counted.
func (p *player) results(total uint64) {
	first, last := p.meter.end()
	p.say("messages %d", last.messages-first.messages)
	p.say("ns %d", last.at.Sub(first.at).Nanoseconds())
	p.say("cpu_ns %d", (last.cpu - first.cpu).Nanoseconds())
	p.say("allocs %d", last.allocs-first.allocs)
	p.say("gc_pause_ns %d", (last.pause - first.pause).Nanoseconds())
	p.say("total %d", total)
	_, most := Resident()
	p.say("rss_kb %d", most)
}

// closeAll closes what is open. Any goroutine.
func (p *player) closeAll() error {
	p.closing.Lock()
	defer p.closing.Unlock()
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Close())
	}
	p.links = nil
	return errors.Join(errs...)
}
