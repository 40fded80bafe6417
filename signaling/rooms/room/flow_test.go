package room

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	ten, locked := 10, true
	for frame, want := range map[string]Command{
		`{"type":"message","id":"a b~","text":"x","replyTo":"01","mediaTime":12.7,"later":{"a":[1]}}`: {ID: "a b~", Verb: Say, Text: "x", ReplyTo: "01", MediaTime: 12},
		` {"type":"message","text":"x","mediaTime":-5}`:                                               {Verb: Say, Text: "x"},
		`{"type":"message","text":"x","mediaTime":1e300}`:                                             {Verb: Say, Text: "x"},
		`{"type":"message","id":null,"text":"\ud800"}`:                                                {Verb: Say, Text: "\ufffd"},
		`{"type":"pin","target":""}`:                                                                  {Verb: Pin},
		`{"type":"ban","target":"x","seconds":1.5,"address":true}`:                                    {Verb: Ban, Target: "x", Seconds: 2, Address: true},
		`{"type":"settings","slowMode":9.1,"locked":true}`:                                            {Verb: Set, SlowMode: &ten, Locked: &locked},
	} {
		got, err := Decode([]byte(frame))
		require.NoError(t, err, frame)
		require.Equal(t, want, got, frame)
	}
	for frame, want := range map[string]error{
		``:                                     ErrMalformed,
		`null`:                                 ErrMalformed,
		`[]`:                                   ErrMalformed,
		`"message"`:                            ErrMalformed,
		`{`:                                    ErrMalformed,
		`{}`:                                   ErrMalformed,
		`{"type":"fly"}`:                       ErrMalformed,
		`{"type":"clear"}{}`:                   ErrMalformed,
		`{"type":"clear"} x`:                   ErrMalformed,
		`{"type":"pin"}`:                       ErrMalformed,
		`{"type":"mute"}`:                      ErrMalformed,
		`{"type":"settings"}`:                  ErrMalformed,
		`{"type":"settings","slowMode":-1}`:    ErrMalformed,
		`{"type":"settings","slowMode":99999}`: ErrMalformed,
		`{"type":"mute","target":""}`:          ErrMalformed,
		`{"type":"mute","target":"x","seconds":-1}`:                     ErrMalformed,
		`{"type":"mute","target":"x","seconds":1e12}`:                   ErrMalformed,
		`{"type":"message","text":7}`:                                   ErrMalformed,
		`{"type":"message","id":""}`:                                    ErrMalformed,
		`{"type":"message","id":"ä"}`:                                   ErrMalformed,
		`{"type":"message","id":"` + strings.Repeat("x", 65) + `"}`:     ErrMalformed,
		"{\"type\":\"message\",\"text\":\"\xff\"}":                      ErrMalformed,
		`{"type":"message","text":"` + strings.Repeat("x", 8192) + `"}`: ErrTooLong,
		`{"type":"delete","target":"` + strings.Repeat("x", 300) + `"}`: ErrUnknownTarget,
		strings.Repeat(`{"a":`, 1600):                                   ErrMalformed,
	} {
		_, err := Decode([]byte(frame))
		require.ErrorIs(t, err, want, frame)
		var no *Refusal
		require.ErrorAs(t, err, &no)
	}
	c, err := Decode([]byte(`{"type":"message","id":"a-1","text":7}`))
	require.Error(t, err)
	require.Equal(t, "a-1", c.ID, "so that the refusal can name it")
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{"type":"message","id":"1","text":"x","mediaTime":1}`, `{"type":"settings","slowMode":1}`,
		`{"type":"ban","target":"x","seconds":5,"address":true,"reason":"r"}`, `{"type":"react","emoji":"🎉"}`, `{"type":"name","name":"x"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			var no *Refusal
			require.ErrorAs(t, err, &no)
			require.NotEmpty(t, no.Reason())
			return
		}
		r := New("demo", Config{}, Past{})
		join(t, r, 1, "host", Host)
		p := r.Do(start, 1, c)
		if p.Refused != nil {
			require.NotEmpty(t, p.Refused.Reason())
			return
		}
		for _, e := range r.Drain(start).Entries {
			require.True(t, plausible(start, &e), "another Node takes it")
			back, err := json.Marshal(e)
			require.NoError(t, err)
			var same Entry
			require.NoError(t, json.Unmarshal(back, &same))
			require.Equal(t, e, same)
		}
	})
}

