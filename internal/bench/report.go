package bench

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// ViewerReport is what RunViewers has measured.
type ViewerReport struct {
	Viewers int `json:"viewers"`
	// Failed is how many did not connect, with the most frequent reason.
	Failed  int    `json:"failed"`
	Failure string `json:"failure,omitempty"`
	// JoinTime is from the first POST to the last viewer's connection, in
	// seconds.
	JoinTime float64 `json:"join_seconds"`
	// Seconds is how long was measured; the next three are of that time.
	Seconds          float64 `json:"seconds"`
	Packets          uint64  `json:"packets"`
	PacketsPerSecond float64 `json:"packets_per_second"`
	BitsPerSecond    float64 `json:"bits_per_second"`
	// Expected is how many video packets the viewers should have had since
	// they joined, Lost how many never came, Repaired how many came by RTX.
	Expected   uint64  `json:"expected"`
	Lost       uint64  `json:"lost"`
	Loss       float64 `json:"loss"`
	Repaired   uint64  `json:"repaired"`
	Nacked     uint64  `json:"nacked"`
	Duplicates uint64  `json:"duplicates"`
	// SoundLoss is the part of the sound, which is not repaired, that was lost.
	SoundLoss float64 `json:"sound_loss"`
	// The next three are the times from POST: to the first packet, to a whole
	// keyframe, and to the first frame less than 250 ms old.
	FirstPacket Spread `json:"first_packet"`
	FirstFrame  Spread `json:"first_keyframe"`
	Live        Spread `json:"live"`
	// NoPicture and NeverLive count viewers that never got there.
	NoPicture int `json:"no_picture"`
	NeverLive int `json:"never_live"`
	// Latency is from sending a frame to having it whole, repairs included.
	Latency Spread `json:"latency"`
	Frames  int    `json:"frames"`
	// Freezes are pauses of more than 200 ms, FrozenShare their part of the
	// time since the first frame, WithFreezes the viewers that had any.
	Freezes     int     `json:"freezes"`
	FrozenShare float64 `json:"frozen_share"`
	WithFreezes int     `json:"with_freezes"`
	// Frozen is how long each viewer's picture stood still in all.
	Frozen Spread `json:"frozen"`
	// Event is nil where nothing happened on the path.
	Event *EventReport `json:"event,omitempty"`
	// Decoded is nil where nothing was decoded.
	Decoded *DecodeReport `json:"decoded,omitempty"`
	// KeyframeRequests were sent by viewers, KeyframesAsked came to the
	// publisher.
	KeyframeRequests uint64 `json:"keyframe_requests"`
	KeyframesAsked   uint64 `json:"keyframes_asked"`
	// BenchCores is what the viewers and the publisher themselves have used: near
	// the machine's limit the figures are theirs, not the server's.
	BenchCores float64 `json:"bench_cores"`
	// Server is nil when its process is not known.
	Server *ServerReport `json:"server,omitempty"`
}

// DecodeReport is what ffmpeg made of the frames that some viewers have shown.
type DecodeReport struct {
	// Missing: there is no ffmpeg on this machine.
	Missing bool `json:"missing"`
	// Viewers is how many, Frames how many frames they gave to be decoded, and
	// Skipped how many came too fast for it.
	Viewers int   `json:"viewers"`
	Frames  int   `json:"frames"`
	Skipped int   `json:"skipped"`
	Decoded int64 `json:"decoded"`
	// Errors counts the decoder's messages, First is the first.
	Errors int64  `json:"errors"`
	First  string `json:"first,omitempty"`
}

// ServerReport is what the server has used.
type ServerReport struct {
	// CPUPerMillion is CPU-seconds per million packets: delivered to viewers,
	// sent by publishers.
	CPUPerMillion float64 `json:"cpu_seconds_per_million"`
	Cores         float64 `json:"cores"`
	// Resident is the growth of resident memory per viewer (or publisher) in bytes, ResidentAll
	// the whole.
	Resident    int64 `json:"resident_each"`
	ResidentAll int64 `json:"resident"`
	// CPUWhileJoining is the CPU time in seconds while the viewers joined, with
	// what they were sent meanwhile.
	CPUWhileJoining float64 `json:"cpu_seconds_while_joining"`
}

