package icelite

import (
	"bytes"
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/stun/v3"

	"github.com/freshet-live/freshet/sfu/fanout/wire"
)

const (
	headerSize     = 20
	attrHeaderSize = 4
	cookie         = 0x2112A442
	bindingRequest = 0x0001
	integritySize  = 20
)

// IsSTUN tells whether a datagram's first byte says STUN (RFC 7983 section 7).
func IsSTUN(data []byte) bool { return len(data) > 0 && data[0] <= 3 }

// IsDTLS tells whether a datagram's first byte says DTLS (RFC 7983 section 7).
func IsDTLS(data []byte) bool { return len(data) > 0 && data[0] >= 20 && data[0] <= 63 }

// IsRTP tells whether a datagram's first byte says RTP or RTCP (RFC 7983
// section 7).
func IsRTP(data []byte) bool { return len(data) > 0 && data[0] >= 128 && data[0] <= 191 }

// Username splits the USERNAME of a STUN Binding request without validating
// the message: for demultiplexing by the local ufrag. ok is false when data is
// no Binding request or carries no USERNAME of two halves.
func Username(data []byte) (local, remote string, ok bool) {
	l, r, ok := username(data)
	return string(l), string(r), ok
}

// username is Username within data itself.
func username(data []byte) (local, remote []byte, ok bool) {
	if len(data) < headerSize || binary.BigEndian.Uint16(data) != bindingRequest ||
		binary.BigEndian.Uint32(data[4:]) != cookie ||
		int(binary.BigEndian.Uint16(data[2:])) != len(data)-headerSize {
		return nil, nil, false
	}
	for rest := data[headerSize:]; len(rest) >= attrHeaderSize; {
		typ := stun.AttrType(binary.BigEndian.Uint16(rest))
		n := int(binary.BigEndian.Uint16(rest[2:]))
		padded := (n + 3) &^ 3
		rest = rest[attrHeaderSize:]
		if padded > len(rest) {
			break
		}
		if typ == stun.AttrUsername {
			// The receiver's ufrag comes first (RFC 8445 section 7.2.2).
			if local, remote, ok = bytes.Cut(rest[:n], []byte{':'}); ok {
				return local, remote, true
			}
			break
		}
		rest = rest[padded:]
	}
	return nil, nil, false
}

// messages holds the parse and build buffers of all agents: a check comes
// every few seconds, so that one per agent would lie idle.
var messages = sync.Pool{New: func() any { return new(stun.Message) }}

// Handle takes a STUN message that came over a Route. The response is appended
// to dst; it is nil when none is to be sent. Event is zero for everything but
// a valid check.
//
// RFC 8445 section 7.3 gives the order: FINGERPRINT where present, short-term
// credentials (RFC 8489 section 9.1.3), unknown attributes (section 6.3.1),
// the role, then USE-CANDIDATE.
func (a *Agent) Handle(now time.Time, from wire.Route, data, dst []byte) (response []byte, event Event) {
	if len(data) < headerSize || len(data)%4 != 0 ||
		int(binary.BigEndian.Uint16(data[2:])) != len(data)-headerSize {
		return nil, 0
	}
	msg := messages.Get().(*stun.Message)
	defer messages.Put(msg)
	if _, err := msg.Write(data); err != nil {
		return nil, 0
	}
	// A Binding indication keeps NAT bindings open and needs no answer. Being
	// unauthenticated it renews no consent.
	if msg.Type != stun.BindingRequest {
		return nil, 0
	}
	if msg.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(msg) != nil {
		return nil, 0
	}
	cred, code := a.authenticate(msg)
	if code != 0 {
		return reply(dst, msg, stun.BindingError, nil, errorCode(code)), 0
	}
	check := readCheck(msg)
	switch {
	case len(check.unknown) > 0:
		return reply(dst, msg, stun.BindingError, cred.localPwd,
			errorCode(stun.CodeUnknownAttribute), check.unknown), 0
	case check.controlled:
		// A lite agent is never the controlling one (RFC 8445 section 6.1.1);
		// the peer has to switch (section 7.3.1.1).
		return reply(dst, msg, stun.BindingError, cred.localPwd, errorCode(stun.CodeRoleConflict)), 0
	}
	mapped := stun.XORMappedAddress{IP: from.Addr.Addr().AsSlice(), Port: int(from.Addr.Port())}
	response = reply(dst, msg, stun.BindingSuccess, cred.localPwd, mapped)
	if response == nil {
		return nil, 0 // a Route without an address
	}
	return response, a.accept(now, from, check.useCandidate, cred == &a.next)
}

// authenticate finds the generation of credentials that a request is made
// with, or the error to answer.
func (a *Agent) authenticate(msg *stun.Message) (*credentials, stun.ErrorCode) {
	name, err := msg.Get(stun.AttrUsername)
	mac, macErr := msg.Get(stun.AttrMessageIntegrity)
	if err != nil || macErr != nil || len(mac) != integritySize {
		return nil, stun.CodeBadRequest
	}
	local, remote, ok := bytes.Cut(name, []byte{':'})
	if !ok {
		return nil, stun.CodeUnauthorized
	}
	for _, cred := range []*credentials{&a.current, &a.next} {
		if cred.localUfrag == "" || string(local) != cred.localUfrag {
			continue
		}
		if cred.remoteUfrag != "" && string(remote) != cred.remoteUfrag {
			continue
		}
		if stun.MessageIntegrity(cred.localPwd).Check(msg) == nil {
			return cred, 0
		}
	}
	return nil, stun.CodeUnauthorized
}

// check is what an authenticated request says.
type check struct {
	useCandidate bool
	controlled   bool
	unknown      stun.UnknownAttributes
}

// maxUnknown bounds the UNKNOWN-ATTRIBUTES of an answer.
const maxUnknown = 16

// readCheck reads the attributes that MESSAGE-INTEGRITY covers; those behind
// it are ignored (RFC 8489 section 14.5).
func readCheck(msg *stun.Message) check {
	var c check
	for _, attr := range msg.Attributes {
		switch attr.Type {
		case stun.AttrMessageIntegrity:
			return c
		case stun.AttrUseCandidate:
			c.useCandidate = true
		case stun.AttrICEControlled:
			c.controlled = true
		case stun.AttrUsername, stun.AttrPriority:
		default:
			if attr.Type.Required() && len(c.unknown) < maxUnknown {
				c.unknown = append(c.unknown, attr.Type)
			}
		}
	}
	return c
}

// errorCode is an ERROR-CODE without a reason text: checks are answered to
// machines, and an answer should not be longer than the question.
func errorCode(code stun.ErrorCode) stun.Setter { return stun.ErrorCodeAttribute{Code: code} }

// reply builds an answer and appends it to dst. Without a password it carries
// no MESSAGE-INTEGRITY (RFC 8489 section 9.1.3).
func reply(dst []byte, request *stun.Message, typ stun.MessageType, pwd []byte, attrs ...stun.Setter) []byte {
	msg := messages.Get().(*stun.Message)
	defer messages.Put(msg)
	msg.Reset()
	msg.Type = typ
	msg.TransactionID = request.TransactionID
	msg.WriteHeader()
	if pwd != nil {
		attrs = append(attrs, stun.MessageIntegrity(pwd))
	}
	for _, attr := range append(attrs, stun.Fingerprint) {
		if attr.AddTo(msg) != nil {
			return nil
		}
	}
	return append(dst, msg.Raw...)
}
