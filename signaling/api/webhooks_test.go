package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/signaling/webhook"
)

// office has dead letters.
type office struct {
	letters  []webhook.Letter
	replayed []webhook.Replay
}

func (o *office) Receivers() []webhook.Receiver {
	return []webhook.Receiver{{ID: "r", Host: "https://a.example", Queued: 1}}
}

func (o *office) DeadLetters() ([]webhook.Letter, error) { return o.letters, nil }

func (o *office) Replay(what webhook.Replay) (webhook.Replayed, error) {
	o.replayed = append(o.replayed, what)
	return webhook.Replayed{Replayed: 1, Skipped: []string{}}, nil
}

func TestDeadLetters(t *testing.T) {
	g := newRig(t, keys)
	for i := range 5 {
		g.office.letters = append(g.office.letters, webhook.Letter{
			ID: fmt.Sprint("EV_", i, ".r"), Event: "room_started", Receiver: "r", Host: "https://a.example", Tries: 1,
			QueuedAt: 1, DiedAt: int64(i / 2), Body: json.RawMessage(`{}`),
		})
	}
	var about Receivers
	g.as(http.MethodGet, "/api/v1/webhooks", "", 200).into(t, &about)
	require.Equal(t, g.office.Receivers(), about.Receivers)

	var got []string
	for path := "/api/v1/webhooks/dead-letters?limit=2"; path != ""; {
		var page DeadLetters
		g.as(http.MethodGet, path, "", 200).into(t, &page)
		for _, l := range page.DeadLetters {
			got = append(got, l.ID)
		}
		path = ""
		if page.Next != nil {
			path = "/api/v1/webhooks/dead-letters?limit=2&cursor=" + *page.Next
		}
	}
	require.Equal(t, []string{"EV_0.r", "EV_1.r", "EV_2.r", "EV_3.r", "EV_4.r"}, got)
}

func TestReplay(t *testing.T) {
	g := newRig(t, keys)
	for body, want := range map[string]int{
		``: 400, `{}`: 400, `{"ids":[]}`: 400, `{"ids":["a"],"all":true}`: 400, `{"id":["a"]}`: 400, `{"ids":"a"}`: 400,
		`{"ids":[` + strings.Repeat(`"a",`, maxReplay) + `"a"]}`: 400,
		`{"ids":["` + strings.Repeat("a", 100_000) + `"]}`:       413,
	} {
		g.as(http.MethodPost, "/api/v1/webhooks/replay", body, want)
	}
	require.Empty(t, g.office.replayed)
	g.as(http.MethodPost, "/api/v1/webhooks/replay", `{"ids":["a","b"]}`, 200)
	g.as(http.MethodPost, "/api/v1/webhooks/replay", `{"all":true}`, 200)
	require.Equal(t, []webhook.Replay{{IDs: []string{"a", "b"}}, {All: true}}, g.office.replayed)
}
