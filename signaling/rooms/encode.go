package rooms

import (
	"encoding/json"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// encode returns a frame's JSON.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types, which always can be
	}
	return b
}

// ackFrame and refusedFrame answer a command.
type ackFrame struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Entry string `json:"entry,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
	// Durable is there, and false, where the Entry could not be kept.
	Durable *bool `json:"durable,omitempty"`
}

type refusedFrame struct {
	Type       string `json:"type"`
	ID         string `json:"id,omitempty"`
	Reason     string `json:"reason"`
	Detail     string `json:"detail,omitempty"`
	RetryAfter int    `json:"retryAfter,omitempty"`
}

func encodeAck(r room.Reply, durable bool) []byte {
	a := ackFrame{Type: "ack", ID: r.ID, Entry: r.Entry, Seq: r.Seq}
	if !durable {
		a.Durable = &durable
	}
	return encode(a)
}

func encodeRefused(id string, r *room.Refusal) []byte {
	return encode(refusedFrame{"refused", id, r.Reason(), r.Error(), r.RetryAfter()})
}
