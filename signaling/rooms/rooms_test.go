package rooms

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTwoTalk(t *testing.T) {
	r := serve(t, newMemory(), nil)
	ann, bob := r.dial("demo", "token", "ann", "name", "Ann"), r.dial("demo", "token", "bob", "name", "Bob")
	require.Equal(t, "Ann", ann.hello.You.Name)
	ack := ann.say("a-1", "hello")
	require.Equal(t, "ack", ack.Type)
	require.EqualValues(t, 1, ack.Seq)
	m := bob.until(func(m message) bool { return len(m.Entries) > 0 })
	require.Equal(t, "hello", m.Entries[0].Text)
	require.Equal(t, ack.Entry, m.Entries[0].ID)
	require.Equal(t, "Ann", m.Entries[0].From.Name)
	require.Equal(t, "logdemo.1", m.Position)
}
