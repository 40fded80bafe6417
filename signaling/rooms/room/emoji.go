package room

import "unicode/utf8"

const (
	maxEmojiBytes = 64
	maxEmojiRunes = 16
)

// emojiRanges are the characters that emoji are made of (UTS #51): what exists,
// and in the planes of pictographs what may come.
var emojiRanges = [][2]rune{
	{0xa9, 0xa9}, {0xae, 0xae}, {0x203c, 0x203c}, {0x2049, 0x2049}, {0x2122, 0x2122}, {0x2139, 0x2139},
	{0x2194, 0x2199}, {0x21a9, 0x21aa}, {0x231a, 0x231b}, {0x2328, 0x2328}, {0x23cf, 0x23cf}, {0x23e9, 0x23f3},
	{0x23f8, 0x23fa}, {0x24c2, 0x24c2}, {0x25aa, 0x25ab}, {0x25b6, 0x25b6}, {0x25c0, 0x25c0}, {0x25fb, 0x25fe},
	{0x2600, 0x27bf}, {0x2934, 0x2935}, {0x2b05, 0x2b07}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2b55, 0x2b55},
	{0x3030, 0x3030}, {0x303d, 0x303d}, {0x3297, 0x3297}, {0x3299, 0x3299},
	{0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f170, 0x1f171}, {0x1f17e, 0x1f17f}, {0x1f18e, 0x1f18e},
	{0x1f191, 0x1f19a}, {0x1f201, 0x1f202}, {0x1f21a, 0x1f21a}, {0x1f22f, 0x1f22f}, {0x1f232, 0x1f23a},
	{0x1f250, 0x1f251}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb}, {0x1f7f0, 0x1f7f0},
	{0x1f90c, 0x1f9ff}, {0x1fa70, 0x1faff},
}

func emojiBase(r rune) bool {
	for _, p := range emojiRanges {
		if r <= p[1] {
			return r >= p[0]
		}
	}
	return false
}

func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
func skinTone(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }
func tag(r rune) bool      { return r >= 0xe0020 && r <= 0xe007e }

// oneEmoji reports whether s is one emoji (UTS #51 section 1.4.9): a flag, a
// keycap, or pictographs joined to one.
func oneEmoji(s string) bool {
	if s == "" || len(s) > maxEmojiBytes || !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxEmojiRunes {
		return false
	}
	r := []rune(s)
	if len(r) == 2 && regional(r[0]) && regional(r[1]) {
		return true
	}
	if c := r[0]; c >= '0' && c <= '9' || c == '#' || c == '*' {
		return r[len(r)-1] == 0x20e3 && (len(r) == 2 || len(r) == 3 && r[1] == selectEmo)
	}
	for {
		n := emojiElement(r)
		if n == 0 {
			return false
		}
		if r = r[n:]; len(r) == 0 {
			return true
		}
		if r[0] != zwj {
			return false
		}
		r = r[1:]
	}
}

// emojiElement returns the length of the pictograph at the beginning of r with
// what modifies it, 0 where there is none.
func emojiElement(r []rune) int {
	if len(r) == 0 || !emojiBase(r[0]) {
		return 0
	}
	n := 1
	if n < len(r) && (r[n] == selectEmo || skinTone(r[n])) {
		n++
	}
	if n == len(r) || !tag(r[n]) {
		return n
	}
	for n < len(r) && tag(r[n]) {
		n++
	}
	if n == len(r) || r[n] != 0xe007f { // an unfinished run of tags
		return 0
	}
	return n + 1
}
