package api

import (
	"net/http"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/webhook"
)

// Webhooks tell other servers what happens, as *webhook.Dispatcher does.
type Webhooks interface {
	Receivers() []webhook.Receiver
	// DeadLetters are in the order of their Key.
	DeadLetters() ([]webhook.Letter, error)
	Replay(what webhook.Replay) (webhook.Replayed, error)
}

// maxReplay is how many dead letters can be named at once.
const maxReplay = 1000

// Receivers is the body of GET /api/v1/webhooks.
type Receivers struct {
	Receivers []webhook.Receiver `json:"receivers"`
}

// DeadLetters is the body of GET /api/v1/webhooks/dead-letters.
type DeadLetters struct {
	DeadLetters []webhook.Letter `json:"deadLetters"`
	Next        *string          `json:"next,omitempty"`
}

// Replay is the body of POST /api/v1/webhooks/replay: the ids of dead letters or
// of Events, or all.
type Replay struct {
	IDs []string `json:"ids"`
	All bool     `json:"all"`
}

func (h *Handler) webhookRoutes() map[string]httpx.Methods {
	return map[string]httpx.Methods{
		"/api/v1/webhooks":              {http.MethodGet: h.listReceivers},
		"/api/v1/webhooks/dead-letters": {http.MethodGet: h.listDeadLetters},
		"/api/v1/webhooks/replay":       {http.MethodPost: h.post(h.operates, h.replay)},
	}
}

func (h *Handler) listReceivers(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Operate(r); err != nil {
		return err
	}
	if _, err := query(r); err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, Receivers{h.Webhooks.Receivers()})
}

func (h *Handler) listDeadLetters(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.Auth.Operate(r); err != nil {
		return err
	}
	q, err := query(r, "limit", "cursor")
	if err != nil {
		return err
	}
	win, err := windowOf(q, "dead-letters")
	if err != nil {
		return err
	}
	all, err := h.Webhooks.DeadLetters()
	if err != nil {
		return err //nolint:wrapcheck // for the log
	}
	page, next := cut(all, webhook.Letter.Key, win, "dead-letters")
	return httpx.WriteJSON(w, http.StatusOK, DeadLetters{page, next})
}

func (h *Handler) replay(c *call) (reply, error) {
	var in Replay
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	switch {
	case in.All == (len(in.IDs) > 0):
		return reply{}, problem(http.StatusBadRequest, codeBadField, "name the dead letters in ids, or set all, but not both")
	case len(in.IDs) > maxReplay:
		return reply{}, problem(http.StatusBadRequest, codeBadField, "ids may have %d members", maxReplay)
	}
	done, err := h.Webhooks.Replay(webhook.Replay{IDs: in.IDs, All: in.All})
	if err != nil {
		return reply{}, err //nolint:wrapcheck // for the log
	}
	h.Log.InfoContext(c.Context(), "dead letters are sent again", "number", done.Replayed, "by", c.grant.Identity)
	return reply{http.StatusOK, "", done}, nil
}
