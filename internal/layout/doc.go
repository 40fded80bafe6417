// Package layout holds the test that keeps the direction of imports: the table
// of docs/architecture.md, held against what the compiler sees.
package layout
