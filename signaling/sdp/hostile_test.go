package sdp

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func requireSentinel(t testing.TB, err error) {
	t.Helper()
	require.True(t, errors.Is(err, ErrMalformed) || errors.Is(err, ErrUnsupported), "%v", err)
}

// exercise does with a body all that the signaling does, and checks that
// every error names its status.
func exercise(t testing.TB, body []byte) {
	t.Helper()
	o, err := ParseOffer(body)
	if err != nil {
		requireSentinel(t, err)
		return
	}
	o.PlayTracks()
	if err := o.CheckPublish(); err != nil {
		requireSentinel(t, err)
	} else {
		again, err := ParseOffer([]byte(o.PublishOffer()))
		require.NoError(t, err)
		require.NoError(t, again.CheckPublish())
		require.Equal(t, o.PublishOffer(), again.PublishOffer(), "normal form")
	}
	answer, err := o.PlayAnswer(testParams())
	if err != nil {
		requireSentinel(t, err)
		return
	}
	_, err = ParseOffer([]byte(answer))
	require.NoError(t, err)
}

// H1: whatever is cut off, the rest is answered or refused.
func TestTruncated(t *testing.T) {
	for _, v := range verdicts {
		body := readFile(t, v.file)
		for n := 0; n < len(body); n += 29 {
			exercise(t, body[:n])
		}
	}
}

// H1: the first half of an offer with two sections is refused.
func TestHalfIsRefused(t *testing.T) {
	for _, v := range verdicts {
		body := readFile(t, v.file)
		o, err := ParseOffer(body[:len(body)/2])
		if v.publish == "" && strings.Count(string(body), "\nm=") > 1 && err == nil {
			require.Error(t, o.CheckPublish(), v.file)
		}
	}
}

// H4: flipped bits are answered or refused.
func TestBitFlips(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := rapid.SampledFrom(verdicts).Draw(rt, "file")
		body := readFile(t, v.file)
		for range rapid.IntRange(1, 20).Draw(rt, "flips") {
			i := rapid.IntRange(0, len(body)-1).Draw(rt, "at")
			body[i] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		}
		exercise(t, body)
	})
}

// H2, H3: large input is refused or answered in bounded time. The bound is
// far above what it takes, and far below what a quadratic parser would.
func TestLargeOffers(t *testing.T) {
	head := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	_, section, _ := strings.Cut(string(readFile(t, "libdatachannel-h264-video-only")), "m=")
	section = "m=" + section
	repeat := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			if strings.Contains(format, "%") {
				fmt.Fprintf(&b, format, i)
			} else {
				b.WriteString(format)
			}
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"500 sections":        head + repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:%d\r\n", 500),
		"500 candidates":      head + section + repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", 500),
		"ssrcs":               head + section + repeat("a=ssrc:%d cname:x\r\n", 9000),
		"groups":              head + section + repeat("a=ssrc-group:FID 1 %d\r\n", 8000),
		"extensions":          head + section + repeat("a=extmap:3 urn:%d\r\n", 9000),
		"rids":                head + section + repeat("a=rid:%d send\r\n", 9000),
		"fmtp":                head + section + repeat("a=fmtp:96 a=%d\r\n", 9000),
		"payload types":       head + "m=video 9 UDP/TLS/RTP/SAVPF" + repeat(" %d", 2000) + "\r\n",
		"listed over again":   head + "m=audio 9 UDP/TLS/RTP/SAVPF" + repeat(" 0", 2000) + "\r\n",
		"BUNDLE":              head + "a=group:BUNDLE" + repeat(" x", 4000) + "\r\n" + section,
		"session extensions":  head + repeat("a=extmap:3 urn:%d\r\n", 5000) + repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:%d\r\na=rtpmap:96 VP8/90000\r\n", 60),
		"a long line":         head + section + "a=x:" + strings.Repeat("x", 150<<10) + "\r\n",
		"a long list of rids": head + section + "a=simulcast:send " + repeat("%d;", 1000) + "\r\n",
		"too long":            head + section + strings.Repeat("a=x\r\n", 100<<10),
		"garbage":             strings.Repeat("\x00\xff garbage\n", 20000),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			exercise(t, []byte(body))
			require.Less(t, time.Since(began), 10*time.Second)
		})
	}
}

func FuzzParseOffer(f *testing.F) {
	for _, v := range verdicts {
		f.Add(readFile(f, v.file))
	}
	f.Fuzz(func(t *testing.T, body []byte) { exercise(t, body) })
}

func FuzzParseFragment(f *testing.F) {
	for _, name := range fragments {
		f.Add(readFile(f, name))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fragment, err := ParseFragment(body)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.LessOrEqual(t, len(fragment.Candidates), maxCandidates)
		require.Equal(t, fragment.Ufrag == "", fragment.Pwd == "")
	})
}

func FuzzSetCandidates(f *testing.F) {
	f.Add(string(readFile(f, "rfc9725-draft-whip-answer")))
	f.Fuzz(func(t *testing.T, answer string) {
		if _, err := SetCandidates(answer, nil); err != nil {
			require.ErrorIs(t, err, ErrUnsupported)
		}
	})
}
