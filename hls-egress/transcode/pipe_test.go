package transcode

import (
	"bytes"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Both ends wait for each other as a pipe's ends do, whatever the sizes, and
// learn of each other's end.
func TestQuietPipe(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	in, err := quietly(w, nil)
	require.NoError(t, err)
	out, err := quietly(r, nil)
	require.NoError(t, err)
	sent := bytes.Repeat([]byte("freshet"), 100_000) // ten times what the pipe holds
	wrote := make(chan error, 1)
	go func() {
		_, err := in.Write(sent)
		wrote <- err
		_ = in.Close()
	}()
	got, err := io.ReadAll(out)
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	require.Equal(t, sent, got)
	require.NoError(t, out.Close())
	_, err = out.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestQuietPipeWithoutReader(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	in, err := quietly(w, nil)
	require.NoError(t, err)
	defer in.Close()
	require.NoError(t, r.Close())
	_, err = in.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.EPIPE)
}

// BenchmarkPipe shows what going past the scheduler saves, by the processor
// time of a write and its read, fifty a second through each of eight pipes.
func BenchmarkPipe(b *testing.B) {
	for name, wrap := range map[string]func(*os.File) (io.ReadWriteCloser, error){
		"quiet": func(f *os.File) (io.ReadWriteCloser, error) { return quietly(f, nil) },
		"file":  func(f *os.File) (io.ReadWriteCloser, error) { return f, nil },
	} {
		b.Run(name, func(b *testing.B) {
			const pipes, messages = 8, 50
			began, sent := processorTime(b), 0
			for b.Loop() {
				var all sync.WaitGroup
				for range pipes {
					out, in, err := os.Pipe()
					require.NoError(b, err)
					from, err := wrap(out)
					require.NoError(b, err)
					to, err := wrap(in)
					require.NoError(b, err)
					all.Go(func() { _, _ = io.Copy(io.Discard, from); _ = from.Close() })
					all.Go(func() {
						tick := time.NewTicker(time.Second / messages)
						defer tick.Stop()
						for range messages {
							<-tick.C
							_, _ = to.Write(make([]byte, 300)) // somebody reads it
						}
						_ = to.Close()
					})
				}
				all.Wait()
				sent += pipes * messages
			}
			b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(sent), "CPU-µs/message")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
