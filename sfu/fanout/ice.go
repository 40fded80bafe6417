package fanout

import (
	"fmt"
	"slices"
	"time"

	"github.com/freshet-live/freshet/sfu/fanout/icelite"
	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

const (
	// maxRoutes bounds the addresses under which one viewer is known: its
	// candidate pairs, over a few restarts.
	maxRoutes = 16
	// The least sizes of ICE credentials (RFC 8839 section 5.4), and a bound.
	minUfrag, minPwd, maxCredential = 4, 22, 256
)

// RestartICE begins an ICE restart with the viewer's new credentials and
// returns ours (RFC 8445 section 9). Media goes on over the old path until the
// viewer nominates the new one. It returns ErrClosed when the viewer is gone
// and ErrParams for credentials that are too short (W24); the old ones stay.
func (v *Viewer) RestartICE(remoteUfrag, remotePwd string) (ufrag, pwd string, err error) {
	if err := checkCredentials(remoteUfrag, remotePwd); err != nil {
		return "", "", err
	}
	if v.isClosing() {
		return "", "", ErrClosed
	}
	ufrag, pwd = icelite.NewCredentials()
	if !v.engine.registry.bindUfrag(ufrag, v) {
		return "", "", ErrClosed
	}
	v.mu.Lock()
	v.agent.Restart(ufrag, pwd, remoteUfrag, remotePwd)
	v.ufrag, v.pwd = ufrag, pwd
	v.ufrags = append(v.ufrags, ufrag)
	stale := v.staleUfragsLocked()
	v.mu.Unlock()
	for _, u := range stale {
		v.engine.registry.unbindUfrag(u, v)
	}
	if v.isClosing() { // it may have closed before it knew of the new ufrag
		v.engine.registry.unbindUfrag(ufrag, v)
		return "", "", ErrClosed
	}
	return ufrag, pwd, nil
}

func checkCredentials(ufrag, pwd string) error {
	if len(ufrag) < minUfrag || len(ufrag) > maxCredential {
		return fmt.Errorf("%w: the ICE ufrag has %d characters", ErrParams, len(ufrag))
	}
	if len(pwd) < minPwd || len(pwd) > maxCredential {
		return fmt.Errorf("%w: the ICE password has %d characters", ErrParams, len(pwd))
	}
	return nil
}

// staleUfragsLocked takes those ufrags from the viewer's list that its agent
// no longer answers to.
func (v *Viewer) staleUfragsLocked() (stale []string) {
	current, next := v.agent.LocalUfrags()
	v.ufrags = slices.DeleteFunc(v.ufrags, func(u string) bool {
		gone := u != current && u != next
		if gone {
			stale = append(stale, u)
		}
		return gone
	})
	return stale
}

// handleSTUN answers a connectivity check, on the reader's goroutine.
func (v *Viewer) handleSTUN(from wire.Route, data []byte) {
	now := time.Now()
	var buf [256]byte
	var stale []string
	var lost []wire.Route

	v.mu.Lock()
	response, event := v.agent.Handle(now, from, data, buf[:0])
	if event.Has(icelite.Restarted) {
		stale = v.staleUfragsLocked()
	}
	known := !event.Has(icelite.Alive) || slices.Contains(v.routes, from)
	if !known {
		v.routes = append(v.routes, from)
		if len(v.routes) > maxRoutes {
			lost = append(lost, v.routes[0])
			v.routes = slices.Delete(v.routes, 0, 1)
		}
	}
	selected, ok := v.agent.Selected()
	v.mu.Unlock()

	if event.Has(icelite.Alive) {
		v.engine.registry.bindRoute(from, v)
		if !ok || from == selected {
			// Consent is for the Route that carries media, no other.
			v.alive.Store(now.UnixNano())
		}
	}
	if event.Has(icelite.Selected) && ok {
		route := selected
		v.route.Store(&route)
	}
	for _, u := range stale {
		v.engine.registry.unbindUfrag(u, v)
	}
	for _, r := range lost {
		v.engine.registry.unbindRoute(r, v)
	}
	if response != nil {
		// A lost answer is asked for again.
		_ = v.engine.wire.Send(from, response)
	}
	if v.params.DTLSClient && event.Has(icelite.Selected) {
		v.session.start()
	}
}

// routeClosed forgets a TCP connection that is gone.
func (v *Viewer) routeClosed(from wire.Route) {
	v.mu.Lock()
	v.agent.RouteClosed(from)
	v.routes = slices.DeleteFunc(v.routes, func(r wire.Route) bool { return r == from })
	v.mu.Unlock()
	v.engine.registry.unbindRoute(from, v)
}
