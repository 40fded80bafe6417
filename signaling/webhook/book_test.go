package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

var t0 = time.UnixMilli(1790000000500)

// counting returns ids that count.
func counting() func(string) string {
	n := 0
	return func(prefix string) string { n++; return fmt.Sprint(prefix, n) }
}

func snap(state media.State, epoch uint64) *media.Snapshot {
	return &media.Snapshot{Name: "demo", State: state, Epoch: epoch, Since: t0, Viewers: 2}
}

func names(events []*Event) []string {
	out := []string{}
	for _, e := range events {
		out = append(out, e.Event)
	}
	return out
}

func TestLifeOfAStream(t *testing.T) {
	b := newBook("n1", counting())
	sids := map[string]bool{}
	for i, step := range []struct {
		state media.State
		epoch uint64
		want  string
	}{
		{media.Idle, 0, ""},
		{media.Live, 1, RoomStarted},
		{media.Live, 1, ""},
		{media.Live, 2, ""}, // a take-over: the publishers' Events tell
		{media.Reconnecting, 2, StreamReconnecting},
		{media.Reconnecting, 2, ""},
		{media.Live, 3, StreamResumed},
		{media.Reconnecting, 3, StreamReconnecting},
		{media.Ended, 3, RoomFinished},
		{media.Ended, 3, ""},
		{media.Live, 4, RoomStarted},
		{media.Ended, 4, RoomFinished},
	} {
		events := b.snapshot(t0, snap(step.state, step.epoch))
		if step.want == "" {
			require.Empty(t, events, i)
			continue
		}
		require.Equal(t, []string{step.want}, names(events), i)
		e := events[0]
		require.Equal(t, Stream{string(step.state), t0.UnixMilli(), step.epoch, 2}, *e.Stream)
		require.Equal(t, "demo", e.Room.Name)
		require.EqualValues(t, 1790000000, e.CreatedAt)
		require.EqualValues(t, 1790000000500, e.CreatedAtMs)
		require.Equal(t, "n1", e.Node)
		sids[e.Room.SID] = true
	}
	require.Len(t, sids, 2, "one for each broadcast")
	require.Empty(t, b.live)
}

func viewer(i int) Visit {
	return Visit{Stream: "demo", Session: fmt.Sprint("s", i), Identity: fmt.Sprint("id", i), Via: "whep", Since: t0}
}

func TestViewersComeInBatches(t *testing.T) {
	b := newBook("", counting())
	require.True(t, b.next().IsZero())
	require.Empty(t, b.joined(t0, viewer(1)))
	require.Equal(t, t0.Add(batchTime), b.next())
	require.Empty(t, b.joined(t0, viewer(2)))
	require.Empty(t, b.left(t0.Add(batchTime/2), viewer(1)))
	require.Empty(t, b.due(t0.Add(batchTime-1)))
	events := b.due(t0.Add(batchTime))
	require.Equal(t, []string{ParticipantJoined, ParticipantLeft}, names(events))
	require.Equal(t, "s1", events[0].Participant.SID)
	require.Equal(t, "ACTIVE", events[0].Participant.State)
	require.Len(t, events[0].Participants, 2)
	require.Equal(t, "DISCONNECTED", events[1].Participant.State)
	require.Equal(t, t0.Add(batchTime/2).UnixMilli(), events[1].Participant.LeftAtMs)
	require.Nil(t, events[1].Participants, "alone")
	require.Empty(t, events[0].Room.SID, "nothing is live")
	require.True(t, b.next().IsZero())

	for i := range batchSize - 1 {
		require.Empty(t, b.joined(t0, viewer(i)))
	}
	require.Len(t, b.joined(t0, viewer(1000))[0].Participants, batchSize, "a full one waits no longer")
}

// A batch with the longest names that a token has room for is still one line
// of a file.
func TestBatchesAreBounded(t *testing.T) {
	b := newBook("", counting())
	long := viewer(1)
	long.Identity, long.Name = strings.Repeat("\x01", 8<<10), strings.Repeat("\x02", 8<<10)
	require.Empty(t, b.joined(t0, long))
	events := b.joined(t0, long)
	require.Len(t, events, 1)
	body, err := json.Marshal(events[0])
	require.NoError(t, err)
	require.Greater(t, len(body), 150_000)
	var line bytes.Buffer
	require.NoError(t, json.NewEncoder(&line).Encode(Letter{ID: "EV_1.r", Receiver: "r", Body: body}))
	n := 0
	bad, err := readLetters(&line, func(Letter) { n++ })
	require.NoError(t, err)
	require.Zero(t, bad)
	require.Equal(t, 1, n)
}

// What viewers did is told before what came next.
func TestBatchesKeepTheOrder(t *testing.T) {
	b := newBook("", counting())
	b.joined(t0, viewer(1))
	require.Equal(t, []string{ParticipantJoined, RoomStarted}, names(b.snapshot(t0, snap(media.Live, 1))))
	b.left(t0, viewer(1))
	publisher := Visit{Stream: "demo", Session: "p", Identity: "ann", Name: "Ann", Publisher: true, Via: "whip", Since: t0}
	events := b.joined(t0, publisher)
	require.Equal(t, []string{ParticipantLeft, ParticipantJoined}, names(events))
	require.True(t, events[1].Participant.IsPublisher)
	require.Equal(t, 3, events[1].Room.NumParticipants)
	require.Equal(t, 1, events[1].Room.NumPublishers)
	require.Equal(t, []string{ParticipantLeft}, names(b.left(t0, publisher)))
}

func TestTheEndOfTheServer(t *testing.T) {
	b := newBook("", counting())
	b.snapshot(t0, snap(media.Live, 1))
	b.joined(t0, viewer(1))
	other := viewer(2)
	other.Stream = "other"
	b.joined(t0, other)
	events := b.close(t0)
	require.ElementsMatch(t, []string{ParticipantJoined, ParticipantJoined, RoomFinished}, names(events))
	require.Equal(t, RoomFinished, events[2].Event)
	require.Empty(t, b.live)
	require.Empty(t, b.batches)
}

func TestMessagesKeepSecrets(t *testing.T) {
	b := newBook("", counting())
	entry := room.Entry{
		Seq: 1, ID: "01K", Kind: room.Message, At: 5, From: &room.Person{Identity: "bob", Name: "Bob", Role: room.Viewer},
		Text: "<b>hi</b>", Reason: "secret", Address: netip.MustParseAddr("192.0.2.1"),
	}
	events := b.message(t0, "demo", entry)
	body, err := json.Marshal(events[0])
	require.NoError(t, err)
	require.NotContains(t, string(body), "secret")
	require.NotContains(t, string(body), "192.0.2.1")
	require.Equal(t, "<b>hi</b>", events[0].Message.Text)
	require.Equal(t, "secret", entry.Reason, "the Room's own is left alone")
}
