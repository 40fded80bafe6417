// Package signaling is the HTTP surface of the SFU. Its packages serve WHIP,
// WHEP and the control API; this one knows how all of their errors are told to
// clients.
package signaling