func FuzzPosition(f *testing.F) {
	for _, s := range []string{"k3xQ.2", "k3xQ.0", "k3xQ.3", "k3xQ.-1", "k3xQ.+1", "other.2", "..", "", "k3xQ.18446744073709551615"} {
		f.Add(s)
	}
	r := New("demo", Config{Log: "k3xQ", Kept: 2, History: 1}, Past{})
	for range 4 {
		r.Act(start, nil, Command{Verb: Announce, Text: "x"})
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := r.Since(s)
		want, known := map[string]int{"k3xQ.2": 2, "k3xQ.3": 1, "k3xQ.4": 0}[s]
		if strings.HasPrefix(s, "k3xQ.0") && len(s) > 6 {
			return // zeros in front are no harm
		}
		require.Equal(t, known, ok, "%q", s)
		require.Len(t, got, want)
	})
}

func TestResume(t *testing.T) {
	r := New("demo", Config{Log: "k3xQ", Kept: 3, History: 2, Messages: Rate{100, 100}}, Past{})
	join(t, r, 1, "ann", Viewer)
	for range 6 {
		done(t, do(t, r, start, 1, `{"type":"message","text":"x"}`))
	}
	for position, want := range map[string]int{"k3xQ.6": 0, "k3xQ.5": 1, "k3xQ.3": 3} {
		w, err := r.Join(start, Join{Conn: 2, Person: Person{Identity: "bob"}, Resume: position})
		require.NoError(t, err)
		require.True(t, w.Resumed, position)
		require.Len(t, w.Entries, want)
		require.Equal(t, "k3xQ.6", w.Position)
	}
	for _, position := range []string{"", "k3xQ.2", "k3xQ.7", "other.5", "garbage", "k3xQ.x", "k3xQ.99999999999999999999"} {
		w, err := r.Join(start, Join{Conn: 2, Person: Person{Identity: "bob"}, Resume: position})
		require.NoError(t, err)
		require.False(t, w.Resumed, position)
		require.Len(t, w.Entries, 2)
		require.Equal(t, uint64(5), w.Entries[0].Seq)
	}
}

func TestARepetitionIsKnownAfterARestartAndOnAnotherNode(t *testing.T) {
	r := open(t)
	frame := `{"type":"message","id":"1","text":"once"}`
	p := done(t, do(t, r, start, 1, frame))
	entries := r.Drain(start).Entries
	other := New("demo", Config{Node: "n2", Log: "b"}, Past{})
	other.Merge(start, entries)
	for _, r := range []*Room{New("demo", Config{}, Past{Log: "k3xQ", Next: 2, Recent: entries}), other} {
		join(t, r, 1, "viewer", Viewer)
		join(t, r, 2, "another", Viewer)
		r.Drain(start)
		again := done(t, do(t, r, start, 1, frame))
		require.Equal(t, p.Entry, again.Entry)
		require.Empty(t, r.Drain(start).Entries)
		require.NotEqual(t, p.Entry, do(t, r, start, 2, frame).Entry, "ids are of an identity")
	}
	// What was refused may be tried again under the same id.
	refused(t, do(t, r, start, 1, `{"type":"message","id":"2","text":" "}`), "empty")
	done(t, do(t, r, start, 1, `{"type":"message","id":"2","text":"x"}`))
	// A reaction leaves nothing, but counts once.
	done(t, do(t, r, start, 1, `{"type":"react","id":"3","emoji":"🎉"}`))
	require.True(t, do(t, r, start, 1, `{"type":"react","id":"3","emoji":"🎉"}`).Again)
	require.Equal(t, []Reaction{{"🎉", 1, 0}}, r.Drain(start).State.Reactions)
}

