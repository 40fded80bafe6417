package icelite

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	localUfrag, localPwd   = "srvU", "server-password-22-chars"
	remoteUfrag, remotePwd = "cliU", "client-password-22-chars"
	nextUfrag, nextPwd     = "srvN", "server-password-the-next"
	nextRemote             = "cliN"
)

var (
	start  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	routeA = wire.Route{Addr: netip.MustParseAddrPort("192.0.2.1:1000")}
	routeB = wire.Route{Addr: netip.MustParseAddrPort("[2001:db8::1]:2000")}
)

func newAgent() *Agent { return NewAgent(localUfrag, localPwd, remoteUfrag, remotePwd, start) }

// flag is an attribute without a value.
type flag stun.AttrType

func (f flag) AddTo(m *stun.Message) error {
	m.Add(stun.AttrType(f), nil)
	return nil
}

const useCandidate = flag(stun.AttrUseCandidate)

// request builds a Binding request in the order that RFC 8445 peers use.
func request(username, pwd string, attrs ...stun.Setter) []byte {
	setters := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(username)}
	setters = append(setters, attrs...)
	setters = append(setters, stun.NewShortTermIntegrity(pwd), stun.Fingerprint)
	return stun.MustBuild(setters...).Raw
}

func goodCheck(attrs ...stun.Setter) []byte {
	return request(localUfrag+":"+remoteUfrag, localPwd, attrs...)
}

func nextCheck(attrs ...stun.Setter) []byte {
	return request(nextUfrag+":"+nextRemote, nextPwd, attrs...)
}

func decode(t *testing.T, raw []byte) *stun.Message {
	t.Helper()
	m := &stun.Message{Raw: raw}
	require.NoError(t, m.Decode())
	require.NoError(t, stun.Fingerprint.Check(m))
	return m
}

func requireSuccess(t *testing.T, req, resp []byte, pwd string, from wire.Route) {
	t.Helper()
	require.NotNil(t, resp, "no answer")
	m := decode(t, resp)
	require.Equal(t, stun.BindingSuccess, m.Type)
	require.Equal(t, decode(t, req).TransactionID, m.TransactionID)
	require.NoError(t, stun.NewShortTermIntegrity(pwd).Check(m))
	var mapped stun.XORMappedAddress
	require.NoError(t, mapped.GetFrom(m))
	require.True(t, mapped.IP.Equal(net.IP(from.Addr.Addr().AsSlice())))
	require.EqualValues(t, from.Addr.Port(), mapped.Port)
}

func TestChecksAreAnswered(t *testing.T) {
	for _, route := range []wire.Route{routeA, routeB} {
		a := newAgent()
		req := goodCheck()
		prefix := []byte("before")
		resp, event := a.Handle(start, route, req, prefix)
		require.Equal(t, "before", string(resp[:6]), "the answer is appended")
		requireSuccess(t, req, resp[6:], localPwd, route)
		require.Equal(t, Alive, event)
		_, ok := a.Selected()
		require.False(t, ok, "not nominated yet")
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	unauthenticated := func(setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, setters...)...).Raw
	}
	name := stun.NewUsername(localUfrag + ":" + remoteUfrag)
	key := stun.NewShortTermIntegrity(localPwd)
	for what, c := range map[string]struct {
		data   []byte
		code   stun.ErrorCode
		signed bool
	}{
		"nothing":           {unauthenticated(), stun.CodeBadRequest, false},
		"no integrity":      {unauthenticated(name), stun.CodeBadRequest, false},
		"no username":       {unauthenticated(key), stun.CodeBadRequest, false},
		"wrong password":    {request(localUfrag+":"+remoteUfrag, "wrong", useCandidate), stun.CodeUnauthorized, false},
		"the peer's own":    {request(localUfrag+":"+remoteUfrag, remotePwd), stun.CodeUnauthorized, false},
		"wrong local half":  {request("xxxx:"+remoteUfrag, localPwd), stun.CodeUnauthorized, false},
		"wrong remote half": {request(localUfrag+":xxxx", localPwd), stun.CodeUnauthorized, false},
		"halves swapped":    {request(remoteUfrag+":"+localUfrag, localPwd), stun.CodeUnauthorized, false},
		"one half":          {request(localUfrag, localPwd), stun.CodeUnauthorized, false},
		"empty":             {request(":", localPwd), stun.CodeUnauthorized, false},
		"no restart begun":  {nextCheck(), stun.CodeUnauthorized, false},
		"unknown attribute": {goodCheck(flag(0x7001), useCandidate), stun.CodeUnknownAttribute, true},
		"both controlled":   {goodCheck(stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)}), stun.CodeRoleConflict, true},
	} {
		t.Run(what, func(t *testing.T) {
			a := newAgent()
			resp, event := a.Handle(start, routeA, c.data, nil)
			require.Zero(t, event)
			m := decode(t, resp)
			require.Equal(t, stun.BindingError, m.Type)
			require.Equal(t, decodeID(c.data), m.TransactionID)
			var code stun.ErrorCodeAttribute
			require.NoError(t, code.GetFrom(m))
			require.Equal(t, c.code, code.Code)
			if c.signed {
				require.NoError(t, key.Check(m))
			} else {
				require.False(t, m.Contains(stun.AttrMessageIntegrity), "RFC 8489 9.1.3")
			}
			if c.code == stun.CodeUnknownAttribute {
				var unknown stun.UnknownAttributes
				require.NoError(t, unknown.GetFrom(m))
				require.Equal(t, stun.UnknownAttributes{0x7001}, unknown)
			}
			_, ok := a.Selected()
			require.False(t, ok)
			require.True(t, a.Expired(start.Add(ConsentTimeout)), "no consent by a refused check")
		})
	}
}

