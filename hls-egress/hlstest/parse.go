package hlstest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// attributes is an attribute list (section 4.2).
type attributes map[string]string

var attribute = regexp.MustCompile(`^([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)`)

func parseAttributes(text string) (attributes, error) {
	out := attributes{}
	for text != "" {
		m := attribute.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("no attribute list: %q", text)
		}
		if _, dup := out[m[1]]; dup {
			return nil, fmt.Errorf("attribute %s is there twice", m[1])
		}
		out[m[1]] = strings.Trim(m[2], `"`)
		text = text[len(m[0]):]
		if m[3] == "," && text == "" {
			return nil, fmt.Errorf("attribute list ends with a comma")
		}
	}
	return out, nil
}

func (a attributes) seconds(name string) (time.Duration, error) {
	f, err := strconv.ParseFloat(a[name], 64)
	if err != nil {
		return 0, fmt.Errorf("%s=%q is no number", name, a[name])
	}
	return time.Duration(f * float64(time.Second)), nil
}

// parser reads a media playlist line by line.
type parser struct {
	p       mediaPlaylist
	segment mediaSegment
	open    bool // segment has anything
	mapURI  string
	seen    map[string]bool
}

// parseMedia reads a media playlist and refuses what section 4 does.
func parseMedia(text string) (*mediaPlaylist, error) {
	lines := strings.Split(text, "\n")
	if lines[0] != "#EXTM3U" {
		return nil, fmt.Errorf("it does not begin with #EXTM3U")
	}
	if lines[len(lines)-1] != "" {
		return nil, fmt.Errorf("the last line is cut off")
	}
	p := &parser{seen: map[string]bool{}}
	p.p.text = text
	for _, line := range lines[1 : len(lines)-1] {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%w in %q", err, line)
		}
	}
	if p.open {
		p.add()
	}
	for _, tag := range []string{"#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-VERSION", "#EXT-X-PART-INF", "#EXT-X-SERVER-CONTROL"} {
		if !p.seen[tag] {
			return nil, fmt.Errorf("%s is missing", tag)
		}
	}
	return &p.p, nil
}

func (p *parser) add() {
	p.segment.msn = p.p.mediaSequence + uint64(p.p.skipped+len(p.p.segments))
	p.segment.mapURI = p.mapURI
	p.segment.number = p.p.discontinuity
	if n := len(p.p.segments); n > 0 {
		p.segment.number = p.p.segments[n-1].number
	}
	if p.segment.discontinuity {
		p.segment.number++
	}
	p.p.segments = append(p.p.segments, p.segment)
	p.segment, p.open = mediaSegment{}, false
}

func (p *parser) line(line string) (err error) {
	if line == "" || strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "#EXT") {
		return nil
	}
	if line[0] != '#' {
		if p.segment.duration == 0 {
			return fmt.Errorf("a URI without EXTINF")
		}
		p.segment.uri = line
		p.add()
		return nil
	}
	tag, value, _ := strings.Cut(line, ":")
	if known, err := p.header(tag, value); known || err != nil {
		return err
	}
	return p.body(tag, value)
}

// header reads the tags that may be there once.
func (p *parser) header(tag, value string) (known bool, err error) {
	number := func() (n uint64) { n, err = strconv.ParseUint(value, 10, 63); return n }
	switch tag {
	case "#EXT-X-VERSION":
		p.p.version = int(number())
	case "#EXT-X-TARGETDURATION":
		p.p.target = time.Duration(number()) * time.Second
	case "#EXT-X-MEDIA-SEQUENCE":
		p.p.mediaSequence = number()
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		p.p.discontinuity = number()
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		p.p.independent = true
	case "#EXT-X-ENDLIST":
		p.p.ended = true
	case "#EXT-X-PLAYLIST-TYPE":
		err = fmt.Errorf("a live playlist has no type (L16)")
	case "#EXT-X-SERVER-CONTROL":
		err = p.serverControl(value)
	case "#EXT-X-PART-INF":
		var a attributes
		if a, err = parseAttributes(value); err == nil {
			p.p.partTarget, err = a.seconds("PART-TARGET")
		}
	case "#EXT-X-SKIP":
		var a attributes
		if a, err = parseAttributes(value); err == nil {
			p.p.skipped, err = strconv.Atoi(a["SKIPPED-SEGMENTS"])
		}
	default:
		return false, nil
	}
	if p.seen[tag] {
		return true, fmt.Errorf("the tag is there twice")
	}
	if len(p.p.segments) > 0 && tag != "#EXT-X-ENDLIST" {
		return true, fmt.Errorf("the tag belongs before the segments")
	}
	p.seen[tag] = true
	return true, err
}

func (p *parser) serverControl(value string) error {
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	p.p.control = value
	if a["CAN-BLOCK-RELOAD"] != "YES" {
		return fmt.Errorf("CAN-BLOCK-RELOAD is not YES (L5)")
	}
	if p.p.partHoldBack, err = a.seconds("PART-HOLD-BACK"); err != nil {
		return err
	}
	if p.p.holdBack, err = a.seconds("HOLD-BACK"); err != nil {
		return err
	}
	if a["CAN-SKIP-UNTIL"] != "" {
		p.p.skipUntil, err = a.seconds("CAN-SKIP-UNTIL")
	}
	return err
}

// body reads the tags of segments.
func (p *parser) body(tag, value string) (err error) {
	var a attributes
	switch tag {
	case "#EXTINF":
		text, _, ok := strings.Cut(value, ",")
		f, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || f <= 0 {
			return fmt.Errorf("no duration")
		}
		p.segment.duration = time.Duration(f * float64(time.Second))
	case "#EXT-X-DISCONTINUITY":
		p.segment.discontinuity = true
	case "#EXT-X-PROGRAM-DATE-TIME":
		p.segment.pdt, err = time.Parse(time.RFC3339Nano, value)
	case "#EXT-X-MAP":
		a, err = parseAttributes(value)
		p.mapURI = a["URI"]
	case "#EXT-X-PART":
		err = p.part(value)
	case "#EXT-X-PRELOAD-HINT":
		a, err = parseAttributes(value)
		p.p.hints = append(p.p.hints, a)
		return err
	case "#EXT-X-RENDITION-REPORT":
		a, err = parseAttributes(value)
		p.p.reports = append(p.p.reports, a)
		return err
	case "#EXT-X-GAP":
		return fmt.Errorf("a gap stops some players")
	default:
		return fmt.Errorf("an unknown tag")
	}
	if p.p.hints != nil {
		return fmt.Errorf("media after the preload hint")
	}
	p.open = true
	return err
}

func (p *parser) part(value string) error {
	a, err := parseAttributes(value)
	if err != nil {
		return err
	}
	d, err := a.seconds("DURATION")
	if err != nil {
		return err
	}
	if a["GAP"] != "" {
		return fmt.Errorf("a gap stops some players")
	}
	p.segment.parts = append(p.segment.parts, mediaPart{uri: a["URI"], duration: d, independent: a["INDEPENDENT"] == "YES"})
	return nil
}
