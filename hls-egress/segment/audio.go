package segment

import (
	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/freshet-live/freshet/sfu/media"
)

// opusFormat is Opus in ISO BMFF ("Encapsulation of Opus in ISO Base Media File
// Format" 0.8.1 section 4.3).
type opusFormat struct {
	whole
	channels int
}

// channels returns how many channels to declare. Opus is always sent as
// stereo in RTP (RFC 7587 section 4.1); what is in it shows per packet.
func channels(c media.Codec) int {
	if c.Channels == 1 {
		return 1
	}
	return 2
}

func (opusFormat) key([][]byte) bool { return true }

func (opusFormat) parameters([][]byte) [][]byte { return nil }

func (f opusFormat) describe([][]byte) (description, error) {
	d := description{codecs: "opus", channels: f.channels}
	// A live stream has no beginning to skip: PreSkip is 0.
	d.entry = mp4.CreateAudioSampleEntryBox("Opus", uint16(f.channels), 16, AudioTimescale,
		&mp4.DopsBox{OutputChannelCount: byte(f.channels), InputSampleRate: AudioTimescale})
	return d, nil
}

// silentOpus is 20 ms of silence: one stereo CELT frame in full band (RFC 6716
// section 3.1, configuration 31) whose silence flag is set.
var silentOpus = []byte{0xfc, 0xff, 0xfe}

// aacFormat is AAC-LC, 48 kHz, stereo (ISO/IEC 14496-3 section 1.6.2).
type aacFormat struct{ whole }

// aacConfig is the AudioSpecificConfig: object type 2, frequency index 3,
// channel configuration 2.
var aacConfig = []byte{0x11, 0x90}

func (aacFormat) key([][]byte) bool { return true }

func (aacFormat) parameters([][]byte) [][]byte { return nil }

func (aacFormat) describe([][]byte) (description, error) {
	d := description{codecs: "mp4a.40.2", channels: 2}
	d.entry = mp4.CreateAudioSampleEntryBox("mp4a", 2, 16, AudioTimescale, mp4.CreateEsdsBox(aacConfig))
	return d, nil
}

// silentAAC is one frame of silence.
var silentAAC = []byte{0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c}

// Silence returns a frame of silence of Opus or AAC and its duration in
// AudioTimescale. Nobody may change the frame.
func Silence(codec string) (frame []byte, ticks int64) {
	if codec == AAC {
		return silentAAC, 1024
	}
	return silentOpus, 960
}

// opusTicks returns how much sound is in an Opus packet, in ticks of 48 kHz (RFC
// 6716 section 3.1); 20 ms if the packet makes no sense.
func opusTicks(packet []byte) int64 {
	const usual = 960
	if len(packet) == 0 {
		return usual
	}
	config, frames := packet[0]>>3, int64(1)
	switch packet[0] & 3 {
	case 1, 2:
		frames = 2
	case 3:
		if len(packet) < 2 {
			return usual
		}
		frames = int64(packet[1] & 0x3f)
	}
	var frame int64
	switch {
	case config < 12: // SILK
		frame = [...]int64{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid
		frame = [...]int64{480, 960}[config&1]
	default: // CELT
		frame = 120 << (config & 3)
	}
	if total := frame * frames; total > 0 && total <= 5760 { // at most 120 ms
		return total
	}
	return usual
}
