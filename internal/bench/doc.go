// Package bench measures a WHIP, WHEP and LL-HLS server from outside: light
// viewers by the thousand and publishers of real encoded media, in one process,
// so that a frame's way through the server is timed by one clock.
//
// A light viewer is a UDP socket, keys and counters. It does ICE, DTLS, SRTP,
// NACK with RTX, receiver reports and transport-wide feedback as a browser
// does, and puts frames together without decoding them. It runs on Linux.
//
// An HLS client is a connection per rendition that reloads its playlist and
// loads the parts that it tells of.
package bench
