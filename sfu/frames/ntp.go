package frames

import "time"

// ntpEpoch is 1900-01-01 in seconds before the Unix epoch (RFC 868).
const ntpEpoch = 2_208_988_800

// NTPTime returns an instant as an NTP timestamp: seconds since 1900 in the
// upper half, their fraction in the lower (RFC 3550 section 4).
func NTPTime(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)                                 // after 1900
	fraction := (uint64(t.Nanosecond())<<32 + 500_000_000) / 1_000_000_000 // below 1e9
	return seconds<<32 + fraction
}

// TimeFromNTP returns the instant of an NTP timestamp, within 136 years from
// 1968: the era that holds the present (RFC 4330 section 3).
func TimeFromNTP(ntp uint64) time.Time {
	seconds := int64(ntp >> 32) // 32 bits
	if seconds < 1<<31 {
		seconds += 1 << 32 // the era that begins in 2036
	}
	nanoseconds := (ntp&0xffff_ffff*1_000_000_000 + 1<<31) >> 32
	return time.Unix(seconds-ntpEpoch, int64(nanoseconds)) // at most 1e9
}

// MiddleNTP returns the middle 32 bits of an NTP timestamp, as report blocks
// carry them (RFC 3550 section 6.4.1).
func MiddleNTP(ntp uint64) uint32 { return uint32(ntp >> 16) } // the middle bits
