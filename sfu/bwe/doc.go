// Package bwe estimates what one viewer's path carries, from the sender's side.
//
// It is pure: no goroutine, clock, lock or I/O. Whoever owns a viewer hands it
// what was sent, what came back and the time, and reads the estimate.
package bwe
