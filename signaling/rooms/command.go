package rooms

import (
	"errors"
	"time"

	"github.com/freshet-live/freshet/signaling/rooms/room"
)

// command carries out what a client sends.
func (h *Handler) command(s *socket, b []byte) {
	now := time.Now()
	if !s.budget.allow(now) {
		if !s.budget.forgive(now) {
			s.cut(brokeRules)
			return
		}
		c, _ := room.Decode(b)
		h.refuse(s.member, c.ID, &room.Refusal{Err: room.ErrRate, Wait: time.Second})
		return
	}
	c, err := room.Decode(b)
	if err != nil {
		h.refuse(s.member, c.ID, refusal(err))
		return
	}
	k := s.keeper
	if !k.offer(func(now time.Time) { k.do(now, s.member, c) }) {
		h.refuse(s.member, c.ID, &room.Refusal{Err: room.ErrUnavailable, Detail: "the room has too much to do", Wait: time.Second})
	}
}

// do lets the Room decide on a command. An accepted one is acknowledged when it
// is in the Store.
func (k *keeper) do(now time.Time, m *member, c room.Command) {
	if len(k.next.entries) >= unkept {
		k.h.refuse(m, c.ID, &room.Refusal{Err: room.ErrUnavailable, Detail: "the store does not keep up", Wait: time.Second})
		return
	}
	reply := k.room.Do(now, m.id, c)
	if reply.Refused != nil {
		k.h.refuse(m, c.ID, reply.Refused)
		return
	}
	k.h.metrics.commands.WithLabelValues(string(c.Verb)).Inc()
	if c.ID == "" {
		return
	}
	k.next.then = append(k.next.then, func(durable bool) {
		m.push(newFrame("ack", "", encodeAck(reply, durable), now))
	})
}

// refuse answers a command that is not carried out.
func (h *Handler) refuse(m *member, id string, why *room.Refusal) {
	h.metrics.refused.WithLabelValues(why.Reason()).Inc()
	m.push(newFrame("refused", "", encodeRefused(id, why), time.Now()))
}

func refusal(err error) *room.Refusal {
	var r *room.Refusal
	if errors.As(err, &r) {
		return r
	}
	return &room.Refusal{Err: room.ErrMalformed, Detail: err.Error()}
}
