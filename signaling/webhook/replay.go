package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Receiver is how one of the receivers does.
type Receiver struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	// Queued is how many Events wait; Failures how many requests have failed
	// since the last that did not.
	Queued   int `json:"queued"`
	Failures int `json:"failures"`
	// LastTry is when a request last ended, LastError why it failed.
	LastTry   *time.Time `json:"lastTry,omitempty"`
	LastError string     `json:"lastError,omitempty"`
}

// Replay says which dead letters to send again.
type Replay struct {
	// IDs are those of dead letters, or of Events, for all who have not got
	// them.
	IDs []string
	All bool
}

// Replayed is what came of it.
type Replayed struct {
	Replayed int `json:"replayed"`
	// Skipped are the dead letters whose receiver is no longer configured, and
	// the IDs that none has.
	Skipped []string `json:"skipped"`
}

// Receivers returns all who are told, in the order of the configuration.
func (d *Dispatcher) Receivers() []Receiver {
	out := []Receiver{}
	for _, r := range d.receivers {
		out = append(out, r.describe())
	}
	return out
}

func (r *receiver) describe() Receiver {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := Receiver{ID: r.id, Host: r.host, Queued: r.queue.len(), Failures: r.queue.failures, LastError: r.last.error}
	if at := r.last.at; !at.IsZero() {
		d.LastTry = &at
	}
	return d
}

// DeadLetters returns what was given up, in the order of Key. The error is about
// the files.
func (d *Dispatcher) DeadLetters() ([]Letter, error) {
	var all []Letter
	if err := d.dead.each(func(l Letter) { all = append(all, l) }); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Letter) int { return strings.Compare(a.Key(), b.Key()) })
	return all, nil
}

// Key orders dead letters by when they died.
func (l Letter) Key() string { return fmt.Sprintf("%013d %s", l.DiedAt, l.ID) }

// Replay sends dead letters again, in the order in which they died. The
// error is about the files.
func (d *Dispatcher) Replay(what Replay) (Replayed, error) {
	known := map[string]bool{}
	for _, r := range d.receivers {
		known[r.id] = true
	}
	wanted := map[string]bool{}
	for _, id := range what.IDs {
		wanted[id] = false
	}
	out := Replayed{Skipped: []string{}}
	// Until they are queued nobody may write what waits without them.
	d.saving.Lock()
	defer d.saving.Unlock()
	taken, err := d.dead.take(func(l Letter) bool {
		event, _, _ := strings.Cut(l.ID, ".")
		if _, named := wanted[l.ID]; named {
			wanted[l.ID] = true
		} else if _, named := wanted[event]; named {
			wanted[event] = true
		} else if !what.All {
			return false
		}
		if !known[l.Receiver] {
			out.Skipped = append(out.Skipped, l.ID)
		}
		return known[l.Receiver]
	}, func(taken []Letter) error {
		_, err := d.saveLocked(taken)
		return err
	})
	if err != nil {
		return Replayed{}, err
	}
	slices.SortStableFunc(taken, func(a, b Letter) int { return cmp.Compare(a.DiedAt, b.DiedAt) })
	now := time.Now()
	for _, l := range taken {
		d.requeue(now, l)
	}
	for id, found := range wanted {
		if !found {
			out.Skipped = append(out.Skipped, id)
		}
	}
	slices.Sort(out.Skipped)
	out.Replayed = len(taken)
	return out, nil
}
