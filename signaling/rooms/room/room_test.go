package room

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	start = time.UnixMilli(1790000000000)
	home  = netip.MustParseAddr("192.0.2.1")
)

// join lets somebody in who may write.
func join(t *testing.T, r *Room, c Conn, identity string, role Role) Welcome {
	t.Helper()
	w, err := r.Join(start, Join{Conn: c, Person: Person{Identity: identity, Name: identity, Role: role}, Write: true, Address: home})
	require.NoError(t, err)
	return w
}

func done(t *testing.T, p Reply) Reply {
	t.Helper()
	if p.Refused != nil {
		require.NoError(t, p.Refused)
	}
	return p
}

func TestAMessageIsNumberedToldAndAcknowledged(t *testing.T) {
	r := New("demo", Config{Node: "n1", Log: "k3xQ"}, Past{})
	w := join(t, r, 1, "ann", Viewer)
	require.Equal(t, "k3xQ.0", w.Position)
	require.Equal(t, []Verb{Say, React, Rename}, w.May)

	cmd, err := Decode([]byte(`{"type":"message","id":"a-1","text":"hello","mediaTime":1790000000000.5}`))
	require.NoError(t, err)
	p := done(t, r.Do(start, 1, cmd))
	require.Equal(t, uint64(1), p.Seq)

	out := r.Drain(start)
	require.Equal(t, []Entry{{Seq: 1, ID: p.Entry, Kind: Message, At: start.UnixMilli(), Client: "a-1", Text: "hello", Node: "n1",
		From: &Person{Identity: "ann", Name: "ann", Role: Viewer}, MediaTime: start.UnixMilli()}}, out.Entries)
	require.Equal(t, &People{Count: 1, List: []Person{{"ann", "ann", Viewer}}}, out.State.People)

	again := done(t, r.Do(start, 1, cmd))
	require.Equal(t, p.Entry, again.Entry)
	require.True(t, again.Again)
	require.Empty(t, r.Drain(start).Entries)
}

// do carries out a command as a client writes it.
func do(t *testing.T, r *Room, now time.Time, c Conn, frame string) Reply {
	t.Helper()
	cmd, err := Decode([]byte(frame))
	require.NoError(t, err, frame)
	return r.Do(now, c, cmd)
}

func refused(t *testing.T, p Reply, reason string) *Refusal {
	t.Helper()
	require.NotNil(t, p.Refused, "accepted, and not %s", reason)
	require.Equal(t, reason, p.Refused.Reason(), p.Refused.Detail)
	return p.Refused
}

// open returns a Room with somebody of each role, connections 1 to 4.
func open(t *testing.T) *Room {
	t.Helper()
	r := New("demo", Config{Node: "n1", Log: "k3xQ"}, Past{})
	for i, role := range []Role{Viewer, Speaker, Moderator, Host} {
		join(t, r, Conn(i+1), string(role), role)
	}
	return r
}

func TestWhoMayDoWhat(t *testing.T) {
	for frame, least := range map[string]int{
		`{"type":"message","text":"x"}`:              1,
		`{"type":"react","emoji":"🎉"}`:               1,
		`{"type":"name","name":"Bob"}`:               1,
		`{"type":"announce","text":"x"}`:             4,
		`{"type":"pin","target":""}`:                 3,
		`{"type":"clear"}`:                           3,
		`{"type":"settings","slowMode":3}`:           3,
		`{"type":"mute","target":"x"}`:               3,
		`{"type":"ban","target":"x","seconds":9}`:    3,
		`{"type":"ban","target":"x","address":true}`: 3,
	} {
		for c := 1; c <= 4; c++ {
			p := do(t, open(t), start, Conn(c), frame)
			if c >= least {
				require.Nil(t, p.Refused, "%d %s", c, frame)
			} else {
				refused(t, p, "forbidden")
			}
		}
	}
}

