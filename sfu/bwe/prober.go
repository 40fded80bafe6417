package bwe

import "time"

// Probe is one cluster of padding to send: Bytes in Packets over Duration, which
// is Bitrate. Every packet of it is reported by Sent with its ID.
type Probe struct {
	ID       uint8         // 1..255
	Bitrate  uint64        // bit/s, media sent meanwhile included
	Bytes    int           // on the wire, media sent meanwhile included
	Duration time.Duration // over which Bytes are spread evenly
	Packets  int           // least number of packets to make of Bytes
}

// Prober plans padding to find the way up. The zero value is ready.
type Prober struct {
	id uint8
}

// Plan returns the next cluster to send, if one is due: more is wanted than is
// believed (bit/s) and the path is calm. Call it every few tens of milliseconds.
func (p *Prober) Plan(now time.Time, estimate, wanted uint64, s Stats) (probe Probe, ok bool) {
	return Probe{}, false
}
