// Package playlist writes HLS playlists and reads the queries by which players
// ask for them (draft-pantos-hls-rfc8216bis sections 4 and 6.2.5). It is pure:
// no goroutine, clock or I/O.
package playlist