func TestWhoMayDoItToWhom(t *testing.T) {
	roles := []Role{Viewer, Speaker, Moderator, Host}
	for _, verb := range []string{"mute", "ban"} {
		for by, may := range map[Conn]int{1: 0, 2: 0, 3: 2, 4: 3} { // how many of roles are in reach
			for i, target := range roles {
				r := open(t)
				if Conn(i+1) == by {
					continue
				}
				p := do(t, r, start, by, `{"type":"`+verb+`","target":"`+string(target)+`"}`)
				if i < may {
					require.Nil(t, p.Refused, "%d %s %s", by, verb, target)
				} else {
					refused(t, p, "forbidden")
				}
			}
		}
	}
	r := open(t)
	require.Nil(t, r.Act(start, nil, Command{Verb: Ban, Target: "host"}).Refused, "the operator may")
	require.Len(t, r.Drain(start).Cut, 1)
	_, err := r.Join(start, Join{Conn: 9, Person: Person{Identity: "host", Role: Host}})
	require.ErrorIs(t, err, ErrBanned)
	refused(t, do(t, r, start, 3, `{"type":"unban","target":"host"}`), "forbidden")
	refused(t, do(t, r, start, 3, `{"type":"mute","target":"moderator"}`), "forbidden")
}

// TestABanInAdvanceHoldsForNobodyAbove: who is not there may turn out to be a
// host.
func TestABanInAdvanceHoldsForNobodyAbove(t *testing.T) {
	r := open(t)
	done(t, do(t, r, start, 3, `{"type":"ban","target":"late"}`))
	require.True(t, r.Barred(start, "late", Viewer, home))
	require.False(t, r.Barred(start, "late", Host, home))
	_, err := r.Join(start, Join{Conn: 9, Person: Person{Identity: "late", Role: Moderator}})
	require.NoError(t, err)
	done(t, do(t, r, start, 4, `{"type":"ban","target":"late"}`))
	require.Equal(t, []Cut{{9, CloseBanned, "banned"}}, r.Drain(start).Cut)
}

func TestWithoutLeaveToWriteOneReads(t *testing.T) {
	r := New("demo", Config{}, Past{})
	w, err := r.Join(start, Join{Conn: 1, Person: Person{Identity: "ann", Role: Moderator}})
	require.NoError(t, err)
	require.Equal(t, []Verb{Pin, Delete, Clear, Set, Mute, Unmute, Ban, Unban}, w.May)
	refused(t, do(t, r, start, 1, `{"type":"message","text":"x"}`), "forbidden")
	refused(t, do(t, r, start, 1, `{"type":"react","emoji":"🎉"}`), "forbidden")
	done(t, do(t, r, start, 1, `{"type":"clear"}`))
}

func TestSlowModeIsForViewers(t *testing.T) {
	r := open(t)
	done(t, do(t, r, start, 1, `{"type":"message","text":"before"}`))
	done(t, do(t, r, start, 3, `{"type":"settings","slowMode":10}`))
	no := refused(t, do(t, r, start.Add(3*time.Second), 1, `{"type":"message","id":"1","text":"x"}`), "slow-mode")
	require.Equal(t, 7, no.RetryAfter())
	r.Leave(start, 1)
	join(t, r, 9, "viewer", Viewer)
	refused(t, do(t, r, start.Add(9*time.Second), 9, `{"type":"message","id":"1","text":"x"}`), "slow-mode")
	no = refused(t, do(t, r, start.Add(-time.Hour), 9, `{"type":"message","id":"1","text":"x"}`), "slow-mode")
	require.Equal(t, 10, no.RetryAfter(), "the clock was set back")
	for c := range Conn(3) {
		done(t, do(t, r, start, c+2, `{"type":"message","text":"x"}`))
		done(t, do(t, r, start, c+2, `{"type":"message","text":"x"}`))
	}
	done(t, do(t, r, start, 9, `{"type":"react","emoji":"👍"}`))
	done(t, do(t, r, start.Add(10*time.Second), 9, `{"type":"message","id":"1","text":"x"}`))

	again := New("demo", Config{}, r.Past())
	join(t, again, 1, "viewer", Viewer)
	refused(t, do(t, again, start.Add(12*time.Second), 1, `{"type":"message","text":"y"}`), "slow-mode")
}

