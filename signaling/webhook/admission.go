package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

var (
	// ErrDenied is wrapped by the error about a question that was answered with
	// no. It answers to 403.
	ErrDenied = errors.New("not admitted")
	// ErrNoAnswer is wrapped by the error about one that was not answered, where
	// that means no. It answers to 503.
	ErrNoAnswer = errors.New("cannot be admitted at present")
)

// Actions of a Question.
const (
	Publish = "publish"
	Play    = "play"
)

// Question is who wants to do what. Equal Questions that are asked at the same
// time are asked once.
type Question struct {
	// Action is Publish or Play, Via by what: whip, whep, hls or room.
	Action, Via string
	Stream      string
	// Identity, Name and TokenID are the token's, Address is the client's.
	Identity, Name, TokenID, Address string
	UserAgent                        string
}

// AdmissionConfig says who is asked. Without a URL everybody is admitted.
type AdmissionConfig struct {
	URL string
	// Timeout bounds how long anybody waits for an answer.
	Timeout time.Duration
	// FailOpen admits where there is no answer.
	FailOpen bool
	// Waiting bounds how many wait at once; whoever comes then gets what
	// FailOpen says.
	Waiting int
	// Transport may change how the URL is reached; nil leaves it.
	Transport func(*http.Transport)
}

const (
	// DefaultAdmissionTimeout bounds how long anybody waits for an answer.
	DefaultAdmissionTimeout = 2 * time.Second

	defaultWaiting = 1024
	// saidTime is how long a yes holds for AskAgain, maxSaid how many are kept.
	saidTime = 30 * time.Second
	maxSaid  = 4096

	admissionConns = 128
	maxAnswer      = 64 << 10
	admission      = "admission"
)

// Admission asks an HTTP endpoint who may publish and play.
type Admission struct {
	cfg    AdmissionConfig
	client *http.Client
	signer Signer
	log    *slog.Logger
	often  rate.Sometimes

	answers *prometheus.CounterVec
	seconds prometheus.Histogram

	mu      sync.Mutex
	asking  map[Question]*call
	waiting int
	fuse    fuse
	said    map[Question]time.Time // yes, up to when
}

// call is a Question on its way.
type call struct {
	done chan struct{}
	// Set before done closes: what Ask returns, and whether somebody has said
	// yes.
	err error
	yes bool
}

// NewAdmission returns an Admission. Errors wrap ErrURL, or are those of the
// registry.
func NewAdmission(cfg AdmissionConfig, signer Signer, log *slog.Logger, reg prometheus.Registerer) (*Admission, error) {
	if cfg.URL != "" {
		if err := CheckURL(cfg.URL); err != nil {
			return nil, err
		}
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultAdmissionTimeout
	}
	if cfg.Waiting <= 0 {
		cfg.Waiting = defaultWaiting
	}
	a := &Admission{
		cfg: cfg, client: newClient(admissionConns, cfg.Transport), signer: signer, log: log,
		often: rate.Sometimes{Interval: logInterval}, asking: map[Question]*call{}, said: map[Question]time.Time{},
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "freshet", Subsystem: admission, Name: "answers_total",
			Help: "Who wanted to publish or play, by what came of it: allowed, denied, failed or (too many wait, or the endpoint is in trouble) unasked.",
		}, []string{"action", "answer"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "freshet", Subsystem: admission, Name: "request_seconds",
			Help: "Time that the admission endpoint took to answer.", Buckets: requestBuckets,
		}),
	}
	if err := register(reg, a.answers, a.seconds); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return a, nil
}

// Run waits for ctx and then gives back the connections.
func (a *Admission) Run(ctx context.Context) error {
	<-ctx.Done()
	a.client.CloseIdleConnections()
	return nil
}

// Ask waits for the answer to a Question; nil admits. It takes no longer than
// the timeout. Errors wrap ErrDenied or ErrNoAnswer, or are that of ctx.
func (a *Admission) Ask(ctx context.Context, q Question) error {
	if a.cfg.URL == "" {
		return nil
	}
	_, err := a.wait(ctx, q)
	return err
}

// wait is Ask, and tells whether somebody has said yes.
func (a *Admission) wait(ctx context.Context, q Question) (yes bool, err error) {
	c, mine, ok := a.enter(q)
	if !ok {
		a.answers.WithLabelValues(q.Action, "unasked").Inc()
		return false, a.unanswered()
	}
	defer a.leave()
	if mine {
		// The others wait for it too, so that it does not end with this client.
		a.ask(context.WithoutCancel(ctx), q, c)
		return c.yes, c.err
	}
	select {
	case <-c.done:
		return c.yes, c.err
	case <-ctx.Done():
		return false, fmt.Errorf("admission: %w", ctx.Err())
	}
}

