package transcode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/sfu/media"
)

// ErrBusy is returned when as many processes run as may.
var ErrBusy = errors.New("transcode: too many processes")

// Config limits what transcoding may cost. The zero value means the defaults,
// and no transcoding.
type Config struct {
	// Path of ffmpeg, looked up in PATH. Empty: no transcoding.
	Path string
	// MaxProcesses bounds all processes, 64. MaxVideo bounds those that encode
	// video, two per core.
	MaxProcesses, MaxVideo int
	// Threads of one video encoder, 2.
	Threads int
	// Nice is the niceness of processes from 0 to 19: media goes first.
	Nice int
	// Hang is after what time without output, while input comes, a process is
	// taken to hang: 3 s. For its first output it has three times as long.
	Hang time.Duration
	// Slow is how long a process may be behind before it is given up: 10 s.
	Slow time.Duration
	// Backoff is the pause before the first restart, 250 ms. It doubles with
	// each failure up to MaxBackoff, 10 s.
	Backoff, MaxBackoff time.Duration
	// Retries is how often in a row a process may end without any output
	// before it is given up, 5.
	Retries int
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	long := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxProcesses, 64)
	def(&c.MaxVideo, 2*runtime.NumCPU())
	def(&c.Threads, 2)
	def(&c.Retries, 5)
	c.Nice = min(max(c.Nice, 0), 19)
	long(&c.Hang, 3*time.Second)
	long(&c.Slow, 10*time.Second)
	long(&c.Backoff, 250*time.Millisecond)
	long(&c.MaxBackoff, 10*time.Second)
	return c
}

// Supervisor runs ffmpeg processes and keeps them within limits.
type Supervisor struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	found   func() (tools, error)

	mu      sync.Mutex
	ended   bool
	count   [2]int // of Processes, all and video
	waiting []*Process
	wake    chan struct{}
}

// New returns a Supervisor. It looks for ffmpeg when that matters first, at
// the latest in Run.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Supervisor {
	m, err := newMetrics(reg)
	if err != nil {
		log.Error("transcode metrics are not exported", "err", err)
	}
	s := &Supervisor{cfg: cfg.withDefaults(), log: log, metrics: m, wake: make(chan struct{}, 1)}
	s.found = sync.OnceValues(s.find)
	return s
}

// find looks for ffmpeg once and says what follows.
func (s *Supervisor) find() (tools, error) {
	if s.cfg.Path == "" {
		return tools{}, fmt.Errorf("%w: switched off", ErrUnavailable)
	}
	t, err := look(context.Background(), s.cfg.Path)
	if err != nil {
		s.log.Warn("no transcoding: HLS has the publisher's layers only, and Opus", "err", err)
		return t, err
	}
	aac := t.can(Job{To: "aac"}) == nil
	h264 := t.can(Job{To: media.H264, From: media.Codec{Name: media.H264}}) == nil
	s.log.Info("transcoding by ffmpeg", "version", t.version, "aac", aac, "h264", h264)
	return t, nil
}

// Can returns nil when a Job can be done here, or an error wrapping
// ErrUnavailable. The first call may take as long as ffmpeg takes to start.
func (s *Supervisor) Can(job Job) error {
	if err := job.check(); err != nil {
		return err
	}
	t, err := s.found()
	if err != nil {
		return err
	}
	return t.can(job)
}

// Start begins to transcode. Results come from a goroutine of the Process, in
// the order of their times; out must not block for long, or the Process is
// taken to be slow. Processes run while Run does. Errors wrap ErrUnavailable
// or ErrBusy.
func (s *Supervisor) Start(job Job, out func(Result)) (*Process, error) {
	if err := s.Can(job); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, fmt.Errorf("%w: the server ends", ErrUnavailable)
	}
	video := job.Kind == media.Video
	if s.count[0] >= s.cfg.MaxProcesses || video && s.count[1] >= s.cfg.MaxVideo {
		return nil, fmt.Errorf("%w: %d run, %d of them for video", ErrBusy, s.count[0], s.count[1])
	}
	s.occupy(job.Kind, 1)
	p := newProcess(s, job, out)
	s.waiting = append(s.waiting, p)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return p, nil
}

// occupy counts a Process. s.mu is held.
func (s *Supervisor) occupy(kind media.Kind, n int) {
	s.count[0] += n
	if kind == media.Video {
		s.count[1] += n
	}
	s.metrics.processes.WithLabelValues(kind.String()).Add(float64(n))
}

// Run runs the Processes until ctx ends, and ends with the last of them.
func (s *Supervisor) Run(ctx context.Context) error {
	_, _ = s.found() // said in the log, and by Can
	var g errgroup.Group
	for {
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = nil
		s.ended = ctx.Err() != nil
		ended := s.ended
		s.mu.Unlock()
		for _, p := range waiting {
			g.Go(func() error {
				defer s.release(p)
				p.run(ctx)
				return nil
			})
		}
		if ended {
			return g.Wait()
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
	}
}

func (s *Supervisor) release(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.occupy(p.job.Kind, -1)
}
