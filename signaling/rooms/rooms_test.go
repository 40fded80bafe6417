package rooms

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
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

	again := ann.say("a-1", "hello")
	require.Equal(t, ack.Entry, again.Entry, "the same command")
	require.Equal(t, "refused", ann.say("a-2", "").Type)

	carl := r.dial("demo", "token", "carl", "role", "moderator")
	require.Equal(t, []string{"hello"}, carl.texts, "history")
	require.EqualValues(t, "moderator", carl.hello.You.Role)
	require.False(t, carl.hello.Resumed)
	who := bob.until(func(m message) bool { return m.People != nil && m.People.Count == 3 })
	require.Len(t, who.People.List, 3)
	require.NoError(t, carl.Close())
	bob.until(func(m message) bool { return m.People != nil && m.People.Count == 2 })
}

// said counts what each client should have.
func said(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%d", i))
	}
	return out
}

// Connections break at any time; whoever comes back misses nothing and hears
// nothing twice, whichever section it was in and is in.
func TestStorm(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.sectionSize, c.frames = 8, 1e6 })
	const clients, messages = 30, 100
	var g errgroup.Group
	for i := range clients {
		token := fmt.Sprintf("listener-%d", i)
		c := r.dial("demo", "token", token)
		require.Empty(t, c.texts)
		g.Go(func() error {
			for len(c.texts) < messages {
				m, err := c.read()
				if err != nil {
					return err
				}
				c.take(m)
				// A state frame breaks nothing off: each who comes back makes some.
				if len(m.Entries) == 0 || rand.IntN(12) > 0 || len(c.texts) == messages {
					continue
				}
				_ = c.NetConn().Close()
				next, _, err := r.try("demo", "token", token, "resume", c.position)
				if err != nil {
					return err
				}
				next.texts, next.seqs, next.position = c.texts, c.seqs, c.position
				if m, err = next.read(); err != nil || !m.Resumed {
					return fmt.Errorf("not resumed from %s: %w", c.position, err)
				}
				next.take(m)
				c = next
			}
			for i, text := range c.texts {
				if text != fmt.Sprintf("m%d", i) || c.seqs[i] != uint64(i+1) {
					return fmt.Errorf("%s, number %d, is not the %d", text, c.seqs[i], i)
				}
			}
			return nil
		})
	}
	ann := r.dial("demo", "token", "ann")
	for i, text := range said(messages) {
		require.Equal(t, "ack", ann.say(fmt.Sprint(i), text).Type)
	}
	require.NoError(t, g.Wait())
	require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) {
		require.GreaterOrEqual(t, len(k.sections), 3)
	}))
}

// A slow reader gets its close frame, with its position, once it reads again,
// and the others never wait for it.
func TestSlowReader(t *testing.T) {
	r := serve(t, newMemory(), func(c *Config) { c.stall, c.frames, c.Room.Text = 300*time.Millisecond, 1e6, 2000 })
	slow := r.dial("demo", "token", "slow")
	require.NoError(t, slow.NetConn().(*net.TCPConn).SetReadBuffer(4096))
	ann := r.dial("demo", "token", "ann")
	n := 0
	speak := func() {
		begin := time.Now()
		require.Equal(t, "ack", ann.say(fmt.Sprint(n), fmt.Sprintf("m%d %s", n, noise(1900))).Type)
		require.Less(t, time.Since(begin), 5*time.Second)
		n++
	}
	for range 300 {
		speak()
	}
	require.Eventually(t, func() bool {
		speak()
		out := false
		require.NoError(t, r.with(t.Context(), "demo", func(k *keeper, _ time.Time) { out = len(k.members) == 1 }))
		return out
	}, 20*time.Second, 20*time.Millisecond)
	end := slow.closed()
	require.Equal(t, 4008, end.Code)
	position, ok := strings.CutPrefix(end.Text, "resume=")
	require.True(t, ok)
	require.Equal(t, slow.position, position)
	require.Less(t, len(slow.texts), n)
	slow2 := r.dial("demo", "token", "slow", "resume", position)
	require.True(t, slow2.hello.Resumed)
	all := slices.Concat(slow.texts, slow2.texts)
	for len(all) < n {
		m := slow2.next()
		for _, e := range m.Entries {
			all = append(all, e.Text)
		}
	}
	for i, text := range all {
		require.True(t, strings.HasPrefix(text, fmt.Sprintf("m%d ", i)), i)
	}
}

// noise does not compress.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(rand.IntN(26))
	}
	return string(b)
}
