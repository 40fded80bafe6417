package bench

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrOptions is what options that cannot work are refused with.
var ErrOptions = errors.New("bench options")

// ViewerOptions says what RunViewers does.
type ViewerOptions struct {
	// URL is the WHEP endpoint that every viewer plays.
	URL string
	// Publish is the WHIP endpoint to publish to; "" leaves that to somebody
	// else, and then there are no latencies.
	Publish string
	// Token and PublishToken are bearer tokens; "": none.
	Token, PublishToken string
	// Viewers is how many there are.
	Viewers int
	// Duration is how long is measured once all have joined.
	Duration time.Duration
	// Ramp is how many viewers join in which time; zero: 100 a second.
	Ramp Rate
	// Churn is how many viewers leave, each replaced by a new one, while it is
	// measured; zero: none.
	Churn Rate
	// Path is the network between the server and each viewer.
	Path PathOptions
	// Decode is how many of the viewers have what they show decoded by ffmpeg.
	Decode int
	// NoFeedback leaves transport-wide congestion control out of the offer.
	NoFeedback bool
	// GRO lets the kernel hand trains of packets to viewers unsegmented. It
	// saves the viewers' CPU and, over loopback, the server's too, which
	// flatters the server.
	GRO bool
	// PID is the server's process on this machine, to read its CPU time and
	// memory; 0: not.
	PID int
	// Media describes what is published.
	Media MediaOptions
}

// MediaOptions describes a publisher's media.
type MediaOptions struct {
	// Bitrate is that of the video, of its top layer with simulcast, in bit/s;
	// 0: 2.5 Mbit/s.
	Bitrate Bits
	// Simulcast sends three layers, q, h and f.
	Simulcast bool
	// Keyframes makes the publisher answer keyframe requests. Without it one
	// comes every two seconds whatever the server asks for, as from OBS.
	Keyframes bool
}

// PublisherOptions says what RunPublishers does.
type PublisherOptions struct {
	// URL is a WHIP endpoint; each publisher adds "-1", "-2" and so on to it.
	URL string
	// Token is a bearer token; "": none.
	Token string
	// Publishers is how many there are.
	Publishers int
	// Duration, Ramp and PID are as for viewers; zero Ramp: 20 a second.
	Duration time.Duration
	Ramp     Rate
	PID      int
	Media    MediaOptions
}

func (o *ViewerOptions) check() error {
	switch {
	case o.URL == "":
		return fmt.Errorf("%w: a WHEP URL is needed", ErrOptions)
	case o.Viewers < 1:
		return fmt.Errorf("%w: at least one viewer", ErrOptions)
	case o.Duration <= 0:
		return fmt.Errorf("%w: the duration must be positive", ErrOptions)
	case o.Decode < 0:
		return fmt.Errorf("%w: no fewer than zero viewers can decode", ErrOptions)
	}
	return o.Path.check(o.Duration)
}

func (o *PublisherOptions) check() error {
	switch {
	case o.URL == "":
		return fmt.Errorf("%w: a WHIP URL is needed", ErrOptions)
	case o.Publishers < 1:
		return fmt.Errorf("%w: at least one publisher", ErrOptions)
	case o.Duration <= 0:
		return fmt.Errorf("%w: the duration must be positive", ErrOptions)
	}
	return nil
}

// Rate is so many in a time, written "500/5s"; "5/s" is short for "5/1s".
type Rate struct {
	Count int
	Per   time.Duration
}

// UnmarshalText reads a Rate.
func (r *Rate) UnmarshalText(text []byte) error {
	count, per, ok := strings.Cut(string(text), "/")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 {
		return fmt.Errorf("%w: %q is not COUNT/TIME, such as 500/5s", ErrOptions, text)
	}
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, err := time.ParseDuration(per)
	if err != nil || d <= 0 {
		return fmt.Errorf("%w: %q is not COUNT/TIME, such as 500/5s", ErrOptions, text)
	}
	*r = Rate{n, d}
	return nil
}

// interval is the time from one to the next; 0 for the zero Rate.
func (r Rate) interval() time.Duration {
	if r.Count <= 0 {
		return 0
	}
	return r.Per / time.Duration(r.Count)
}

// Bits is a number of bits, or of bits a second, written "400k" or "2.5M".
type Bits int64

// UnmarshalText reads Bits.
func (b *Bits) UnmarshalText(text []byte) error {
	number, unit := string(text), 1.0
	switch {
	case strings.HasSuffix(number, "k"):
		number, unit = strings.TrimSuffix(number, "k"), 1e3
	case strings.HasSuffix(number, "M"):
		number, unit = strings.TrimSuffix(number, "M"), 1e6
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*unit > 1e12 {
		return fmt.Errorf("%w: %q is no bitrate, such as 400k or 2.5M", ErrOptions, text)
	}
	*b = Bits(f * unit)
	return nil
}

// Percent is a part of 1, written "5%" or "0.05".
type Percent float64

// UnmarshalText reads a Percent.
func (p *Percent) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(string(text), "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%w: %q is no part, such as 5%%", ErrOptions, text)
	}
	*p = Percent(f)
	return nil
}
