package playlist

import "bytes"

// Rebase returns a media playlist whose media lies in another folder than the
// playlist. Rendition reports stay as they are: they are about playlists. The
// folder is as it goes before a URI, with a slash at its end.
func Rebase(text []byte, folder string) []byte {
	out := make([]byte, 0, len(text)+(bytes.Count(text, []byte{'\n'})+1)*len(folder))
	for line := range bytes.Lines(text) {
		switch {
		case line[0] != '#' && line[0] != '\n':
			out = append(out, folder...)
		case mediaTag(line):
			const attribute = `URI="`
			if i := bytes.Index(line, []byte(attribute)); i >= 0 {
				i += len(attribute)
				out = append(append(out, line[:i]...), folder...)
				line = line[i:]
			}
		}
		out = append(out, line...)
	}
	return out
}

// mediaTag reports whether a tag's URI is that of media.
func mediaTag(line []byte) bool {
	for _, tag := range []string{"#EXT-X-PART:", "#EXT-X-MAP:", "#EXT-X-PRELOAD-HINT:"} {
		if bytes.HasPrefix(line, []byte(tag)) {
			return true
		}
	}
	return false
}
