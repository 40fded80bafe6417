package room

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

func TestTexts(t *testing.T) {
	for in, want := range map[string]string{
		"  hello \t world \n":                    "hello   world",
		"<script>alert(1)</script> &amp;":        "<script>alert(1)</script> &amp;", // text is text
		"a\r\nb\rc\u2028d":                       "a\nb\nc\nd",
		"a\n\n\n\n\nb":                           "a\n\nb",
		"bell\a\x00nul\x1b[31m":                  "bellnul[31m",
		"user\u202egnp.exe":                      "usergnp.exe",
		"\u2066iso\u2069 \u202bemb\u202c":        "iso emb",
		"zero\u200bwidth\u2060\ufeff\u00ad":      "zerowidth",
		"e\u0301":                                "é",
		"z" + strings.Repeat("\u0335", 40) + "a": "z" + strings.Repeat("\u0335", maxMarks) + "a",
		"\u200d\u200c\u200b":                     "",
		"\u3164\u2800":                           "",
		"\ufe0f\u0301":                           "",
		"می\u200cخواهم":                          "می\u200cخواهم", // Persian needs the non-joiner
		"क्\u200dष":                              "क्\u200dष",
		"a\u200db\u200d\u200d":                   "ab",
		"👩\u200d👩\u200d👧 ok ❤\ufe0f":             "👩\u200d👩\u200d👧 ok ❤\ufe0f",
		"שלום\u200f!":                            "שלום\u200f!",
		"สวัสดี ทุกคน":                           "สวัสดี ทุกคน",
		"\xff\xfe broken":                        "broken",
	} {
		require.Equal(t, want, cleanText(in), "%q", in)
	}
	require.Equal(t, maxLines-1, strings.Count(cleanText(strings.Repeat("a\n", 100)+"b"), "\n"))
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"  Ann \t\n  Lee  ":        "Ann Lee",
		"\u202eevil\u202c":         "evil",
		"A\u200bn\u200dn\u200e":    "Ann",
		"\u00a0\u3000\u2003":       "",
		"\u3164":                   "",
		"🎉 Ann 🎉":                  "🎉 Ann 🎉",
		"Zoë\u0308\u0308":          "Zoë\u0308\u0308",
		"<b>Ann</b>":               "<b>Ann</b>",
		"Ann \u200b Lee":           "Ann Lee",
		"علی\u200cرضا":             "علی\u200cرضا",
		"\U000e0041\U000e0042 Bob": "Bob",
	} {
		require.Equal(t, want, cleanName(in), "%q", in)
	}
	require.Equal(t, "Ann", cut("Ann Lee", 4), "no space at the end")
}

func TestNamesThatAreTakenForEachOther(t *testing.T) {
	for _, name := range []string{"ADMIN", "Аdmin", "adm1n", "a.d-m i_n", "ådmîn", "ａｄｍｉｎ", "adrnin", "admln", "𝐚𝐝𝐦𝐢𝐧"} {
		require.Equal(t, skeleton("Admin"), skeleton(name), name)
	}
	require.NotEqual(t, skeleton("Ann"), skeleton("Anne"))
	require.NotEqual(t, skeleton("🎉"), skeleton("🔥"))
}

func TestOneEmoji(t *testing.T) {
	for _, s := range []string{"🎉", "❤", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "#️⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
		"🧑🏿‍🤝‍🧑🏻", "©️", "☕", "🫠", "👁️‍🗨️", "🧔🏽‍♂️"} {
		require.True(t, oneEmoji(s), "%q", s)
	}
	for _, s := range []string{"", "a", "ab", "1", "12", "🎉🎉", "🎉x", "x🎉", "<b>", "\u200d", "🎉\u200d", "\u200d🎉", "🇩", "🇩🇪🇫", "\ufe0f", "é", "中", "🎉\u202e",
		"🎉 ", " 🎉", "\xff", "🎉\x00", "🏴\U000e0067", "🎉\u0301", strings.Repeat("👩\u200d", 20) + "👩", "1\u20e3\u20e3", "⠿", "─"} {
		require.False(t, oneEmoji(s), "%q", s)
	}
}

// checkClean holds what is shown against what may never be in it.
func checkClean(t *testing.T, s string, name bool) {
	require.True(t, utf8.ValidString(s))
	marks := 0
	for _, r := range s {
		require.False(t, turnsText(r), "%q", s)
		require.False(t, unseen(r) && r != '\n' && r != zwj && r != zwnj && r != lrm && r != rlm, "%q %U", s, r)
		if name {
			require.NotContains(t, "\n\u200e\u200f\u2028", string(r))
		}
		if norm.NFC.PropertiesString(string(r)).CCC() == 0 {
			marks = 0
		} else if marks++; marks > maxMarks {
			t.Fatalf("%q has %d marks in a row", s, marks)
		}
	}
	require.Equal(t, strings.TrimSpace(s), s)
	if s != "" {
		require.GreaterOrEqual(t, strings.IndexFunc(s, seen), 0)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"hello", "a\u0301\u0301", "\u202e", "👩\u200d👧", "\xff", "a\r\n\n\nb", "\u200d\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := cleanText(s)
		checkClean(t, text, false)
		require.Equal(t, text, cleanText(text), "clean is clean")
		require.LessOrEqual(t, strings.Count(text, "\n"), maxLines)
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"Ann", " a  b ", "\u202eAnn", "A\u200dn", "\u0301\u200d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := cut(cleanName(s), 40)
		checkClean(t, name, true)
		require.LessOrEqual(t, length(name), 40)
		require.Equal(t, name, cut(cleanName(name), 40), "clean is clean")
		require.NotPanics(t, func() { skeleton(s); oneEmoji(s) })
	})
}
