// Package origin serves what a packager makes by HTTP, to players and to
// caches in front of them: every playlist is written once per part, and every
// answer comes from bytes that are there.
package origin
