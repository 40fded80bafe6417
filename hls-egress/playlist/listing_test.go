package playlist

import (
	"fmt"
	"strings"
	"testing"
	"time"

	oracle "github.com/bluenviron/gohlslib/v2/pkg/playlist"
	"github.com/stretchr/testify/require"
)

var (
	format = Format{Part: 200*time.Millisecond + time.Second/30, Target: 2 * time.Second}
	epoch  = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

// filler puts parts into a Listing, ten to a segment.
type filler struct {
	*Listing
	n     int
	from  uint64
	mapTo string
	// discontinue marks the next segment.
	discontinue bool
}

func newFiller(window time.Duration) *filler {
	return &filler{Listing: NewListing(format, window, 0), mapTo: "i0.mp4"}
}

func (f *filler) parts(n int) *filler {
	for range n {
		msn, i := f.from+uint64(f.n/10), f.n%10
		f.Add(Part{
			MSN: msn, URI: fmt.Sprintf("r-%d.%d.mp4", msn, i), Segment: fmt.Sprintf("r-%d.mp4", msn), Map: f.mapTo,
			Duration: 200 * time.Millisecond, Wall: epoch.Add(time.Duration(f.n) * 200 * time.Millisecond),
			Independent: i == 0, Last: i == 9, Discontinuity: f.discontinue && i == 0,
		})
		if i == 0 {
			f.discontinue = false
		}
		f.n++
	}
	return f
}

func (f *filler) text() string { return string(f.View("next.mp4", nil).Append(nil)) }

func parse(t *testing.T, text string) *oracle.Media {
	t.Helper()
	var m oracle.Media
	require.NoError(t, m.Unmarshal([]byte(text)), text)
	return &m
}

func TestWholePlaylist(t *testing.T) {
	f := newFiller(time.Minute).parts(12)
	reports := []Report{{URI: "../audio/index.m3u8", MSN: 1, Part: 1}}
	got := string(f.View("r-1.2.mp4", reports).Append(nil))
	want := `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6,PART-HOLD-BACK=0.70003
#EXT-X-PART-INF:PART-TARGET=0.23334
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="i0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:00.000Z
`
	for i := range 10 {
		want += fmt.Sprintf(`#EXT-X-PART:DURATION=0.20000,URI="r-0.%d.mp4"`, i)
		if i == 0 {
			want += ",INDEPENDENT=YES"
		}
		want += "\n"
	}
	want += `#EXTINF:2.00000,
r-0.mp4
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:02.000Z
#EXT-X-PART:DURATION=0.20000,URI="r-1.0.mp4",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.20000,URI="r-1.1.mp4"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="r-1.2.mp4"
#EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=1,LAST-PART=1
`
	require.Equal(t, want, got)
}

// L7, L5: what is promised is not less than what comes, whatever the rounding.
func TestPromisesAreRoundedUp(t *testing.T) {
	for _, part := range []time.Duration{time.Second / 3, 200*time.Millisecond + time.Second/30, 233_333_333, 100_000_001} {
		l := NewListing(Format{Part: part, Target: 2 * time.Second}, time.Minute, 0)
		l.Add(Part{URI: "p", Segment: "s", Map: "m", Duration: part, Independent: true})
		m := parse(t, string(l.View("h", nil).Append(nil))+"#EXTINF:2,\ns\n")
		require.LessOrEqual(t, m.Segments[0].Parts[0].Duration, m.PartInf.PartTarget)
		require.GreaterOrEqual(t, *m.ServerControl.PartHoldBack, 3*m.PartInf.PartTarget)
	}
}

// L17, L18: old segments leave at the front, old parts before them.
func TestWindowMoves(t *testing.T) {
	f := newFiller(20 * time.Second).parts(10*40 + 3)
	m := parse(t, f.text())
	require.Equal(t, 30, m.MediaSequence)
	require.Len(t, m.Segments, 10)
	for i, s := range m.Segments {
		require.NotNil(t, s.DateTime, "L16: no tag of a listed segment vanishes")
		left := time.Duration(10-i)*2*time.Second + 600*time.Millisecond // from its start
		require.Equal(t, left <= 6*time.Second, len(s.Parts) > 0, "segment %d", i)
	}
	require.Len(t, m.Parts, 3)
	require.LessOrEqual(t, len(f.recent), 3, "a day's parts are too much to keep")

	least := newFiller(time.Second).parts(10 * 20)
	require.Len(t, parse(t, least.text()).Segments, 4)
}

// L14: a delta update says the same as the whole playlist.
func TestDelta(t *testing.T) {
	f := newFiller(time.Minute).parts(10 * 4)
	_, ok := f.View("h", nil).AppendDelta(nil)
	require.False(t, ok, "nothing is old enough")
	f.parts(10*20 + 3)
	v := f.View("next.mp4", []Report{{URI: "../a/index.m3u8"}})
	whole := string(v.Append(nil))
	b, ok := v.AppendDelta(nil)
	require.True(t, ok)
	delta := string(b)
	require.Less(t, len(delta), len(whole))
	require.Contains(t, delta, "#EXT-X-VERSION:9\n")
	m := parse(t, delta)
	require.NotNil(t, m.Skip)
	var kept time.Duration
	for _, s := range m.Segments {
		kept += s.Duration
	}
	require.GreaterOrEqual(t, kept+600*time.Millisecond, 12*time.Second)
	require.Less(t, kept+600*time.Millisecond-2*time.Second, 12*time.Second)
	// Applied, it is the whole playlist: the lines of so many segments go in
	// where the tag is.
	header, rest, _ := strings.Cut(delta, fmt.Sprintf("#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", m.Skip.SkippedSegments))
	header = strings.Replace(header, "VERSION:9", "VERSION:6", 1)
	require.True(t, strings.HasPrefix(whole, header))
	require.True(t, strings.HasSuffix(whole, rest))
	between := whole[len(header) : len(whole)-len(rest)]
	require.Equal(t, m.Skip.SkippedSegments, strings.Count(between, "#EXTINF"))

	f.End()
	_, ok = f.View("", nil).AppendDelta(nil)
	require.False(t, ok)
}

// A discontinuity keeps its number while it is listed and after.
func TestDiscontinuity(t *testing.T) {
	f := newFiller(8 * time.Second).parts(20)
	f.discontinue, f.mapTo = true, "i1.mp4"
	f.parts(20)
	text := f.text()
	require.Contains(t, text, "r-1.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"i1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME")
	require.Equal(t, 0, *parse(t, text).DiscontinuitySequence)
	f.parts(20) // the segment with the tag is the first one
	text = f.text()
	require.Equal(t, 2, parse(t, text).MediaSequence)
	require.Contains(t, text, "#EXT-X-DISCONTINUITY\n")
	require.Equal(t, 0, *parse(t, text).DiscontinuitySequence)
	require.Equal(t, 1, strings.Count(text, "#EXT-X-MAP"))
	f.parts(10)
	text = f.text()
	require.NotContains(t, text, "#EXT-X-DISCONTINUITY\n")
	require.Equal(t, 1, *parse(t, text).DiscontinuitySequence)
	require.Contains(t, text, `MAP:URI="i1.mp4"`)
	require.EqualValues(t, 1, f.Discontinuities())

	again := newFiller(8 * time.Second)
	again.discontinue = true
	text = again.parts(12).text()
	require.Equal(t, 0, *parse(t, text).DiscontinuitySequence)
	again.parts(60)
	require.Equal(t, 1, *parse(t, again.text()).DiscontinuitySequence, "its tag has been counted")
	again.discontinue = true
	again.parts(20)
	require.Contains(t, again.text(), "#EXT-X-DISCONTINUITY\n#EXT-X-MAP", "also when the section is the same")

	late := &filler{Listing: NewListing(format, time.Minute, f.Discontinuities()), mapTo: "i0.mp4", from: 7}
	require.Equal(t, 1, *parse(t, late.parts(11).text()).DiscontinuitySequence)
	require.Equal(t, 7, parse(t, late.text()).MediaSequence)
}

// A rendition that stood still goes on without a hole.
func TestHoleBeginsAnew(t *testing.T) {
	f := newFiller(time.Minute).parts(35)
	f.from = 5 // segments 3 to 7 were never made
	f.parts(15)
	m := parse(t, f.text())
	require.Equal(t, 8, m.MediaSequence)
	require.Len(t, m.Segments, 2)
	require.NotNil(t, m.Map)
	first, ok := f.First()
	require.True(t, ok)
	require.EqualValues(t, 8, first)
}

func TestEnd(t *testing.T) {
	f := newFiller(time.Minute).parts(13)
	f.End()
	text := string(f.View("", nil).Append(nil))
	require.True(t, strings.HasSuffix(text, "r-1.mp4\n#EXT-X-ENDLIST\n"))
	require.Len(t, parse(t, text).Segments, 2)
	require.True(t, f.View("", nil).Ended())
}

func TestDependentSegmentsAreNotPromised(t *testing.T) {
	f := newFiller(time.Minute).parts(10)
	require.Contains(t, f.text(), "INDEPENDENT-SEGMENTS")
	f.Add(Part{MSN: 1, URI: "p", Segment: "s", Map: "i0.mp4", Duration: format.Part})
	require.NotContains(t, f.text(), "INDEPENDENT-SEGMENTS")
}

// A View stays as it was, whatever comes after it.
func TestViewsAreImmutable(t *testing.T) {
	f := newFiller(8 * time.Second)
	var views []*View
	var texts []string
	for range 150 {
		f.parts(1)
		v := f.View("h", nil)
		views, texts = append(views, v), append(texts, string(v.Append(nil)))
	}
	for i, v := range views {
		require.Equal(t, texts[i], string(v.Append(nil)))
	}
}
