package room

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxMarks  = 5 // combining marks on one base, which the scripts of the world stay below
	maxLines  = 20
	maxReason = 200

	maxNameBytes = 4 << 10 // of what is looked at
)

// Characters with a use of their own below.
const (
	zwnj      = '\u200c'
	zwj       = '\u200d'
	lrm       = '\u200e'
	rlm       = '\u200f'
	lineSep   = '\u2028'
	paraSep   = '\u2029'
	selectEmo = '\ufe0f'
)

// turnsText reports the characters that change the direction of what follows
// them (UAX #9 section 2): the means to make a text read as another.
func turnsText(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// unseen reports characters that take part in no text: controls, formats,
// private use, noncharacters, the letters that show nothing. It does not speak
// of joiners and marks of direction.
func unseen(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u2800', '\u3164', '\uffa0', utf8.RuneError:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) || r&0xfffe == 0xfffe ||
		r >= 0xfdd0 && r <= 0xfdef
}

// cleaner copies a text without what is only there to play tricks.
type cleaner struct {
	out   strings.Builder
	prev  rune // the last one written, 0 at the start
	marks int  // combining marks since the last base
}

func (c *cleaner) write(r rune) {
	c.out.WriteRune(r)
	c.prev = r
}

// joins reports whether a joiner after r has a meaning: in scripts that shape
// their letters, and between emoji.
func joins(r rune) bool { return r > 0x2ff && !unicode.IsSpace(r) && r != zwj && r != zwnj }

// bears reports whether a combining mark after r has something to stand on.
func bears(r rune) bool { return r != 0 && r != lrm && r != rlm && !unicode.IsSpace(r) }

// put takes one rune that is no white space.
func (c *cleaner) put(r rune) {
	switch {
	case r == zwj || r == zwnj:
		if joins(c.prev) {
			c.write(r)
		}
	case unseen(r):
	case unicode.Is(unicode.M, r):
		if c.marks++; c.marks <= maxMarks && bears(c.prev) {
			c.write(r)
		}
	default:
		c.marks = 0
		c.write(r)
	}
}

// cleanText returns what of a text may be shown: in Unicode's normal form NFC,
// without controls, overrides of direction and invisible characters, with five
// combining marks on a base and a bounded number of lines at most. Marks of
// direction stay, since Arabic and Hebrew need them.
func cleanText(s string) string {
	var c cleaner
	lines, breaks := 1, 0
	for _, r := range norm.NFC.String(strings.ReplaceAll(s, "\r\n", "\n")) {
		switch {
		case r == '\n' || r == '\r' || r == lineSep || r == paraSep || r == '\v' || r == '\f':
			if breaks++; breaks > 2 {
				continue
			}
			if lines++; lines > maxLines {
				c.write(' ')
			} else {
				c.write('\n')
			}
			continue
		case unicode.IsSpace(r):
			c.marks = 0
			c.write(' ')
			continue
		case r == lrm || r == rlm:
			if c.prev != r {
				c.write(r)
			}
			continue
		}
		before := c.out.Len()
		if c.put(r); c.out.Len() != before {
			breaks = 0
		}
	}
	// What was between two characters that go together may be gone.
	s = strings.TrimFunc(norm.NFC.String(c.out.String()), blank)
	if strings.IndexFunc(s, seen) < 0 {
		return ""
	}
	return s
}

// cleanName returns what of a name may be shown: as cleanText, in one line, with
// single spaces and without marks of direction.
func cleanName(s string) string {
	var c cleaner
	for _, r := range norm.NFC.String(s[:min(len(s), maxNameBytes)]) {
		if unicode.IsSpace(r) {
			c.write(' ')
			c.marks = 0
		} else {
			c.put(r)
		}
	}
	s = strings.TrimFunc(strings.Join(strings.Fields(norm.NFC.String(c.out.String())), " "), blank)
	if strings.IndexFunc(s, seen) < 0 {
		return ""
	}
	return s
}

// blank reports what a text neither begins nor ends with.
func blank(r rune) bool {
	return unicode.IsSpace(r) || r == zwj || r == zwnj || r == lrm || r == rlm
}

// seen reports what makes a text more than nothing.
func seen(r rune) bool { return !blank(r) && !unicode.Is(unicode.M, r) }

// forbiddenInName are the characters that a name is refused for, rather than
// freed from.
func forbiddenInName(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || turnsText(r)
}

// length is counted in code points.
func length(s string) int { return utf8.RuneCountInString(s) }

// cut returns the first n code points of s.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return strings.TrimFunc(s[:i], blank)
		}
		n--
	}
	return s
}

// looksLike maps characters to the Latin letter that they are taken for.
var looksLike = map[rune]rune{
	'0': 'o', '1': 'l', 'i': 'l', '|': 'l', '!': 'l', '5': 's', '3': 'e', '4': 'a', '$': 's', '@': 'a',
	'ı': 'l', 'ł': 'l', 'ø': 'o', 'đ': 'd', 'ß': 's',
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'н': 'h', 'і': 'l', 'ј': 'j', 'к': 'k', 'ӏ': 'l',
	'м': 'm', 'о': 'o', 'р': 'p', 'ԛ': 'q', 'г': 'r', 'ѕ': 's', 'т': 't', 'у': 'y', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x',
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': 'l', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'σ': 'o', 'τ': 't',
	'υ': 'u', 'χ': 'x', 'ω': 'w',
}

// skeleton is the same for two names that are easily taken for each other: by
// case, accents, digits for letters, letters of other alphabets, dots and
// spaces.
func skeleton(name string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(name) {
		r = unicode.ToLower(r)
		if l, ok := looksLike[r]; ok {
			r = l
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			out.WriteRune(r)
		}
	}
	if out.Len() == 0 {
		return name // nothing but signs
	}
	return strings.ReplaceAll(strings.ReplaceAll(out.String(), "rn", "m"), "vv", "w")
}
