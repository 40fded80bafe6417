package room

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world is two Nodes with the same Room, the files that they write, and what is
// on its way between them, which may come late, in another order and again.
type world struct {
	t     *rapid.T
	now   time.Time
	rooms [2]*Room
	files [2]struct {
		base    Past
		entries []Entry
	}
	underway [2][]Entry
	told     [2]uint64            // the last Seq
	acks     map[string]string    // by Node, identity and client id
	oracle   [2]map[string]*Entry // the latest Entry by what it is about
}

var (
	identities = []string{"vi", "va", "sp", "mo", "ma", "ho"}
	roles      = []Role{Viewer, Viewer, Speaker, Moderator, Moderator, Host}
	worldCfg   = Config{Kept: 40, History: 10, Each: 2, Messages: Rate{1, 50}}
)

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: start, acks: map[string]string{}}
	for i := range w.rooms {
		w.files[i].base = Past{Log: fmt.Sprint("log", i)}
		w.oracle[i] = map[string]*Entry{}
		w.restart(i)
	}
	return w
}

func (w *world) restart(i int) {
	cfg := worldCfg
	cfg.Node = fmt.Sprint("n", i)
	past := w.files[i].base
	past.Next = w.told[i] + 1
	past.Recent = slices.Concat(past.Recent, w.files[i].entries)
	w.rooms[i] = New("demo", cfg, past)
}

// compact replaces a file by what the Room says that has to be kept.
func (w *world) compact(i int) {
	w.files[i].base, w.files[i].entries = w.rooms[i].Past(), nil
	w.files[i].base.Audit = nil // what stands does not rest on it
}

// drain takes what a Node tells, and holds it against the rules.
func (w *world) drain(i int) {
	out := w.rooms[i].Drain(w.now)
	for _, e := range out.Entries {
		w.told[i]++
		require.Equal(w.t, w.told[i], e.Seq, "no gaps")
		if e.Node == w.rooms[i].cfg.Node {
			w.underway[1-i] = append(w.underway[1-i], e)
			w.checkAllowed(i, &e)
		}
		w.note(i, e)
	}
	w.files[i].entries = append(w.files[i].entries, out.Entries...)
}

// note is an oracle of its own: the latest Entry about each thing.
func (w *world) note(i int, e Entry) {
	key := map[Kind]string{Muted: "m", Unmuted: "m", Banned: "b", Unbanned: "b"}[e.Kind] + e.Target
	if old := w.oracle[i][key]; key != e.Target && (old == nil || e.After(*old)) {
		w.oracle[i][key] = &e
	}
}

func (w *world) checkAllowed(i int, e *Entry) {
	if e.From == nil || e.Kind == Banned && e.Client == "" {
		return // the operator's, or an address lent
	}
	for _, key := range []string{"m" + e.From.Identity, "b" + e.From.Identity} {
		old := w.oracle[i][key]
		if old == nil || old.Kind != Muted && old.Kind != Banned || old.Until != 0 && old.Until <= w.now.UnixMilli() {
			continue
		}
		if old.From != nil && old.From.Role.rank() <= e.From.Role.rank() {
			continue
		}
		if old.Kind == Banned || spoken(e.Kind) {
			w.t.Fatalf("%+v was accepted in spite of %+v", e, old)
		}
	}
}

func (w *world) command() (who int, cmd Command) {
	t := w.t
	who = rapid.IntRange(0, len(identities)-1).Draw(t, "who")
	cmd = Command{
		ID:   fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "id")),
		Verb: rapid.SampledFrom([]Verb{Say, Say, Say, Announce, Pin, Delete, Clear, Set, Mute, Unmute, Ban, Unban}).Draw(t, "verb"),
		Text: "x", Target: rapid.SampledFrom(identities).Draw(t, "target"),
		Seconds: rapid.Int64Range(0, 20).Draw(t, "seconds"), Address: rapid.Bool().Draw(t, "address"),
	}
	if cmd.ID == "9" {
		cmd.ID = rapid.StringMatching(`[a-z]{8}`).Draw(t, "fresh id")
	}
	if slow := rapid.IntRange(0, 5).Draw(t, "slow"); cmd.Verb == Set {
		locked := rapid.Bool().Draw(t, "locked")
		cmd.SlowMode, cmd.Locked = &slow, &locked
	}
	return who, cmd
}

