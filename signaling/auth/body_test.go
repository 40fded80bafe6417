package auth_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/auth/authtest"
)

var bodyKeys = auth.Keys{"team": strings.Repeat("s", 40), "apps": strings.Repeat("t", 40)}

func webhookRequest(body, token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader([]byte(body)))
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	return r
}

// What SignBody signs, LiveKit's own receiver takes, and nothing else.
func TestSignBody(t *testing.T) {
	const body = `{"event":"room_started","id":"EV_1","createdAt":1790000000,"room":{"name":"demo"},"extra":{"x":[1]}}`
	for _, key := range []string{"", "team", "apps"} {
		token, err := auth.SignBody(bodyKeys, key, []byte(body))
		require.NoError(t, err)
		got, err := authtest.Receive(webhookRequest(body, token), bodyKeys)
		require.NoError(t, err)
		require.Equal(t, "room_started", got.Event)
		require.Equal(t, "demo", got.Room)
		require.EqualValues(t, 1790000000, got.CreatedAt)

		_, err = authtest.Receive(webhookRequest(strings.Replace(body, "demo", "dem0", 1), token), bodyKeys)
		require.Error(t, err, "another body")
		_, err = authtest.Receive(webhookRequest(body, token), auth.Keys{"team": strings.Repeat("x", 40), "apps": strings.Repeat("x", 40)})
		require.Error(t, err, "another secret")
		_, err = authtest.Receive(webhookRequest(body, ""), bodyKeys)
		require.Error(t, err, "no signature")

		r := webhookRequest("", "Bearer "+token)
		_, err = auth.NewVerifier(bodyKeys).Play(r, "demo")
		require.ErrorIs(t, err, auth.ErrForbidden, "a signature gives no access")
		_, err = auth.NewVerifier(bodyKeys).Admin(r)
		require.ErrorIs(t, err, auth.ErrForbidden)
	}
	_, err := auth.SignBody(nil, "", nil)
	require.ErrorIs(t, err, auth.ErrKeys)
	_, err = auth.SignBody(bodyKeys, "who", nil)
	require.ErrorIs(t, err, auth.ErrKeys)
}
