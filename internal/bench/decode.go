package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// maxUndecoded is how many frames may wait for a decoder; further ones are left
// out up to the next keyframe.
const maxUndecoded = 256

// decoder is an ffmpeg that decodes what a viewer shows. Its frames are taken
// on a shard's goroutine, which never waits for it.
type decoder struct {
	frames  chan []byte
	skipped int  // frames that found no room
	broken  bool // until the next keyframe
	fed     int

	frame []byte // the one that comes in, in Annex B
	whole bool

	decoded  atomic.Int64
	problems atomic.Int64
	mu       sync.Mutex
	first    string // the first problem
}

// newDecoder returns a decoder whose run must follow.
func newDecoder() *decoder { return &decoder{frames: make(chan []byte, maxUndecoded)} }

// packet adds a packet's payload to the frame that comes in.
func (d *decoder) packet(payload []byte, fresh bool) {
	if fresh {
		d.frame, d.whole = d.frame[:0], true
	}
	var ok bool
	if d.frame, ok = annexB(d.frame, payload); !ok {
		d.whole = false
	}
}

// show gives the frame to ffmpeg.
func (d *decoder) show(key bool) {
	if key {
		d.broken = false
	}
	if d.broken || !d.whole {
		d.skipped++
		return
	}
	select {
	case d.frames <- append([]byte(nil), d.frame...):
		d.fed++
	default:
		d.skipped++
		d.broken = true
	}
}

// close ends the input. The owner calls it once, and shows nothing after.
func (d *decoder) close() { close(d.frames) }

// run decodes until close, or until ctx ends.
func (d *decoder) run(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, path,
		"-hide_banner", "-nostats", "-loglevel", "repeat+error", "-progress", "pipe:1", "-threads", "1", "-flags", "+low_delay",
		"-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-f", "null", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	problems, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("decoder: %w", err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { d.follow(out) })
	reading.Go(func() { d.complain(problems) })
	for frame := range d.frames { // even when ffmpeg takes no more
		_, _ = in.Write(frame)
	}
	_ = in.Close()
	reading.Wait()
	if err := cmd.Wait(); err != nil {
		d.problem("ffmpeg ended: " + err.Error())
	}
	return nil
}

// follow reads how many frames have been decoded.
func (d *decoder) follow(progress io.Reader) {
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		if count, ok := strings.CutPrefix(lines.Text(), "frame="); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(count), 10, 64); err == nil {
				d.decoded.Store(n)
			}
		}
	}
}

// complain counts what ffmpeg finds wrong.
func (d *decoder) complain(problems io.Reader) {
	for lines := bufio.NewScanner(problems); lines.Scan(); {
		d.problem(lines.Text())
	}
}

func (d *decoder) problem(text string) {
	d.problems.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.first == "" {
		d.first = text
	}
}

// annexB appends the NAL units, or the part of one, in an RTP payload (RFC 6184
// section 5) to a byte stream (ITU-T H.264 annex B).
func annexB(to, payload []byte) (_ []byte, ok bool) {
	if len(payload) == 0 {
		return to, false
	}
	start := []byte{0, 0, 0, 1}
	switch t := payload[0] & nalType; {
	case t == nalSTAPA:
		for rest := payload[1:]; len(rest) > 0; {
			if len(rest) < 2 {
				return to, false
			}
			n := int(rest[0])<<8 | int(rest[1])
			if n == 0 || n > len(rest)-2 {
				return to, false
			}
			to = append(append(to, start...), rest[2:2+n]...)
			rest = rest[2+n:]
		}
	case t == nalFUA:
		if len(payload) < 2 {
			return to, false
		}
		if payload[1]&0x80 != 0 {
			to = append(append(to, start...), payload[0]&^nalType|payload[1]&nalType)
		}
		to = append(to, payload[2:]...)
	case t > 0 && t < nalSTAPA:
		to = append(append(to, start...), payload...)
	default:
		return to, false
	}
	return to, true
}