func TestRates(t *testing.T) {
	r := open(t)
	for range 50 {
		done(t, do(t, r, start, 1, `{"type":"message","text":"x"}`))
	}
	no := refused(t, do(t, r, start, 1, `{"type":"message","text":"x"}`), "rate")
	require.Equal(t, 200*time.Millisecond, no.Wait)
	require.Equal(t, 1, no.RetryAfter())
	// Neither a new connection nor leaving for a moment fills the bucket.
	join(t, r, 9, "viewer", Viewer)
	refused(t, do(t, r, start, 9, `{"type":"message","text":"x"}`), "rate")
	r.Leave(start, 1)
	r.Leave(start, 9)
	r.Tick(start.Add(time.Millisecond))
	join(t, r, 1, "viewer", Viewer)
	refused(t, do(t, r, start, 1, `{"type":"message","text":"x"}`), "rate")
	done(t, do(t, r, start, 1, `{"type":"react","emoji":"🎉"}`)) // counts apart
	for range 200 {
		done(t, do(t, r, start, 2, `{"type":"message","text":"x"}`))
	}
	no = refused(t, do(t, r, start, 2, `{"type":"message","text":"x"}`), "rate")
	require.Equal(t, 20*time.Millisecond, no.Wait)
	done(t, do(t, r, start.Add(200*time.Millisecond), 1, `{"type":"message","text":"x"}`))
	refused(t, do(t, r, start.Add(-time.Hour), 1, `{"type":"message","text":"x"}`), "rate")
}

func TestRatesOfAnAddress(t *testing.T) {
	r := New("demo", Config{AddressMessages: Rate{1, 50}, AddressReactions: Rate{1, 5}}, Past{})
	accepted := map[string]int{}
	for i := range 100 {
		// Another address of the same /64 each time.
		a := netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
		_, err := r.Join(start, Join{Conn: Conn(i), Person: Person{Identity: fmt.Sprint(i)}, Write: true, Address: a})
		require.NoError(t, err)
		for _, frame := range []string{`{"type":"message","text":"x"}`, `{"type":"react","emoji":"🎉"}`} {
			if do(t, r, start, Conn(i), frame).Refused == nil {
				accepted[frame]++
			}
		}
	}
	require.Equal(t, map[string]int{`{"type":"message","text":"x"}`: 50, `{"type":"react","emoji":"🎉"}`: 5}, accepted)
	require.Len(t, r.crowd.places, 1)
	r.Tick(start.Add(time.Minute))
	require.Empty(t, r.crowd.places, "what is full again is forgotten")
}

func TestReactionsAreAddedUp(t *testing.T) {
	r := open(t)
	r.Drain(start)
	at := start.UnixMilli()
	for i, c := range []Conn{1, 2, 3} {
		done(t, r.Do(start, c, Command{Verb: React, Emoji: "🎉", MediaTime: at + int64(i)}))
	}
	done(t, r.Do(start, 1, Command{Verb: React, Emoji: "❤️"}))
	refused(t, do(t, r, start, 1, `{"type":"react","emoji":"<b>"}`), "malformed")
	require.Equal(t, []Reaction{{"🎉", 3, at + 2}, {"❤️", 1, 0}}, r.Drain(start).State.Reactions)
	require.Nil(t, r.Drain(start.Add(time.Second)).State, "each is told once")

	r = New("demo", Config{Reactions: Rate{1e6, 1e6}}, Past{})
	join(t, r, 1, "ann", Viewer)
	for i := range maxEmojis {
		done(t, r.Do(start, 1, Command{Verb: React, Emoji: string(rune(0x1f300 + i))}))
	}
	refused(t, r.Do(start, 1, Command{Verb: React, Emoji: "🫠"}), "rate")
}

