package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/webhook"
)

// webhookSettings is the block webhooks of the settings.
type webhookSettings struct {
	URLs []string `yaml:"urls"`
	// Key is which of auth.keys signs; "": the first.
	Key          string        `yaml:"key"`
	RoomMessages bool          `yaml:"room-messages"`
	GiveUp       time.Duration `yaml:"give-up"`
	// Admission is the URL that is asked who may publish and play.
	Admission        string        `yaml:"admission"`
	AdmissionTimeout time.Duration `yaml:"admission-timeout"`
	AdmissionFail    string        `yaml:"admission-fail"`
}

// The values of webhooks.admission-fail.
const (
	failDeny  = "deny"
	failAllow = "allow"
)

func defaultWebhooks() webhookSettings {
	return webhookSettings{
		GiveUp: webhook.DefaultGiveUp, AdmissionTimeout: webhook.DefaultAdmissionTimeout, AdmissionFail: failDeny,
	}
}

// maxAdmission is as long as a player may be made to wait.
const maxAdmission = 10 * time.Second

func (w *webhookSettings) check(pairs []string) error {
	for i, to := range w.URLs {
		if err := webhook.CheckURL(to); err != nil {
			return fmt.Errorf("webhooks.urls: number %d: %w", i+1, err)
		}
	}
	if w.Admission != "" {
		if err := webhook.CheckURL(w.Admission); err != nil {
			return fmt.Errorf("webhooks.admission: %w", err)
		}
	}
	keys, err := auth.ParseKeys(pairs...)
	if err != nil {
		return fmt.Errorf("auth.keys: %w", err)
	}
	switch _, known := keys[w.Key]; {
	case w.Key != "" && !known:
		return fmt.Errorf("webhooks.key: %q is none of auth.keys", w.Key)
	case w.GiveUp <= 0:
		return fmt.Errorf("webhooks.give-up: must be longer than 0s")
	case w.AdmissionTimeout <= 0 || w.AdmissionTimeout > maxAdmission:
		return fmt.Errorf("webhooks.admission-timeout: must be longer than 0s, and %v at most", maxAdmission)
	case w.AdmissionFail != failDeny && w.AdmissionFail != failAllow:
		return fmt.Errorf("webhooks.admission-fail: %q is neither deny nor allow", w.AdmissionFail)
	}
	return nil
}

// openWebhooks makes what tells receivers and what asks who may come in.
func (s *server) openWebhooks(set *settings, reg prometheus.Registerer) (err error) {
	w := set.Webhooks
	sign := signer{&s.access, w.Key}
	dir := filepath.Join(set.DataDir, "webhooks")
	if s.roomTemp != "" {
		dir = "" // another server has the data-dir, and what waits there is its own
	}
	s.hooks, err = webhook.New(webhook.Config{
		URLs: slices.Clone(w.URLs), RoomMessages: w.RoomMessages, GiveUp: w.GiveUp,
		Dir: dir, Node: set.Cluster.Node,
	}, sign, s.log, reg)
	if err != nil {
		return fmt.Errorf("webhooks.urls: %w", err)
	}
	s.admission, err = webhook.NewAdmission(webhook.AdmissionConfig{
		URL: w.Admission, Timeout: w.AdmissionTimeout, FailOpen: w.AdmissionFail == failAllow,
	}, sign, s.log, reg)
	if err != nil {
		return fmt.Errorf("webhooks.admission: %w", err)
	}
	if len(set.Auth.Keys) == 0 && (len(w.URLs) > 0 || w.Admission != "") {
		s.log.Warn("webhooks are not signed, as there are no auth.keys")
	}
	return nil
}

// ask returns what asks the admission webhook about a new session.
func (s *server) ask(action, via string) func(*http.Request, auth.Grant) error {
	return func(r *http.Request, g auth.Grant) error {
		return s.admission.Ask(r.Context(), webhook.QuestionOf(action, via, r.UserAgent(), g))
	}
}

// askAgain is ask for those who come again and again as they watch.
func (s *server) askAgain(action, via string) func(*http.Request, auth.Grant) error {
	return func(r *http.Request, g auth.Grant) error {
		return s.admission.AskAgain(r.Context(), webhook.QuestionOf(action, via, r.UserAgent(), g))
	}
}

// runWithWebhooks runs the rest of the server, and the webhooks for a little
// longer: they hear of everybody's end.
func (s *server) runWithWebhooks(ctx context.Context, rest func(context.Context) error) error {
	last, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return s.hooks.Run(last) })
	g.Go(func() error { return s.admission.Run(last) })
	g.Go(func() error {
		defer stop()
		return rest(ctx)
	})
	return g.Wait()
}

// signer signs webhooks with the keys that are in force.
type signer struct {
	access *access
	key    string
}

// SignBody signs a body; on an open server it does not.
func (s signer) SignBody(body []byte) (string, error) {
	now := s.access.signing.Load()
	switch {
	case len(now.keys) == 0:
		return "", nil
	case s.key == "":
		return auth.SignBody(now.keys, now.first, body)
	default:
		return auth.SignBody(now.keys, s.key, body)
	}
}
