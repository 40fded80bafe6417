package sdp

import "github.com/freshet-live/freshet/sfu/media"

// AnswerParams is what the server puts into an answer to a viewer.
type AnswerParams struct {
	// Ufrag and Pwd are the server's ICE credentials for this viewer.
	Ufrag, Pwd string
	// Fingerprint is the certificate's, as in "sha-256 AA:BB:…".
	Fingerprint string
	// Candidates are the values of all a=candidate lines, without "candidate:".
	Candidates []string
	// CNAME and StreamID name the sender (RFC 3550 section 6.5.1) and its one
	// MediaStream (E53).
	CNAME, StreamID string
	// Preferred is the codec that is live at present; it comes first on the
	// video line. When it is zero H264 does.
	Preferred media.Codec
	// Audio and Video are the synchronisation sources of the two Tracks.
	Audio, Video TrackSSRC
}

// TrackSSRC holds the synchronisation sources of one Track.
type TrackSSRC struct {
	SSRC uint32
	// RTX sends the retransmissions (RFC 4588 section 5.3); 0: none.
	RTX uint32
}

// PlayTrack is what a viewer can take of one Track.
type PlayTrack struct {
	MID string
	// Codecs are all that the viewer and Freshet share, in the offer's order.
	Codecs []Codec
	// TransportCCID is the id of the TransportCC header extension, 0: not
	// negotiated. It fits a one-byte header (RFC 8285 section 4.2).
	TransportCCID uint8
}

// Fragment is the body of a PATCH (RFC 8840 section 9).
type Fragment struct {
	// Ufrag and Pwd are the ICE credentials that the fragment is about; new
	// ones ask for an ICE restart (W21). Both are empty or both are set.
	Ufrag, Pwd string
	// Candidates are the values of the candidates that are of use, without
	// "candidate:". Names are never looked up: candidates with one are dropped,
	// like those of unknown transports (W25).
	Candidates []string
	// EndOfCandidates is set when the client has no more candidates.
	EndOfCandidates bool
}
