package segment

import (
	"encoding/binary"
	"math"
)

// Sample flags of a trun (ISO/IEC 14496-12 section 8.8.3.1): a sync sample
// depends on no other one, the rest does and is no sync sample.
const (
	syncFlags    = 0x02000000
	nonSyncFlags = 0x01010000
)

const (
	// moofSize is that of a moof without its samples: moof, mfhd, traf, tfhd,
	// tfdt with 64 bits, trun.
	moofSize   = 8 + 16 + 8 + 16 + 20 + 20
	mdatSize   = 8
	trunSample = 12
)

// queued is a Sample on its way into a part.
type queued struct {
	Sample
	// size is the sum of the units'; in the mdat it may differ a little.
	size int
	// describes is what a keyframe says of itself, nil for other samples.
	describes *description
	// ends is the time at which the next sample begins.
	ends int64
}

// fragment writes a moof and its mdat (F2, F4, F5), for samples that are decoded
// with the parameters in. A part is one fragment.
func fragment(f format, in [][]byte, sequence uint32, samples []queued) []byte {
	payload := 0
	for i := range samples {
		samples[i].size = 0
		for _, unit := range samples[i].Units {
			if f.keep(unit, in) {
				samples[i].size += f.size(unit)
			}
		}
		payload += samples[i].size
	}
	head := moofSize + trunSample*len(samples)
	b := make([]byte, 0, head+mdatSize+payload)
	b = box(b, head, "moof")
	b = box(b, 16, "mfhd")
	b = u32(b, 0, sequence)
	b = box(b, head-8-16, "traf")
	b = box(b, 16, "tfhd")
	b = u32(b, 0x020000, 1) // default-base-is-moof, track 1
	b = box(b, 20, "tfdt")
	b = u32(b, 1<<24)
	b = binary.BigEndian.AppendUint64(b, uint64(samples[0].Time))
	b = box(b, 20+trunSample*len(samples), "trun")
	// Data offset; duration, size and flags of each sample.
	b = u32(b, 0x000701, uint32(len(samples)), uint32(head+mdatSize))
	for i := range samples {
		flags := uint32(nonSyncFlags)
		if samples[i].Key {
			flags = syncFlags
		}
		b = u32(b, uint32(samples[i].ends-samples[i].Time), uint32(samples[i].size), flags)
	}
	b = box(b, mdatSize+payload, "mdat")
	for i := range samples {
		for _, unit := range samples[i].Units {
			if f.keep(unit, in) {
				b = f.append(b, unit)
			}
		}
	}
	return b
}

func box(b []byte, size int, name string) []byte {
	return append(u32(b, uint32(size)), name...)
}

func u32(b []byte, values ...uint32) []byte {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// sequenceNumber is the mfhd sequence number of a part (F6): it grows within a
// rendition, and parts that stand in for one another have the same.
func sequenceNumber(msn uint64, index int) uint32 {
	return uint32((msn*1024+uint64(min(index, 1023)))%math.MaxUint32) + 1
}
