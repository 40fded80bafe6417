// Package endtoend holds the tests of WHIP, hub, fan-out engine and WHEP
// together: pion clients over real UDP on loopback, against the server that
// the binary runs.
package endtoend