// AskAgain is Ask for what asks again and again on somebody's behalf, such as
// a player that loads its playlists: a yes holds for half a minute.
func (a *Admission) AskAgain(ctx context.Context, q Question) error {
	if a.cfg.URL == "" {
		return nil
	}
	now := time.Now()
	a.mu.Lock()
	until := a.said[q]
	a.mu.Unlock()
	if now.Before(until) {
		return nil
	}
	if yes, err := a.wait(ctx, q); err != nil || !yes {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.said) >= maxSaid {
		maps.DeleteFunc(a.said, func(_ Question, until time.Time) bool { return !now.Before(until) })
	}
	if len(a.said) >= maxSaid {
		clear(a.said)
	}
	a.said[q] = now.Add(saidTime)
	return nil
}

// enter joins whoever asks the same, or begins to ask. It is not ok when there
// is no use in asking.
func (a *Admission) enter(q Question) (c *call, mine, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting >= a.cfg.Waiting {
		return nil, false, false
	}
	if c = a.asking[q]; c == nil {
		if !a.fuse.try(time.Now()) {
			return nil, false, false
		}
		c, mine = &call{done: make(chan struct{})}, true
		a.asking[q] = c
	}
	a.waiting++
	return c, mine, true
}

func (a *Admission) leave() {
	a.mu.Lock()
	a.waiting--
	a.mu.Unlock()
}

// ask asks and lets those know who wait.
func (a *Admission) ask(ctx context.Context, q Question, c *call) {
	began := time.Now()
	allow, reason, err := a.request(ctx, q)
	now := time.Now()
	a.seconds.Observe(now.Sub(began).Seconds())
	answer := "allowed"
	switch {
	case err != nil:
		answer = "failed"
		c.err = a.unanswered()
		a.often.Do(func() { a.log.Warn("no answer about an admission", "host", hostOf(a.cfg.URL), "err", err) })
	case !allow:
		answer = "denied"
		c.err = fmt.Errorf("%w: %s", ErrDenied, reason)
	default:
		c.yes = true
	}
	a.answers.WithLabelValues(q.Action, answer).Inc()
	a.mu.Lock()
	delete(a.asking, q)
	a.fuse.report(now, err == nil)
	a.mu.Unlock()
	close(c.done)
}

// unanswered says what it means that there is no answer.
func (a *Admission) unanswered() error {
	if a.cfg.FailOpen {
		return nil
	}
	return fmt.Errorf("%w: the server that decides about it does not answer", ErrNoAnswer)
}

func (a *Admission) request(ctx context.Context, q Question) (allow bool, reason string, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	question := newQuestion(q, time.Now())
	body, err := json.Marshal(question)
	if err != nil {
		return false, "", fmt.Errorf("webhook: %w", err)
	}
	resp, err := post(ctx, a.client, a.signer, a.cfg.URL, question.ID, body)
	if err != nil {
		return false, "", err
	}
	defer finish(resp)
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return false, "", fmt.Errorf("webhook: %w", err)
	}
	return readAnswer(resp.StatusCode, text)
}

// asked is the JSON of a Question. As a WebhookEvent of LiveKit it is one of
// the name "admission", with room and participant.
type asked struct {
	Event       string           `json:"event"`
	ID          string           `json:"id"`
	CreatedAt   int64            `json:"createdAt"`
	Room        Room             `json:"room"`
	Participant askedParticipant `json:"participant"`
	Action      string           `json:"action"`
	Via         string           `json:"via"`
	Stream      string           `json:"stream"`
	Identity    string           `json:"identity"`
	Name        string           `json:"name,omitempty"`
	Address     string           `json:"address,omitempty"`
	UserAgent   string           `json:"userAgent,omitempty"`
	TokenID     string           `json:"tokenId,omitempty"`
}

type askedParticipant struct {
	Identity string `json:"identity"`
	Name     string `json:"name,omitempty"`
}

func newQuestion(q Question, now time.Time) asked {
	return asked{
		Event: admission, ID: newID("EV_"), CreatedAt: now.Unix(),
		Room: Room{Name: q.Stream}, Participant: askedParticipant{q.Identity, q.Name},
		Action: q.Action, Via: q.Via, Stream: q.Stream, Identity: q.Identity, Name: q.Name,
		Address: q.Address, UserAgent: q.UserAgent, TokenID: q.TokenID,
	}
}

// fuse keeps an endpoint in trouble from being asked by everybody who comes: a
// few failures in a row open it for a while, after which one Question tries. It
// is pure.
type fuse struct {
	failures int
	closes   time.Time
	trying   bool
}

const (
	fuseFailures = 5
	fusePause    = time.Second
	fuseLongest  = 10 * time.Second
)

// try reports whether a Question may be asked now.
func (f *fuse) try(now time.Time) bool {
	if f.failures < fuseFailures {
		return true
	}
	if f.trying || now.Before(f.closes) {
		return false
	}
	f.trying = true
	return true
}

// report takes how a Question went that try has allowed.
func (f *fuse) report(now time.Time, ok bool) {
	tried := f.trying
	f.trying = false
	switch {
	case ok:
		f.failures = 0
	case f.failures < fuseFailures || tried: // not one of many that failed together
		if f.failures++; f.failures >= fuseFailures {
			f.closes = now.Add(doubling(fusePause, fuseLongest, f.failures-fuseFailures))
		}
	}
}
