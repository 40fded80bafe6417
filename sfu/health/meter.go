package health

import (
	"slices"
	"time"

	"github.com/freshet-live/freshet/sfu/media"
)

const (
	// recentFrames bounds the Frames that are looked at: eight seconds at 60
	// frames/s.
	recentFrames = 512
	// rateWindow is how far back Reading.FrameRate looks.
	rateWindow = 5 * time.Second
	// lossWindow is how many Readings back losses are counted.
	lossWindow = 10
	recentGOPs = 4
	// clockJump is a step between timestamps and arrivals that no drift
	// explains: the encoder has begun anew. A longer pause than that is one of
	// the Layer, and no property of its Frames.
	clockJump = 2 * time.Second
	// dtxPayload is the largest Opus packet, in bytes, that carries no sound
	// (RFC 6716 section 3.1: a TOC byte and at most one more).
	dtxPayload = 2
	// opusStereo is the s bit of the TOC byte (RFC 6716 section 3.1).
	opusStereo = 0x04
)

// Meter measures one Layer by the Packets as they come. Its methods are for
// one goroutine.
type Meter struct {
	kind media.Kind
	rate int64 // ticks/s

	begun   bool
	highest uint64
	last    uint32 // the newest timestamp
	ticks   int64  // the same, extended

	frames [recentFrames]frame
	n      int // Frames so far
	best   float64

	keyed   bool
	keyAt   int64 // ticks of the newest keyframe
	gops    [recentGOPs]int64
	gopsN   int
	drift   drift
	counted []Counters
	audio   audioCounters
}

// frame is the beginning of one Frame, or one audio packet.
type frame struct {
	ticks   int64
	arrival time.Time
	back    bool // shown before the one that came before it
	b       bool
}

type audioCounters struct{ packets, stereo, silent uint64 }

// NewMeter returns the Meter of a new Layer.
func NewMeter(codec media.Codec) *Meter {
	return &Meter{kind: codec.Kind(), rate: max(1, int64(codec.ClockRate))}
}

// Packet takes the next Packet; bFrame is frames.Info.BFrame. Those that come
// late, as repairs do, tell nothing about the encoder and are left out.
func (m *Meter) Packet(p *media.Packet, bFrame bool) {
	if m.begun && p.Seq <= m.highest {
		return
	}
	step := int64(int32(p.Timestamp - m.last))
	fresh := !m.begun || step != 0
	if !m.begun {
		step = 0
	}
	m.begun, m.highest, m.last = true, p.Seq, p.Timestamp
	m.ticks += step
	if fresh {
		m.frame(frame{ticks: m.ticks, arrival: p.Arrival, back: step < 0})
	}
	if bFrame {
		m.frames[(m.n-1)%recentFrames].b = true
	}
	switch {
	case m.kind == media.Audio:
		m.sound(p.Payload)
	case p.Keyframe:
		m.keyframe()
	}
}

func (m *Meter) frame(f frame) {
	if m.n > 0 {
		before := &m.frames[(m.n-1)%recentFrames]
		gap := f.arrival.Sub(before.arrival)
		if gap > clockJump || (gap-m.duration(f.ticks-before.ticks)).Abs() > clockJump {
			*m = Meter{
				kind: m.kind, rate: m.rate, begun: true, highest: m.highest, last: m.last,
				best: m.best, counted: m.counted, audio: m.audio,
			}
			f.ticks, f.back = 0, false
		}
	}
	m.frames[m.n%recentFrames] = f
	m.n++
	if !f.back {
		m.drift.add(f.arrival, m.duration(f.ticks))
	}
}

func (m *Meter) keyframe() {
	if m.keyed {
		m.gops[m.gopsN%recentGOPs] = m.ticks - m.keyAt
		m.gopsN++
	}
	m.keyed, m.keyAt = true, m.ticks
}

func (m *Meter) sound(payload []byte) {
	m.audio.packets++
	if len(payload) > 0 && payload[0]&opusStereo != 0 {
		m.audio.stereo++
	}
	if len(payload) <= dtxPayload {
		m.audio.silent++
	}
}

func (m *Meter) duration(ticks int64) time.Duration {
	return time.Duration(ticks/m.rate)*time.Second + time.Duration(ticks%m.rate)*time.Second/time.Duration(m.rate)
}

// Counters are what a Layer's receiver has counted since it began.
type Counters struct {
	// Packets counts those received, repaired ones too; Repaired those that
	// came after they had been asked for; Lost those given up.
	Packets, Repaired, Lost uint64
}

