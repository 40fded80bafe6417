package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/freshet-live/freshet/"

// allowed tells which of our packages a package may import, by the first
// prefix of its path that matches, longest first. Everybody may import
// packages below its own folder.
var allowed = map[string][]string{
	"cmd":                   {""},
	"sfu/media":             {},
	"sfu/frames":            {"sfu/media"},
	"sfu/forward":           {"sfu/media"},
	"sfu/bwe":               {"sfu/media"},
	"sfu/hub":               {"sfu/media", "sfu/forward"},
	"sfu/health":            {"sfu/media"},
	"sfu/rtc":               {"sfu/media", "sfu/forward", "sfu/bwe", "sfu/hub", "sfu/frames", "sfu/health"},
	"sfu/fanout":            {"sfu/media", "sfu/forward", "sfu/bwe", "sfu/hub", "sfu/frames"},
	"signaling":             {"sfu", "signaling", "internal"},
	"signaling/sdp":         {"sfu/media"},
	"signaling/auth":        {},
	"signaling/rooms/room":  {},
	"signaling/rooms/store": {"signaling/rooms/room"},
	"relay":                 {"sfu/media", "sfu/hub", "sfu/frames", "sfu/forward", "relay", "internal"},
	"relay/link":            {"sfu", "relay", "internal"},
	"hls-egress":            {"sfu/media", "sfu/hub", "sfu/frames", "hls-egress", "internal"},
	"recorder":              {"sfu/media", "sfu/hub", "sfu/frames", "hls-egress/segment", "recorder", "internal"},
	"turn":                  {},
	"web":                   {},
	"internal/layout":       {},
	"internal":              {"internal"},
	"sfu/fanout/wire":       {},
	"sfu/fanout/icelite":    {"sfu/fanout/wire"},
}

// confined tells who alone may import a module of others.
var confined = map[string][]string{
	"github.com/pion/webrtc/":     {"sfu/rtc", "relay/link"},
	"github.com/livekit/protocol": {"signaling/auth", "signaling/livekit"},
	"github.com/redis/go-redis":   {"relay/redisroute", "signaling/rooms", "cmd"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		all = append(all, p)
	}
}

func within(path, folder string) bool {
	return folder == "" || path == folder || strings.HasPrefix(path, folder+"/")
}

// room returns the entry of allowed that governs a package.
func room(path string) (string, bool) {
	for p := path; p != "."; {
		if _, ok := allowed[p]; ok {
			return p, true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			return "", false
		}
		p = p[:i]
	}
	return "", false
}

func violations(all []pkg) []string {
	var out []string
	for _, p := range all {
		path := strings.TrimPrefix(p.ImportPath, module)
		home, ok := room(path)
		if !ok {
			out = append(out, path+" has no room in the layout")
			continue
		}
		for _, imp := range p.Imports {
			if ours, found := strings.CutPrefix(imp, module); found {
				if !within(ours, home) && !slices.ContainsFunc(allowed[home], func(f string) bool { return within(ours, f) }) {
					out = append(out, path+" must not import "+ours)
				}
				continue
			}
			for prefix, who := range confined {
				if strings.HasPrefix(imp+"/", prefix) && !slices.ContainsFunc(who, func(f string) bool { return within(path, f) }) {
					out = append(out, path+" must not import "+imp)
				}
			}
		}
	}
	return out
}

func TestImportsPointInward(t *testing.T) {
	all := list(t)
	require.NotEmpty(t, all)
	require.Empty(t, violations(all))
}

// TestViolationsAreSeen breaks the rules on purpose.
func TestViolationsAreSeen(t *testing.T) {
	for _, p := range []pkg{
		{module + "sfu/media", []string{module + "sfu/hub"}},
		{module + "sfu/hub", []string{module + "signaling/whip"}},
		{module + "sfu/hub", []string{"github.com/pion/webrtc/v4"}},
		{module + "recorder", []string{module + "hls-egress/playlist"}},
		{module + "utils", nil},
		{module + "signaling/whip", []string{"github.com/livekit/protocol/auth"}},
		{module + "sfu/fanout/wire", []string{module + "sfu/fanout"}},
	} {
		require.Len(t, violations([]pkg{p}), 1, p.ImportPath)
	}
	require.Empty(t, violations([]pkg{{module + "signaling/whip", []string{module + "sfu/rtc", "github.com/pion/rtp"}}}))
}
