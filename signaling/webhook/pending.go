package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// liveFile names the broadcasts that have begun and not ended.
const liveFile = "live.json"

// begun is a broadcast in that file.
type begun struct {
	SID string `json:"sid"`
	// Started is in ms since 1970.
	Started int64  `json:"started"`
	Stream  Stream `json:"stream"`
}

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
			if err := d.saveLive(); err != nil {
				d.log.Error("broadcasts are not written down", "err", err)
			}
		}
	}
}

// resume queues what the last Run has left. The file stays until save has
// another one.
func (d *Dispatcher) resume() {
	if d.cfg.Dir == "" {
		return
	}
	d.saving.Lock()
	defer d.saving.Unlock()
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
	d.saved, d.resumed = true, true
	if err != nil {
		d.log.Error("webhooks of the last run are lost", "err", err)
	}
	if n > 0 {
		d.log.Info("webhooks of the last run are sent now", "number", n)
	}
	if err := d.resumeLive(); err != nil {
		d.log.Error("the ends of the last run's broadcasts are not told", "err", err)
	}
}

// resumeLive tells that the broadcasts are over during which the last process
// was killed. They come after what it had left.
func (d *Dispatcher) resumeLive() error {
	text, err := os.ReadFile(filepath.Join(d.cfg.Dir, liveFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	all := map[string]begun{}
	if err == nil {
		d.liveText = text
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sendLocked(d.book.lost(time.Now(), all))
	return nil
}

// saveLive writes down which broadcasts have begun, if that has changed.
func (d *Dispatcher) saveLive() error {
	if d.cfg.Dir == "" || len(d.receivers) == 0 {
		return nil
	}
	d.mu.Lock()
	all := d.book.begun()
	d.mu.Unlock()
	path := filepath.Join(d.cfg.Dir, liveFile)
	if len(all) == 0 {
		if d.liveText == nil {
			return nil
		}
		d.liveText = nil
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("webhook: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(all)
	if err == nil && bytes.Equal(text, d.liveText) {
		return nil
	}
	if err == nil {
		err = writeFile(path, func(f *os.File) error { _, err := f.Write(text); return err })
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	d.liveText = text
	return nil
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
	d.saving.Lock()
	defer d.saving.Unlock()
	return d.saveLocked(nil)
}

// saveLocked is save with Letters that are about to be queued. The caller has
// d.saving.
func (d *Dispatcher) saveLocked(more []Letter) (int, error) {
	var all []Letter
	if path := filepath.Join(d.cfg.Dir, pendingFile); d.cfg.Dir != "" && !d.resumed {
		if err := readFile(path, func(l Letter) { all = append(all, l) }); err != nil {
			return 0, err
		}
	}
	for _, r := range d.receivers {
		r.mu.Lock()
		for _, it := range append(r.queue.rest(), r.lost...) {
			all = append(all, letterOf(r, it, time.Time{}))
		}
		r.mu.Unlock()
	}
	all = append(all, more...)
	if d.cfg.Dir == "" || len(all) == 0 && !d.saved {
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
