// Package rooms serves Rooms: WebSockets and event streams, the limits of both,
// and the fan-out of what happens. What a Room decides is decided in package
// room; docs/rooms.md is the protocol.
//
// One goroutine, the keeper, owns each open room.Room. It takes work from a
// bounded mailbox and puts frames, each encoded once, into a ring that all
// sockets of the Room read at their own pace. A socket that falls out of the
// ring, or does not read for ten seconds, is sent away with its position;
// nobody waits for it.
package rooms
