// Package transcode makes what the publisher does not send, by ffmpeg as a
// child process: AAC from Opus, H264 from other codecs, smaller pictures.
package transcode
