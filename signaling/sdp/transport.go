package sdp

import (
	"strings"

	pion "github.com/pion/sdp/v3"
)

// transport is what a section says about its way through the network.
type transport struct {
	ufrag, pwd, setup string
	fingerprints      []Fingerprint
}

// read takes an attribute that describes the transport. An unreadable
// fingerprint is left out; a section that then has none is refused.
func (t *transport) read(a pion.Attribute) {
	switch a.Key {
	case "ice-ufrag":
		t.ufrag = a.Value
	case "ice-pwd":
		t.pwd = a.Value
	case "setup":
		t.setup = strings.ToLower(a.Value)
	case "fingerprint":
		if fp, ok := parseFingerprint(a.Value); ok && len(t.fingerprints) < maxRIDs {
			t.fingerprints = append(t.fingerprints, fp)
		}
	}
}

// inherit fills what is missing from a wider scope.
func (t *transport) inherit(from transport) {
	if t.ufrag == "" && t.pwd == "" {
		t.ufrag, t.pwd = from.ufrag, from.pwd
	}
	if t.setup == "" {
		t.setup = from.setup
	}
	if len(t.fingerprints) == 0 {
		t.fingerprints = from.fingerprints
	}
}

// digestSizes holds the hash functions of RFC 8122 section 5 that are still
// worth something, with their length in bytes.
var digestSizes = map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}

func parseFingerprint(value string) (Fingerprint, bool) {
	algorithm, hex, _ := strings.Cut(value, " ")
	fp := Fingerprint{Algorithm: strings.ToLower(algorithm), Value: strings.ToUpper(strings.TrimSpace(hex))}
	size, known := digestSizes[fp.Algorithm]
	if !known || len(fp.Value) != 3*size-1 {
		return Fingerprint{}, false
	}
	for i := range len(fp.Value) {
		c := fp.Value[i]
		switch {
		case i%3 == 2 && c == ':', i%3 != 2 && (c >= '0' && c <= '9' || c >= 'A' && c <= 'F'):
		default:
			return Fingerprint{}, false
		}
	}
	return fp, true
}

// checkTransport holds the shared transport to RFC 8839 section 5.4, RFC 8122
// and RFC 8842.
func (o *Offer) checkTransport() error {
	if err := checkCredentials(o.Ufrag, o.Pwd); err != nil {
		return err
	}
	if o.ICELite {
		// Nobody would send a connectivity check: the server is lite itself.
		return unsupported("the client is ICE-lite, as the server is; one side has to be a full agent")
	}
	if len(o.Fingerprints) == 0 {
		return malformed("no certificate fingerprint by sha-256, sha-384 or sha-512")
	}
	switch o.Setup {
	case SetupActpass, SetupActive, SetupPassive:
		return nil
	default:
		return unsupported("a=setup has to be actpass, active or passive")
	}
}

// checkCredentials holds ICE credentials to RFC 8839 section 5.4. It is wider
// than the ice-char of the grammar, for clients that use base64url, but keeps
// out the colon that separates the two halves of a STUN USERNAME.
func checkCredentials(ufrag, pwd string) error {
	switch {
	case len(ufrag) < 4 || len(ufrag) > 256 || !isToken(ufrag) || strings.Contains(ufrag, ":"):
		return malformed("ice-ufrag has to be 4 to 256 characters (RFC 8839 section 5.4)")
	case len(pwd) < 22 || len(pwd) > 256 || !isToken(pwd):
		return malformed("ice-pwd has to be 22 to 256 characters (RFC 8839 section 5.4)")
	}
	return nil
}