func serverReport(cpu time.Duration, packets uint64, seconds float64) *ServerReport {
	return &ServerReport{
		CPUPerMillion: cpu.Seconds() / float64(max(packets, 1)) * 1e6, Cores: cpu.Seconds() / seconds,
	}
}

func (s *ServerReport) print(line func(string, ...any), who string) {
	if s == nil {
		return
	}
	line("server\t%.2f CPU-s per million packets, %.2f cores", s.CPUPerMillion, s.Cores)
	line("\t%.0f KiB per %s, %.1f MiB in all, %.2f CPU-s while they joined",
		float64(s.Resident)/1024, who, float64(s.ResidentAll)/(1<<20), s.CPUWhileJoining)
}

// perViewer adds what was used from before to after by n viewers or publishers.
func (s *ServerReport) perViewer(before, joined, after usage, n int) {
	if s == nil {
		return
	}
	s.Resident = (after.resident - before.resident) / int64(max(n, 1))
	s.ResidentAll = after.resident
	s.CPUWhileJoining = (joined.cpu - before.cpu).Seconds()
}

// finish closes a viewer's books, on its shard's goroutine. From then on it
// does nothing.
func (v *viewer) finish(now time.Duration) {
	if v.over {
		return
	}
	v.over, v.ended = true, now
	if v.player.frames > 0 {
		v.player.pause(now)
	}
	if d := v.player.decoder; d != nil {
		d.close()
	}
}

// finish closes everybody's books, by one visit to each shard: a busy shard
// takes its time to answer.
func (r *viewersRun) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	all := append(slices.Clone(r.gone), r.present...)
	for _, s := range r.shards {
		s.call(func() {
			for _, v := range all {
				if v.peer.shard == s {
					v.finish(r.now())
				}
			}
		})
	}
}

// summarize adds up the viewers.
func (r *viewersRun) summarize() {
	var packet, frame, live []time.Duration
	var watched, frozen time.Duration
	var stood []time.Duration
	var seen []*timeline
	var sound, silent uint64 // packets of sound, and those lost
	rep := r.report
	add := func(v *viewer) {
		p := &v.player
		rep.Expected += v.video.expected()
		rep.Lost += v.video.absent(v.ended)
		rep.Repaired += v.video.repaired
		rep.Duplicates += v.video.duplicates
		sound += v.sound.expected()
		silent += v.sound.absent(v.ended)
		rep.Nacked += v.asked
		rep.KeyframeRequests += v.pictures
		rep.Frames += p.frames
		rep.Freezes += p.freezes
		if p.freezes > 0 {
			rep.WithFreezes++
		}
		if p.firstPacket > 0 {
			packet = append(packet, p.firstPacket)
		}
		if p.frames == 0 {
			rep.NoPicture++
			return
		}
		frame = append(frame, p.firstFrame)
		watched += v.ended - p.posted - p.firstFrame
		frozen += p.frozen
		stood = append(stood, p.frozen)
		if p.timeline.on && p.posted+p.firstFrame < time.Duration(r.measured.Load()) && v.ended >= r.ended {
			seen = append(seen, &p.timeline)
		}
		if p.live > 0 {
			live = append(live, p.live)
		} else {
			rep.NeverLive++
		}
	}
	r.finish() // in an early end of the run there has been nothing to measure
	for _, v := range append(r.gone, r.present...) {
		add(v)
	}
	rep.Loss = float64(rep.Lost) / float64(max(rep.Expected, 1))
	rep.SoundLoss = float64(silent) / float64(max(sound, 1))
	rep.FrozenShare = frozen.Seconds() / max(watched.Seconds(), 1e-9)
	rep.FirstPacket, rep.FirstFrame, rep.Live = spreadOf(packet), spreadOf(frame), spreadOf(live)
	rep.Frozen = spreadOf(stood)
	if from, to, ok := r.opts.Path.event(); ok && r.measured.Load() != 0 {
		began := time.Duration(r.measured.Load())
		rep.Event = reportEvent(seen, began+from, began+to, r.ended, r.opts.Media.Simulcast)
		rep.Event.From, rep.Event.To = from.Seconds(), to.Seconds()
	}
	rep.Decoded = r.decoded()
	all := newHistogram()
	r.each(func(t *tally) { all.merge(t.latencies) })
	rep.Latency = all.spread()
	rep.Failure = r.mostFrequent()
	if r.publisher != nil {
		rep.KeyframesAsked = r.publisher.keyframes.Load()
	} else {
		rep.NeverLive = 0
	}
}

