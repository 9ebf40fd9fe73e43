package socket

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/zeroring/zeroring/ring"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the transcripts in testdata with what happens now")

// TestPatterns plays the transcripts. One is blocks with a blank line after
// each: comments, commands, a line of dashes, and what comes of the commands.
// The commands are those of rig.do.
func TestPatterns(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) < int(endOfTypes)-1 {
		t.Fatalf("found %d transcripts, want one for each type (%v)", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { playFile(t, path) })
	}
}

func playFile(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t}
	defer r.close()
	var played []string
	for want := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		got := playBlock(r, want)
		if got != want && !*rewrite {
			t.Errorf("%s: this happens:\n%s\n\nthis should:\n%s", path, got, want)
		}
		played = append(played, got)
	}
	if *rewrite {
		if err := os.WriteFile(path, []byte(strings.Join(played, "\n\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// playBlock does the block's commands and returns it with what came of them.
func playBlock(r *rig, block string) string {
	commands, _, found := strings.Cut(block+"\n", "----\n")
	if !found {
		return block
	}
	var b strings.Builder
	b.WriteString(commands + "----\n")
	for line := range strings.Lines(commands) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			b.WriteString(r.do(line))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// A rig is a pattern with peers that the test plays. It does what a Socket does
// for a pattern, and at once: it tells of messages and of room.
type rig struct {
	t      testing.TB
	typ    Type
	bufs   int // in use when it was made
	pat    pattern
	host   Socket // of the pipes; it only stands there
	peers  []*testPeer
	events []func()

	couriers map[string]*courier
	out      strings.Builder
}

// A testPeer is the far side of one of the pattern's pipes.
type testPeer struct {
	rig       *rig
	name      string
	near, far *pipe
	held      bool // it does not read what it is sent
	lost      bool // the pattern has detached it
}

// sever makes a testPeer the pipe's link.
func (p *testPeer) sever() { fmt.Fprintf(&p.rig.out, "%s killed\n", p.name) }

// testEnds are a lane's ends that queue what the pattern is to be told.
type testEnds struct {
	r          *rig
	data, room func()
}

func (e *testEnds) dataReady() { e.r.events = append(e.r.events, e.data) }
func (e *testEnds) roomReady() { e.r.events = append(e.r.events, e.room) }

func newRig(t testing.TB, typ Type, o *Options) *rig {
	r := &rig{t: t}
	r.start(typ, o, 0)
	return r
}

func (r *rig) start(typ Type, o *Options, start uint32) {
	r.close()
	r.typ, r.bufs, r.peers, r.pat = typ, ring.LiveBufs(), nil, newPattern(typ, o, start)
	r.couriers = nil
}

// close ends everything and looks for memory not given back.
func (r *rig) close() {
	if r.pat == nil {
		return
	}
	for _, p := range r.peers {
		p.lose()
		p.near.in.discard()
		p.near.out.discard()
	}
	r.pat.close()
	r.leftovers()
	if n := ring.LiveBufs(); n != r.bufs {
		r.t.Errorf("%v: %d buffers in use at the end, %d at the start", r.typ, n, r.bufs)
	}
}

// leftovers looks for what the pattern still holds of peers that are gone.
func (r *rig) leftovers() {
	for _, p := range r.peers {
		if p.near.lbAt != -1 || p.near.fqAt != -1 || p.near.distAt != -1 {
			r.t.Errorf("%v: %s is gone and still listed", r.typ, p.name)
		}
	}
	switch s := r.pat.(type) {
	case *router:
		if len(s.peers) > 0 {
			r.t.Errorf("%d peers are gone and can be routed to", len(s.peers))
		}
	case *xpub:
		if !s.subs.empty() || !s.asked.empty() {
			r.t.Error("subscribers are gone, subscriptions are not")
		}
	case *pub:
		if !s.subs.empty() || s.octets > 0 {
			r.t.Errorf("%d octets of notices wait for nobody", s.octets)
		}
	}
}

// peer adds a peer whose queues hold hwm messages each way. If it is not up, it is to
// connect later.
func (r *rig) peer(name, identity string, hwm int, up bool, early ...[]byte) *testPeer {
	return r.peerAs("", name, identity, hwm, up, early...)
}

// peerAs is peer with a name that the user gave it, unless that is empty.
func (r *rig) peerAs(given, name, identity string, hwm int, up bool, early ...[]byte) *testPeer {
	there, back := new(lane), new(lane)
	there.hwm.Store(hwmOf(hwm))
	back.hwm.Store(hwmOf(hwm))
	p := &testPeer{rig: r, name: name, near: newPipe(&r.host, back, there), far: newPipe(&r.host, there, back)}
	p.near.link = p
	nothing := func() {}
	there.producer = &testEnds{r, nothing, func() { r.pat.writable(p.near) }}
	there.consumer = &testEnds{r, nothing, nothing}
	back.producer = &testEnds{r, nothing, nothing}
	back.consumer = &testEnds{r, func() { r.pat.readable(p.near) }, nothing}
	p.near.identity = []byte(identity)
	if given != "" {
		p.near.given = []byte(given)
	}
	r.peers = append(r.peers, p)
	for _, body := range early {
		p.far.write(nil, [][]byte{body})
	}
	r.pat.attach(p.near)
	if up {
		p.connect()
	}
	return p
}

// courier returns the courier of that name, who writes down that he is called.
func (r *rig) courier(name string) *courier {
	c := r.couriers[name]
	if c == nil {
		c = &courier{call: func() { fmt.Fprintf(&r.out, "%s called\n", name) }, ready: func(*pipe) {}}
		if r.couriers == nil {
			r.couriers = make(map[string]*courier)
		}
		r.couriers[name] = c
	}
	return c
}

func (p *testPeer) connect() {
	p.near.up = true
	p.rig.pat.connected(p.near)
}

// lose detaches p, which has left.
func (p *testPeer) lose() {
	if p.lost {
		return
	}
	p.near.left.Store(true)
	p.rig.pat.detach(p.near)
	p.near.up, p.lost = false, true
}

// pump tells the pattern what it is to be told, and reads what it sends.
func (r *rig) pump() {
	for {
		for i := 0; i < len(r.events); i++ { // they may grow
			r.events[i]()
		}
		r.events = r.events[:0]
		for _, p := range r.peers {
			if p.near.up && !p.held {
				p.show()
			}
		}
		if len(r.events) == 0 {
			return
		}
	}
}

// show writes down what p was sent.
func (p *testPeer) show() {
	m := newMessage()
	for p.read(m) {
	}
	m.Release()
}

// read writes down one message that p was sent, if there is one.
func (p *testPeer) read(m *Message) bool {
	if !p.far.read(m) {
		return false
	}
	fmt.Fprintf(&p.rig.out, "%s <-%s\n", p.name, showFrames(m))
	return true
}

// do does one command and returns what came of it.
func (r *rig) do(line string) string {
	r.out.Reset()
	words := strings.Fields(line)
	switch {
	case words[0] == "new":
		r.doNew(words[1:])
	case len(words) > 1 && words[1] == "->":
		r.find(words[0]).far.write(nil, parseFrames(words[2:]))
	case !r.doTraffic(words) && !r.doPeers(words):
		r.t.Fatalf("unknown command %q", line)
	}
	r.pump()
	return r.out.String()
}

// doNew: new TYPE option..., to begin anew.
func (r *rig) doNew(words []string) {
	var o Options
	start := uint32(0)
	flags := map[string]*bool{
		"mandatory": &o.RouterMandatory, "handover": &o.RouterHandover, "probe": &o.ProbeRouter,
		"correlate": &o.ReqCorrelate, "relaxed": &o.ReqRelaxed,
		"verbose": &o.XPubVerbose, "verboser": &o.XPubVerboser, "manual": &o.XPubManual,
		"nodrop": &o.XPubNoDrop, "invert": &o.InvertMatching,
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "welcome":
			o.XPubWelcome = []byte(value)
		case "start":
			n, err := strconv.ParseUint(value, 0, 32)
			if err != nil {
				r.t.Fatal(err)
			}
			start = uint32(n)
		default:
			*flags[name] = true
		}
	}
	for typ := Type(1); typ < endOfTypes; typ++ {
		if typ.String() == words[0] {
			r.start(typ, &o, start)
			return
		}
	}
	r.t.Fatalf("no type %q", words[0])
}

// doTraffic does what a user of the socket does.
//
//	send FRAME...          recv            can: whether it could send and receive
//	subscribe TOPIC        unsubscribe TOPIC
//	apply TOPIC            unapply TOPIC          XPUB in manual mode
//	come COURIER...        the reactor's turn to take a burst's messages to its peers
func (r *rig) doTraffic(words []string) bool {
	argument := []byte(strings.Join(words[1:], ""))
	switch words[0] {
	case "send":
		if err := r.pat.send(parseFrames(words[1:])); err != nil {
			fmt.Fprintf(&r.out, "send: error: %v\n", err)
		}
	case "recv":
		m := newMessage()
		if err := r.pat.recv(m); err != nil {
			fmt.Fprintf(&r.out, "recv: error: %v\n", err)
		} else {
			fmt.Fprintf(&r.out, "recv:%s\n", showFrames(m))
		}
		m.Release()
	case "can":
		fmt.Fprintf(&r.out, "send %v, recv %v\n", r.pat.canSend(), r.pat.canRecv())
	case "subscribe":
		r.pat.(interface{ subscribe([]byte) }).subscribe(argument)
	case "unsubscribe":
		r.pat.(interface{ unsubscribe([]byte) }).unsubscribe(argument)
	case "come":
		for _, name := range words[1:] {
			r.pat.collect(r.courier(name))
		}
	case "apply":
		r.pat.(*xpub).setSubscription(argument, false)
	case "unapply":
		r.pat.(*xpub).setSubscription(argument, true)
	default:
		return false
	}
	return true
}

// doPeers does what happens to peers.
//
//	peers NAME...          new peers, up
//	peer NAME option...    one: id=NAME, given=NAME, hwm=N, down, early=FRAME it has sent,
//	                       courier=NAME, conflate
//	up NAME  down NAME     its connection comes up, or is lost to come back
//	lost NAME              it is gone
//	left NAME              it is gone, and what it sent is not read yet
//	id NAME ID             it will come back with this identity
//	hold NAME              it stops reading what it is sent
//	read NAME              and goes on
//	take NAME              it reads one message
//	drops NAME             messages it did not get
func (r *rig) doPeers(words []string) bool {
	switch words[0] {
	case "peers":
		for _, name := range words[1:] {
			r.peer(name, "", 0, true)
		}
		return true
	case "peer":
		r.doPeer(words[1], words[2:])
		return true
	}
	p := r.find(words[1])
	switch words[0] {
	case "up":
		p.connect()
	case "down":
		p.near.up = false
		r.pat.disconnected(p.near)
	case "left":
		p.near.left.Store(true)
		r.pat.disconnected(p.near)
		p.near.up = false
	case "lost":
		p.lose()
	case "hold":
		p.held = true
	case "read":
		p.held = false
	case "take":
		m := newMessage()
		p.read(m)
		m.Release()
	case "id":
		p.near.identity = append(p.near.identity[:0], words[2]...)
	case "drops":
		fmt.Fprintf(&r.out, "%d\n", p.near.dropped.Load())
	default:
		return false
	}
	return true
}

func (r *rig) doPeer(name string, options []string) {
	id, given, hwm, up, conflate, courier := "", "", 0, true, false, ""
	var early [][]byte
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "id":
			id = string(parseFrame(value))
		case "given":
			given = value
		case "hwm":
			hwm, _ = strconv.Atoi(value)
		case "down":
			up = false
		case "conflate":
			conflate = true
		case "courier":
			courier = value
		case "early":
			early = append(early, parseFrame(value))
		default:
			r.t.Fatalf("unknown option %q", option)
		}
	}
	p := r.peerAs(given, name, id, hwm, up, early...)
	p.near.out.conflate = conflate
	if courier != "" {
		p.near.courier = r.courier(courier)
	}
}

// find returns the latest peer of that name.
func (r *rig) find(name string) *testPeer {
	for i := len(r.peers) - 1; i >= 0; i-- {
		if r.peers[i].name == name {
			return r.peers[i]
		}
	}
	r.t.Fatalf("no peer %q", name)
	return nil
}

// parseFrame reads the notation of frames: text; [] for none; +T and -T for the
// subscription to T and its end; 0x0a0b; T*300 for a text repeated.
func parseFrame(word string) []byte {
	text, times, repeated := strings.Cut(word, "*")
	switch {
	case word == "[]":
		return nil
	case word[0] == '+':
		return append([]byte{1}, word[1:]...)
	case word[0] == '-':
		return append([]byte{0}, word[1:]...)
	case strings.HasPrefix(word, "0x"):
		b, err := hex.DecodeString(word[2:])
		if err != nil {
			panic(err)
		}
		return b
	case repeated:
		n, err := strconv.Atoi(times)
		if err != nil {
			panic(err)
		}
		return []byte(strings.Repeat(text, n))
	}
	return []byte(word)
}

func parseFrames(words []string) [][]byte {
	frames := make([][]byte, len(words))
	for i, word := range words {
		frames[i] = parseFrame(word)
	}
	return frames
}

func showFrame(b []byte) string {
	printable := func(s string) bool {
		return strings.IndexFunc(s, func(c rune) bool { return c < '!' || c > '~' }) < 0
	}
	switch s := string(b); {
	case s == "":
		return "[]"
	case len(s) > 40 && strings.Repeat(s[:1], len(s)) == s:
		return fmt.Sprintf("%s*%d", s[:1], len(s))
	case printable(s):
		return s
	case s[0] == 1 && printable(s[1:]):
		return "+" + s[1:]
	case s[0] == 0 && printable(s[1:]):
		return "-" + s[1:]
	}
	return "0x" + hex.EncodeToString(b)
}

func showFrames(m *Message) string {
	var b strings.Builder
	for i := range m.Len() {
		b.WriteString(" " + showFrame(m.Frame(i)))
	}
	return b.String()
}
