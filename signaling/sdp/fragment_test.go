package sdp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var fragments = []string{
	"frag-medooze-chrome-end-of-candidates.sdpfrag", "frag-medooze-chrome-ice-restart.sdpfrag",
	"frag-rfc9725-ice-restart.sdpfrag", "frag-rfc9725-trickle.sdpfrag",
}

func TestParseStoredFragments(t *testing.T) {
	for i, want := range []struct {
		ufrag      string
		candidates int
		end        bool
	}{{"qiKa", 0, true}, {"HWmk", 0, false}, {"ysXw", 4, false}, {"EsAw", 4, true}} {
		f, err := ParseFragment(readFile(t, fragments[i]))
		require.NoError(t, err)
		require.Equal(t, want.ufrag, f.Ufrag)
		require.GreaterOrEqual(t, len(f.Pwd), 22)
		require.Len(t, f.Candidates, want.candidates)
		require.Equal(t, want.end, f.EndOfCandidates)
	}
}

func TestParseFragment(t *testing.T) {
	const good = "a=candidate:1 1 udp 2122260223 127.0.0.2 61764 typ host\n"
	credentials := "a=ice-ufrag:abcd\na=ice-pwd:" + strings.Repeat("p", 22) + "\n"
	for _, c := range []struct {
		name, body string
		candidates int
		err        string
	}{
		{"W16 empty", "", 0, "neither"},
		{"W16 blank", "\r\n\r\n", 0, "neither"},
		{"W16 only a section", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n", 0, "neither"},
		{"W16 not a fragment", "hello", 0, "not of the form"},
		{"W16 JSON", `{"candidate":"x"}`, 0, "not of the form"},
		{"W16 half a candidate", "a=candidate:1 1 udp", 0, "lacks fields"},
		{"W16 bad port", strings.Replace(good, "61764", "617640", 1), 0, "port"},
		{"W16 bad priority", strings.Replace(good, "2122260223", "high", 1), 0, "priority"},
		{"W16 bad component", strings.Replace(good, " 1 udp", " x udp", 1), 0, "component"},
		{"bare LF", good, 1, ""},
		{"without credentials", "m=audio 9 UDP/TLS/RTP/SAVPF 0\na=mid:0\n" + good, 1, ""},
		{"session level", credentials + good, 1, ""},
		{"repeated per section", credentials + "m=audio 9 X 0\n" + credentials + good + "m=video 9 X 0\n" + credentials + good, 2, ""},
		{"contradicting", credentials + "m=audio 9 X 0\na=ice-ufrag:efgh\n", 0, "different"},
		{"W24 short ufrag", "a=ice-ufrag:abc\na=ice-pwd:" + strings.Repeat("p", 22), 0, "ice-ufrag"},
		{"W24 short pwd", "a=ice-ufrag:abcd\na=ice-pwd:short", 0, "ice-pwd"},
		{"W24 half a pair", "a=ice-ufrag:abcd\n" + good, 0, "ice-pwd"},
		{"W25 mDNS", good + strings.Replace(good, "127.0.0.2", "0a-1b.local", 1), 1, ""},
		{"W25 unknown transport", good + strings.Replace(good, "udp", "sctp", 1), 1, ""},
		{"W25 all useless", strings.Replace(good, "127.0.0.2", "x.local", 1), 0, ""},
		{"component 2", good + strings.Replace(good, " 1 udp", " 2 udp", 1), 1, ""},
		{"end only", "a=end-of-candidates", 0, ""},
		{"H13 many", strings.Repeat(good, maxCandidates), maxCandidates, ""},
		{"H13 too many", strings.Repeat(good, maxCandidates+1), 0, "more than"},
		{"H3 sections", strings.Repeat("m=audio 9 X 0\n", 500), 0, "sections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := ParseFragment([]byte(c.body))
			if c.err != "" {
				require.ErrorIs(t, err, ErrMalformed)
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Len(t, f.Candidates, c.candidates)
		})
	}
}

// W21, W51: what FormatFragment writes, a client reads.
func TestFormatFragment(t *testing.T) {
	pwd := strings.Repeat("p", 24)
	candidates := testParams().Candidates
	text := FormatFragment("abcd", pwd, true, candidates, "0", "1")
	f, err := ParseFragment([]byte(text))
	require.NoError(t, err)
	require.Equal(t, &Fragment{Ufrag: "abcd", Pwd: pwd, Candidates: candidates, EndOfCandidates: true}, f)
	require.True(t, strings.HasPrefix(text, "a=ice-lite\r\na=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\nm=audio "), text)
	require.NotContains(t, FormatFragment("abcd", pwd, false, nil), "ice-lite")
}

func TestSetCandidates(t *testing.T) {
	section := "m=%s 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-mux-only\r\n" +
		"a=candidate:9 1 udp 1 127.0.0.9 9 typ host\r\na=end-of-candidates\r\n"
	answer := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA\r\na=group:BUNDLE 0 1\r\n" +
		fmt.Sprintf(section, "audio", "0") + fmt.Sprintf(section, "video", "1")
	got, err := SetCandidates(answer, []string{"1 1 udp 1 127.0.0.1 8080 typ host", "candidate:2 1 tcp 1 127.0.0.1 8081 typ host tcptype passive"})
	require.NoError(t, err)
	require.NotContains(t, got, "127.0.0.9")
	require.NotContains(t, got, "rtcp-mux-only", "W48")
	require.Equal(t, 1, strings.Count(got, "a=end-of-candidates\r\n"), "W27")
	require.Equal(t, 2, strings.Count(got, "\na=candidate:"))
	require.Equal(t, 3, strings.Count(got, "a=fingerprint:"), "W2")
	require.Less(t, strings.Index(got, "8081"), strings.Index(got, "m=video"))

	for name, broken := range map[string]string{
		"W6":  strings.Replace(answer, "recvonly", "inactive", 1),
		"W28": strings.Replace(answer, "BUNDLE 0 1", "BUNDLE 0", 1),
		"mux": strings.Replace(answer, "a=rtcp-mux\r\n", "", 1),
		"W31": strings.Replace(answer, "m=video 9", "m=video 0", 1),
		"nil": "v=0\r\n",
	} {
		_, err := SetCandidates(broken, nil)
		require.ErrorIs(t, err, ErrUnsupported, name)
	}
}
