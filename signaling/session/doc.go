// Package session holds what WHIP and WHEP have in common: the table of
// sessions behind their URLs, who may touch them, trickle and ICE restarts by
// PATCH, the end by DELETE, and the headers of a 201. RFC 9725 sections 4.1 to
// 4.7 and the sections of the same numbers in draft-ietf-wish-whep.
package session
