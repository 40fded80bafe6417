package session

import (
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/sdp"
)

// patch takes a trickle fragment or restarts ICE (W15 to W25, W51). The server
// is ICE-lite: it sends no checks, so the client's candidates are checked for
// their form and then not needed (RFC 8445 section 2.5).
func (e *Endpoint[P]) patch(w http.ResponseWriter, r *http.Request) error {
	s, err := e.Find(r)
	if err != nil {
		return err
	}
	if err := httpx.Take(s.Changes, time.Now()); err != nil {
		return err
	}
	if err := httpx.RequireType(r, TypeFragment); err != nil {
		return err
	}
	body, err := httpx.ReadBody(w, r, httpx.MaxBody)
	if err != nil {
		return err
	}
	frag, err := sdp.ParseFragment(body)
	if err != nil {
		return err
	}
	cond, err := parseIfMatch(r.Header.Values("If-Match"))
	if err != nil {
		return err
	}
	local, err := s.apply(cond, frag.Ufrag, frag.Pwd)
	if err != nil {
		return err
	}
	if local == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", TypeFragment)
	w.Header().Set("ETag", local.etag)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(sdp.FormatFragment(local.ufrag, local.pwd, true, e.Candidates(), s.MIDs...)))
	return nil
}

// generation is the server's side of one ICE session.
type generation struct{ ufrag, pwd, etag string }

// apply checks the condition and restarts ICE when the fragment brings new
// credentials, which sdp.ParseFragment has found well-formed. It returns nil for a fragment of the present ICE session. New
// credentials under the present ETag are a restart too: the client says just
// more precisely than with * what it means to replace.
func (s *Session[P]) apply(cond match, ufrag, pwd string) (*generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !cond.matches(s.etag) {
		return nil, httpx.Fail(http.StatusPreconditionFailed, "If-Match names another ICE session than the present one")
	}
	if ufrag == "" || ufrag == s.ufrag && pwd == s.pwd {
		return nil, nil
	}
	localUfrag, localPwd, err := s.Peer.RestartICE(ufrag, pwd)
	if err != nil {
		return nil, err
	}
	s.ufrag, s.pwd, s.etag = ufrag, pwd, newETag()
	return &generation{ufrag: localUfrag, pwd: localPwd, etag: s.etag}, nil
}
