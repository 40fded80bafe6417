package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

func TestTornTailIsCutOff(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir)
	before := load(t, f, "demo")
	require.NoError(t, f.Append(t.Context(), "demo", said(1, 3)))
	kill(t, f)
	stop()
	whole := mustRead(t, roomFile(dir))
	for cut := 1; cut < 60; cut += 7 {
		tail := bytes.TrimSuffix(whole[bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1:], []byte("\n"))
		require.NoError(t, os.WriteFile(roomFile(dir), append(bytes.Clone(whole), tail[:cut]...), 0o600))
		f, stop := files(t, dir)
		past := load(t, f, "demo")
		require.Equal(t, []uint64{1, 2, 3}, seqs(past.Recent))
		require.Equal(t, before.Log, past.Log, "what was cut off has never been acknowledged")
		require.NoError(t, f.Append(t.Context(), "demo", said(4, 1)))
		require.Equal(t, []uint64{1, 2, 3, 4}, seqs(load(t, f, "demo").Recent))
		require.Zero(t, value(t, f.metrics.damaged))
		stop()
	}
}

// kill makes a File forget its files as the end of the process would.
func kill(t *testing.T, f *File) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, j := range f.open {
		j.mu.Lock()
		if j.file != nil {
			require.NoError(t, j.file.Close())
		}
		j.file, j.opened = nil, false
		j.mu.Unlock()
		delete(f.open, name)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func TestDamagedLinesArePassedOver(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine)
	for name, bad := range map[string]string{
		"garbage": "\x00\xff{{{", "empty": "", "another file": `{"hello":1}`, "no id": `{"seq":3,"kind":"message"}`,
		"long": long, "zeros": strings.Repeat("\x00", 5000), "huge seq": `{"seq":18446744073709551615,"id":"x","kind":"message"}`,
		"a bad address": `{"seq":3,"id":"x","kind":"banned","address":"nonsense"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, stop := files(t, dir)
			before := load(t, f, "demo")
			require.NoError(t, f.Append(t.Context(), "demo", said(1, 5)))
			stop()
			lines := strings.SplitAfter(string(mustRead(t, roomFile(dir))), "\n")
			require.Contains(t, lines[3], `"seq":3`)
			lines[3] = bad + "\n"
			require.NoError(t, os.WriteFile(roomFile(dir), []byte(strings.Join(lines, "")), 0o600))

			f, stop = files(t, dir)
			past := load(t, f, "demo")
			require.Equal(t, []string{"text 1", "text 2", "text 4", "text 5"}, texts(past.Recent))
			require.Equal(t, []uint64{1, 2, 3, 4}, seqs(past.Recent), "without gaps")
			require.EqualValues(t, 5, past.Next)
			require.NotEqual(t, before.Log, past.Log, "positions of before would skip one")
			require.InDelta(t, 1, value(t, f.metrics.damaged), 0)
			require.NoError(t, f.Append(t.Context(), "demo", said(5, 1)))
			stop()

			f, _ = files(t, dir)
			again := load(t, f, "demo")
			require.Equal(t, past.Log, again.Log, "it has been mended")
			require.Len(t, again.Recent, 5)
			require.Zero(t, value(t, f.metrics.damaged))
		})
	}
}

func TestLostHeaderGivesNewLog(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir)
	before := load(t, f, "demo")
	require.NoError(t, f.Append(t.Context(), "demo", said(1, 5)))
	stop()
	_, rest, _ := bytes.Cut(mustRead(t, roomFile(dir)), []byte("\n"))
	require.NoError(t, os.WriteFile(roomFile(dir), rest, 0o600))
	f, _ = files(t, dir)
	past := load(t, f, "demo")
	require.NotEmpty(t, past.Log)
	require.NotEqual(t, before.Log, past.Log)
	require.Len(t, past.Recent, 5)
}

// TestPowerLossGivesNewLog: what had a Seq may be gone, and another Entry get
// that number. A position must not be taken for one after it.
func TestPowerLossGivesNewLog(t *testing.T) {
	for name, clean := range map[string]bool{"power loss": false, "reboot": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, stop := files(t, dir)
			f.boot = "an earlier run of the machine"
			before := load(t, f, "demo")
			require.NoError(t, f.Append(t.Context(), "demo", said(1, 5)))
			if !clean {
				kill(t, f)
			}
			stop()
			f, stop = files(t, dir)
			past := load(t, f, "demo")
			require.Equal(t, clean, before.Log == past.Log)
			require.Len(t, past.Recent, 5)
			require.NoError(t, f.Append(t.Context(), "demo", said(6, 1)))
			kill(t, f)
			stop()
			f, _ = files(t, dir)
			again := load(t, f, "demo")
			require.Equal(t, past.Log, again.Log, "a crash of the process alone loses nothing")
			require.Len(t, again.Recent, 6)
		})
	}
}

func TestCompactionKeepsWhatCounts(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir, func(c *FileConfig) { c.History, c.Audit = 50, 20 })
	log := load(t, f, "demo").Log
	seq := uint64(0)
	add := func(e ...room.Entry) {
		require.NoError(t, f.Append(t.Context(), "demo", e))
		seq = e[len(e)-1].Seq
	}
	add(entry(1, room.Banned, "eve"), entry(2, room.Changed, ""), entry(3, room.Muted, "bob"), entry(4, room.Unmuted, "bob"))
	add(said(5, 1)...)
	add(entry(6, room.Pinned, "id-00000005"))
	for seq < 3000 {
		add(said(seq+1, 7)...)
		add(entry(seq+1, room.Deleted, "nothing"))
	}
	require.Eventually(t, func() bool {
		info, err := os.Stat(roomFile(dir))
		return err == nil && info.Size() < 40_000 && value(t, f.metrics.compactions) > 0
	}, 5*time.Second, time.Millisecond)
	add(said(seq+1, 1)...)

	past := load(t, f, "demo")
	require.Equal(t, log, past.Log)
	require.Equal(t, seq+1, past.Next)
	require.Len(t, past.Recent, 50)
	require.Equal(t, seq-49, past.Recent[0].Seq)
	require.Len(t, past.Audit, 20)
	require.Equal(t, []uint64{1, 2, 5, 6}, seqs(past.Standing), "the ban, the settings, what is pinned")
	require.Equal(t, "text 5", past.Standing[2].Text)
	stop()
	leftovers, err := filepath.Glob(filepath.Join(dir, ".*.tmp"))
	require.NoError(t, err)
	require.Empty(t, leftovers)
}

// TestAppendDuringCompaction appends while the file is replaced over and over.
func TestAppendDuringCompaction(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir, func(c *FileConfig) { c.History = 100_000 })
	load(t, f, "demo")
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 100 {
			require.NoError(t, f.Append(t.Context(), "demo", said(uint64(i)*5+1, 5)))
		}
	})
	for range 12 {
		f.mu.Lock()
		j := f.open["demo"]
		f.mu.Unlock()
		squeeze(t, j)
		require.NoError(t, j.sync())
	}
	wg.Wait()
	past := load(t, f, "demo")
	require.Len(t, past.Recent, 500)
	require.EqualValues(t, 1, past.Recent[0].Seq)
	stop()
	f, _ = files(t, dir, func(c *FileConfig) { c.History = 100_000 })
	again := load(t, f, "demo")
	require.Equal(t, past, again)
}

// TestUnknownFieldsStay: a later version may write more than this one knows.
func TestUnknownFieldsStay(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir)
	require.NoError(t, f.Append(t.Context(), "demo", said(1, 1)))
	stop()
	b := mustRead(t, roomFile(dir))
	b = append(b, `{"seq":2,"id":"new","kind":"poll","at":5,"options":["a","b"]}`+"\n"...)
	require.NoError(t, os.WriteFile(roomFile(dir), b, 0o600))
	f, _ = files(t, dir)
	require.Len(t, load(t, f, "demo").Recent, 2)
	require.NoError(t, f.Append(t.Context(), "demo", said(3, 1)))
	squeeze(t, f.open["demo"])
	require.Contains(t, string(mustRead(t, roomFile(dir))), `"options":["a","b"]`)
}

// TestDeletedTextsLeaveTheFile at the next compaction.
func TestDeletedTextsLeaveTheFile(t *testing.T) {
	dir := t.TempDir()
	f, _ := files(t, dir)
	require.NoError(t, f.Append(t.Context(), "demo", append(said(1, 4), entry(5, room.Deleted, "id-00000002"))))
	late := said(6, 1)[0]
	require.NoError(t, f.Append(t.Context(), "demo", []room.Entry{late}))
	require.Equal(t, []string{"text 1", "", "text 3", "text 4", "", "text 6"}, texts(load(t, f, "demo").Recent))
	squeeze(t, f.open["demo"])
	require.NotContains(t, string(mustRead(t, roomFile(dir))), "text 2")

	cleared := entry(7, room.Cleared, "")
	cleared.At = late.At - 1 // by another Node, before it knew the last one
	late.Seq, late.ID, late.At = 8, "late", start
	require.NoError(t, f.Append(t.Context(), "demo", []room.Entry{cleared, late}))
	squeeze(t, f.open["demo"])
	require.Equal(t, []string{"", "", "", "", "", "text 6", "", ""}, texts(load(t, f, "demo").Recent))
	require.NotContains(t, string(mustRead(t, roomFile(dir))), "text 4")
}

func TestFewFilesAreOpen(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir, func(c *FileConfig) { c.MaxOpen = 4 })
	name := func(i int) string { return string(rune('a'+i)) + "-room" }
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for k := range 30 {
				require.NoError(t, f.Append(t.Context(), name(i), said(uint64(k)+1, 1)))
			}
		})
	}
	wg.Wait()
	f.mu.Lock()
	require.LessOrEqual(t, len(f.open), 4)
	f.mu.Unlock()
	stop()
	f, _ = files(t, dir)
	for i := range 20 {
		require.Len(t, load(t, f, name(i)).Recent, 30)
	}
}

func TestFolderIsOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	_, stop := files(t, dir)
	_, err := NewFile(FileConfig{Dir: dir}, nil, nil)
	require.ErrorIs(t, err, ErrInUse)
	stop()
	files(t, dir)
}

// TestLinesAreJSON for who reads the files with other tools.
func TestLinesAreJSON(t *testing.T) {
	dir := t.TempDir()
	f, stop := files(t, dir)
	require.NoError(t, f.Append(t.Context(), "demo", said(1, 3)))
	stop()
	for l := range bytes.Lines(mustRead(t, roomFile(dir))) {
		require.True(t, json.Valid(l))
		require.NotContains(t, string(l), "merged")
	}
	require.NoError(t, f.Append(t.Context(), "demo", said(4, 1)), "who comes late is written, too")
}

func squeeze(t *testing.T, j *journal) {
	t.Helper()
	_, err := j.squeeze(time.Now(), 1<<63)
	require.NoError(t, err)
}

// TestOutboxIsBounded: compactions keep what others have not been told of, up to
// a limit.
func TestOutboxIsBounded(t *testing.T) {
	f, _ := files(t, t.TempDir(), func(c *FileConfig) { c.History, c.Outbox = 10, 100; c.SyncEvery = time.Hour })
	load(t, f, "demo")
	require.NoError(t, f.Append(t.Context(), "demo", said(1, 500)))
	_, err := f.open["demo"].squeeze(time.Now(), 420)
	require.NoError(t, err)
	list, last, whole, err := f.after("demo", 420, false, 1000)
	require.NoError(t, err)
	require.Len(t, list, 80)
	require.EqualValues(t, 500, last)
	require.True(t, whole)
	list, last, whole, err = f.after("demo", 450, false, 30)
	require.NoError(t, err)
	require.Equal(t, []uint64{451, 480}, []uint64{list[0].Seq, list[29].Seq})
	require.EqualValues(t, 480, last)
	require.False(t, whole)
	require.NoError(t, f.Append(t.Context(), "demo", said(501, 100)))
	untold, err := f.open["demo"].squeeze(time.Now(), 420)
	require.NoError(t, err)
	require.Equal(t, 80, untold)
	list, _, _, err = f.after("demo", 420, false, 1000)
	require.NoError(t, err)
	require.Len(t, list, 100)
	require.Len(t, load(t, f, "demo").Recent, 10)
}

func BenchmarkAppend(b *testing.B) {
	f, err := NewFile(FileConfig{Dir: b.TempDir()}, slog.New(slog.DiscardHandler), nil)
	require.NoError(b, err)
	defer f.Close()
	seq := uint64(1)
	for b.Loop() {
		require.NoError(b, f.Append(b.Context(), "demo", said(seq, 10)))
		seq += 10
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(seq), "µs/entry")
}

// BenchmarkLoad reads a file as large as they get.
func BenchmarkLoad(b *testing.B) {
	f, err := NewFile(FileConfig{Dir: b.TempDir()}, slog.New(slog.DiscardHandler), nil)
	require.NoError(b, err)
	defer f.Close()
	for seq := uint64(1); seq < 12_000; seq++ {
		list := said(seq, 1)
		if seq < 10_000 {
			list[0] = entry(seq, room.Banned, fmt.Sprint("somebody", seq))
		}
		require.NoError(b, f.Append(b.Context(), "demo", list))
	}
	for b.Loop() {
		_, err := f.Load(b.Context(), "demo")
		require.NoError(b, err)
	}
}
