package room

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// node returns the Room of another Node.
func node(name string) *Room {
	return New("demo", Config{Node: name, Log: name}, Past{})
}

func TestEntriesOfOtherNodesComeOnce(t *testing.T) {
	a, b := open(t), node("n2")
	for range 3 {
		done(t, do(t, a, start, 1, `{"type":"message","text":"x"}`))
	}
	entries := a.Drain(start).Entries
	b.Act(start, nil, Command{Verb: Announce, Text: "first"})
	b.Merge(start, entries[:2])
	b.Merge(start, entries)
	out := b.Drain(start).Entries
	require.Len(t, out, 4)
	for i, e := range out {
		require.Equal(t, uint64(i+1), e.Seq)
	}
	require.Equal(t, entries[2].ID, out[3].ID)
	require.Equal(t, "n1", out[3].Node)
	again := New("demo", Config{Node: "n2"}, b.Past())
	again.Merge(start, entries)
	require.Empty(t, again.Drain(start).Entries)
}

// TestAPinMayComeBeforeWhatItShows: Nodes do not agree on an order.
func TestAPinMayComeBeforeWhatItShows(t *testing.T) {
	a, b := open(t), node("n2")
	id := done(t, do(t, a, start, 1, `{"type":"message","text":"rules"}`)).Entry
	said := a.Drain(start).Entries
	done(t, do(t, a, start, 3, `{"type":"pin","target":"`+id+`"}`))
	b.Merge(start, a.Drain(start).Entries)
	require.Nil(t, b.Info(start).Pinned)
	b.Merge(start, said)
	require.Equal(t, "rules", b.Info(start).Pinned.Text)
}

// TestClearingIsLaterThanWhatIsThere: of the same millisecond, too.
func TestClearingIsLaterThanWhatIsThere(t *testing.T) {
	r := node("n1")
	r.Merge(start, []Entry{{ID: "01ZZZZZZZZZZZZZZZZZZZZZZZZ", Kind: Announcement, At: start.UnixMilli(), Text: "x"}})
	done(t, r.Act(start, nil, Command{Verb: Clear}))
	said, _ := r.Messages("", 1)
	require.Empty(t, said[0].Text)
}

// TestWhatWasAcknowledgedStaysSo: a client that repeats a command on two Nodes
// gets from each what it has got from it before.
func TestWhatWasAcknowledgedStaysSo(t *testing.T) {
	a, b := open(t), open(t)
	b.origin++
	frame := `{"type":"message","id":"1","text":"x"}`
	one, two := done(t, do(t, a, start, 1, frame)), done(t, do(t, b, start, 1, frame))
	require.NotEqual(t, one.Entry, two.Entry)
	a.Merge(start, b.Drain(start).Entries)
	require.Equal(t, one.Entry, do(t, a, start, 1, frame).Entry)
}

func TestGarbageOfOtherNodesIsPassedOver(t *testing.T) {
	r := node("n1")
	good := Entry{ID: "01", Kind: Message, At: start.UnixMilli(), From: &Person{Identity: "x"}, Text: "x"}
	for _, spoil := range []func(*Entry){
		func(e *Entry) { e.ID = "" },
		func(e *Entry) { e.At = 0 },
		func(e *Entry) { e.At = start.Add(25 * time.Hour).UnixMilli() },
		func(e *Entry) { e.Kind = "" },
		func(e *Entry) { e.From = nil },
		func(e *Entry) { e.From = &Person{} },
		func(e *Entry) { e.Text = string(make([]byte, maxTextBytes+1)) },
		func(e *Entry) { e.Kind = Changed },
		func(e *Entry) { e.Kind, e.Settings = Changed, &Settings{SlowMode: -1} },
		func(e *Entry) { e.Settings = &Settings{} },
	} {
		e := good
		spoil(&e)
		r.Merge(start, []Entry{e})
	}
	require.Empty(t, r.Drain(start).Entries)
	r.Merge(start, []Entry{good, {ID: "02", Kind: "later", At: 1}})
	require.Len(t, r.Drain(start).Entries, 2, "what a newer Node may know is passed on")
}

