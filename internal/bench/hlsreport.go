package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// HLSReport is what RunHLS has measured.
type HLSReport struct {
	Clients int `json:"clients"`
	// Failed is how many could not begin to play; Failure is the most frequent
	// error of all.
	Failed  int    `json:"failed"`
	Failure string `json:"failure,omitempty"`
	// JoinTime is how long it took until all had joined, in seconds.
	JoinTime float64 `json:"join_seconds"`
	// Seconds is how long was measured; what follows is of that time.
	Seconds           float64 `json:"seconds"`
	Requests          uint64  `json:"requests"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	BitsPerSecond     float64 `json:"bits_per_second"`
	// Errors counts answers other than 200, and broken connections.
	Errors uint64 `json:"errors"`
	// Parts were delivered, Late of them more than a part's duration after the
	// first client had them listed.
	Parts uint64 `json:"parts"`
	Late  uint64 `json:"late"`
	// Reload is from the first client's answer that lists a part to each
	// client's. Part is from asking for a part to having it. Latency is from
	// the capture of a part's end, by the playlist's date, to having it.
	Reload  Spread `json:"reload"`
	Part    Spread `json:"part"`
	Latency Spread `json:"latency"`
	// BenchCores is what the clients themselves have used.
	BenchCores float64 `json:"bench_cores"`
	// Server is nil when its process is not known.
	Server *HLSServer `json:"server,omitempty"`
}

// HLSServer is what the server has used.
type HLSServer struct {
	// CPUPerThousand is CPU-seconds per thousand requests.
	CPUPerThousand float64 `json:"cpu_seconds_per_thousand"`
	Cores          float64 `json:"cores"`
	// Resident is the growth of resident memory per client in bytes,
	// ResidentAll the whole.
	Resident    int64 `json:"resident_each"`
	ResidentAll int64 `json:"resident"`
}

// Print writes the report as a table.
func (rep *HLSReport) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
	line("clients\t%d joined in %.1f s, %d failed %s", rep.Clients-rep.Failed, rep.JoinTime, rep.Failed, rep.Failure)
	line("requests\t%.0f/s, %.1f Mbit/s, for %.1f s", rep.RequestsPerSecond, rep.BitsPerSecond/1e6, rep.Seconds)
	line("parts\t%d, %d late; %d errors", rep.Parts, rep.Late, rep.Errors)
	if s := rep.Server; s != nil {
		line("server\t%.2f CPU-ms per thousand requests, %.2f cores", 1e3*s.CPUPerThousand, s.Cores)
		line("\t%.0f KiB per client, %.1f MiB in all", float64(s.Resident)/1024, float64(s.ResidentAll)/(1<<20))
	}
	line("bench itself\t%.2f cores", rep.BenchCores)
	line("\nms\tp50\tp95\tp99\tmax\tof")
	row := func(name string, s Spread) {
		line("%s\t%.1f\t%.1f\t%.1f\t%.1f\t%d", name, s.P50, s.P95, s.P99, s.Max, s.Count)
	}
	row("reload after the first", rep.Reload)
	row("part, request to end", rep.Part)
	row("capture to delivery", rep.Latency)
	return t.Flush()
}
