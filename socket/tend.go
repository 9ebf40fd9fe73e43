package socket

// A producer that hands over each message by itself pays an atomic store for it
// and, if the consumer keeps up, moves a cache line to and fro and rings a bell
// for each. Where messages come by the thousand over inproc, the consumer
// therefore looks on for a moment when it has caught up, and makes the producer
// lazy: that publishes by the batch from then on and rings for nobody, and the
// consumer tends the lane. When for a moment nothing comes it takes the
// producer's lock, has the rest published and ends the arrangement. Only then
// may it sleep, or say that there is nothing.
//
//	rung --many messages without a pause--> tended --a pause--> rung
//
// An arrangement begins and ends under both the producer's lock (its socket's
// sendMu) and the consumer's (recvMu), so lazy and tended agree for who holds
// either. The order is sendMu before recvMu: who has recvMu may only try.

const (
	// lazyBatch is how many messages a lazy producer publishes at once: at 20 ns
	// each, the consumer sees a new batch every two thirds of a microsecond.
	lazyBatch = 32

	// After awaitFrom messages without a pause the consumer looks on before it
	// arms its bell, and after tendFrom it tends the lane: so many that what a
	// pause costs is little for each.
	awaitFrom = 64
	tendFrom  = 512

	// To look on is to look awaitLooks times, some microseconds in all, and to
	// let the producer have the cache line for awaitPause loops in between.
	awaitLooks = 64
	awaitPause = 64
)

// await looks on for p's next message if many came without a pause, and reports
// whether it did. Under recvMu.
func (s *Socket) await(p *pipe) bool {
	l := p.in
	if p.peer == nil || s.engine.spin == 0 || l.stream.Consumed()-l.paused < awaitFrom {
		return false
	}
	for range awaitLooks {
		for i := 0; i < awaitPause && !l.ended.Load(); i++ {
		}
		if octets, _ := l.look(); len(octets) > 0 {
			return true
		}
	}
	l.paused = l.stream.Consumed()
	return false
}

// tend starts tending p's in lane, if that is one from socket to socket and many
// messages came without a pause. A receiver that sleeps waits for the bell, so
// there may be none. Under recvMu.
func (s *Socket) tend(p *pipe) {
	l := p.in
	if p.peer == nil || s.tended != nil || s.engine.spin == 0 || l.stream.Consumed()-l.paused < tendFrom {
		return
	}
	if s.receiving.waiting.Load() > 0 || p.gone() || l.conflate {
		return
	}
	producer := p.peer.host // set before it could send anything
	if !producer.sendMu.TryLock() {
		return
	}
	l.lazy, s.tended = true, p
	l.stream.Stage()
	producer.unlockSend()
}

// stopTending ends the tending of p's in lane. Whatever was sent by then can be
// received. Any goroutine, without locks.
//
// A SUB that subscribes has its recvMu and waits for its publisher's sendMu, so
// who has that may only try here too.
func (p *pipe) stopTending() {
	producer, consumer := p.peer.host, p.host
	for producer.sendMu.Lock(); !consumer.recvMu.TryLock(); producer.sendMu.Lock() {
		producer.unlockSend()
		consumer.recvMu.Lock() // to wait
		over := consumer.tended != p
		consumer.recvMu.Unlock()
		if over {
			return
		}
	}
	if consumer.tended == p {
		consumer.tended = nil
		p.in.settle()
		p.in.ring()
	}
	consumer.recvMu.Unlock()
	producer.unlockSend()
}

// settle publishes what a lazy producer left and makes it ring again. Under the
// producer's lock.
func (l *lane) settle() {
	if l.lazy {
		l.stream.Unstage()
		l.stream.Publish()
		l.lazy = false
	}
}
