// Package rtc takes publishers in: WHIP sessions, as pion PeerConnections on
// the UDP and TCP port that they share with viewers. It answers offers, repairs
// losses, and writes every encoding it receives to a hub.Publication.
package rtc
