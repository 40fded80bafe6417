package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// ChatReport is what RunChat has measured.
type ChatReport struct {
	Sockets int `json:"sockets"`
	// Failed is how many did not come in; Failure is the most frequent error of
	// all.
	Failed  int    `json:"failed"`
	Failure string `json:"failure,omitempty"`
	// JoinTime is how long it took until all had come in, in seconds.
	JoinTime float64 `json:"join_seconds"`
	// Seconds is how long was measured. Sent messages, of which Accepted were
	// acknowledged and Refused refused; Frames came in that time.
	Seconds  float64 `json:"seconds"`
	Sent     uint64  `json:"sent"`
	Accepted uint64  `json:"accepted"`
	Refused  uint64  `json:"refused"`
	Frames   uint64  `json:"frames"`
	// Delivered is how many messages the sockets got in all, each counted once
	// per socket. Missed never came, or did not come in order; Repeated came
	// more than once.
	Delivered uint64 `json:"delivered"`
	Missed    uint64 `json:"missed"`
	Repeated  uint64 `json:"repeated"`
	// Storm is how many connections were broken off, Resumed how many came
	// back, and Unresumed how many of these were not told just what they had
	// missed.
	Storm     int    `json:"storm"`
	Resumed   uint64 `json:"resumed"`
	Unresumed uint64 `json:"unresumed"`
	// Cut is how many connections the server has ended; Slow sockets did not
	// read, and SlowCut of them were told where to resume.
	Cut     uint64 `json:"cut"`
	Slow    int    `json:"slow"`
	SlowCut int    `json:"slow_cut"`
	// Latency is from sending a message to each socket's having read it.
	Latency Spread `json:"latency"`
	// BenchCores is what the sockets themselves have used.
	BenchCores float64 `json:"bench_cores"`
	// Server is nil when its process is not known.
	Server *ChatServer `json:"server,omitempty"`
}

// ChatServer is what the server has used.
type ChatServer struct {
	// CPUPerMillion is CPU-seconds per million frames.
	CPUPerMillion float64 `json:"cpu_seconds_per_million"`
	Cores         float64 `json:"cores"`
	// Resident is the growth of resident memory per socket in bytes,
	// ResidentAll the whole.
	Resident    int64 `json:"resident_each"`
	ResidentAll int64 `json:"resident"`
}

// summarize adds up the tallies, when nobody reads any more.
func (r *chatRun) summarize() {
	rep, all := r.report, newHistogram()
	for _, t := range r.tallies {
		all.merge(t.latency)
		rep.Delivered += t.delivered
		rep.Missed += t.missed
		rep.Repeated += t.repeated
		rep.Refused += t.refused.Load()
		rep.Resumed += t.resumed.Load()
		rep.Unresumed += t.unresumed.Load()
		rep.Cut += t.cut.Load()
	}
	rep.Accepted = r.accepted()
	newest := r.newest.Load()
	for _, c := range r.clients[r.opts.Slow:] {
		if c.last < newest {
			rep.Missed += newest - c.last
		}
	}
	rep.Slow = r.opts.Slow
	rep.Latency = all.spread()
	rep.Failure = r.mostFrequent()
}

func (r *chatRun) mostFrequent() (text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := 0
	for e, n := range r.errs {
		if n > most {
			text, most = e, n
		}
	}
	return text
}

// Print writes the report as a table.
func (rep *ChatReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	line("sockets\t%d joined in %.1f s, %d failed %s", rep.Sockets-rep.Failed, rep.JoinTime, rep.Failed, rep.Failure)
	line("messages\t%d sent in %.1f s, %d accepted, %d refused", rep.Sent, rep.Seconds, rep.Accepted, rep.Refused)
	line("delivered\t%d in %d frames; %d missed, %d repeated", rep.Delivered, rep.Frames, rep.Missed, rep.Repeated)
	if rep.Storm > 0 {
		line("storm\t%d lost their connections, %d came back, %d without resuming", rep.Storm, rep.Resumed, rep.Unresumed)
	}
	if rep.Slow > 0 {
		line("slow readers\t%d, of whom %d were told where to resume", rep.Slow, rep.SlowCut)
	}
	line("cut\t%d of those who read", rep.Cut)
	if s := rep.Server; s != nil {
		line("server\t%.2f CPU-s per million frames, %.2f cores", s.CPUPerMillion, s.Cores)
		line("\t%.1f KiB per socket, %.1f MiB in all", float64(s.Resident)/1024, float64(s.ResidentAll)/(1<<20))
	}
	line("bench itself\t%.2f cores", rep.BenchCores)
	line("\nms\tp50\tp95\tp99\tmax\tof")
	s := rep.Latency
	line("message, sent to read\t%.1f\t%.1f\t%.1f\t%.1f\t%d", s.P50, s.P95, s.P99, s.Max, s.Count)
	return t.Flush()
}
