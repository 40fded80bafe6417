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
// Lock order: a session's lock before Engine.mu, when a task begins. The locks
// of registry, Viewer and inbox are leaves: nothing else is taken under them.
// None of them is held during a call into the hub, whose Streams call a
// group's Update, and so take an inbox's lock, under their own.
package fanout