// Reading is what a Meter has measured. The zero value says that nothing is
// known.
type Reading struct {
	// At is when it was taken.
	At time.Time
	// Arrived is when the newest Frame began to come.
	Arrived time.Time
	// FrameRate is in Frames/s over the last seconds, Nominal what the Layer
	// sends when nothing holds the encoder up; 0 while unknown.
	FrameRate, Nominal float64
	// GOP is the longest of the last distances between keyframes, the one that
	// has not ended yet among them.
	GOP time.Duration
	// Reordered is the share of Frames, 0 to 1, that a decoder has to hold back
	// or to put in order: B frames.
	Reordered float64
	// Jitter is how late, against the earliest, all but one in twenty Frames
	// begin to come.
	Jitter time.Duration
	// Lost and Repaired are shares, 0 to 1, of the packets expected in the last
	// seconds.
	Lost, Repaired float64
	// Drift is how much slower the publisher's media clock runs than ours, in
	// parts per million; valid with DriftKnown, which takes a minute.
	Drift      float64
	DriftKnown bool
	// Stereo and Silent are shares, 0 to 1, of the audio packets so far: those
	// with two channels, and those with no sound in them.
	Stereo, Silent float64
}

// Read sums up. It is meant to be called about once a second.
func (m *Meter) Read(now time.Time, c Counters) Reading {
	r := Reading{At: now}
	r.Lost, r.Repaired = m.loss(c)
	if m.n == 0 {
		return r
	}
	recent := m.recent()
	r.Arrived = recent[len(recent)-1].arrival
	if m.kind == media.Audio {
		r.Stereo = share(m.audio.stereo, m.audio.packets)
		r.Silent = share(m.audio.silent, m.audio.packets)
	} else {
		m.readFrames(&r, now, recent)
	}
	r.Jitter = m.jitter(recent)
	r.Drift, r.DriftKnown = m.drift.ppm()
	return r
}

// recent returns the Frames that are kept, oldest first.
func (m *Meter) recent() []frame {
	kept := min(m.n, recentFrames)
	out := make([]frame, 0, kept)
	for i := m.n - kept; i < m.n; i++ {
		out = append(out, m.frames[i%recentFrames])
	}
	return out
}

func (m *Meter) readFrames(r *Reading, now time.Time, recent []frame) {
	held := 0
	steps := make([]int64, 0, len(recent))
	for i, f := range recent {
		if f.b || f.back {
			held++
		}
		if i > 0 {
			steps = append(steps, max(f.ticks-recent[i-1].ticks, recent[i-1].ticks-f.ticks))
		}
	}
	r.Reordered = float64(held) / float64(len(recent))
	r.FrameRate = frameRate(recent, now)
	// What was reached before counts for minutes: an encoder that has halved
	// its rate for good is still one that does not keep up.
	m.best = max(m.best*0.998, r.FrameRate)
	r.Nominal = m.best
	if len(steps) > 0 && r.Reordered == 0 && r.FrameRate > 0 {
		slices.Sort(steps)
		if median := steps[len(steps)/2]; median > 0 {
			r.Nominal = max(r.Nominal, float64(m.rate)/float64(median))
		}
	}
	for _, gop := range m.gops[:min(m.gopsN, recentGOPs)] {
		r.GOP = max(r.GOP, m.duration(gop))
	}
	if m.keyed {
		r.GOP = max(r.GOP, m.duration(m.ticks-m.keyAt))
	}
}

// frameRate counts the Frames of the last seconds. It is 0 until there are
// enough of them.
func frameRate(recent []frame, now time.Time) float64 {
	if now.Sub(recent[0].arrival) < rateWindow/2 {
		return 0
	}
	from := now.Add(-rateWindow)
	if recent[0].arrival.After(from) {
		from = recent[0].arrival
	}
	count := 0
	for _, f := range recent {
		if f.arrival.After(from) {
			count++
		}
	}
	return float64(count) / now.Sub(from).Seconds()
}

// jitter compares arrivals with timestamps.
func (m *Meter) jitter(recent []frame) time.Duration {
	late := make([]time.Duration, 0, len(recent))
	for _, f := range recent {
		if !f.back && !f.b {
			late = append(late, f.arrival.Sub(recent[0].arrival)-m.duration(f.ticks-recent[0].ticks))
		}
	}
	if len(late) < 2 {
		return 0
	}
	slices.Sort(late)
	return late[len(late)*19/20] - late[0]
}

func (m *Meter) loss(c Counters) (lost, repaired float64) {
	m.counted = append(m.counted, c)
	if len(m.counted) > lossWindow+1 {
		m.counted = slices.Delete(m.counted, 0, 1)
	}
	from := m.counted[0]
	expected := c.Packets - from.Packets + c.Lost - from.Lost
	return share(c.Lost-from.Lost, expected), share(c.Repaired-from.Repaired, expected)
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