func (w *world) do() {
	i := rapid.IntRange(0, 1).Draw(w.t, "node")
	who, cmd := w.command()
	if held := w.rooms[i].log.held(); (cmd.Verb == Pin || cmd.Verb == Delete) && len(held) > 0 {
		cmd.Target = rapid.SampledFrom(held).Draw(w.t, "entry").ID
	}
	_, err := w.rooms[i].Join(w.now, Join{Conn: Conn(who), Person: Person{Identity: identities[who], Role: roles[who]}, Write: true, Address: home})
	if err != nil {
		return
	}
	p := w.rooms[i].Do(w.now, Conn(who), cmd)
	if p.Refused != nil {
		require.NotEmpty(w.t, p.Refused.Reason())
		return
	}
	key := fmt.Sprint(i, identities[who], "/", cmd.ID)
	// What left no Entry, or one that is held no more, is not known after a restart.
	if old := w.acks[key]; w.rooms[i].log.find(old) != nil {
		require.Equal(w.t, old, p.Entry, "done once, acknowledged alike")
	}
	w.acks[key] = p.Entry
}

func (w *world) deliver(all bool) {
	i := rapid.IntRange(0, 1).Draw(w.t, "to")
	list := rapid.Permutation(w.underway[i]).Draw(w.t, "order")
	n := len(list)
	if !all && n > 0 {
		n = rapid.IntRange(0, n).Draw(w.t, "some")
	}
	w.rooms[i].Merge(w.now, list[:n])
	if !rapid.Bool().Draw(w.t, "again later") {
		w.underway[i] = list[n:]
	}
	w.drain(i)
}

// view is what has to be the same on both Nodes, and after a restart.
type view struct {
	Settings    Settings
	Pin         string
	Bans, Mutes []string
}

func (w *world) view(r *Room) view {
	v := view{Settings: r.current(), Pin: r.pin.Target}
	for _, e := range r.Bans(w.now) {
		v.Bans = append(v.Bans, fmt.Sprint(e.Target, e.ID))
	}
	for _, e := range r.Mutes(w.now) {
		v.Mutes = append(v.Mutes, fmt.Sprint(e.Target, e.ID))
	}
	return v
}

// texts are what can be read, by id.
func texts(r *Room) map[string]string {
	out := map[string]string{}
	for _, e := range r.log.held() {
		if spoken(e.Kind) {
			out[e.ID] = e.Text
		}
	}
	return out
}

func TestTwoNodesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.t.Repeat(map[string]func(*rapid.T){
			"do":      func(*rapid.T) { w.do(); w.drain(0); w.drain(1) },
			"do more": func(*rapid.T) { w.do(); w.drain(0); w.drain(1) },
			"deliver": func(*rapid.T) { w.deliver(false) },
			"wait": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 10000).Draw(t, "ms")) * time.Millisecond)
				w.rooms[0].Tick(w.now)
				w.rooms[1].Tick(w.now)
			},
			"restart": func(t *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(t, "node")
				if rapid.Bool().Draw(t, "compact") {
					w.compact(i)
				}
				before, said := w.view(w.rooms[i]), texts(w.rooms[i])
				w.restart(i)
				require.Equal(t, before, w.view(w.rooms[i]), "replayed")
				require.Equal(t, said, texts(w.rooms[i]), "replayed")
			},
		})
		for i := range w.rooms {
			w.rooms[i].Merge(w.now, w.underway[i])
			w.drain(i)
		}
		for i := range w.rooms { // addresses lent in the last step
			w.rooms[i].Merge(w.now, w.underway[i])
			w.drain(i)
		}
		require.Equal(t, w.view(w.rooms[0]), w.view(w.rooms[1]))
		a, b := texts(w.rooms[0]), texts(w.rooms[1])
		for id, text := range a {
			if other, ok := b[id]; ok {
				require.Equal(t, text, other, id)
			}
		}
	})
}

// TestWhoResumesMissesNothing: history and what follows each position are one
// sequence.
func TestWhoResumesMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kept := rapid.IntRange(1, 20).Draw(t, "kept")
		r := New("demo", Config{Log: "k", Kept: kept, History: 1, Messages: Rate{1e6, 1e6}}, Past{})
		var all []string
		seen := map[string]int{}
		for i := range rapid.IntRange(0, 60).Draw(t, "messages") {
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				r = New("demo", r.cfg, r.Past())
			}
			p := r.Act(start, nil, Command{Verb: Announce, Text: fmt.Sprint(i)})
			all = append(all, p.Entry)
			seen[r.log.position()] = len(all)
			require.LessOrEqual(t, len(r.log.place), kept+1)
			require.LessOrEqual(t, len(r.log.entries), 2*kept)
		}
		for position, n := range seen {
			rest, ok := r.Since(position)
			require.Equal(t, len(all)-n <= kept, ok, position)
			for i, e := range rest {
				require.Equal(t, all[n+i], e.ID)
			}
			require.True(t, !ok || len(rest) == len(all)-n)
		}
	})
}
