package webhook

import (
	"context"
	"path/filepath"
	"time"
)

// saveAgain writes down what waits, again and again until ctx ends. Where
// receivers work, there is nothing to write.
func (d *Dispatcher) saveAgain(ctx context.Context) {
	tick := time.NewTicker(d.cfg.Save)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := d.save(); err != nil {
				d.log.Error("webhooks that wait are not written down", "err", err)
			}
		}
	}
}

// resume queues what the last Run has left. The file stays until save has
// another one.
func (d *Dispatcher) resume() {
	path := filepath.Join(d.cfg.Dir, pendingFile)
	now, n := time.Now(), 0
	err := readFile(path, func(l Letter) {
		if d.requeue(now, l) {
			n++
			return
		}
		l.Reason, l.DiedAt = "the receiver is no longer configured", now.UnixMilli()
		d.store(l)
	})
	d.saved = true
	if err != nil {
		d.log.Error("webhooks of the last run are lost", "err", err)
	}
	if n > 0 {
		d.log.Info("webhooks of the last run are sent now", "number", n)
	}
}

// requeue gives a Letter to its receiver once more, and reports whether there
// is one.
func (d *Dispatcher) requeue(now time.Time, l Letter) bool {
	for _, r := range d.receivers {
		if r.id == l.Receiver {
			r.push(now, l.item(now))
			return true
		}
	}
	return false
}

// save writes what the receivers have not got, and returns how much that is.
func (d *Dispatcher) save() (int, error) {
	var all []Letter
	for _, r := range d.receivers {
		r.mu.Lock()
		for _, it := range append(r.queue.rest(), r.lost...) {
			all = append(all, letterOf(r, it, time.Time{}))
		}
		r.mu.Unlock()
	}
	if len(all) == 0 && !d.saved {
		return 0, nil
	}
	err := writeLetters(filepath.Join(d.cfg.Dir, pendingFile), all)
	d.saved = len(all) > 0 || err != nil
	return len(all), err
}

// bury puts what a receiver will not get among the dead letters.
func (d *Dispatcher) bury(r *receiver, it *item) { d.store(letterOf(r, it, time.Now())) }

func (d *Dispatcher) store(l Letter) {
	d.often.Do(func() {
		d.log.Warn("webhook given up", "receiver", l.Host, "event", l.Event, "stream", l.Stream, "tries", l.Tries, "err", l.Reason)
	})
	if err := d.dead.add(l); err != nil {
		d.log.Error("dead letter not kept", "err", err)
	}
}
