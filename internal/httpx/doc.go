// Package httpx is the HTTP plumbing that every resource of Freshet shares:
// problem documents (RFC 9457), method tables, cross-origin headers, bounded
// bodies, rate limits, and a server with sane deadlines. It knows nothing of
// streams but how their names are spelled.
package httpx