func TestABanOnAnotherNodeCutsHere(t *testing.T) {
	a, b := open(t), node("n2")
	join(t, b, 1, "troll", Viewer)
	join(t, b, 2, "brother", Viewer)
	// Only the other Node knows the address.
	done(t, do(t, a, start, 3, `{"type":"ban","target":"troll","address":true,"seconds":60}`))
	require.False(t, a.Barred(start, "new", Viewer, home))
	b.Merge(start, a.Drain(start).Entries)
	out := b.Drain(start)
	require.Len(t, out.Cut, 2)
	require.Len(t, out.Entries, 2)
	require.Equal(t, "n2", out.Entries[1].Node)
	require.Equal(t, "moderator", out.Entries[1].From.Identity)
	a.Merge(start, out.Entries)
	require.True(t, a.Barred(start, "new", Viewer, home))
	require.False(t, a.Barred(start.Add(time.Minute), "new", Viewer, home))
	require.Len(t, a.Bans(start), 1)
}

func TestWhatWasReplacedIsNotToldAgain(t *testing.T) {
	a, b := open(t), node("n2")
	done(t, do(t, a, start, 3, `{"type":"mute","target":"x"}`))
	muted := a.Drain(start).Entries
	done(t, do(t, a, start, 3, `{"type":"unmute","target":"x"}`))
	b.Merge(start, a.Drain(start).Entries)
	require.Len(t, b.Drain(start).Entries, 1)
	b.Merge(start, muted)
	require.Empty(t, b.Drain(start).Entries)
	require.Empty(t, b.Mutes(start))
	require.Len(t, b.Audit(), 2, "but it has happened")
}

func TestWhatIsDeletedStaysSo(t *testing.T) {
	a, b := open(t), node("n2")
	id := done(t, do(t, a, start, 1, `{"type":"message","text":"x"}`)).Entry
	said := a.Drain(start).Entries
	done(t, do(t, a, start, 1, `{"type":"delete","target":"`+id+`"}`))
	b.Merge(start, a.Drain(start).Entries)
	b.Merge(start, said)
	require.Empty(t, b.Drain(start).Entries[1].Text)

	done(t, do(t, a, start, 1, `{"type":"message","text":"y"}`))
	said = a.Drain(start).Entries
	done(t, do(t, a, start, 3, `{"type":"clear"}`))
	b.Merge(start, a.Drain(start).Entries)
	b.Merge(start, said)
	require.Empty(t, b.Drain(start).Entries[1].Text)
}

// TestAClockThatIsWrong: the last word holds, whatever the clocks say.
func TestAClockThatIsWrong(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, -5 * time.Second, 5 * time.Second, time.Hour} {
		a, b := open(t), node("n2")
		by := &Person{Identity: "host", Role: Host}
		exchange := func(from, to *Room, now time.Time) { to.Merge(now, from.Drain(now).Entries) }
		done(t, a.Act(start.Add(skew), by, Command{Verb: Ban, Target: "x"}))
		done(t, a.Act(start.Add(skew), by, Command{Verb: Say, Text: "old"}))
		done(t, a.Act(start.Add(skew), by, Command{Verb: Clear}))
		exchange(a, b, start)
		done(t, b.Act(start, by, Command{Verb: Unban, Target: "x"}))
		done(t, b.Act(start, by, Command{Verb: Say, Text: "new"}))
		exchange(b, a, start.Add(skew))
		for _, r := range []*Room{a, b} {
			require.Empty(t, r.Bans(start), skew)
			said, _ := r.Messages("", 2)
			require.Equal(t, "new", said[1].Text, skew)
			require.Empty(t, said[0].Text, skew)
		}
	}
}

func TestPeopleOfAllNodes(t *testing.T) {
	a, b := open(t), node("n2")
	join(t, b, 1, "ann", Viewer)
	join(t, b, 2, "host", Host) // is on both
	told := b.Drain(start).People
	require.Equal(t, 2, told.Count)
	a.Others(start, "n2", *told)
	require.Equal(t, 5, a.Drain(start).State.People.Count, "nobody counts twice")
	require.Nil(t, b.Drain(start.Add(time.Second)).People)
	require.NotNil(t, b.Drain(start.Add(announceEvery)).People, "silence would mean that nobody is there")

	_, err := a.Join(start, Join{Conn: 9, Person: Person{Identity: "imp", Name: "HOST", Role: Viewer}})
	require.NoError(t, err)
	a.Leave(start, 4)
	refused(t, a.Do(start, 1, Command{Verb: Rename, Name: "H0st"}), "forbidden")
	refused(t, a.Do(start, 3, Command{Verb: Ban, Target: "host"}), "forbidden")

	a.Others(start, "n3", People{Count: 1000, At: 1})
	require.Equal(t, &People{Count: 1006}, a.Drain(start).State.People)
	a.Others(start.Add(9*time.Second), "n3", People{Count: 1000, At: 2})
	a.Tick(start.Add(11 * time.Second))
	require.Equal(t, 1004, a.Drain(start.Add(11*time.Second)).State.People.Count, "n2 is silent")
	a.Others(start.Add(11*time.Second), "n3", People{At: 3})
	require.Equal(t, 4, a.Drain(start.Add(11*time.Second)).State.People.Count)
	for i := range 2 * maxNodes {
		a.Others(start, fmt.Sprint(i), People{Count: 1 << 62, At: 1})
	}
	require.Len(t, a.crowd.peers, maxNodes)
}