func TestATimeoutEndsByItself(t *testing.T) {
	r := open(t)
	done(t, do(t, r, start, 3, `{"type":"mute","target":"viewer","seconds":60,"reason":"spam"}`))
	for _, frame := range []string{`{"type":"message","text":"x"}`, `{"type":"react","emoji":"🎉"}`, `{"type":"name","name":"Bob"}`} {
		no := refused(t, do(t, r, start.Add(20*time.Second), 1, frame), "muted")
		require.Equal(t, 40, no.RetryAfter())
	}
	require.Equal(t, &Term{start.UnixMilli() + 60000}, join(t, r, 9, "viewer", Viewer).Muted)
	done(t, do(t, r, start.Add(time.Minute), 1, `{"type":"message","text":"x"}`))
	require.Empty(t, r.Mutes(start.Add(time.Minute)))

	done(t, do(t, r, start, 3, `{"type":"mute","target":"viewer"}`))
	refused(t, do(t, r, start.Add(9999*time.Hour), 1, `{"type":"message","text":"x"}`), "muted")
	done(t, do(t, r, start, 3, `{"type":"unmute","target":"viewer"}`))
	done(t, do(t, r, start, 1, `{"type":"message","text":"x"}`))
	refused(t, do(t, r, start, 3, `{"type":"unmute","target":"viewer"}`), "unknown-target")
	refused(t, r.Act(start, &Person{Identity: "root", Role: Operator}, Command{Verb: Mute, Target: "root"}), "forbidden")
}

func TestABanShutsOutAndEndsByTime(t *testing.T) {
	r := open(t)
	join(t, r, 7, "viewer", Viewer)
	r.Drain(start)
	done(t, do(t, r, start, 3, `{"type":"ban","target":"viewer","seconds":60,"reason":"rude"}`))
	out := r.Drain(start)
	require.Len(t, out.Cut, 2, "each connection of the identity")
	require.Len(t, out.Bars, 1)
	require.Equal(t, "rude", out.Bars[0].Reason)
	require.Equal(t, 3, out.State.People.Count)
	require.Empty(t, out.Entries[0].Public().Reason)
	refused(t, do(t, r, start, 1, `{"type":"message","text":"x"}`), "unavailable")

	_, err := r.Join(start.Add(20*time.Second), Join{Conn: 8, Person: Person{Identity: "viewer"}})
	require.ErrorIs(t, err, ErrBanned)
	var no *Refusal
	require.ErrorAs(t, err, &no)
	require.Equal(t, 40, no.RetryAfter())
	require.False(t, r.Barred(start, "another", Viewer, home), "the address was not meant")
	require.True(t, New("demo", Config{}, r.Past()).Barred(start, "viewer", Viewer, home), "nor does a restart help")
	require.False(t, r.Barred(start.Add(time.Minute), "viewer", Viewer, home))

	done(t, do(t, r, start, 4, `{"type":"unban","target":"viewer"}`))
	require.Equal(t, Unbanned, r.Drain(start).Bars[0].Kind)
	join(t, r, 8, "viewer", Viewer)
}

