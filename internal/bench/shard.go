package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tickTime is how often a shard looks after its peers.
const tickTime = 5 * time.Millisecond

// shard reads the sockets of many peers on one goroutine.
type shard struct {
	epoll  *os.File
	start  time.Time
	reader *reader

	ended chan struct{}

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
	// An epoll instance can be waited for like a socket, which keeps a thread
	// from hanging in epoll_wait.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &shard{
		epoll: os.NewFile(uintptr(fd), "epoll"), start: start, reader: newReader(gro), ended: make(chan struct{}),
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
	_ = s.epoll.SetReadDeadline(time.Unix(1, 0)) // wakes the shard; fails once it has ended
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

func (s *shard) runPosted() bool {
	s.mu.Lock()
	posted := s.posted
	s.posted = nil
	s.mu.Unlock()
	for _, f := range posted {
		f()
	}
	return len(posted) > 0
}

// add begins to read a peer's socket.
func (s *shard) add(p *peer) error {
	var err error
	s.call(func() {
		err = unix.EpollCtl(s.fd(), unix.EPOLL_CTL_ADD, p.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(p.fd)})
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

// fd must be called on the shard's goroutine, which closes it.
func (s *shard) fd() (fd int) {
	raw, err := s.epoll.SyscallConn()
	if err == nil {
		_ = raw.Control(func(n uintptr) { fd = int(n) })
	}
	return fd
}

// run reads until ctx ends, and then does what has been posted. What is posted
// later is never run.
func (s *shard) run(ctx context.Context) error {
	defer close(s.ended)
	defer s.epoll.Close()
	defer s.runPosted()
	raw, err := s.epoll.SyscallConn()
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { s.post(func() {}) })
	defer stop()
	next := s.now() + tickTime
	for ctx.Err() == nil {
		_ = s.epoll.SetReadDeadline(s.start.Add(next))
		busy := s.runPosted()
		n := 0
		if busy {
			n, _ = unix.EpollWait(s.fd(), s.events, 0)
		} else if err := raw.Read(func(fd uintptr) bool {
			n, err = unix.EpollWait(int(fd), s.events, 0)
			return n > 0 || err != nil
		}); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range s.events[:max(n, 0)] {
			if p := s.peers[e.Fd]; p != nil {
				s.read(p)
			}
		}
		if now := s.now(); now >= next {
			next = now + tickTime
			for _, p := range s.peers {
				p.tick(now)
			}
		}
	}
	return nil
}

func (s *shard) read(p *peer) {
	now := s.now()
	s.reader.read(p.fd, func(age time.Duration, datagram []byte) { p.arrive(now-age, datagram) })
}
