// Package transcode makes what the publisher does not send, by ffmpeg as a
// child process: AAC from Opus, H264 from other codecs, smaller pictures.
//
// A Process takes the Samples of one rendition and gives those of another on
// the same timeline: a picture comes out with the time that it went in with,
// and keyframes are where the source has them, so that a Ladder cuts all
// renditions at the same places. In goes Matroska, out comes FLV, one sample at
// a time: both are whole when they are written, so neither side waits for the
// next sample.
//
// Whatever a process does, the Stream goes on: a crash, a hang, output that
// cannot be read or a machine that is too slow end in a restart, marked by
// Result.Discontinuity, or in Process.Done.
package transcode