func TestABanByAddress(t *testing.T) {
	r := open(t)
	troll := netip.MustParseAddr("2001:db8:1:2::77")
	for c, addr := range map[Conn]string{10: "2001:db8:1:2::77", 11: "2001:db8:1:2::1", 12: "2001:db8:1:3::1"} {
		_, err := r.Join(start, Join{Conn: c, Person: Person{Identity: "troll" + addr}, Address: netip.MustParseAddr(addr)})
		require.NoError(t, err)
	}
	done(t, do(t, r, start, 3, `{"type":"ban","target":"troll2001:db8:1:2::77","address":true}`))
	require.Len(t, r.Drain(start).Cut, 2, "a /64 is one address")
	require.True(t, r.Barred(start, "new", Viewer, troll))
	require.True(t, r.Barred(start, "new", Speaker, troll))
	require.False(t, r.Barred(start, "host", Host, troll), "many share an address with a host")
	require.False(t, r.Barred(start, "new", Viewer, netip.MustParseAddr("2001:db8:1:4::1")))
	require.False(t, r.Barred(start, "new", Viewer, netip.Addr{}))

	// Whoever has left is known for a while.
	r.Leave(start, 1)
	done(t, do(t, r, start, 3, `{"type":"ban","target":"viewer","address":true}`))
	require.True(t, r.Barred(start, "new", Viewer, netip.MustParseAddr("::ffff:192.0.2.1")))
	done(t, do(t, r, start, 3, `{"type":"unban","target":"viewer"}`))
	require.False(t, r.Barred(start, "new", Viewer, home))
}

func TestALockKeepsViewersQuietAndNewcomersOut(t *testing.T) {
	r := open(t)
	join(t, r, 5, "left", Viewer)
	r.Leave(start, 5)
	done(t, do(t, r, start, 3, `{"type":"settings","locked":true}`))
	inside, _ := r.Join(start, Join{Conn: 6, Person: Person{Identity: "viewer"}, Write: true})
	refused(t, do(t, r, start, 1, `{"type":"message","text":"x"}`), "locked")
	refused(t, do(t, r, start, 1, `{"type":"react","emoji":"🎉"}`), "locked")
	done(t, do(t, r, start, 2, `{"type":"message","text":"x"}`))
	_, err := r.Join(start, Join{Conn: 9, Person: Person{Identity: "new"}})
	require.ErrorIs(t, err, ErrLocked)
	join(t, r, 9, "new", Speaker)

	// A connection that broke is no reason to stay out, however late.
	r.Tick(start.Add(time.Hour))
	_, err = r.Join(start.Add(time.Hour), Join{Conn: 10, Person: Person{Identity: "left"}})
	require.NoError(t, err)

	again := New("demo", Config{Node: "n1"}, r.Past())
	_, err = again.Join(start, Join{Conn: 1, Person: Person{Identity: "new"}, Resume: "k3xQ.0"})
	require.ErrorIs(t, err, ErrLocked)
	_, err = again.Join(start, Join{Conn: 1, Person: Person{Identity: "viewer"}, Resume: inside.Position})
	require.NoError(t, err)
	_, err = again.Join(start.Add(time.Hour), Join{Conn: 2, Person: Person{Identity: "stranger"}, Resume: inside.Position})
	require.ErrorIs(t, err, ErrLocked)

	done(t, do(t, r, start, 3, `{"type":"settings","locked":false}`))
	done(t, do(t, r, start, 1, `{"type":"message","text":"x"}`))
}

func TestSettingsChangeOneByOne(t *testing.T) {
	r := open(t)
	done(t, do(t, r, start, 3, `{"type":"settings","slowMode":10}`))
	done(t, do(t, r, start, 3, `{"type":"settings","locked":true}`))
	require.Equal(t, Settings{10, true}, r.Info(start).Settings)
	require.Equal(t, &Settings{10, true}, r.Drain(start).Entries[1].Settings)
}

