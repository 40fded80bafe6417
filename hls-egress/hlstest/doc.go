// Package hlstest is for tests of LL-HLS: a client that follows a live Stream
// as a strict player would and tells which rules of
// draft-pantos-hls-rfc8216bis the server broke, and a packager without media.
// The client shares no code with the server.
package hlstest
