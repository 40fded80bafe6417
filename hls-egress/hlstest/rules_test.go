package hlstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// good is a playlist without a fault, up to and with n parts of segment 3.
func good(n int) string {
	var b strings.Builder
	b.WriteString(`#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="i.mp4"
`)
	for msn := 1; msn <= 3; msn++ {
		fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:%02d.000Z\n", 2*msn)
		for i := range 4 {
			if msn == 3 && i >= n || msn == 1 {
				break
			}
			fmt.Fprintf(&b, "#EXT-X-PART:DURATION=0.5,URI=\"%d.%d.mp4\"", msn, i)
			if i == 0 {
				b.WriteString(",INDEPENDENT=YES")
			}
			b.WriteString("\n")
		}
		if msn < 3 {
			fmt.Fprintf(&b, "#EXTINF:2.0,\n%d.mp4\n", msn)
		}
	}
	fmt.Fprintf(&b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"3.%d.mp4\"\n", n)
	b.WriteString("#EXT-X-RENDITION-REPORT:URI=\"../a/index.m3u8\",LAST-MSN=3,LAST-PART=0\n")
	return b.String()
}

// judge returns the rules that a playlist breaks after an older one.
func judge(t *testing.T, older, newer string) []string {
	t.Helper()
	var rules []string
	report := func(rule, _ string, _ ...any) {
		if !slices.Contains(rules, rule) {
			rules = append(rules, rule)
		}
	}
	p, err := parseMedia(newer)
	if err != nil {
		return []string{"L4"}
	}
	checkOne(p, 0, report)
	if older != "" {
		old, err := parseMedia(older)
		require.NoError(t, err)
		checkNext(old, p, report)
	}
	return rules
}

func TestGoodPlaylistsPass(t *testing.T) {
	require.Empty(t, judge(t, "", good(1)))
	require.Empty(t, judge(t, good(1), good(2)))
	require.Empty(t, judge(t, good(2), good(2)+"#EXT-X-ENDLIST\n"))
}

// Each fault is seen, and called by its rule.
func TestFaultsAreSeen(t *testing.T) {
	for name, c := range map[string]struct{ rule, from, to string }{
		"cut off":             {"L4", "LAST-PART=0\n", "LAST-PA"},
		"no header":           {"L4", "#EXTM3U", "#EXTM3"},
		"two targets":         {"L4", "#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n"},
		"gap":                 {"L4", "#EXTINF", "#EXT-X-GAP\n#EXTINF"},
		"playlist type":       {"L4", "#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:EVENT\n"},
		"bad attributes":      {"L4", "PART-TARGET=0.5", "PART-TARGET=0.5,"},
		"no blocking":         {"L4", "CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=NO"},
		"part hold back":      {"L5", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.4"},
		"hold back":           {"L5", ",HOLD-BACK=6", ",HOLD-BACK=5"},
		"skip boundary":       {"L14", "UNTIL=12", "UNTIL=10"},
		"long segment":        {"L6", "#EXTINF:2.0", "#EXTINF:2.5"},
		"long part":           {"L7", "DURATION=0.5,URI=\"3.0", "DURATION=0.51,URI=\"3.0"},
		"short part":          {"L7", "DURATION=0.5,URI=\"2.1", "DURATION=0.4,URI=\"2.1"},
		"dependent segment":   {"L3", ",INDEPENDENT=YES", ""},
		"no date":             {"L21", "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T10:00:04.000Z\n", ""},
		"date jumps":          {"L21", "10:00:04.000Z", "10:00:04.100Z"},
		"no map":              {"L25", "#EXT-X-MAP:URI=\"i.mp4\"\n", ""},
		"version too low":     {"L25", "VERSION:6", "VERSION:4"},
		"no hint":             {"L15", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"3.2.mp4\"\n", ""},
		"sum":                 {"F10", "#EXTINF:2.0,\n2.mp4", "#EXTINF:1.9,\n2.mp4"},
		"target changes":      {"L6", "PART-TARGET=0.5", "PART-TARGET=0.50001"},
		"goes back":           {"L16", "MEDIA-SEQUENCE:1", "MEDIA-SEQUENCE:0"},
		"URI changes":         {"L16", "\n2.mp4", "\n2x.mp4"},
		"part changes":        {"L16", "\"2.1.mp4", "\"2.9.mp4"},
		"date changes":        {"L16", "10:00:04.000Z", "10:00:04.010Z"},
		"map changes":         {"L16", "\"i.mp4", "\"j.mp4"},
		"discontinuity":       {"L16", "#EXTINF:2.0,\n2.mp4", "#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\n2.mp4"},
		"segment falls short": {"L17", "MEDIA-SEQUENCE:1", "MEDIA-SEQUENCE:2"},
	} {
		text := good(2)
		require.Contains(t, text, c.from, name)
		require.Contains(t, judge(t, good(1), strings.Replace(text, c.from, c.to, 1)), c.rule, name)
	}
	require.Contains(t, judge(t, good(2), good(1)), "L16", "a part vanishes")
	require.Contains(t, judge(t, good(2)+"#EXT-X-ENDLIST\n", good(2)), "L16", "it goes on after its end")
}

func TestMultivariantFaultsAreSeen(t *testing.T) {
	text := `#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="a/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="x,y",RESOLUTION=1x1,FRAME-RATE=30.000,AUDIO="a"
v/index.m3u8
`
	rules := func(text string) (out []string) {
		parseMultivariant(text, func(rule, _ string, _ ...any) { out = append(out, rule) })
		return out
	}
	require.Empty(t, rules(text))
	for from, to := range map[string]string{
		`GROUP-ID="a"`: `GROUP-ID="b"`, "BANDWIDTH=1,": "", `CODECS="x,y",`: "", "RESOLUTION=1x1,": "", "FRAME-RATE=30.000,": "",
		`NAME="a",`: "",
	} {
		require.Equal(t, []string{"L2"}, rules(strings.Replace(text, from, to, 1)), from)
	}
	require.Equal(t, []string{"L3"}, rules(strings.Replace(text, "#EXT-X-INDEPENDENT-SEGMENTS\n", "", 1)))
	require.Contains(t, rules(strings.Replace(text, "#EXTM3U", "", 1)), "L1")
}

func TestDeltaIsMerged(t *testing.T) {
	old, err := parseMedia(good(1))
	require.NoError(t, err)
	head, tail, _ := strings.Cut(good(2), "#EXT-X-MAP:URI=\"i.mp4\"\n")
	_, tail, _ = strings.Cut(tail, "\n1.mp4\n")
	p, err := parseMedia(head + "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n" + tail)
	require.NoError(t, err)
	require.NoError(t, p.merge(old))
	whole, err := parseMedia(good(2))
	require.NoError(t, err)
	require.Equal(t, whole.segments, p.segments)

	p, err = parseMedia(head + "#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n" + tail)
	require.NoError(t, err)
	require.Error(t, p.merge(old))
}

func FuzzParse(f *testing.F) {
	f.Add(good(1))
	f.Add(good(3))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseMedia(text)
		if err == nil {
			checkOne(p, 0, func(string, string, ...any) {})
		}
	})
}
