package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/sfu/health"
	"github.com/freshet-live/freshet/sfu/rtc"
	"github.com/freshet-live/freshet/signaling/auth"
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

// The description has the very names that the answers have.
func TestDescriptionIsOfThisAPI(t *testing.T) {
	status, body := serve(demo(), gate{auth.ErrNoToken}, nil, "/api/v1/openapi.yaml")
	require.Equal(t, http.StatusOK, status)
	type schema struct {
		Properties map[string]any
		AllOf      []struct{ Properties map[string]any } `yaml:"allOf"`
	}
	var doc struct {
		OpenAPI    string
		Paths      map[string]any
		Components struct{ Schemas map[string]schema }
	}
	require.NoError(t, yaml.Unmarshal([]byte(body), &doc))
	require.Equal(t, []string{"/api/v1/openapi.yaml", "/api/v1/streams", "/api/v1/streams/{stream}"},
		slices.Sorted(maps.Keys(doc.Paths)))
	for name, of := range map[string]any{
		"List": List{}, "Stream": Stream{}, "Publisher": Publisher{}, "Encoding": rtc.LayerStats{}, "Verdict": health.Verdict{},
		"Audio": Audio{}, "Video": Video{}, "Layer": Layer{}, "Viewer": Viewer{},
		"HLS": HLS{}, "Rendition": Rendition{},
	} {
		have := slices.Sorted(maps.Keys(doc.Components.Schemas[name].Properties))
		require.Equal(t, names(reflect.TypeOf(of)), have, name)
	}
	require.Contains(t, doc.Components.Schemas["Detail"].AllOf[1].Properties, "viewerSessions")
}
