package session

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEventStream(t *testing.T) {
	w := httptest.NewRecorder()
	out, err := StreamEvents(w)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	require.NoError(t, out.Send(time.Now(), Event{"a", []int{1}}, Event{"b", nil}))
	require.Equal(t, ": ok\n\nevent: a\ndata: [1]\n\nevent: b\ndata: null\n\n", w.Body.String())
}

func TestSilentStreamsAreKeptAlive(t *testing.T) {
	w := httptest.NewRecorder()
	out, err := StreamEvents(w)
	require.NoError(t, err)
	w.Body.Reset()
	require.NoError(t, out.Send(time.Now()))
	require.Empty(t, w.Body.String())
	require.NoError(t, out.Send(time.Now().Add(KeepAlive)))
	require.Equal(t, ": \n\n", w.Body.String())
}
