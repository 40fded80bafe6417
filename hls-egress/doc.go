// Package hlsegress is the bridge from Streams to HTTP: a Sink per Stream puts
// Frames together, segment.Ladder cuts them, package transcode adds what is
// missing, and package origin serves the result as LL-HLS.
package hlsegress
