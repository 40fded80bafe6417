// Package webhook tells other people's servers what happens on this Node, and
// asks one of them who may come in.
//
// What happens (Streams that start and end, people who come and go) becomes
// Events in the book, which is pure. The Dispatcher puts each Event into the
// queue of every receiver; a queue is pure too: it knows the order, the
// retries and what to drop. One receiver's trouble is nobody else's. What a
// receiver did not take in time goes to the dead letters, from where it can be
// sent again; what is left when the server stops goes to a file and is sent
// after the restart.
//
// Requests are signed and Events shaped as by LiveKit's servers, so that the
// receivers in LiveKit's server SDKs take them; see docs/webhooks.md.
package webhook
