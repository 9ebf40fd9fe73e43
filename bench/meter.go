package bench

import (
	"math/bits"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// A meter counts a process's messages in the window: from the first message
// plus the warm-up, for the duration.
type meter struct {
	warmup, duration time.Duration
	mask             uint64 // see due

	once  sync.Once
	stop  atomic.Bool // the time of those who send is over
	over  chan struct{}
	timer *time.Timer

	mu          sync.Mutex
	lanes       []*lane
	whole       snapshot // at the first message
	first, last snapshot // of the window
	state       meterState
}

type meterState uint8

const (
	beforeWindow meterState = iota
	inWindow
	afterWindow
)

// A lane is one socket's count, alone on its cache lines.
type lane struct {
	_     [64]byte
	count atomic.Uint64 // written by the lane's goroutine only
	_     [64]byte
}

type snapshot struct {
	at       time.Time
	messages uint64
	cpu      time.Duration
	allocs   uint64
	pause    time.Duration
}

// publishBytes is how much a lane passes on before it publishes its count: a
// locked instruction for each message would be seen in the result.
const (
	publishBytes = 64 << 10
	publishMost  = 64
)

func newMeter(j Job) *meter {
	return &meter{
		warmup: j.warmup(), duration: j.duration(),
		mask: 1<<(bits.Len(uint(max(1, min(publishMost, publishBytes/max(1, j.Size)))))-1) - 1,
		over: make(chan struct{}),
	}
}

// due reports whether a lane publishes its count after n messages. Those between
// are a power of two, since a division for each would be seen, too.
func (m *meter) due(n uint64) bool { return n&m.mask == 0 }

func (m *meter) lane() *lane {
	l := new(lane)
	m.mu.Lock()
	m.lanes = append(m.lanes, l)
	m.mu.Unlock()
	return l
}

// begin starts the clock at the first call. Any goroutine.
func (m *meter) begin() {
	m.once.Do(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.whole = m.snapshot()
		m.whole.messages = 0
		m.timer = time.AfterFunc(m.warmup, m.open)
	})
}

func (m *meter) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != beforeWindow {
		return
	}
	m.state, m.first = inWindow, m.snapshot()
	m.timer = time.AfterFunc(m.duration, m.close)
}

func (m *meter) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closeLocked()
	if !m.stop.Load() {
		m.timer = time.AfterFunc(m.duration/8, m.halt)
	}
}

// closeLocked ends the window, if it is open.
func (m *meter) closeLocked() {
	if m.state == inWindow {
		m.state, m.last = afterWindow, m.snapshot()
	}
}

// halt tells those who send to stop. They go on for a while after the window,
// so that those who receive have work until theirs is over.
func (m *meter) halt() {
	if !m.stop.Swap(true) {
		close(m.over)
	}
}

// end stops the meter when the work is done, and returns what it counted: in
// the whole run, if that was too short for its window.
func (m *meter) end() (first, last snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.timer != nil {
		m.timer.Stop()
	}
	m.closeLocked()
	m.halt()
	if m.last.messages == m.first.messages {
		return m.whole, m.snapshot()
	}
	return m.first, m.last
}

func (m *meter) snapshot() snapshot {
	s := snapshot{at: time.Now(), cpu: processorTime()}
	for _, l := range m.lanes {
		s.messages += l.count.Load()
	}
	s.allocs, s.pause = collected()
	return s
}

// collected returns the allocations so far and for how long the collector has
// stopped the world.
func collected() (allocs uint64, pause time.Duration) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			allocs += s.Value.Uint64()
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return allocs, time.Duration(stats.PauseTotalNs)
}