func decodeID(raw []byte) (id [stun.TransactionIDSize]byte) {
	copy(id[:], raw[8:headerSize])
	return id
}

func TestWhatIsIgnored(t *testing.T) {
	badFingerprint := goodCheck()
	badFingerprint[len(badFingerprint)-1] ^= 1
	indication := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodBinding, stun.ClassIndication), stun.Fingerprint).Raw
	for what, data := range map[string][]byte{
		"empty":           nil,
		"header only":     goodCheck()[:headerSize],
		"cut":             goodCheck()[:40],
		"padded":          append(goodCheck(), 0, 0, 0, 0),
		"bad fingerprint": badFingerprint,
		"indication":      indication,
		"success":         stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw,
		"allocate":        stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest)).Raw,
		"RTP":             append([]byte{0x80}, make([]byte, 100)...),
	} {
		t.Run(what, func(t *testing.T) {
			a := newAgent()
			before := *a
			resp, event := a.Handle(start, routeA, data, []byte("dst"))
			require.Nil(t, resp)
			require.Zero(t, event)
			require.Equal(t, before, *a)
		})
	}
}

// An attribute behind MESSAGE-INTEGRITY is anybody's (RFC 8489 14.5).
func TestUnprotectedUseCandidateIsIgnored(t *testing.T) {
	a := newAgent()
	data := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(localUfrag+":"+remoteUfrag),
		stun.NewShortTermIntegrity(localPwd), useCandidate, stun.Fingerprint).Raw
	_, event := a.Handle(start, routeA, data, nil)
	require.Equal(t, Alive, event)
}

func TestNominationAndRenomination(t *testing.T) {
	a := newAgent()
	_, event := a.Handle(start, routeA, goodCheck(useCandidate), nil)
	require.Equal(t, Alive|Selected, event)
	require.True(t, event.Has(Alive))
	require.False(t, event.Has(Restarted))
	route, ok := a.Selected()
	require.True(t, ok)
	require.Equal(t, routeA, route)

	_, event = a.Handle(start, routeA, goodCheck(useCandidate), nil)
	require.Equal(t, Alive, event, "the same again is nothing new")
	_, event = a.Handle(start, routeB, goodCheck(), nil)
	require.Equal(t, Alive, event, "a check alone moves nothing")
	_, event = a.Handle(start, routeB, goodCheck(useCandidate), nil)
	require.Equal(t, Alive|Selected, event)
	route, _ = a.Selected()
	require.Equal(t, routeB, route)
}

// The remote half of USERNAME is not checked while it is not known.
func TestUnknownRemoteUfrag(t *testing.T) {
	a := NewAgent(localUfrag, localPwd, "", "", start)
	_, event := a.Handle(start, routeA, goodCheck(useCandidate), nil)
	require.Equal(t, Alive|Selected, event)
}

// R18, W47: RFC 7675 section 5.1.
func TestConsent(t *testing.T) {
	a := newAgent()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	require.False(t, a.Expired(at(29)))
	a.Handle(at(20), routeA, goodCheck(), nil)
	require.True(t, a.Expired(at(30)), "H8: nothing was nominated")

	a.Handle(at(29), routeA, goodCheck(useCandidate), nil)
	require.False(t, a.Expired(at(58)))
	require.True(t, a.Expired(at(59)))
	a.Handle(at(50), routeA, goodCheck(), nil)
	require.False(t, a.Expired(at(79)))
	a.Handle(at(60), routeB, goodCheck(), nil)
	require.True(t, a.Expired(at(80)), "consent is the selected Route's")
	a.Handle(at(60), routeA, request(localUfrag+":"+remoteUfrag, "wrong"), nil)
	require.True(t, a.Expired(at(80)))
}

