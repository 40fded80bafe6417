// Package fanout is the viewers' engine: it takes the Streams of a hub to any
// number of WebRTC viewers without a PeerConnection for each.
//
// An [Engine] owns the media sockets, one certificate and a few workers. A
// worker is one goroutine that owns the media state of its viewers; it wakes
// when a Frame is complete, walks its viewers and sends the Frame to each in
// one burst. Everything that comes in from a viewer goes another way: readers
// answer STUN themselves, hand DTLS to the viewer's handshake and RTCP to the
// viewer's worker.
//
// Lock order: Engine.mu and Viewer.mu and inbox.mu are leaves: none is held
// while another one or a lock of the hub is taken.
package fanout
