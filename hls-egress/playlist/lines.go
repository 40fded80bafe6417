package playlist

import (
	"strconv"
	"time"
)

// decimals is how exact durations are: 10 µs. Players add durations up, so
// that milliseconds would not do.
const decimals = 5

// unit is the last decimal.
const unit = 10 * time.Microsecond

// dateTime is an ISO 8601 date and time as in EXT-X-PROGRAM-DATE-TIME.
const dateTime = "2006-01-02T15:04:05.000Z"

func appendSeconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, d.Round(unit).Seconds(), 'f', decimals, 64)
}

// appendAttribute writes seconds without zeros at the end, rounded up: what is
// promised here holds for every duration that appendSeconds writes.
func appendAttribute(b []byte, d time.Duration) []byte {
	up := (d + unit - 1) / unit * unit
	return strconv.AppendFloat(b, up.Seconds(), 'f', -1, 64)
}

func appendMap(b []byte, uri string) []byte {
	b = append(b, `#EXT-X-MAP:URI="`...)
	b = append(b, uri...)
	return append(b, "\"\n"...)
}

func appendDateTime(b []byte, t time.Time) []byte {
	b = append(b, "#EXT-X-PROGRAM-DATE-TIME:"...)
	b = t.UTC().AppendFormat(b, dateTime)
	return append(b, '\n')
}

func appendPart(b []byte, p Part) []byte {
	b = append(b, "#EXT-X-PART:DURATION="...)
	b = appendSeconds(b, p.Duration)
	b = append(b, `,URI="`...)
	b = append(b, p.URI...)
	b = append(b, '"')
	if p.Independent {
		b = append(b, ",INDEPENDENT=YES"...)
	}
	return append(b, '\n')
}

func appendSegment(b []byte, d time.Duration, uri string) []byte {
	b = append(b, "#EXTINF:"...)
	b = appendSeconds(b, d)
	b = append(b, ",\n"...)
	b = append(b, uri...)
	return append(b, '\n')
}

func appendTag(b []byte, tag string, value uint64) []byte {
	b = append(b, tag...)
	b = strconv.AppendUint(b, value, 10)
	return append(b, '\n')
}
