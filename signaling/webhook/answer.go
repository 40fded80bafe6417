package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// errAnswer: an endpoint has answered, but neither yes nor no.
var errAnswer = errors.New("the answer is neither yes nor no")

const (
	maxReason    = 200 // characters
	noReasonText = "the operator of this server does not allow it"
)

// answer is the JSON of an answer. Detail is where problem documents (RFC
// 9457) have what others call a reason.
type answer struct {
	Allow  *bool  `json:"allow"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// readAnswer understands an answer to a Question. A 2xx without a body is a
// yes, one with a body has to say; a 403 is a no. Anything else is an error,
// which wraps errAnswer.
func readAnswer(status int, body []byte) (allow bool, reason string, err error) {
	long := len(body) > maxAnswer
	body = bytes.TrimSpace(body)
	if status == http.StatusForbidden {
		var a answer
		_ = json.Unmarshal(body, &a) // it need not say why
		return false, a.reason(), nil
	}
	if status < 200 || status > 299 {
		return false, "", fmt.Errorf("%w: status %d", errAnswer, status)
	}
	if len(body) == 0 && !long {
		return true, "", nil
	}
	var a answer
	switch {
	case long:
		return false, "", fmt.Errorf("%w: it is too long", errAnswer)
	case json.Unmarshal(body, &a) != nil || a.Allow == nil:
		return false, "", fmt.Errorf(`%w: status %d without "allow"`, errAnswer, status)
	case !*a.Allow:
		return false, a.reason(), nil
	}
	return true, "", nil
}

// reason returns what the client is told.
func (a answer) reason() string {
	if text := plain(a.Reason); text != "" {
		return text
	}
	if text := plain(a.Detail); text != "" {
		return text
	}
	return noReasonText
}

// plain makes one short line of a text, without characters that are not seen.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar, unicode.Is(unicode.C, r):
			return -1
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > maxReason {
		return string(runes[:maxReason-1]) + "…"
	}
	return string(runes)
}
