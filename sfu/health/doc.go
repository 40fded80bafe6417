// Package health finds out what is wrong with what a publisher sends, and says
// so in words that name the remedy. It is pure: a Meter reads the Packets of
// one Layer, Judge turns the Readings of a publisher's Layers into Verdicts,
// and a Monitor keeps those calm.
package health