func TestNamesOfPeople(t *testing.T) {
	r := New("demo", Config{}, Past{})
	enter := func(c Conn, identity, name string, role Role, named bool) string {
		w, err := r.Join(start, Join{Conn: c, Person: Person{identity, name, role}, Write: true, Named: named})
		require.NoError(t, err)
		return w.You.Name
	}
	require.Equal(t, "Ann Lee", enter(1, "ann", "  Ann \u202e Lee ", Host, true))
	require.Regexp(t, `^Guest \d{4}$`, enter(2, "bob", "\u200b", Viewer, false))
	require.Regexp(t, `^Guest \d{4}$`, enter(3, "imp", "ann  LEE", Viewer, false), "nobody is called like a host")
	require.Equal(t, "ann lee", enter(4, "real", "ann lee", Viewer, true), "but for a token")
	require.Equal(t, 40, length(enter(5, "long", strings.Repeat("ä", 99), Viewer, false)))
	require.Equal(t, "Ann Lee", enter(6, "ann", "Other", Viewer, false), "the token's name holds")

	refused(t, do(t, r, start, 1, `{"type":"name","name":"x"}`), "forbidden")
	for name, reason := range map[string]string{`Ann\u00a0l33`: "forbidden", `\u202eeve`: "malformed", `a\u0007`: "malformed", `\u200b`: "empty",
		strings.Repeat("x", 41): "too-long"} {
		refused(t, do(t, r, start, 2, `{"type":"name","name":"`+name+`"}`), reason)
	}
	r.Drain(start)
	done(t, do(t, r, start, 2, `{"type":"name","name":" Bob  B "}`))
	require.Contains(t, r.Drain(start.Add(time.Second)).State.People.List, Person{"bob", "Bob B", Viewer})
	done(t, do(t, r, start, 2, `{"type":"message","text":"x"}`))
	require.Equal(t, "Bob B", r.Drain(start).Entries[0].From.Name)

	r.Leave(start, 1)
	r.Leave(start, 6)
	done(t, do(t, r, start, 3, `{"type":"name","name":"Ann Lee"}`)) // free by now
	done(t, do(t, r, start, 3, `{"type":"message","text":"believe me"}`))
	r.Drain(start)
	require.Equal(t, "Ann Lee", enter(7, "ann", "Ann Lee", Host, true))
	people := r.Drain(start.Add(time.Minute)).State.People.List
	require.Contains(t, people, Person{"imp", guest("imp"), Viewer}, "nor did anybody keep it for later")
	require.Contains(t, people, Person{"real", "ann lee", Viewer})
	done(t, do(t, r, start, 3, `{"type":"message","text":"believe me"}`))
	require.Equal(t, guest("imp"), r.Drain(start).Entries[0].From.Name)

	enter(8, "mod", "", Moderator, false)
	done(t, do(t, r, start, 2, `{"type":"name","name":"Zoe"}`))
	done(t, do(t, r, start, 8, `{"type":"name","name":"zoé"}`))
	require.Contains(t, r.Drain(start.Add(2*time.Minute)).State.People.List, Person{"bob", guest("bob"), Viewer})
	_, err := r.Join(start, Join{Conn: 9, Person: Person{Identity: strings.Repeat("x", 300)}})
	require.ErrorIs(t, err, ErrMalformed)
}

func TestPeople(t *testing.T) {
	r := New("demo", Config{Each: 3}, Past{})
	join(t, r, 1, "ann", Viewer)
	join(t, r, 2, "ann", Host)
	_, err := r.Join(start, Join{Conn: 3, Person: Person{Identity: "ghost"}, Hidden: true})
	require.NoError(t, err)
	w := join(t, r, 4, "bob", Speaker)
	want := &People{Count: 2, List: []Person{{"ann", "ann", Host}, {"bob", "bob", Speaker}}}
	require.Equal(t, want, w.State.People)
	require.Equal(t, want, r.Drain(start).State.People)
	require.Nil(t, r.Drain(start.Add(time.Minute)).State)

	r.Leave(start, 2)
	require.Equal(t, Person{"ann", "ann", Viewer}, r.Drain(start).State.People.List[1])
	r.Leave(start, 1)
	r.Leave(start, 1)
	r.Leave(start, 99)
	require.Equal(t, 1, r.Drain(start).State.People.Count)

	for c := range Conn(4) {
		join(t, r, 10+c, "bob", Viewer)
	}
	require.Equal(t, []Cut{{4, CloseReplaced, "another connection took the place"}, {10, CloseReplaced, "another connection took the place"}}, r.Drain(start).Cut)
	require.Equal(t, 4, r.Info(start).Connections)
}

