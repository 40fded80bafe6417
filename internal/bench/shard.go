package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tickTime is how often a shard looks after its peers.
	tickTime = 5 * time.Millisecond
	// pollTime is how often a shard looks at its sockets. It does not wait at
	// them: on one machine, a sender pays for waking who waits, once a packet at
	// worst, and that would count as the server's. The kernel notes when a
	// datagram comes in, so nothing is told late by it.
	pollTime = time.Millisecond
	// niceness lets the server, and the publishers here, go first where all share
	// the processors.
	niceness = 10
)

// shard reads the sockets of many peers on one goroutine.
type shard struct {
	epoll  int
	start  time.Time
	reader *reader

	ended chan struct{}
	wake  chan struct{} // has a token when something was posted

	mu     sync.Mutex
	posted []func()

	peers  map[int32]*peer // by socket
	events []unix.EpollEvent
}

func newShard(start time.Time, gro bool) (*shard, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &shard{
		epoll: fd, start: start, reader: newReader(gro), ended: make(chan struct{}), wake: make(chan struct{}, 1),
		peers: map[int32]*peer{}, events: make([]unix.EpollEvent, 256),
	}, nil
}

// now is the time since the start of the run.
func (s *shard) now() time.Duration { return time.Since(s.start) }

// post runs f on the shard's goroutine.
func (s *shard) post(f func()) {
	s.mu.Lock()
	s.posted = append(s.posted, f)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// call runs f on the shard's goroutine and waits for it, unless the shard has
// ended.
func (s *shard) call(f func()) {
	done := make(chan struct{})
	s.post(func() { f(); close(done) })
	select {
	case <-done:
	case <-s.ended:
	}
}

func (s *shard) runPosted() {
	s.mu.Lock()
	posted := s.posted
	s.posted = nil
	s.mu.Unlock()
	for _, f := range posted {
		f()
	}
}

// add begins to read a peer's socket.
func (s *shard) add(p *peer) error {
	var err error
	s.call(func() {
		err = unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.fd)})
		if err == nil {
			s.peers[int32(p.fd)] = p
		}
	})
	return err
}

// remove closes a peer's socket, when the shard comes to it.
func (s *shard) remove(p *peer, fd int) {
	s.post(func() {
		if s.peers[int32(fd)] == p {
			delete(s.peers, int32(fd))
		}
		_ = unix.Close(fd) // which takes it out of the epoll set
	})
}

// run reads until ctx ends, and then does what has been posted. What is posted
// later is never run.
func (s *shard) run(ctx context.Context) error {
	defer close(s.ended)
	defer unix.Close(s.epoll)
	defer s.runPosted()
	runtime.LockOSThread() // and never unlocked: the thread ends with the shard
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	next := s.now() + tickTime
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			s.runPosted()
			continue
		case <-poll.C:
		}
		if err := s.poll(); err != nil {
			return err
		}
		if now := s.now(); now >= next {
			next = now + tickTime
			for _, p := range s.peers {
				p.tick(now)
			}
		}
	}
}

// poll reads what has come in.
func (s *shard) poll() error {
	for {
		n, err := unix.EpollWait(s.epoll, s.events, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range s.events[:max(n, 0)] {
			if p := s.peers[e.Fd]; p != nil {
				s.read(p)
			}
		}
		if n < len(s.events) {
			return nil
		}
	}
}

func (s *shard) read(p *peer) {
	now := s.now()
	s.reader.read(p.fd, func(age time.Duration, datagram []byte) { p.arrive(now-age, datagram) })
}
