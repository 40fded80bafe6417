package fanout

import (
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

// Viewer is one viewer of a Stream. Its methods are safe for concurrent use.
type Viewer struct{}

// Ufrag returns the local ICE username fragment for the answer.
func (v *Viewer) Ufrag() string { return "" }

// Pwd returns the local ICE password for the answer.
func (v *Viewer) Pwd() string { return "" }

// SSRC returns the synchronization sources of a Track and of its
// retransmissions; both 0 when the viewer has no such Track, rtx 0 when no
// retransmission format was negotiated.
func (v *Viewer) SSRC(kind media.Kind) (ssrc, rtx uint32) { return 0, 0 }

// CNAME returns the name that binds the viewer's audio and video together.
func (v *Viewer) CNAME() string { return "" }

// RestartICE begins an ICE restart with the viewer's new credentials and
// returns ours (RFC 8445 section 9). Media goes on over the old path until the
// viewer nominates the new one. It returns ErrClosed when the viewer is gone.
func (v *Viewer) RestartICE(remoteUfrag, remotePwd string) (ufrag, pwd string, err error) {
	return "", "", ErrClosed
}

// SetLimit chooses the video Layer by hand, or bounds the choice; the zero
// Limit goes back to automatic (E60). It returns ErrNoLayer when the Stream is
// live and has no such Layer, and ErrClosed when the viewer is gone.
func (v *Viewer) SetLimit(l forward.Limit) error { return nil }

// Watch returns the Stream's present Snapshot and a channel that closes when
// there is a newer one.
func (v *Viewer) Watch() (*media.Snapshot, <-chan struct{}) { return nil, nil }

// Stats returns the viewer's counters.
func (v *Viewer) Stats() ViewerStats { return ViewerStats{} }

// Close ends the viewer with a reason, nil for none; media stops and the peer
// gets a DTLS close_notify (R18). It does not wait; see Done.
func (v *Viewer) Close(reason error) {}

// Done closes when the viewer is gone.
func (v *Viewer) Done() <-chan struct{} { return nil }

// Err returns why the viewer is gone or going, nil while it is not.
func (v *Viewer) Err() error { return nil }
