package hub

import "math"

// What a Subscription may want of the video Track besides a rank.
const (
	// WantNone: the Sink has no use for video.
	WantNone = -1
	// WantAll: the Sink may need every Layer.
	WantAll = math.MaxInt
)

// demand counts the Subscriptions by the highest rank that they want. A Sink
// that wants a Layer wants those below as well: it falls back to them at once
// when its network narrows, which is too late to start them.
type demand struct {
	byRank  map[int]int
	highest int
}

func newDemand() demand { return demand{byRank: map[int]int{}, highest: WantNone} }

// add and remove report whether the highest rank has changed.
func (d *demand) add(rank int) (changed bool) {
	d.byRank[rank]++
	return d.settle()
}

func (d *demand) remove(rank int) (changed bool) {
	if d.byRank[rank]--; d.byRank[rank] == 0 {
		delete(d.byRank, rank)
	}
	return d.settle()
}

func (d *demand) settle() (changed bool) {
	before := d.highest
	d.highest = WantNone
	for rank := range d.byRank {
		d.highest = max(d.highest, rank)
	}
	return d.highest != before
}
