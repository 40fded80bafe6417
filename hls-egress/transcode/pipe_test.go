package transcode

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"

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
