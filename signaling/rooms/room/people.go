package room

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Conn is one connection to the Room, named by the shell and unique in the
// process.
type Conn uint64

// Join is who wants to come in.
type Join struct {
	Conn Conn
	// Person is as the token says. Of what Named does not vouch for, the Room
	// makes a name that can be shown.
	Person Person
	// Write allows to say anything at all; Hidden keeps the Person out of the
	// people that are shown; Named says that the name is the token's, and stays.
	Write, Hidden, Named bool
	Address              netip.Addr
	// Token names the access token, "" for none; it is for Kick.
	Token string
	// Resume is the position up to which the client has read, "" when it has not.
	Resume string
}

const (
	// listed is up to how many people are told one by one.
	listed = 100
	// peerSilence is how long another Node may say nothing.
	peerSilence = 10 * time.Second
	// absence is how long somebody who has left is known, so that coming back
	// makes nobody new; absentMax how many are.
	absence   = 2 * time.Minute
	absentMax = 20000
	maxNodes  = 1000
	// maxPeople is how many there may be on one Node.
	maxPeople = 10_000_000
)

// link is one connection that is in.
type link struct {
	id                   Conn
	member               *member
	role                 Role
	write, hidden, named bool
	address              netip.Addr
	token                string
}

// member is one identity: here, or gone not long ago.
type member struct {
	identity string
	name     string
	skeleton string
	named    bool // by a token
	links    []*link
	// shown and staff say as what the member is counted.
	shown, staff bool
	counted      Person
	role         Role
	address      netip.Addr // the last one
	left         time.Time
	queued       bool // in crowd.absent

	messages, reactions, commands bucket
}

func (m *member) person() Person { return Person{Identity: m.identity, Name: m.name, Role: m.role} }

// place is one address, as far as rates go.
type place struct{ messages, reactions bucket }

// addressOf is what counts as one address: of IPv6, a /64.
func addressOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

// guest is what somebody is called who has no name.
func guest(identity string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(identity))
	return fmt.Sprintf("Guest %04d", h.Sum32()%10000)
}

// peer is what another Node has told of the people there.
type peer struct {
	people People
	heard  time.Time
}

// crowd is who is in the Room.
type crowd struct {
	links   map[Conn]*link
	members map[string]*member
	// absent are those of members who have left, about in that order, with some
	// who have come back since.
	absent []*member
	places map[netip.Addr]*place
	shown  int
	// staff counts the skeletons of the names of those who moderate.
	staff map[string]int
	peers map[string]*peer
}

func newCrowd() crowd {
	return crowd{links: map[Conn]*link{}, members: map[string]*member{}, places: map[netip.Addr]*place{},
		staff: map[string]int{}, peers: map[string]*peer{}}
}

// member returns the one of an identity, who is made if not known.
func (c *crowd) member(identity string) *member {
	m := c.members[identity]
	if m == nil {
		m = &member{identity: identity, role: Viewer}
		c.members[identity] = m
	}
	return m
}

func (c *crowd) place(a netip.Addr) *place {
	if !a.IsValid() {
		return nil
	}
	p := c.places[a]
	if p == nil {
		p = &place{}
		c.places[a] = p
	}
	return p
}

// count brings what is counted of a member up to date, and reports whether it
// shows differently now.
func (c *crowd) count(m *member) bool {
	before := m.counted
	wasShown, wasStaff, wasSkeleton := m.shown, m.staff, m.skeleton
	m.shown, m.staff = false, false
	for i, l := range m.links {
		if i == 0 || l.role.rank() > m.role.rank() {
			m.role = l.role
		}
		m.shown = m.shown || !l.hidden
	}
	m.skeleton = skeleton(m.name)
	m.staff = len(m.links) > 0 && m.role.moderates()
	if wasStaff {
		if c.staff[wasSkeleton]--; c.staff[wasSkeleton] == 0 {
			delete(c.staff, wasSkeleton)
		}
	}
	if m.staff {
		c.staff[m.skeleton]++
	}
	switch {
	case m.shown && !wasShown:
		c.shown++
	case !m.shown && wasShown:
		c.shown--
	}
	m.counted = m.person()
	return m.shown != wasShown || m.shown && m.counted != before
}

// imitates reports whether a name passes for that of somebody who moderates.
func (c *crowd) imitates(m *member, name string) bool {
	s := skeleton(name)
	n := c.staff[s]
	if m.staff && m.skeleton == s {
		n--
	}
	if n > 0 {
		return true
	}
	for _, p := range c.peers {
		for _, o := range p.people.List {
			if o.Role.moderates() && o.Identity != m.identity && skeleton(o.Name) == s {
				return true
			}
		}
	}
	return false
}

// drop takes a connection out, and reports whether the people have changed.
func (c *crowd) drop(now time.Time, l *link) bool {
	delete(c.links, l.id)
	m := l.member
	m.links = slices.DeleteFunc(m.links, func(o *link) bool { return o == l })
	if len(m.links) == 0 {
		m.left = now
		if !m.queued {
			m.queued = true
			c.absent = append(c.absent, m)
		}
	}
	return c.count(m)
}

// local lists who is on this Node.
func (c *crowd) local() People {
	p := People{Count: c.shown}
	if c.shown > listed {
		return p
	}
	p.List = c.list()
	return p
}

// list names everybody who shows on this Node.
func (c *crowd) list() []Person {
	out := make([]Person, 0, c.shown)
	for _, l := range c.links {
		if m := l.member; m.shown && m.links[0] == l {
			out = append(out, m.person())
		}
	}
	order(out)
	return out
}

// all adds up the Nodes. Where everybody is known by identity, nobody counts
// twice.
func (c *crowd) all() People {
	p := c.local()
	if len(c.peers) == 0 {
		return p
	}
	complete := p.Count == len(p.List)
	seen := make(map[string]bool, len(p.List))
	for _, o := range p.List {
		seen[o.Identity] = true
	}
	sum := p.Count
	list := p.List
	for _, o := range c.peers {
		sum += o.people.Count
		complete = complete && o.people.Count == len(o.people.List)
		for _, q := range o.people.List {
			if complete && !seen[q.Identity] {
				seen[q.Identity] = true
				list = append(list, q)
			}
		}
	}
	if !complete {
		return People{Count: sum}
	}
	if len(list) > listed {
		return People{Count: len(list)}
	}
	order(list)
	return People{Count: len(list), List: list}
}

// order sorts people by role and name.
func order(list []Person) {
	slices.SortFunc(list, func(a, b Person) int {
		return cmp.Or(cmp.Compare(b.Role.rank(), a.Role.rank()), strings.Compare(a.Name, b.Name),
			strings.Compare(a.Identity, b.Identity))
	})
}

// purge forgets who left long ago, unless they are to stay known, addresses that
// nothing counts against, and Nodes that are silent.
func (c *crowd) purge(now time.Time, cfg *Config, stay bool) {
	kept := c.absent[:0]
	over := len(c.absent) - absentMax
	for i, m := range c.absent {
		switch {
		case len(m.links) > 0: // is back
			m.queued = false
		case i >= over && (stay || now.Sub(m.left) < absence):
			kept = append(kept, m)
		default:
			delete(c.members, m.identity)
		}
	}
	clear(c.absent[len(kept):])
	c.absent = kept
	for a, p := range c.places {
		if p.messages.left(now, cfg.AddressMessages) == 0 && p.reactions.left(now, cfg.AddressReactions) == 0 {
			delete(c.places, a)
		}
	}
	for node, p := range c.peers {
		if now.Sub(p.heard) > peerSilence {
			delete(c.peers, node)
		}
	}
}
