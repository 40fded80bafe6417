package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/bench"
)

// benchmark runs a bench command to its end and returns its table.
func benchmark(t *testing.T, report any, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	args = append([]string{"bench"}, append(args, "--json", file)...)
	require.NoError(t, run(t.Context(), args, &streams{stdout: &out, stderr: &out}))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, report))
	return out.String()
}

func TestBenchViewers(t *testing.T) {
	r := serve(t, nil)
	var rep bench.ViewerReport
	table := benchmark(t, &rep, "viewers", "--url", r.base+"/whep/x", "--publish", r.base+"/whip/x",
		"-n", "5", "--duration", "2s", "--keyframes", "--pid", strconv.Itoa(os.Getpid()))
	require.Contains(t, table, "frame latency")
	require.Zero(t, rep.Failed)
	require.Zero(t, rep.Lost)
	require.Zero(t, rep.NoPicture)
	require.EqualValues(t, 5, rep.FirstFrame.Count)
	require.EqualValues(t, 5, rep.Live.Count)
	require.Greater(t, rep.PacketsPerSecond, 5*250.)
	require.Positive(t, rep.Latency.P50)
	require.Positive(t, rep.Server.CPUPerMillion)
	require.Positive(t, rep.Server.ResidentAll)
}

func TestBenchViewersWithLossAndChurn(t *testing.T) {
	r := serve(t, nil)
	var rep bench.ViewerReport
	benchmark(t, &rep, "viewers", "--url", r.base+"/whep/x", "--publish", r.base+"/whip/x",
		"-n", "4", "--duration", "2s", "--keyframes", "--simulcast", "--loss", "5%", "--churn", "2/s")
	require.Positive(t, rep.Repaired)
	require.Greater(t, rep.Nacked, rep.Lost)
	require.Less(t, rep.Loss, .01, "repair takes most of it away")
	require.Positive(t, rep.SoundLoss, "sound is not repaired")
	require.Greater(t, rep.FirstPacket.Count, uint64(4), "some came later")
}

func TestBenchPublishers(t *testing.T) {
	r := serve(t, nil)
	var rep bench.PublisherReport
	table := benchmark(t, &rep, "publishers", "--url", r.base+"/whip/x", "-n", "3", "--duration", "1s")
	require.Contains(t, table, "publishers")
	require.Zero(t, rep.Failed)
	require.EqualValues(t, 3, rep.Connect.Count)
	require.Greater(t, rep.PacketsPerSecond, 3*250.)
	require.Nil(t, rep.Server)
}

func TestBenchHLS(t *testing.T) {
	r := serve(t, nil, "--data-dir", t.TempDir())
	r.publish(t, []string{"video", "audio"})
	var rep bench.HLSReport
	table := benchmark(t, &rep, "hls", "--url", r.base+"/hls/x-1/index.m3u8", "-n", "3", "--duration", "3s", "--pid", strconv.Itoa(os.Getpid()))
	require.Contains(t, table, "capture to delivery")
	require.Zero(t, rep.Failed)
	require.Zero(t, rep.Errors, rep.Failure)
	require.Greater(t, rep.Parts, uint64(3*2*3), "of 90")
	require.Positive(t, rep.Latency.P50)
	require.Positive(t, rep.Server.CPUPerThousand)
}

func TestBenchFailsClearly(t *testing.T) {
	r := serve(t, nil)
	require.Contains(t, fail(t, nil, "bench", "viewers", "--url", r.base+"/nothing", "-n", "2", "--duration", "1s"), "404")
	require.Contains(t, fail(t, nil, "bench", "viewers", "--url", r.base+"/whep/x", "-n", "0"), "at least one viewer")
	require.Contains(t, fail(t, nil, "bench", "publishers", "--url", r.base+"/whip/x", "--ramp", "fast"), "COUNT/TIME")
	require.Contains(t, fail(t, nil, "bench", "hls", "--url", r.base+"/hls/x/index.m3u8", "-n", "1"), "404")
}