func TestReactionsOfAllNodesCountOnce(t *testing.T) {
	a, b := open(t), node("n2")
	join(t, b, 1, "ann", Viewer)
	done(t, b.Do(start, 1, Command{Verb: React, Emoji: "🎉"}))
	p := b.Drain(start).People
	a.Drain(start)
	a.Others(start, "n2", *p)
	a.Others(start, "n2", *p)
	out := a.Drain(start.Add(time.Second))
	require.Equal(t, []Reaction{{"🎉", 1, 0}}, out.State.Reactions)
	require.Nil(t, out.People, "what came from others is not passed on")
	p.At--
	a.Others(start, "n2", *p)
	p.At += 20000
	p.Reactions = []Reaction{{"<b>", 3, 0}, {"🔥", -1, 0}}
	a.Others(start, "n2", *p)
	require.Nil(t, a.Drain(start.Add(2*time.Second)).State)
	// What a Node has left behind is not of now.
	c := node("n3")
	c.Others(start, "n2", People{Count: 1, At: start.Add(-time.Minute).UnixMilli(), Reactions: []Reaction{{"🎉", 1, 0}}})
	require.Nil(t, c.Drain(start).State.Reactions)
}

func TestARoomTakesWhateverIsKept(t *testing.T) {
	nonsense := []Entry{
		{}, {Seq: 5, ID: "a", Kind: Message, Text: "x"}, {Seq: 5, ID: "b", Kind: Message}, {Seq: 3, ID: "c", Kind: Pinned, Target: "a"},
		{Seq: 1 << 60, ID: "d", Kind: Message}, {Seq: 4, ID: "a", Kind: Cleared}, {Seq: 9, ID: "e", Kind: Changed},
		{Seq: 8, ID: "f", Kind: Banned, Address: netip.IPv6Unspecified()}, {Seq: 10, ID: "g", Kind: Muted, At: -1},
	}
	r := New("demo", Config{}, Past{Log: "a.b", Next: 1 << 63, Standing: nonsense, Recent: nonsense, Audit: nonsense})
	w := join(t, r, 1, "ann", Host)
	require.Equal(t, "a.b.10", w.Position)
	p := done(t, do(t, r, start, 1, `{"type":"message","text":"x"}`))
	require.Equal(t, uint64(11), p.Seq)
	got, ok := r.Since(w.Position)
	require.True(t, ok)
	require.Len(t, got, 1)
}

// FuzzMerge takes what may be in Redis, and what may be in a file.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`[{"id":"01","kind":"message","at":1790000000000,"from":{"identity":"a"},"text":"x"},{"id":"02","kind":"pinned","at":1,"target":"01"}]`))
	f.Add([]byte(`[{"seq":1,"id":"01","kind":"banned","at":5,"target":"a","address":"192.0.2.1"},{"seq":2,"id":"02","kind":"unbanned","at":6,"target":"a"}]`))
	f.Add([]byte(`[{"seq":3,"id":"01","kind":"changed","at":5,"settings":{"slowMode":5,"locked":true}},{"seq":3,"id":"03","kind":"cleared","at":9}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var entries []Entry
		if json.Unmarshal(b, &entries) != nil {
			return
		}
		r := New("demo", Config{Kept: 4, Bans: 2}, Past{Standing: entries, Recent: entries, Audit: entries})
		r.Drain(start)
		for _, r := range []*Room{node("n1"), r} {
			last := r.log.last
			join(t, r, 1, "host", Host)
			r.Merge(start, entries)
			r.Others(start, "n2", People{Count: len(entries), List: []Person{{"a", "b", Host}}})
			for _, e := range r.Drain(start).Entries {
				last++
				require.Equal(t, last, e.Seq)
			}
			r.Tick(start)
			if p := r.Act(start, nil, Command{Verb: Clear}); p.Refused != nil {
				t.Fatal(p.Refused)
			}
			for _, e := range r.log.held() {
				require.True(t, !spoken(e.Kind) || e.Text == "" || e.At > start.Add(ahead).UnixMilli(), "cleared")
			}
			New("demo", Config{}, r.Past())
		}
	})
}
