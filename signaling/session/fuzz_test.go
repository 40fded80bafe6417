package session

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseIfMatch holds the parser of If-Match to three rules: it never
// panics, no weak tag matches, and a tag matches itself in any list.
func FuzzParseIfMatch(f *testing.F) {
	for _, s := range []string{
		`"a"`, `W/"a"`, `*`, `"*"`, `"a", "b"`, `,,"a",`, `"a" x`, `"`, `W/`, `a`, "", `"a""b"`, `W/"*"`, "\x00", `"a",*`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m, err := parseIfMatch([]string{line})
		require.NoError(t, err)
		if !m.any {
			require.False(t, m.matches(`"never in there 4711"`) && !strings.Contains(line, "4711"))
		}
		for _, tag := range m.tags {
			require.True(t, strings.HasPrefix(tag, `"`) && strings.HasSuffix(tag, `"`))
			again, err := parseIfMatch([]string{`"x"`, tag})
			require.NoError(t, err)
			require.True(t, again.matches(tag))
			weak, err := parseIfMatch([]string{"W/" + tag})
			require.NoError(t, err)
			require.False(t, weak.matches(tag))
		}
	})
}
