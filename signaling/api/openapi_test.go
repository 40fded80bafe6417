package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/webhook"
)

// names returns a struct's JSON names in order of the alphabet.
func names(of reflect.Type) (out []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			out = append(out, names(f.Type)...)
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// The description has the very names that requests and answers have, and no
// schema besides.
func TestDescriptionHasAllFields(t *testing.T) {
	doc := loadDocument(t)
	described := map[string]any{
		"List": List{}, "Stream": Stream{}, "Publisher": Publisher{}, "Encoding": rtc.LayerStats{}, "Verdict": health.Verdict{},
		"Audio": Audio{}, "Video": Video{}, "Layer": Layer{}, "Viewer": Viewer{}, "HLS": HLS{}, "Rendition": Rendition{},
		"Detail": Detail{}, "NewStream": NewStream{}, "Access": Access{}, "OBS": OBS{}, "NewToken": NewToken{}, "Token": Token{},
		"Sessions": Sessions{}, "Session": Session{}, "Revoke": Revoke{}, "Revocations": Revocations{}, "Revocation": auth.Bar{},
		"Ended": Ended{}, "RoomList": RoomList{}, "RoomName": RoomName{}, "Room": Room{}, "Settings": room.Settings{},
		"RoomStream": room.StreamState{}, "RoomLayer": room.StreamLayer{}, "Messages": Messages{}, "Entries": Entries{},
		"Entry": room.Entry{}, "Person": room.Person{}, "People": People{}, "NewMessage": NewMessage{}, "Action": Action{}, "Done": Done{},
		"Receivers": Receivers{}, "Receiver": webhook.Receiver{}, "DeadLetters": DeadLetters{}, "DeadLetter": webhook.Letter{},
		"Replay": Replay{}, "Replayed": webhook.Replayed{},
	}
	for name, of := range described {
		require.NotNil(t, doc.Components.Schemas[name], name)
		have := slices.Sorted(maps.Keys(doc.resolve(doc.Components.Schemas[name]).Properties))
		require.Equal(t, names(reflect.TypeOf(of)), have, name)
	}
	for name := range doc.Components.Schemas {
		if name != "Problem" && name != "Next" {
			require.Contains(t, described, name)
		}
	}
}

// Each path and method that is served is described, and the other way round;
// parameters of the path are declared.
func TestDescriptionHasAllResources(t *testing.T) {
	doc := loadDocument(t)
	h := &Handler{Auth: auth.NewVerifier(nil), Rooms: &hall{}, Records: &hall{}, Webhooks: &office{}}
	served := h.routes()
	ids := map[string]string{}
	for path, methods := range served {
		var want []string
		for m := range methods {
			want = append(want, strings.ToLower(m))
		}
		require.ElementsMatch(t, want, slices.Collect(maps.Keys(doc.Paths[path])), path)
		for method, op := range doc.Paths[path] {
			require.NotEmpty(t, op.OperationID, path)
			require.Empty(t, ids[op.OperationID], "%s names two operations", op.OperationID)
			ids[op.OperationID] = path
			declared := map[string]bool{}
			for _, p := range op.Parameters {
				name := strings.TrimPrefix(p.Ref, "#/components/parameters/")
				require.Contains(t, doc.Components.Parameters, name)
				if doc.Components.Parameters[name].In == "path" {
					declared[doc.Components.Parameters[name].Name] = true
				}
			}
			for part := range strings.SplitSeq(path, "/") {
				if name := strings.Trim(part, "{}"); name != part {
					require.True(t, declared[name], "%s %s: %s", method, path, name)
				}
			}
		}
	}
	for path := range doc.Paths {
		require.Contains(t, served, path)
	}
}

// Whoever has no token, or only a viewer's, gets nowhere but to the
// description; a Room's host gets to the Room.
func TestEverythingNeedsItsGrant(t *testing.T) {
	g := newRig(t, keys)
	for path, ops := range g.doc.Paths {
		url := strings.NewReplacer("{stream}", "demo", "{session}", "x", "{revocation}", "x", "{message}", "x").Replace(path)
		for method, op := range ops {
			body := ""
			if op.RequestBody != nil {
				body = `{}`
			}
			status := func(token string) int { return g.do(strings.ToUpper(method), url, token, body).status }
			what := method + " " + path
			if path == "/api/v1/openapi.yaml" {
				require.Equal(t, http.StatusOK, status(""), what)
				continue
			}
			require.Equal(t, http.StatusUnauthorized, status(""), what)
			require.Equal(t, http.StatusUnauthorized, status("x"), what)
			require.Equal(t, http.StatusForbidden, status(g.viewer), what)
			require.Equal(t, http.StatusForbidden, status(g.stranger), what)
			inRoom := strings.HasPrefix(path, "/api/v1/rooms/")
			for _, token := range []string{g.host, g.moderator} {
				require.Equal(t, !inRoom, status(token) == http.StatusForbidden, what)
			}
			require.NotContains(t, []int{401, 403}, status(g.operator), what)
		}
	}
}