func TestDeleting(t *testing.T) {
	r := open(t)
	mine := done(t, do(t, r, start, 1, `{"type":"message","text":"mine"}`)).Entry
	yours := done(t, do(t, r, start, 2, `{"type":"message","text":"yours"}`)).Entry
	refused(t, do(t, r, start, 1, `{"type":"delete","target":"`+yours+`"}`), "forbidden")
	refused(t, do(t, r, start, 3, `{"type":"delete","target":"01K"}`), "unknown-target")
	done(t, do(t, r, start, 1, `{"type":"delete","target":"`+mine+`"}`))
	require.Empty(t, r.Audit(), "an author is no moderator")
	done(t, do(t, r, start, 3, `{"type":"delete","target":"`+yours+`"}`))
	require.Len(t, r.Audit(), 1)
	require.Equal(t, r.Audit(), New("demo", Config{}, r.Past()).Audit())
	require.Equal(t, r.Audit(), New("demo", Config{}, Past{Recent: r.log.held()}).Audit())
	require.Zero(t, done(t, do(t, r, start, 3, `{"type":"delete","target":"`+yours+`"}`)).Seq, "once is enough")

	for _, r := range []*Room{r, New("demo", Config{}, r.Past()), New("demo", Config{}, Past{Log: "x", Next: 5, Recent: r.Drain(start).Entries})} {
		w := join(t, r, 9, "late", Viewer)
		require.Len(t, w.Entries, 4)
		require.Empty(t, w.Entries[0].Text)
		require.Empty(t, w.Entries[1].Text)
		require.Equal(t, Deleted, w.Entries[3].Kind)
	}
}

func TestClearing(t *testing.T) {
	r := open(t)
	first := done(t, do(t, r, start, 1, `{"type":"message","text":"gone"}`)).Entry
	done(t, do(t, r, start, 3, `{"type":"pin","target":"`+first+`"}`))
	before := r.Info(start).Position
	done(t, do(t, r, start, 3, `{"type":"clear"}`))
	done(t, do(t, r, start, 1, `{"type":"message","text":"stays"}`))
	for _, r := range []*Room{r, New("demo", Config{}, r.Past())} {
		w := join(t, r, 9, "late", Viewer)
		require.Equal(t, []Kind{Cleared, Message}, []Kind{w.Entries[0].Kind, w.Entries[1].Kind})
		require.Equal(t, "stays", w.Entries[1].Text)
		require.Nil(t, w.Pinned)
		all, ok := r.Since("k3xQ.0")
		require.True(t, ok)
		require.Empty(t, all[0].Text)
		require.Len(t, all, 4)
		after, ok := r.Since(before)
		require.True(t, ok)
		require.Len(t, after, 2)
	}
}

func TestAPinOutlivesTheLog(t *testing.T) {
	r := New("demo", Config{Log: "x", Kept: 5, History: 3, Messages: Rate{1e6, 1e6}}, Past{})
	join(t, r, 1, "host", Host)
	id := done(t, do(t, r, start, 1, `{"type":"message","text":"rules"}`)).Entry
	refused(t, do(t, r, start, 1, `{"type":"pin","target":"nothing"}`), "unknown-target")
	done(t, do(t, r, start, 1, `{"type":"pin","target":"`+id+`"}`))
	done(t, do(t, r, start, 1, `{"type":"mute","target":"late"}`))
	for range 30 {
		done(t, do(t, r, start, 1, `{"type":"message","text":"x"}`))
	}
	for range 2 {
		w := join(t, r, 9, "late", Viewer)
		require.Equal(t, "rules", w.Pinned.Text)
		require.NotNil(t, w.Muted)
		require.Len(t, w.Entries, 3)
		past := r.Past()
		past.Audit = nil
		r = New("demo", Config{Kept: 5, History: 3}, past)
		join(t, r, 1, "host", Host)
	}
	done(t, do(t, r, start, 1, `{"type":"delete","target":"`+id+`"}`))
	require.Nil(t, r.Info(start).Pinned)
	require.Nil(t, New("demo", Config{}, r.Past()).Info(start).Pinned)
	id = done(t, do(t, r, start, 1, `{"type":"announce","text":"new rules"}`)).Entry
	done(t, do(t, r, start, 1, `{"type":"pin","target":"`+id+`"}`))
	require.Equal(t, "new rules", r.Info(start).Pinned.Text)
	done(t, do(t, r, start, 1, `{"type":"pin","target":""}`))
	require.Nil(t, r.Info(start).Pinned)
}

