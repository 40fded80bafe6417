// Package media holds the nouns that the whole of Freshet speaks in: Stream,
// Track, Layer, Packet, Codec, Source and Sink. It imports nothing of ours and
// does nothing by itself.
package media
