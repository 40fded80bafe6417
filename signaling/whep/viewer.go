package whep

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/fanout"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/sdp"
	"github.com/freshet-live/freshet/signaling/session"
)

// Viewer is a viewer's connection, as *fanout.Viewer is.
type Viewer interface {
	session.Peer
	// SetLimit chooses the video Layer; the zero Limit means automatic.
	SetLimit(l forward.Limit) error
	// Watch returns the Stream as it is and a channel that closes when it
	// changes.
	Watch() (*media.Snapshot, <-chan struct{})
	Stats() fanout.ViewerStats
}

// Local is the server's side of a new viewer's connection, for the answer.
type Local struct {
	Ufrag, Pwd, Fingerprint, CNAME string
	Audio, Video                   sdp.TrackSSRC
}

// Engine admits viewers.
type Engine interface {
	Add(stream string, p fanout.Params) (Viewer, Local, error)
}

type engine struct{ *fanout.Engine }

func (e engine) Add(stream string, p fanout.Params) (Viewer, Local, error) {
	v, err := e.Engine.Add(stream, p)
	if errors.Is(err, fanout.ErrClosed) {
		err = fmt.Errorf("%w: the server is stopping", fanout.ErrBusy)
	}
	if err != nil {
		return nil, Local{}, err
	}
	local := Local{Ufrag: v.Ufrag(), Pwd: v.Pwd(), Fingerprint: e.Fingerprint(), CNAME: v.CNAME()}
	local.Audio.SSRC, local.Audio.RTX = v.SSRC(media.Audio)
	local.Video.SSRC, local.Video.RTX = v.SSRC(media.Video)
	return v, local, nil
}

// params says to the engine what an offer says.
func params(o *sdp.Offer) fanout.Params {
	p := fanout.Params{
		RemoteUfrag: o.Ufrag, RemotePwd: o.Pwd, DTLSClient: o.Setup == sdp.SetupPassive,
	}
	for _, f := range o.Fingerprints {
		p.Fingerprints = append(p.Fingerprints, fanout.Fingerprint{Algorithm: f.Algorithm, Value: f.Value})
	}
	audio, video := o.PlayTracks()
	p.Audio, p.Video = trackParams(audio), trackParams(video)
	return p
}

func trackParams(t *sdp.PlayTrack) *fanout.TrackParams {
	if t == nil {
		return nil
	}
	p := &fanout.TrackParams{MID: t.MID, TransportCCID: t.TransportCCID}
	for _, c := range t.Codecs {
		p.Codecs = append(p.Codecs, fanout.CodecParams{
			Codec: c.Codec, PayloadType: c.PayloadType, RTXPayloadType: c.RTX,
			NACK: c.NACK, PLI: c.PLI, TransportCC: c.TransportCC,
		})
	}
	return p
}

// checkDecodable refuses a viewer that could play nothing of what is live,
// with a 422: WHEP keeps the 406 for counter-offers (E55). One that can play
// the sound alone is let in, and so is everybody while nothing is live. A Track
// that is not there may come yet, as video does only with its first keyframe:
// whoever waits for it is let in too.
func checkDecodable(o *sdp.Offer, live *media.Snapshot) error {
	codec := videoCodec(live)
	if codec.IsZero() || live.State != media.Live {
		return nil
	}
	audio, video := o.PlayTracks()
	if video == nil || decodes(video, codec) || live.Audio != nil && decodes(audio, live.Audio.Codec) {
		return nil
	}
	have := codec.Name
	if live.Audio != nil {
		have = live.Audio.Codec.Name + " " + have
	}
	return httpx.Fail(http.StatusUnprocessableEntity,
		"the offer has no codec of what this stream sends at present: %s", have)
}

func decodes(t *sdp.PlayTrack, codec media.Codec) bool {
	return t != nil && slices.ContainsFunc(t.Codecs, func(c sdp.Codec) bool { return c.Name == codec.Name })
}

// videoCodec returns the live video codec, zero when there is none.
func videoCodec(live *media.Snapshot) media.Codec {
	if live == nil || len(live.Video) == 0 {
		return media.Codec{}
	}
	return live.Video[0].Codec
}

// peer is a viewer with what the extensions need.
type peer struct {
	Viewer
	audioMID, videoMID string
	videoIndex         int // of the video section in the offer; -1: none

	mu     sync.Mutex
	events []*eventStream // oldest first
}

func newPeer(v Viewer, o *sdp.Offer) *peer {
	p := &peer{Viewer: v, videoIndex: -1}
	for i, m := range o.Media {
		switch m.Kind {
		case media.Audio:
			p.audioMID = m.MID
		case media.Video:
			p.videoMID, p.videoIndex = m.MID, i
		}
	}
	return p
}
