// Package frames reads what RTP payloads say about Frames, where they begin,
// which are keyframes, how large their picture is, and ties RTP timestamps to
// the wall clock. All of it is pure: no goroutine, clock or I/O.
package frames