// decoded waits for the decoders and sums them up.
func (r *viewersRun) decoded() *DecodeReport {
	r.decoding.Wait()
	switch {
	case r.opts.Decode == 0:
		return nil
	case r.ffmpeg == "":
		return &DecodeReport{Missing: true}
	}
	rep := &DecodeReport{Viewers: len(r.decoders)}
	for _, d := range r.decoders {
		rep.Frames += d.fed
		rep.Skipped += d.skipped
		rep.Decoded += d.decoded.Load()
		rep.Errors += d.problems.Load()
		if rep.First == "" {
			rep.First = d.first
		}
	}
	return rep
}

// Print writes the report as a table.
func (rep *ViewerReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	line("viewers\t%d connected in %.1f s, %d failed %s", rep.Viewers-rep.Failed, rep.JoinTime, rep.Failed, rep.Failure)
	line("delivered\t%.0f packets/s, %.1f Mbit/s, for %.1f s", rep.PacketsPerSecond, rep.BitsPerSecond/1e6, rep.Seconds)
	line("loss after repair\t%.4f %% of the video (%d of %d; %d repaired, %d asked for), %.4f %% of the sound",
		100*rep.Loss, rep.Lost, rep.Expected, rep.Repaired, rep.Nacked, 100*rep.SoundLoss)
	line("freezes\t%d in %d viewers, %.2f %% of the time; %d never had a picture", rep.Freezes, rep.WithFreezes, 100*rep.FrozenShare, rep.NoPicture)
	if d := rep.Decoded; d != nil && d.Missing {
		line("decoded\tnothing: there is no ffmpeg in the PATH")
	} else if d != nil {
		line("decoded\t%d of %d frames of %d viewers by ffmpeg, %d too many for it; %d errors %s",
			d.Decoded, d.Frames, d.Viewers, d.Skipped, d.Errors, d.First)
	}
	if e := rep.Event; e != nil {
		line("from %.0f s to %.0f s\t%.1f frames/s (at worst %.1f); %d left the top layer, %d did not, %d never came back",
			e.From, e.To, e.FrameRate, e.FrameRateLeast, e.OffTop.Count, e.StayedOnTop, e.NeverBack)
	}
	line("keyframe requests\t%d by viewers, %d reached the publisher", rep.KeyframeRequests, rep.KeyframesAsked)
	rep.Server.print(line, "viewer")
	line("bench itself\t%.2f cores", rep.BenchCores)
	line("\nms\tp50\tp95\tp99\tmax\tof")
	row := func(name string, s Spread) {
		line("%s\t%.1f\t%.1f\t%.1f\t%.1f\t%d", name, s.P50, s.P95, s.P99, s.Max, s.Count)
	}
	row("POST to first packet", rep.FirstPacket)
	row("POST to first picture", rep.FirstFrame)
	row("POST to live picture", rep.Live)
	row("frame latency", rep.Latency)
	row("frozen in all", rep.Frozen)
	if e := rep.Event; e != nil {
		row("frozen since the event", e.Frozen)
		row("frozen 2 s after it", e.FrozenAfter)
		row("off the top layer", e.OffTop)
		row("back on top", e.BackOnTop)
	}
	if rep.NeverLive > 0 {
		line("%d never came within 250 ms of live", rep.NeverLive)
	}
	return t.Flush()
}
