package health

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/media"
)

var now = began.Add(time.Minute)

// browser is a publisher that is as it should be: three Layers on request.
func browser() *Publisher {
	p := &Publisher{
		HasAudio: true, HasVideo: true, Since: began, Offered: []string{"q", "h", "f"},
		Audio: &Layer{Reading: Reading{Arrived: now, Stereo: 1}, Wanted: true},
	}
	for i, rid := range p.Offered {
		side := 180 << i
		p.Video = append(p.Video, Layer{
			RID: rid, Wanted: true, Asked: true, Obedience: media.Obedient,
			Reading: Reading{Arrived: now, FrameRate: 30, Nominal: 30, GOP: 40 * time.Second, DriftKnown: true},
			Status:  media.LayerStatus{Active: true, Width: side * 16 / 9, Height: side, Bitrate: 350_000 << i},
		})
	}
	return p
}

// obs is a publisher with one Layer that cannot be asked for keyframes.
func obs(gop time.Duration) *Publisher {
	p := browser()
	p.Offered, p.Video = nil, p.Video[2:]
	l := &p.Video[0]
	l.RID, l.Asked, l.Obedience, l.GOP, l.Status.Bitrate = "", false, media.Untested, gop, 1_400_000
	return p
}

func find(t *testing.T, p *Publisher, id ID) Verdict {
	t.Helper()
	for _, v := range Judge(now, p) {
		if v.ID == id {
			require.NotEmpty(t, v.Text)
			require.Equal(t, v.Severity == OK, v.Remedy == "", "%+v", v)
			return v
		}
	}
	return Verdict{}
}

func TestNothingWrong(t *testing.T) {
	for name, p := range map[string]*Publisher{"browser": browser(), "OBS": obs(time.Second)} {
		all := Judge(now, p)
		require.Len(t, all, 9, name)
		for _, v := range all {
			require.Equal(t, OK, v.Severity, "%s: %+v", name, v)
			require.Empty(t, v.Layer)
		}
	}
}

func TestJudge(t *testing.T) {
	change := func(f func(p *Publisher)) *Publisher { p := browser(); f(p); return p }
	all := func(f func(l *Layer)) *Publisher {
		return change(func(p *Publisher) {
			for i := range p.Video {
				f(&p.Video[i])
			}
		})
	}
	long := now.Add(-time.Hour)
	for _, c := range []struct {
		what     string
		p        *Publisher
		id       ID
		severity Severity
		layer    string
		words    string
	}{
		{"OBS with a long GOP", obs(4 * time.Second), Keyframes, Notice, "", "every 4.0 s"},
		{"OBS with its default GOP", obs(10 * time.Second), Keyframes, Warning, "", "every 10.0 s"},
		{"OBS with a long GOP", obs(10 * time.Second), Requests, Notice, "", "cannot be asked"},
		{"OBS with a short GOP", obs(time.Second), Requests, OK, "", "cannot be asked"},
		{"deaf encoder", all(func(l *Layer) { l.Obedience = media.Deaf }), Requests, Notice, "f", "ignores"},
		{"deaf encoder", all(func(l *Layer) { l.Obedience = media.Deaf }), Keyframes, Warning, "f", "40.0 s"},
		{"deaf encoder, short GOP", all(func(l *Layer) { l.Obedience, l.GOP = media.Deaf, time.Second }), Requests, OK, "", "ignores"},
		{"B-frames", all(func(l *Layer) { l.Reordered = 0.5 }), BFrames, Warning, "f", "50 %"},
		{"a layer that drops frames", change(func(p *Publisher) { p.Video[0].FrameRate = 20 }), FrameRate, Notice, "q", "20 frames per second instead of 30"},
		{"a layer that stutters", change(func(p *Publisher) { p.Video[1].FrameRate = 8 }), FrameRate, Warning, "h", "8 frames"},
		{"late frames", all(func(l *Layer) { l.Jitter = 120 * time.Millisecond }), Pacing, Notice, "f", "120 ms"},
		{"very late frames", all(func(l *Layer) { l.Jitter = time.Second }), Pacing, Warning, "f", "1000 ms"},
		{"loss", change(func(p *Publisher) { p.Video[2].Lost = 0.005 }), Loss, Notice, "f", "0.5 %"},
		{"much loss", change(func(p *Publisher) { p.Video[2].Lost = 0.05 }), Loss, Warning, "f", "5.0 %"},
		{"lost sound", change(func(p *Publisher) { p.Audio.Lost = 0.05 }), Loss, Warning, "audio", "Sound: 5.0 %"},
		{"much repair", change(func(p *Publisher) { p.Video[2].Repaired = 0.1 }), Loss, Notice, "f", "10.0 %"},
		{"some repair", change(func(p *Publisher) { p.Video[2].Repaired = 0.01 }), Loss, OK, "", "1.0 %"},
		{"slow clock", all(func(l *Layer) { l.Drift = 500 }), Clock, Notice, "f", "500 ppm slow"},
		{"fast clock", all(func(l *Layer) { l.Drift = -5000 }), Clock, Warning, "f", "5000 ppm fast"},
		{"no sound", change(func(p *Publisher) { p.HasAudio, p.Audio = false, nil }), Sound, OK, "", "no sound"},
		{"sound that never came", change(func(p *Publisher) { p.Audio = nil }), Sound, Notice, "", "none comes"},
		{"sound that stopped", change(func(p *Publisher) { p.Audio.Arrived = long }), Sound, Notice, "", "none comes"},
		{"mono", change(func(p *Publisher) { p.Audio.Stereo = 0 }), Sound, OK, "", "mono"},
		{"DTX", change(func(p *Publisher) { p.Audio.Silent = 0.5 }), Sound, OK, "", "DTX"},
		{"no video", change(func(p *Publisher) { p.Video = nil }), Ladder, Warning, "", "none comes"},
		{"a layer that never came", change(func(p *Publisher) { p.Video = p.Video[:2] }), Ladder, Notice, "", "f was announced and does not"},
		{"layers that stopped", change(func(p *Publisher) { p.Video[1].Arrived, p.Video[2].Arrived = long, long }), Ladder, Notice, "", "h and f were announced and do not"},
		{"a heavy single layer", change(func(p *Publisher) { p.Offered, p.Video = nil, p.Video[2:]; p.Video[0].Status.Bitrate = 6e6 }), Ladder, Notice, "", "6.0 Mbit/s"},
		{"a heavy smallest layer", all(func(l *Layer) { l.Status.Bitrate = 6e6 }), Ladder, Notice, "", "smallest layer has 6.0"},
		{"a gap in size", change(func(p *Publisher) { p.Offered, p.Video = []string{"q", "f"}, []Layer{p.Video[0], p.Video[2]} }), Ladder, Notice, "", "q and f are far apart: 16 times"},
		{"a gap in bitrate", change(func(p *Publisher) { p.Video[2].Status.Bitrate = 20e6 }), Ladder, Notice, "", "h and f are far apart: 29 times the bitrate"},
		{"the same twice", change(func(p *Publisher) { p.Video[1].Status = p.Video[0].Status }), Ladder, Notice, "", "q and h are nearly the same"},
	} {
		v := find(t, c.p, c.id)
		require.Equal(t, c.severity, v.Severity, "%s: %+v", c.what, v)
		require.Equal(t, c.layer, v.Layer, "%s: %+v", c.what, v)
		require.Contains(t, v.Text, c.words, c.what)
		require.False(t, strings.Contains(v.Text, "NaN") || strings.Contains(v.Text, "%!"), v.Text)
	}
}

