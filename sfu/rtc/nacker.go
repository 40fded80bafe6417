package rtc

import (
	"slices"
	"time"
)

const (
	// nackTolerance is how long a packet may be late by reordering alone.
	nackTolerance = 8 * time.Millisecond
	nackAge       = time.Second
	nackTries     = 10
	// nackMissing bounds what is asked for. A longer gap is an outage, which
	// only a keyframe repairs.
	nackMissing    = 400
	firstRTT       = 80 * time.Millisecond
	minNackBackoff = 15 * time.Millisecond
)

// nacker decides which lost packets of one encoding to ask for again, and when
// (RFC 4585 section 6.2.1). It is pure: time comes in. Unlike an interceptor it
// sees the packets after retransmissions have been put back in their place, so
// that it never asks for what RTX has repaired.
type nacker struct {
	highest uint64 // highest sequence number so far, 0 before the first
	missing []missing
	next    time.Time     // when to call due; zero: nothing is missing
	rtt     time.Duration // 0 while unknown
	lost    uint64        // given up
}

type missing struct {
	seq   uint64
	since time.Time // found missing
	asked time.Time // last asked for
	tries int
}

// receive takes the arrival of a packet. repaired is set when it had been asked
// for; outage when packets were lost that will never be asked for.
func (n *nacker) receive(seq uint64, now time.Time) (repaired, outage bool) {
	switch {
	case n.highest == 0:
		n.highest = seq
		return false, false
	case seq <= n.highest:
		return n.found(seq, now), false
	}
	gap := seq - n.highest - 1
	if gap+uint64(len(n.missing)) > nackMissing {
		n.lost += gap + uint64(len(n.missing))
		n.missing = n.missing[:0]
		n.next = time.Time{}
		n.highest = seq
		return false, true
	}
	for s := n.highest + 1; s < seq; s++ {
		n.missing = append(n.missing, missing{seq: s, since: now})
	}
	// A fresh loss does not wait until older ones are asked for again.
	if at := now.Add(nackTolerance); gap > 0 && (n.next.IsZero() || at.Before(n.next)) {
		n.next = at
	}
	n.highest = seq
	return false, false
}

func (n *nacker) found(seq uint64, now time.Time) (repaired bool) {
	i, ok := slices.BinarySearchFunc(n.missing, seq, func(m missing, seq uint64) int {
		switch {
		case m.seq < seq:
			return -1
		case m.seq > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return false
	}
	m := n.missing[i]
	n.missing = slices.Delete(n.missing, i, i+1)
	if m.tries == 1 {
		// Only a first answer tells the round trip; a later one may belong to
		// either question.
		n.measured(now.Sub(m.asked))
	}
	return m.tries > 0
}

func (n *nacker) measured(rtt time.Duration) {
	if n.rtt == 0 {
		n.rtt = rtt
	}
	n.rtt += (rtt - n.rtt) / 8
}

// due appends to seqs what is to be asked for now, and sets next.
func (n *nacker) due(now time.Time, seqs []uint64) []uint64 {
	var next time.Time
	kept := n.missing[:0]
	for _, m := range n.missing {
		at := n.dueAt(m)
		if !now.Before(at) {
			if m.tries >= nackTries || now.Sub(m.since) > nackAge {
				n.lost++
				continue
			}
			m.asked, m.tries = now, m.tries+1
			seqs = append(seqs, m.seq)
			at = n.dueAt(m)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		kept = append(kept, m)
	}
	n.missing, n.next = kept, next
	return seqs
}

func (n *nacker) dueAt(m missing) time.Time {
	if m.tries == 0 {
		return m.since.Add(nackTolerance)
	}
	rtt := n.rtt
	if rtt == 0 {
		rtt = firstRTT
	}
	// A little more than a round trip, and longer each time.
	wait := max(minNackBackoff, rtt+rtt/4)
	return m.asked.Add(wait + wait*time.Duration(m.tries-1)/2)
}
