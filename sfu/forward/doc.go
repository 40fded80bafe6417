// Package forward holds the pure parts of forwarding: which Layer a viewer
// gets (Selector), how its numbers stay continuous (Munger) and the Layer's
// packet Cache. Nothing here has a goroutine, a clock or I/O.
package forward
