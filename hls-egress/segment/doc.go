// Package segment cuts Frames into the parts and segments of CMAF (ISO/IEC
// 23000-19) that LL-HLS (draft-pantos-hls-rfc8216bis) and recordings are made
// of. It is pure: no goroutine, clock or I/O.
package segment
