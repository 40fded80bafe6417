package session

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
)

// crowd is a table, and who has come and gone so far.
type crowd struct {
	*Table[*conn]
	up           map[*conn]bool
	joined, left []string
}

func newCrowd() *crowd {
	c := &crowd{Table: NewTable[*conn](), up: map[*conn]bool{}}
	c.Connected = func(p *conn) bool { return c.up[p] }
	c.Observer = c
	return c
}

func (c *crowd) Joined(i Info) { c.joined = append(c.joined, i.Identity) }
func (c *crowd) Left(i Info)   { c.left = append(c.left, i.Identity) }

func (c *crowd) add(stream, identity string) *Session[*conn] {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("User-Agent", strings.Repeat("x", 2*maxAgent))
	return c.Add(r, auth.Grant{Stream: stream, Identity: identity}, newConn(), Offer{})
}

// The server's end is everybody's.
func TestEverybodyLeavesWithTheServer(t *testing.T) {
	c := newCrowd()
	ann, _ := c.add("a", "ann"), c.add("a", "bob")
	c.up[ann.Peer] = true
	c.sweep()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, c.Run(ctx))
	require.Equal(t, []string{"ann"}, c.joined)
	require.Equal(t, []string{"ann"}, c.left)
	require.Zero(t, c.Len())
}

// Who joined has left too, once each, however it ended; who never connected
// did neither.
func TestObserver(t *testing.T) {
	c := newCrowd()
	ann, bob, eve := c.add("a", "ann"), c.add("a", "bob"), c.add("a", "eve")
	c.sweep()
	require.Empty(t, c.joined, "nobody is connected")
	c.up[ann.Peer], c.up[bob.Peer] = true, true
	c.sweep()
	c.sweep()
	require.ElementsMatch(t, []string{"ann", "bob"}, c.joined)
	require.Empty(t, c.left)
	ann.Peer.Close(nil)
	require.True(t, c.Remove(bob))
	require.False(t, c.Remove(bob))
	eve.Peer.Close(nil)
	c.sweep()
	c.sweep()
	require.ElementsMatch(t, []string{"ann", "bob"}, c.left)
	require.Zero(t, c.Len())
	require.Len(t, ann.Agent, maxAgent)

	// Between two sweeps: as short as it was, it is told as a whole.
	dan := c.add("a", "dan")
	c.up[dan.Peer] = true
	dan.Peer.Close(nil)
	c.sweep()
	require.Equal(t, "dan", c.joined[2])
	require.Equal(t, "dan", c.left[2])
}

func TestEnd(t *testing.T) {
	c := newCrowd()
	a, b, other := c.add("a", "ann"), c.add("a", "ann"), c.add("b", "ann")
	bob := c.add("a", "bob")
	c.up[a.Peer] = true
	c.sweep()
	reason := errors.New("kicked")
	match := func(i Info) bool { return i.Stream == "a" && i.Identity == "ann" }
	require.Equal(t, 2, c.End(match, reason))
	require.Zero(t, c.End(match, reason))
	require.True(t, a.Over() && b.Over())
	require.False(t, other.Over() || bob.Over())
	require.Nil(t, c.Get("a", a.ID), "its URL is gone at once")
	c.sweep()
	require.Equal(t, []string{"ann"}, c.left, "the one that had joined")
	require.Equal(t, []*Session[*conn]{bob}, c.Of("a"))
}

// Whoever was let in just before a decision against it is not there for long.
func TestBarred(t *testing.T) {
	c := newCrowd()
	reason := errors.New("revoked meanwhile")
	ann, bob := c.add("a", "ann"), c.add("a", "bob")
	c.Barred = func(i Info) error {
		if i.Identity == "ann" {
			return reason
		}
		return nil
	}
	c.sweep()
	require.True(t, ann.Over())
	require.False(t, bob.Over())
	require.Equal(t, []*Session[*conn]{bob}, c.Of("a"))

	old := c.add("a", "ann")
	old.Created = old.Created.Add(-settleTime)
	c.sweep()
	require.False(t, old.Over(), "End has seen to those who have been there for long")
}
