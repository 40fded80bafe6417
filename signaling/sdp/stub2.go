package sdp

// CheckPublish stub.
func (o *Offer) CheckPublish() error { return nil }

// CheckPlay stub.
func (o *Offer) CheckPlay() error { return nil }

// PublishOffer stub.
func (o *Offer) PublishOffer() string { return "" }

// PlayAnswer stub.
func (o *Offer) PlayAnswer(p AnswerParams) (string, error) { return "", nil }

// PlayTracks stub.
func (o *Offer) PlayTracks() (audio, video *PlayTrack) { return nil, nil }

// SetCandidates stub.
func SetCandidates(answer string, candidates []string) (string, error) { return answer, nil }

// ParseFragment stub.
func ParseFragment(body []byte) (*Fragment, error) { return nil, nil }

// FormatFragment stub.
func FormatFragment(ufrag, pwd string, iceLite bool, candidates []string, mids ...string) string {
	return ""
}