// W21, W24: the old session goes on until the peer nominates in the new one.
func TestRestart(t *testing.T) {
	a := newAgent()
	a.Handle(start, routeA, goodCheck(useCandidate), nil)
	a.Restart("never", "used", "", "")
	a.Restart(nextUfrag, nextPwd, nextRemote, "")
	current, next := a.LocalUfrags()
	require.Equal(t, []string{localUfrag, nextUfrag}, []string{current, next})

	later := start.Add(20 * time.Second)
	req := goodCheck()
	resp, event := a.Handle(later, routeA, req, nil)
	requireSuccess(t, req, resp, localPwd, routeA)
	require.Equal(t, Alive, event, "the old credentials are still good")
	req = nextCheck()
	resp, event = a.Handle(later, routeB, req, nil)
	requireSuccess(t, req, resp, nextPwd, routeB)
	require.Equal(t, Alive, event)
	route, _ := a.Selected()
	require.Equal(t, routeA, route, "media stays until the nomination")
	require.False(t, a.Expired(later.Add(29*time.Second)))

	mixed := request(nextUfrag+":"+nextRemote, localPwd)
	resp, _ = a.Handle(later, routeB, mixed, nil)
	require.Equal(t, stun.BindingError, decode(t, resp).Type)

	_, event = a.Handle(later, routeB, nextCheck(useCandidate), nil)
	require.Equal(t, Alive|Selected|Restarted, event)
	route, _ = a.Selected()
	require.Equal(t, routeB, route)
	current, next = a.LocalUfrags()
	require.Equal(t, []string{nextUfrag, ""}, []string{current, next})

	resp, event = a.Handle(later, routeA, goodCheck(useCandidate), nil)
	require.Zero(t, event)
	require.Equal(t, stun.BindingError, decode(t, resp).Type, "the old credentials are over")
}

func TestRestartOnTheSameRoute(t *testing.T) {
	a := newAgent()
	a.Handle(start, routeA, goodCheck(useCandidate), nil)
	a.Restart(nextUfrag, nextPwd, nextRemote, "")
	_, event := a.Handle(start, routeA, nextCheck(useCandidate), nil)
	require.Equal(t, Alive|Restarted, event)
}

func TestClosedRoute(t *testing.T) {
	a := newAgent()
	a.Handle(start, routeA, goodCheck(useCandidate), nil)
	a.RouteClosed(routeB)
	_, ok := a.Selected()
	require.True(t, ok)
	a.RouteClosed(routeA)
	_, ok = a.Selected()
	require.False(t, ok)
	require.False(t, a.Expired(start.Add(29*time.Second)))
	require.True(t, a.Expired(start.Add(30*time.Second)))
	_, event := a.Handle(start, routeB, goodCheck(useCandidate), nil)
	require.Equal(t, Alive|Selected, event)
}

func TestCredentials(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		ufrag, pwd := NewCredentials()
		require.Len(t, ufrag, 8)
		require.Len(t, pwd, 24)
		require.Empty(t, strings.Trim(ufrag+pwd, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
			"RFC 8839 5.4: ice-char")
		require.False(t, seen[ufrag] || seen[pwd])
		seen[ufrag], seen[pwd] = true, true
	}
}

func TestUsername(t *testing.T) {
	local, remote, ok := Username(goodCheck())
	require.True(t, ok)
	require.Equal(t, []string{localUfrag, remoteUfrag}, []string{local, remote})
	for _, data := range [][]byte{nil, goodCheck()[:30], append(goodCheck(), 0), request("half", localPwd),
		stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw,
		stun.MustBuild(stun.TransactionID, stun.BindingSuccess, stun.NewUsername("a:b")).Raw} {
		_, _, ok = Username(data)
		require.False(t, ok)
	}
}

func TestFirstByte(t *testing.T) {
	for b := range 256 {
		data := []byte{byte(b)}
		require.Equal(t, b <= 3, IsSTUN(data))
		require.Equal(t, b >= 20 && b <= 63, IsDTLS(data))
		require.Equal(t, b >= 128 && b <= 191, IsRTP(data))
	}
	require.False(t, IsSTUN(nil) || IsDTLS(nil) || IsRTP(nil))
}

func seeds(f *testing.F) {
	for _, data := range [][]byte{nil, goodCheck(), goodCheck(useCandidate), nextCheck(), request(":", ""),
		goodCheck(flag(0x7001)), goodCheck()[:40], request("a:b", localPwd, stun.NewSoftware("x"))} {
		f.Add(data)
	}
}

func FuzzUsername(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		local, remote, ok := Username(data)
		if !ok {
			require.Empty(t, local+remote)
			return
		}
		// pion's decoder agrees wherever it accepts the message.
		m := &stun.Message{Raw: data}
		if m.Decode() != nil {
			return
		}
		name, err := m.Get(stun.AttrUsername)
		require.NoError(t, err)
		require.Equal(t, string(name), local+":"+remote)
		require.NotContains(t, local, ":")
	})
}

func FuzzHandle(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		a := newAgent()
		a.Restart(nextUfrag, nextPwd, nextRemote, "")
		given := string(data)
		resp, event := a.Handle(start, routeA, data, nil)
		require.Equal(t, given, string(data), "the input is not written to")
		if event != 0 {
			require.NotNil(t, resp)
		}
		if resp != nil {
			m := decode(t, resp)
			require.Equal(t, event != 0, m.Type == stun.BindingSuccess)
		}
		_, ok := a.Selected()
		require.Equal(t, event.Has(Selected), ok)
	})
}

func BenchmarkHandle(b *testing.B) {
	a := newAgent()
	data := goodCheck(useCandidate)
	dst := make([]byte, 0, 200)
	b.ReportAllocs()
	for b.Loop() {
		a.Handle(start, routeA, data, dst)
	}
}

func BenchmarkUsername(b *testing.B) {
	data := goodCheck(useCandidate)
	b.ReportAllocs()
	for b.Loop() {
		Username(data)
	}
}
