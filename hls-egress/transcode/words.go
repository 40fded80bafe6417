package transcode

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"
)

// words drains what a process says on its standard error and logs a line of it
// at most once a second.
type words struct {
	log    *slog.Logger
	last   string
	logged time.Time
	more   int
}

// maxWords bounds a line.
const maxWords = 512

// read returns nil when the process says no more.
func (w *words) read(r io.Reader) error {
	for b := bufio.NewReaderSize(r, maxWords); ; {
		line, err := b.ReadSlice('\n')
		if text := plain(line); text != "" {
			w.say(time.Now(), text)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil //nolint:nilerr // that it has ended is for the output to tell
		}
	}
}

func (w *words) say(now time.Time, text string) {
	w.last = text
	if now.Sub(w.logged) < time.Second {
		w.more++
		return
	}
	w.log.Warn("ffmpeg says", "line", text, "unsaid", w.more)
	w.logged, w.more = now, 0
}

// plain makes a line of bytes from a process fit for a log.
func plain(line []byte) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(line), "?"))
	return strings.TrimSpace(text)
}
