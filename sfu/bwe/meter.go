package bwe

// A meter's bucket is 2^16 µs long, about a fifteenth of a second.
const (
	bucketBits = 16
	buckets    = 16
)

// The windows that are read, in whole buckets: a quarter, half and a whole second.
const (
	shortWindow = 4
	longWindow  = 8
	wideWindow  = 15
)

// meter measures a bit rate over the last second of its own clock.
type meter struct {
	bytes [buckets]uint32
	first int64 // µs
	last  int64 // µs
	on    bool
}

func (m *meter) add(us int64, size int) {
	if !m.on {
		*m = meter{first: us, last: us, on: true}
	}
	now, newest := us>>bucketBits, m.last>>bucketBits
	switch {
	case now <= newest-buckets:
		return
	case now >= newest+buckets:
		// A pause: what came before it says nothing about now.
		*m = meter{first: us, last: us, on: true}
	default:
		for b := newest + 1; b <= now; b++ {
			m.bytes[b&(buckets-1)] = 0
		}
	}
	m.last = max(m.last, us)
	m.bytes[now&(buckets-1)] += uint32(size)
}

// rate is bit/s over n whole buckets and the one in progress; 0 while unknown.
func (m *meter) rate(n int64) uint64 {
	if !m.on || m.last-m.first < 2<<bucketBits {
		return 0
	}
	newest := m.last >> bucketBits
	var sum uint64
	for b := newest - n; b <= newest; b++ {
		sum += uint64(m.bytes[b&(buckets-1)])
	}
	span := n<<bucketBits + m.last&(1<<bucketBits-1)
	return sum * 8 * 1e6 / uint64(min(span, m.last-m.first))
}
