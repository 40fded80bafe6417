// Package frames reads what RTP payloads say about Frames, where they begin,
// which are keyframes, how large their picture is, ties RTP timestamps to the
// wall clock, and puts Packets together to Frames. All of it is pure: no
// goroutine, clock or I/O.
package frames