func TestACrowdIsCountedAndNotListed(t *testing.T) {
	r := New("demo", Config{Places: 150}, Past{})
	for i := range 150 {
		join(t, r, Conn(i), fmt.Sprint(i), Viewer)
	}
	_, err := r.Join(start, Join{Conn: 999, Person: Person{Identity: "one more"}})
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, &People{Count: 150}, r.Drain(start).State.People)
	r.Leave(start, 1)
	out := r.Drain(start)
	require.Nil(t, out.State, "a crowd is not told of each who comes and goes")
	require.False(t, out.Next.IsZero())
	require.Equal(t, 149, r.Drain(start.Add(time.Second)).State.People.Count)
	for i := range 60 {
		r.Leave(start, Conn(i))
	}
	require.Len(t, r.Drain(start.Add(2*time.Second)).State.People.List, 90)
	require.JSONEq(t, `{"count":0,"list":[]}`, string(must(json.Marshal(New("demo", Config{}, Past{}).crowd.all()))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestTheStream(t *testing.T) {
	r := New("demo", Config{}, Past{})
	require.Equal(t, "idle", join(t, r, 1, "ann", Viewer).State.Stream.State)
	r.Drain(start)
	s := StreamState{State: "live", Since: 1, Epoch: 1}
	r.Stream(start, s)
	require.Equal(t, "live", r.Drain(start).State.Stream.State)
	r.Stream(start, s)
	require.Nil(t, r.Drain(start).State)
	for i := range 30 {
		join(t, r, Conn(2+i), fmt.Sprint(i), Viewer)
	}
	r.Drain(start)
	s.Viewers = 7
	r.Stream(start.Add(time.Millisecond), s)
	require.Nil(t, r.Drain(start.Add(time.Millisecond)).State, "a number of viewers can wait")
	s.State = "ended"
	r.Stream(start.Add(time.Millisecond), s)
	require.Equal(t, 7, r.Drain(start.Add(time.Millisecond)).State.Stream.Viewers)
}

func TestTheAbsentAreForgotten(t *testing.T) {
	r := New("demo", Config{}, Past{})
	for i := range absentMax + 10 {
		join(t, r, 1, fmt.Sprint(i), Viewer)
		r.Leave(start, 1)
	}
	join(t, r, 1, "99", Viewer)
	r.Tick(start.Add(time.Second))
	require.Equal(t, absentMax, len(r.crowd.members), "those who left first are forgotten")
	r.Tick(start.Add(2 * absence))
	require.Len(t, r.crowd.members, 1)
	require.Empty(t, r.crowd.absent)
	r.Leave(start, 1)
	r.Tick(start.Add(2 * absence))
	require.Empty(t, r.crowd.members)
}

func TestMessagesPageByPage(t *testing.T) {
	r := open(t)
	for i := range 10 {
		done(t, r.Do(start, 3, Command{Verb: Say, Text: fmt.Sprint(i)}))
		done(t, r.Do(start, 3, Command{Verb: Clear}))
	}
	last, ok := r.Messages("", 3)
	require.True(t, ok)
	require.Len(t, last, 3)
	require.Equal(t, uint64(19), last[2].Seq)
	before, ok := r.Messages(last[0].ID, 100)
	require.True(t, ok)
	require.Len(t, before, 7)
	_, ok = r.Messages("x", 3)
	require.False(t, ok)
}

func TestPublicTellsNobodyWhatIsForModerators(t *testing.T) {
	e := Entry{Kind: Banned, Target: "x", Reason: "r", Address: home, Node: "n1"}
	require.JSONEq(t, `{"seq":0,"id":"","kind":"banned","at":0,"target":"x"}`, string(must(json.Marshal(e.Public()))))
	e.Client = HiddenID + "abc"
	require.Empty(t, e.Public().Client)
	e.Client = "mine"
	require.Equal(t, "mine", e.Public().Client)
	r := open(t)
	done(t, do(t, r, start, 3, `{"type":"ban","target":"x","reason":"r"}`))
	require.Equal(t, "r", join(t, r, 9, "mo", Moderator).Bans[0].Reason)
	require.Nil(t, join(t, r, 9, "vi", Viewer).Bans)
	require.Empty(t, join(t, r, 9, "vi", Viewer).Entries[0].Reason)
}

func TestEveryErrorHasItsWord(t *testing.T) {
	seen := map[string]bool{}
	for err, word := range reasons {
		require.False(t, seen[word])
		seen[word] = true
		no := refuse(err, "so")
		require.True(t, errors.Is(no, err))
		require.Equal(t, word, no.Reason())
	}
	require.Len(t, seen, 12)
}
