// Package wire owns the media sockets: one UDP port and one TCP port that
// publishers and viewers share.
//
// Datagrams come in by recvmmsg on one socket per core and go first to a
// [Handler], the viewers' side; what it does not claim goes to the publishers'
// side, which looks like an ordinary net.PacketConn and net.Listener to
// pion/ice. Datagrams leave one by one through [Wire.Send], or by the hundred
// through a [Batch] (sendmmsg with UDP_SEGMENT).
//
// ICE-TCP (RFC 6544, passive) carries the same datagrams in RFC 4571 frames;
// a slow TCP peer fills its own bounded queue and blocks nobody.
//
// It is written for Linux.
//
// No lock is held while another is taken or while a Handler is called.
package wire
