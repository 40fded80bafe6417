// Package icelite is the ICE-lite side of one session (RFC 8445 section 2.5):
// it answers the peer's connectivity checks, follows its nominations and lets
// consent lapse (RFC 7675). It has no socket and no clock: time and messages
// come in as arguments, answers go out as bytes.
package icelite
