package rtc

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/pion/webrtc/v4"
)

// restartTimeout bounds the opening of new candidates, which takes no network.
const restartTimeout = 5 * time.Second

// RestartICE gives the session new ICE credentials on both sides (RFC 9725
// section 4.3.3) and returns the local ones. Media goes on over the new pair
// once the publisher has checked it; what was lost in between is asked for
// again. A restart that is impossible leaves the session as it was:
// ErrMalformed for credentials that break RFC 8839 section 5.4 or are not new,
// ErrBusy in a session's first milliseconds, and the session's reason when it
// is over.
func (s *Session) RestartICE(ufrag, pwd string) (localUfrag, localPwd string, err error) {
	if err := checkCredentials(ufrag, pwd); err != nil {
		return "", "", err
	}
	s.restarting.Lock()
	defer s.restarting.Unlock()
	if s.isClosing() {
		return "", "", fmt.Errorf("the session is over: %w", s.Err())
	}
	if s.peer.ICEConnectionState() == webrtc.ICEConnectionStateNew {
		return "", "", fmt.Errorf("%w: the session has just begun", ErrBusy)
	}
	if ufrag == s.offer.ufrag && pwd == s.offer.pwd {
		return "", "", fmt.Errorf("%w: an ICE restart needs new credentials", ErrMalformed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), restartTimeout)
	defer cancel()
	s.declareLearnt()
	s.offer.ufrag, s.offer.pwd = ufrag, pwd
	localUfrag, localPwd, err = s.peer.negotiate(ctx)
	if err != nil {
		return "", "", err
	}
	return localUfrag, localPwd, nil
}

// declareLearnt writes the SSRCs that the publisher used without declaring them
// into the offer: pion stops receivers that a new offer does not mention.
func (s *Session) declareLearnt() {
	for _, g := range *s.ingests.Load() {
		if g.rid == "" && g.section.ssrc == 0 {
			g.section.ssrc = g.ssrc
		}
	}
}

func (s *Session) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