// Layers that nobody wants are paused, not failed, and are judged for nothing.
func TestPausedLayersAreNoFailure(t *testing.T) {
	p := browser()
	for i := range p.Video[1:] {
		l := &p.Video[1+i]
		l.Wanted, l.Arrived, l.FrameRate, l.Lost = false, now.Add(-time.Minute), 1, 1
	}
	for _, v := range Judge(now, p) {
		require.Equal(t, OK, v.Severity, "%+v", v)
	}
	require.Equal(t, "3 layers; h and f paused, as nobody watches.", find(t, p, Ladder).Text)
	p.Video[2].Wanted = true
	require.Equal(t, Notice, find(t, p, Ladder).Severity)
}

// Nothing is said about what is not known yet.
func TestJudgeTooEarly(t *testing.T) {
	require.Empty(t, Judge(began, &Publisher{HasAudio: true, HasVideo: true, Since: began, Offered: []string{"q"}}))
	p := browser()
	for i := range p.Video {
		p.Video[i].Reading = Reading{Arrived: now, GOP: time.Hour}
		p.Video[i].Obedience = media.Untested
	}
	for _, id := range []ID{Keyframes, Requests, FrameRate, Clock} {
		require.Zero(t, find(t, p, id), id)
	}
}

func TestMonitorIsCalm(t *testing.T) {
	var m Monitor
	at := func(second int, s Severity, words string) []Verdict {
		var in []Verdict
		if words != "" {
			in = []Verdict{{ID: Loss, Severity: s, Text: words}}
		}
		return m.Update(began.Add(time.Duration(second)*time.Second), in)
	}
	require.Equal(t, "fine", at(0, OK, "fine")[0].Text, "good news shows at once")
	require.Equal(t, "fine", at(1, Warning, "bad")[0].Text)
	require.Equal(t, "still fine", at(2, OK, "still fine")[0].Text)
	require.Equal(t, "still fine", at(3, Warning, "bad")[0].Text, "it begins anew")
	require.Equal(t, "still fine", at(5, Warning, "bad")[0].Text)
	require.Equal(t, "bad", at(6, Warning, "bad")[0].Text)
	require.Equal(t, "worse", at(7, Warning, "worse")[0].Text, "figures follow")
	require.Equal(t, "worse", at(8, OK, "fine")[0].Text)
	require.Equal(t, "worse", at(15, OK, "fine")[0].Text)
	require.Equal(t, "fine", at(16, OK, "fine")[0].Text)
	require.Equal(t, "fine", at(17, OK, "")[0].Text)
	require.Empty(t, at(25, OK, ""), "what is not judged any more goes too")
	require.Empty(t, at(30, Warning, "bad"), "a first one that is bad waits as well")
	require.Equal(t, "bad", at(33, Warning, "bad")[0].Text)
}

func TestMonitorKeepsTheOrder(t *testing.T) {
	var m Monitor
	out := m.Update(began, []Verdict{{ID: Sound, Severity: OK, Text: "a"}, {ID: Keyframes, Severity: OK, Text: "b"}})
	require.Equal(t, []ID{Keyframes, Sound}, []ID{out[0].ID, out[1].ID})
}
