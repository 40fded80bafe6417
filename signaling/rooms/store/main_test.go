package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// start is the time of the first Entry of a test.
var start = time.Now().Add(-time.Hour).UnixMilli()

// said makes n Messages from seq on.
func said(seq uint64, n int) []room.Entry {
	out := make([]room.Entry, n)
	for i := range out {
		out[i] = entry(seq+uint64(i), room.Message, "")
		out[i].Text = fmt.Sprint("text ", out[i].Seq)
	}
	return out
}

// entry makes an Entry whose time follows its Seq.
func entry(seq uint64, kind room.Kind, target string) room.Entry {
	e := room.Entry{
		Seq: seq, ID: fmt.Sprintf("id-%08d", seq), Kind: kind, At: start + int64(seq), Target: target,
		From: &room.Person{Identity: "ann", Name: "Ann", Role: room.Host},
	}
	if kind == room.Changed {
		e.Settings = &room.Settings{SlowMode: int(seq)}
	}
	return e
}

// files opens a File in a folder and runs it. stop ends both.
func files(t *testing.T, dir string, change ...func(*FileConfig)) (f *File, stop func()) {
	t.Helper()
	cfg := FileConfig{Dir: dir, SyncEvery: time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	f, err := NewFile(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, f.Close())
	}
	t.Cleanup(stop)
	return f, stop
}

func load(t *testing.T, s interface {
	Load(context.Context, string) (room.Past, error)
}, name string) room.Past {
	t.Helper()
	p, err := s.Load(t.Context(), name)
	require.NoError(t, err)
	return p
}

func roomFile(dir string) string { return filepath.Join(dir, "demo.jsonl") }

func seqs(list []room.Entry) (out []uint64) {
	for _, e := range list {
		out = append(out, e.Seq)
	}
	return out
}

func texts(list []room.Entry) (out []string) {
	for _, e := range list {
		out = append(out, e.Text)
	}
	return out
}

// value adds up a counter or gauge.
func value(t *testing.T, c prometheus.Collector) (total float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	require.NoError(t, reg.Register(c))
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}
