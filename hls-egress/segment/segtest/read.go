// Package segtest reads back what package segment writes, with a parser that
// is not its own, and holds it against the rules for LL-HLS and fMP4.
package segtest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"
)

// ErrFormat is returned for bytes that break a rule of fMP4.
var ErrFormat = errors.New("not valid fMP4")

// Init is what an initialization section says.
type Init struct {
	// Video tells pictures from sound.
	Video bool
	// Timescale is in ticks per second.
	Timescale uint32
	// Entry is the type of the sample entry, such as "avc1".
	Entry string
	// Width and Height are in pixels.
	Width, Height int
}

// ReadInit parses an initialization section and checks that it is one (F1).
func ReadInit(data []byte) (Init, error) {
	var init Init
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		return init, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if file.Init == nil || file.Ftyp == nil || file.Moov == nil || file.Moov.Mvex == nil || len(file.Moov.Traks) != 1 {
		return init, fmt.Errorf("%w: needs ftyp and a moov with mvex and one track", ErrFormat)
	}
	if file.Mdat != nil || len(file.Segments) > 0 {
		return init, fmt.Errorf("%w: media in an initialization section", ErrFormat)
	}
	trak := file.Moov.Trak
	stbl := trak.Mdia.Minf.Stbl
	if len(stbl.Stts.SampleCount) > 0 || len(stbl.Stsd.Children) != 1 {
		return init, fmt.Errorf("%w: samples or several sample entries", ErrFormat)
	}
	init.Timescale, init.Entry = trak.Mdia.Mdhd.Timescale, stbl.Stsd.Children[0].Type()
	if visual, ok := stbl.Stsd.Children[0].(*mp4.VisualSampleEntryBox); ok {
		init.Video, init.Width, init.Height = true, int(visual.Width), int(visual.Height)
	}
	return init, nil
}

// Media is what is in a part.
type Media struct {
	// Start and End are times on the media timeline, in ticks.
	Start, End uint64
	// Sync is set when its first sample is a sync sample.
	Sync bool
	// Samples is the number of samples; Durations are theirs in ticks.
	Samples   int
	Durations []uint32
	// Sequence is the mfhd sequence number of the first fragment, LastSequence
	// that of the last.
	Sequence, LastSequence uint32
	// Bytes is the size of the samples.
	Bytes int
}

// Duration returns how long it plays.
func (m Media) Duration(timescale uint32) time.Duration {
	return time.Duration(float64(m.End-m.Start) / float64(timescale) * float64(time.Second))
}

// ReadMedia parses a part or a segment: whole moof and mdat pairs (F2, F4, F5,
// F8).
func ReadMedia(data []byte) (Media, error) {
	var m Media
	file, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if file.Moov != nil || len(file.Segments) != 1 {
		return m, fmt.Errorf("%w: %d segments", ErrFormat, len(file.Segments))
	}
	for i, f := range file.Segments[0].Fragments {
		if err := m.add(f, i == 0); err != nil {
			return m, err
		}
	}
	if m.Samples == 0 {
		return m, fmt.Errorf("%w: no samples", ErrFormat)
	}
	return m, nil
}

func (m *Media) add(f *mp4.Fragment, first bool) error {
	if f.Moof == nil || f.Mdat == nil || f.Moof.Mfhd == nil || len(f.Moof.Trafs) != 1 || f.Moof.Traf.Tfdt == nil {
		return fmt.Errorf("%w: fragment without moof, mdat, mfhd, one traf or tfdt", ErrFormat)
	}
	traf := f.Moof.Traf
	if !traf.Tfhd.DefaultBaseIfMoof() {
		return fmt.Errorf("%w: default-base-is-moof is not set", ErrFormat)
	}
	start := traf.Tfdt.BaseMediaDecodeTime()
	switch {
	case first:
		m.Start, m.End, m.Sequence = start, start, f.Moof.Mfhd.SequenceNumber
	case start != m.End:
		return fmt.Errorf("%w: tfdt %d does not continue %d", ErrFormat, start, m.End)
	case f.Moof.Mfhd.SequenceNumber <= m.LastSequence:
		return fmt.Errorf("%w: sequence number %d after %d", ErrFormat, f.Moof.Mfhd.SequenceNumber, m.LastSequence)
	}
	m.LastSequence = f.Moof.Mfhd.SequenceNumber
	head := f.Moof.Size() + f.Mdat.HeaderSize()
	for _, trun := range traf.Truns {
		size := 0
		for _, s := range trun.Samples {
			if s.Dur == 0 || s.Size == 0 {
				return fmt.Errorf("%w: sample of duration %d and size %d", ErrFormat, s.Dur, s.Size)
			}
			if m.Samples == 0 {
				m.Sync = s.IsSync()
			}
			m.Samples++
			m.Durations = append(m.Durations, s.Dur)
			m.End += uint64(s.Dur)
			size += int(s.Size)
		}
		if int(trun.DataOffset) < int(head) || int(trun.DataOffset)+size > int(head)+len(f.Mdat.Data) {
			return fmt.Errorf("%w: samples outside of the mdat", ErrFormat)
		}
		m.Bytes += size
	}
	if m.Bytes == 0 {
		return fmt.Errorf("%w: empty fragment", ErrFormat)
	}
	return nil
}
