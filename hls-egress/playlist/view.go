package playlist

import (
	"strconv"
	"time"
)

// Versions of the protocol that a media playlist needs: 6 for EXT-X-MAP, 9 for
// EXT-X-SKIP (draft-pantos-hls-rfc8216bis section 8).
const (
	versionFull  = 6
	versionDelta = 9
)

// Multiples of the target durations.
const (
	holdBack     = 3 // TARGETDURATIONs (section 4.4.3.8)
	partHoldBack = 3 // PART-TARGETs; Apple's rules demand 3
	skipUntil    = 6 // TARGETDURATIONs, the least that is allowed
	partsUntil   = 3 // TARGETDURATIONs from the end parts are listed (L18)
)

// Report tells how far another rendition is (EXT-X-RENDITION-REPORT).
type Report struct {
	// URI is relative to the playlist.
	URI string
	// MSN and Part are of the newest part.
	MSN  uint64
	Part int
}

// View is a media playlist at one instant. It is immutable.
type View struct {
	format      Format
	segments    []*segment
	recent      []parts // of the last segments
	open        *openSegment
	hint        string
	reports     []Report
	independent bool
	ended       bool
}

// Ended reports whether the playlist has EXT-X-ENDLIST.
func (v *View) Ended() bool { return v.ended }

// Independent reports whether all segments begin with keyframes.
func (v *View) Independent() bool { return v.independent }

// Complete returns how many complete segments are listed.
func (v *View) Complete() int { return len(v.segments) }

// Newest returns the place of the newest part, false when there is none.
func (v *View) Newest() (msn uint64, part int, ok bool) {
	switch {
	case v.open != nil:
		return v.open.msn, v.open.count - 1, true
	case len(v.segments) > 0:
		return v.segments[len(v.segments)-1].msn, v.recent[len(v.recent)-1].count - 1, true
	default:
		return 0, 0, false
	}
}

// Append writes the whole playlist.
func (v *View) Append(b []byte) []byte {
	b = v.appendHeader(b, versionFull)
	return v.appendBody(b, 0)
}

// AppendDelta writes a Playlist Delta Update (section 6.2.5.1). It returns
// false, and writes nothing, where nothing can be skipped.
func (v *View) AppendDelta(b []byte) ([]byte, bool) {
	skip := v.skippable()
	if skip == 0 {
		return b, false
	}
	b = v.appendHeader(b, versionDelta)
	b = appendTag(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS=", uint64(skip))
	return v.appendBody(b, skip), true
}

// skippable counts the segments that lie wholly beyond the skip boundary.
func (v *View) skippable() int {
	if v.ended {
		return 0
	}
	after := v.openDuration()
	for i := len(v.segments) - 1; i >= 0; i-- {
		if after >= skipUntil*v.format.Target {
			return i + 1
		}
		after += v.segments[i].duration
	}
	return 0
}

func (v *View) openDuration() time.Duration {
	if v.open == nil {
		return 0
	}
	return v.open.duration
}

func (v *View) appendHeader(b []byte, version uint64) []byte {
	target := v.format.Target
	b = append(b, "#EXTM3U\n"...)
	b = appendTag(b, "#EXT-X-VERSION:", version)
	b = appendTag(b, "#EXT-X-TARGETDURATION:", uint64(target/time.Second))
	b = append(b, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL="...)
	b = appendAttribute(b, skipUntil*target)
	b = append(b, ",HOLD-BACK="...)
	b = appendAttribute(b, holdBack*target)
	b = append(b, ",PART-HOLD-BACK="...)
	b = appendAttribute(b, partHoldBack*(v.format.Part+unit)) // the target is rounded up, too
	b = append(b, "\n#EXT-X-PART-INF:PART-TARGET="...)
	b = appendAttribute(b, v.format.Part)
	b = append(b, '\n')
	var first *segment
	switch {
	case len(v.segments) > 0:
		first = v.segments[0]
	case v.open != nil:
		first = &v.open.segment
	default:
		return appendTag(b, "#EXT-X-MEDIA-SEQUENCE:", 0)
	}
	b = appendTag(b, "#EXT-X-MEDIA-SEQUENCE:", first.msn)
	before := first.number
	if first.discontinuity && before > 0 {
		before-- // its own tag is still there to count
	}
	b = appendTag(b, "#EXT-X-DISCONTINUITY-SEQUENCE:", before)
	if v.independent {
		b = append(b, "#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	}
	return b
}

// appendBody writes all but the first segments, what follows them, and the
// initialization section of the first one where that is written: a player has
// those that a delta update skips.
func (v *View) appendBody(b []byte, from int) []byte {
	listed, left := len(v.segments), v.openDuration() // from there to the end
	for listed > len(v.segments)-len(v.recent) {
		if left += v.segments[listed-1].duration; left > partsUntil*v.format.Target {
			break
		}
		listed--
	}
	for i, s := range v.segments[from:] {
		if from+i == 0 && !s.mapped {
			b = appendMap(b, s.segmentMap)
		}
		b = append(b, s.head...)
		if from+i >= listed {
			b = append(b, v.recent[from+i-(len(v.segments)-len(v.recent))].lines...)
		}
		b = append(b, s.tail...)
	}
	if s := v.open; s != nil {
		if len(v.segments) == 0 && !s.mapped {
			b = appendMap(b, s.segmentMap)
		}
		b = append(b, s.head...)
		b = append(b, s.lines...)
	}
	if v.ended {
		return append(b, "#EXT-X-ENDLIST\n"...)
	}
	if v.hint != "" {
		b = append(b, `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="`...)
		b = append(b, v.hint...)
		b = append(b, "\"\n"...)
	}
	for _, r := range v.reports {
		b = append(b, `#EXT-X-RENDITION-REPORT:URI="`...)
		b = append(b, r.URI...)
		b = append(b, `",LAST-MSN=`...)
		b = strconv.AppendUint(b, r.MSN, 10)
		b = append(b, ",LAST-PART="...)
		b = strconv.AppendInt(b, int64(r.Part), 10)
		b = append(b, '\n')
	}
	return b
}
