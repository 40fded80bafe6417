package webhook

import (
	"net/netip"

	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/session"
)

// observer tells a Dispatcher of the sessions of one endpoint.
type observer struct {
	d         *Dispatcher
	via       string
	publisher bool
}

var _ session.Observer = observer{}

// Observe returns an Observer for the sessions of an endpoint: via is whip or
// whep.
func (d *Dispatcher) Observe(via string, publisher bool) session.Observer {
	return observer{d, via, publisher}
}

// Joined tells of a session whose connection is up.
func (o observer) Joined(i session.Info) { o.d.Joined(o.visit(i)) }

// Left tells of the end of one that had joined.
func (o observer) Left(i session.Info) { o.d.Left(o.visit(i)) }

func (o observer) visit(i session.Info) Visit {
	return Visit{
		Stream: i.Stream, Session: i.ID, Identity: i.Identity, Name: i.Name, Address: show(i.Address),
		UserAgent: i.Agent, Via: o.via, Publisher: o.publisher, Since: i.Created,
	}
}

// QuestionOf returns the Question about whoever has a Grant.
func QuestionOf(action, via, agent string, g auth.Grant) Question {
	return Question{
		Action: action, Via: via, Stream: g.Stream, Identity: g.Identity, Name: g.Name, TokenID: g.TokenID,
		Address: show(g.Address), UserAgent: agent,
	}
}

func show(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
