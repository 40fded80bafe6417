package origin

import (
	"strconv"
	"strings"
)

// address is a URL below /hls/ taken apart.
type address struct {
	stream string
	// sign is the signature's segment of the path without its tilde.
	sign   string
	signed bool
	// rendition is "" for the multivariant playlist.
	rendition string
	file      string
}

const (
	prefix    = "/hls/"
	indexFile = "index.m3u8"
	mp4       = ".mp4"
)

// parseAddress takes a path apart; false for one that cannot exist.
func parseAddress(path string) (address, bool) {
	var a address
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return a, false
	}
	if a.stream, rest, ok = strings.Cut(rest, "/"); !ok {
		return a, false
	}
	if sign, found := strings.CutPrefix(rest, "~"); found {
		a.signed = true
		if a.sign, rest, ok = strings.Cut(sign, "/"); !ok {
			return a, false
		}
	}
	first, second, deep := strings.Cut(rest, "/")
	if !deep {
		a.file = first
		return a, first == indexFile
	}
	a.rendition, a.file = first, second
	return a, first != "" && second != "" && !strings.Contains(second, "/")
}

// item is what a file name stands for.
type item struct {
	kind string
	run  string
	msn  uint64
	// part is the number of a part, or of an initialization section.
	part int
}

// parseFile reads the name of a rendition's file. Each file has one name only:
// caches must not be filled by spelling it in many ways.
func parseFile(name string) (item, bool) {
	if name == indexFile {
		return item{kind: kindPlaylist}, true
	}
	stem, ok := strings.CutSuffix(name, mp4)
	if !ok {
		return item{}, false
	}
	if rest, found := strings.CutPrefix(stem, "init-"); found {
		run, id, _ := strings.Cut(rest, "-")
		n, ok := canonical(id)
		return item{kind: kindInit, run: run, part: int(n)}, ok && n < 1<<31
	}
	run, rest, ok := strings.Cut(stem, "-")
	if !ok {
		return item{}, false
	}
	text, partText, isPart := strings.Cut(rest, ".")
	msn, ok := canonical(text)
	if !ok {
		return item{}, false
	}
	if !isPart {
		return item{kind: kindSegment, run: run, msn: msn}, true
	}
	part, ok := canonical(partText)
	return item{kind: kindPart, run: run, msn: msn, part: int(part)}, ok && part < 1<<31
}

// canonical reads a decimal number without zeros before it.
func canonical(text string) (uint64, bool) {
	if text == "" || text[0] < '0' || text[0] > '9' || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
