package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// childDir names the environment variable that makes the test binary a process
// that appends until it is killed.
const (
	childDir   = "FRESHET_STORE_CHILD"
	childLimit = "FRESHET_STORE_LIMIT"
)

// child appends one Entry after the other, and says which were acknowledged.
func child(dir string) {
	ctx := context.Background()
	f, err := NewFile(FileConfig{Dir: dir, History: 20}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		panic(err)
	}
	past, err := f.Load(ctx, "demo")
	if err != nil {
		panic(err)
	}
	if limit, err := strconv.ParseUint(os.Getenv(childLimit), 10, 64); err == nil {
		fill(ctx, f, limit)
		return
	}
	go f.Run(ctx) //nolint:errcheck // killed
	for seq := past.Next; ; seq++ {
		if err := f.Append(ctx, "demo", said(seq, 1)); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stdout, "ack", seq)
	}
}

func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	acked := uint64(0)
	log := ""
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		in := bufio.NewScanner(out)
		for n := 0; in.Scan(); n++ {
			seq, err := strconv.ParseUint(strings.TrimPrefix(in.Text(), "ack "), 10, 64)
			if err == nil { // the last line may be half a line
				acked = max(acked, seq)
			}
			if n == 300 {
				require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
			}
		}
		require.Error(t, cmd.Wait())

		f, stop := files(t, dir, func(c *FileConfig) { c.History = 20 })
		past := load(t, f, "demo")
		require.GreaterOrEqual(t, past.Next, acked+1)
		require.LessOrEqual(t, past.Next, acked+2, "one at most was under way")
		require.Len(t, past.Recent, 20)
		require.Equal(t, past.Next-1, past.Recent[19].Seq)
		require.Contains(t, []string{"", log}, log)
		if log != "" {
			require.Equal(t, log, past.Log)
		}
		log = past.Log
		stop()
	}
	require.Greater(t, acked, uint64(900))
}

// fill appends until the disk is full (files may not grow any more, which cuts a
// write in the middle), then with room again.
func fill(ctx context.Context, f *File, limit uint64) {
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		panic(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: old.Max}); err != nil {
		panic(err)
	}
	refused := 0
	for seq := uint64(1); seq <= 100; seq++ {
		err := f.Append(ctx, "demo", said(seq, 1))
		switch {
		case errors.Is(err, syscall.EFBIG):
			refused++
		case err != nil:
			panic(err)
		}
		if seq == 90 {
			fmt.Fprintln(os.Stdout, "refused", refused)
			past, err := f.Load(ctx, "demo")
			fmt.Fprintln(os.Stdout, "loaded", len(past.Recent), past.Next, err)
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
				panic(err)
			}
		}
	}
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childLimit+"=8100")
	out, err := cmd.Output()
	require.NoError(t, err)
	var refused, loaded, next int
	_, err = fmt.Sscanf(string(out), "refused %d\nloaded %d %d", &refused, &loaded, &next)
	require.NoError(t, err, string(out))
	require.Greater(t, refused, 20)
	require.Less(t, refused, 80)
	require.Equal(t, 20, loaded, "what waits in memory is there, too: %s", out)
	require.Equal(t, 91, next)

	f, _ := files(t, dir, func(c *FileConfig) { c.History = 200 })
	past := load(t, f, "demo")
	require.Len(t, past.Recent, 100, "nothing is lost once there is room")
	require.EqualValues(t, 101, past.Next)
}