func TestReplies(t *testing.T) {
	r := open(t)
	id := done(t, do(t, r, start, 1, `{"type":"message","text":"?"}`)).Entry
	muted := done(t, do(t, r, start, 3, `{"type":"mute","target":"x"}`)).Entry
	done(t, do(t, r, start, 2, `{"type":"message","text":"!","replyTo":"`+id+`"}`))
	require.Equal(t, id, r.Drain(start).Entries[2].ReplyTo)
	refused(t, do(t, r, start, 2, `{"type":"message","text":"!","replyTo":"x"}`), "unknown-target")
	refused(t, do(t, r, start, 2, `{"type":"message","text":"!","replyTo":"`+muted+`"}`), "unknown-target")
}

func TestTheTimeOfThePictureIsBelievedWithinReason(t *testing.T) {
	r := open(t)
	for _, c := range []struct{ ahead, want int64 }{{-60000, -60000}, {2000, 2000}, {2001, -start.UnixMilli()}} {
		cmd := Command{Verb: Say, Text: "x", MediaTime: start.UnixMilli() + c.ahead}
		done(t, r.Do(start, 1, cmd))
		require.Equal(t, start.UnixMilli()+c.want, r.Drain(start).Entries[0].MediaTime)
	}
}

func TestTheOperatorHasNoName(t *testing.T) {
	r := open(t)
	for _, by := range []*Person{nil, {Identity: "root", Name: "Root", Role: Operator}} {
		done(t, r.Act(start, by, Command{Verb: Announce, Text: "maintenance at ten"}))
		e := r.Drain(start).Entries[0]
		require.Equal(t, Announcement, e.Kind)
		require.Equal(t, by, e.From)
		require.Nil(t, e.Public().From)
	}
	_, err := r.Join(start, Join{Conn: 9, Person: Person{Identity: "x", Role: Operator}})
	require.NoError(t, err)
	refused(t, do(t, r, start, 9, `{"type":"clear"}`), "forbidden")
}

func TestAModeratorActsByTheAPI(t *testing.T) {
	r := open(t)
	by := &Person{Identity: "moderator", Name: "Mo", Role: Moderator}
	p := done(t, r.Act(start, by, Command{ID: "k", Verb: Mute, Target: "viewer", Reason: "loud\u202e"}))
	require.Equal(t, p.Entry, r.Act(start, by, Command{ID: "k", Verb: Mute, Target: "viewer"}).Entry)
	require.Equal(t, "loud", r.Audit()[0].Reason)
	refused(t, r.Act(start, by, Command{Verb: Mute, Target: "host"}), "forbidden")
	refused(t, r.Act(start, by, Command{Verb: React, Emoji: "🎉"}), "forbidden")
	done(t, do(t, r, start, 4, `{"type":"ban","target":"moderator"}`))
	refused(t, r.Act(start, by, Command{Verb: Clear}), "forbidden")
}

func TestBansAreBounded(t *testing.T) {
	r := New("demo", Config{Bans: 3}, Past{})
	for _, id := range []string{"a", "b", "c"} {
		done(t, r.Act(start, nil, Command{Verb: Ban, Target: id, Seconds: 10}))
	}
	refused(t, r.Act(start, nil, Command{Verb: Ban, Target: "d"}), "unavailable")
	done(t, r.Act(start, nil, Command{Verb: Ban, Target: "a"}))
	done(t, r.Act(start.Add(11*time.Second), nil, Command{Verb: Ban, Target: "d"}))
	done(t, r.Act(start.Add(11*time.Second), nil, Command{Verb: Unban, Target: "a"}))
	r.Tick(start.Add(time.Minute))
	require.Len(t, r.bans.of, 4, "an older ban may be on its way")
	r.Tick(start.Add(2 * time.Hour))
	require.Len(t, r.bans.of, 1)
}

func TestKicked(t *testing.T) {
	r := open(t)
	require.Equal(t, 1, r.Kick(start, "token revoked", func(j Join) bool { return j.Person.Identity == "viewer" }))
	require.Equal(t, []Cut{{1, CloseKicked, "token revoked"}}, r.Drain(start).Cut)
	join(t, r, 1, "viewer", Viewer)
}
