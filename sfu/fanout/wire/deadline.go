package wire

import (
	"sync"
	"time"
)

// deadline is a point in time that readers wait for and that may be moved
// while they wait.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{}
	passed  bool
}

func newDeadline() *deadline { return &deadline{expired: make(chan struct{})} }

// wait returns the channel that is closed when the deadline passes.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

// set moves the deadline; the zero time means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.passed {
		d.expired, d.passed = make(chan struct{}), false
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.pass()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer { // not moved meanwhile
			d.timer = nil
			d.pass()
		}
	})
	d.timer = timer
}

func (d *deadline) pass() {
	close(d.expired)
	d.passed = true
}
