package playlist

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Only what is media moves.
func TestRebase(t *testing.T) {
	const text = `#EXTM3U
#EXT-X-MAP:URI="init-r-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:00:00.000Z
#EXT-X-PART:DURATION=0.20000,URI="r-0.0.mp4",INDEPENDENT=YES
#EXTINF:0.20000,
r-0.mp4
#EXT-X-MAP:URI="../h/init-r-3.mp4"

#EXT-X-PRELOAD-HINT:TYPE=PART,URI="r-1.0.mp4"
#EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=0,LAST-PART=0`
	require.Equal(t, `#EXTM3U
#EXT-X-MAP:URI="../../~s/v/init-r-0.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-22T12:00:00.000Z
#EXT-X-PART:DURATION=0.20000,URI="../../~s/v/r-0.0.mp4",INDEPENDENT=YES
#EXTINF:0.20000,
../../~s/v/r-0.mp4
#EXT-X-MAP:URI="../../~s/v/../h/init-r-3.mp4"

#EXT-X-PRELOAD-HINT:TYPE=PART,URI="../../~s/v/r-1.0.mp4"
#EXT-X-RENDITION-REPORT:URI="../audio/index.m3u8",LAST-MSN=0,LAST-PART=0`, string(Rebase([]byte(text), "../../~s/v/")))
}
