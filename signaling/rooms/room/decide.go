package room

import (
	"slices"
	"strings"
	"time"
)

// rule is who may use a Verb, and what it does.
type rule struct {
	least  Role
	writes bool // needs leave to write, and is silenced by a mute and a lock
	target bool
	do     func(*Room, *act) (*Entry, error)
}

// rules are the commands of docs/rooms.md.
var rules = map[Verb]rule{
	Say:      {least: Viewer, writes: true, do: (*Room).say},
	React:    {least: Viewer, writes: true, do: (*Room).react},
	Rename:   {least: Viewer, do: (*Room).rename},
	Announce: {least: Host, writes: true, do: (*Room).say},
	Pin:      {least: Moderator, target: true, do: (*Room).doPin},
	Delete:   {least: Viewer, target: true, do: (*Room).doDelete},
	Clear:    {least: Moderator, do: (*Room).doClear},
	Set:      {least: Moderator, do: (*Room).set},
	Mute:     {least: Moderator, target: true, do: (*Room).silence},
	Unmute:   {least: Moderator, target: true, do: (*Room).release},
	Ban:      {least: Moderator, target: true, do: (*Room).silence},
	Unban:    {least: Moderator, target: true, do: (*Room).release},
}

// verbs is the order in which Welcome.May names them.
var verbs = []Verb{Say, React, Rename, Announce, Pin, Delete, Clear, Set, Mute, Unmute, Ban, Unban}

// act is one Command on its way.
type act struct {
	now    time.Time
	at     int64
	cmd    *Command
	by     *Person // nil is the operator
	link   *link   // nil when it comes by the API
	role   Role
	member *member
}

// Do carries out a Command that has come by a connection.
func (r *Room) Do(now time.Time, c Conn, cmd Command) Reply {
	l := r.crowd.links[c]
	if l == nil {
		return Reply{ID: cmd.ID, Refused: refuse(ErrUnavailable, "this connection is not in the Room")}
	}
	by := l.member.person()
	by.Role = l.role
	return r.carryOut(&act{now: now, at: now.UnixMilli(), cmd: &cmd, by: &by, link: l, role: l.role, member: l.member})
}

// Act carries out a Command of the API. nil is the operator, who may do all.
func (r *Room) Act(now time.Time, by *Person, cmd Command) Reply {
	a := &act{now: now, at: now.UnixMilli(), cmd: &cmd, by: by, role: Operator}
	if by != nil {
		a.role = by.Role
	}
	if cmd.Verb == React || cmd.Verb == Rename {
		return Reply{ID: cmd.ID, Refused: refuse(ErrForbidden, "%s is for those who are in the Room", cmd.Verb)}
	}
	return r.carryOut(a)
}

func (a *act) identity() string {
	if a.by == nil {
		return ""
	}
	return a.by.Identity
}

func (r *Room) carryOut(a *act) Reply {
	reply := Reply{ID: a.cmd.ID}
	key := ackKey{a.identity(), a.cmd.ID}
	if a.cmd.ID != "" {
		if old, ok := r.acks.of[key]; ok {
			reply.Entry, reply.Seq, reply.Again = old.entry, old.seq, true
			return reply
		}
	}
	e, err := r.decide(a)
	if err != nil {
		reply.Refused = asRefusal(err)
		return reply
	}
	if e != nil {
		reply.Entry, reply.Seq = e.ID, e.Seq
	}
	if a.cmd.ID != "" {
		r.acks.put(key, ack{reply.Entry, reply.Seq})
	}
	r.sweep(a.now)
	return reply
}

func (r *Room) decide(a *act) (*Entry, error) {
	rule, ok := rules[a.cmd.Verb]
	if !ok {
		return nil, refuse(ErrMalformed, "no such type of command")
	}
	if a.link != nil {
		if err := r.spend(a); err != nil {
			return nil, err
		}
	}
	if a.by != nil {
		if _, banned := r.bans.on(a.at, a.by.Identity, a.role); banned {
			return nil, refuse(ErrForbidden, "you are banned from this Room")
		}
	}
	if a.role.rank() < rule.least.rank() {
		return nil, refuse(ErrForbidden, "%s is for a %s", a.cmd.Verb, rule.least)
	}
	if rule.writes || a.cmd.Verb == Rename {
		if err := r.mayWrite(a); err != nil {
			return nil, err
		}
	}
	return rule.do(r, a)
}

// spend takes the Command out of what the identity and the address may do.
func (r *Room) spend(a *act) error {
	m, cfg := a.member, &r.cfg
	mine, rate := &m.commands, cfg.Commands
	var theirs *bucket
	var theirRate Rate
	p := r.crowd.place(addressOf(a.link.address))
	switch a.cmd.Verb {
	case Say, Announce:
		mine, rate = &m.messages, cfg.Messages
		if p != nil {
			theirs, theirRate = &p.messages, cfg.AddressMessages
		}
	case React:
		mine, rate = &m.reactions, cfg.Reactions
		if p != nil {
			theirs, theirRate = &p.reactions, cfg.AddressReactions
		}
	default:
	}
	rate = rate.of(a.role)
	if wait, ok := mine.take(a.now, rate); !ok {
		err := refuse(ErrRate, "at most %d at once and %g a second in the long run", rate.Burst, rate.PerSecond)
		err.Wait = wait
		return err
	}
	if theirs == nil {
		return nil
	}
	if wait, ok := theirs.take(a.now, theirRate); !ok {
		err := refuse(ErrRate, "too many from your address: at most %g a second", theirRate.PerSecond)
		err.Wait = wait
		return err
	}
	return nil
}

// mayWrite asks the grant, the bans, the mutes and the lock.
func (r *Room) mayWrite(a *act) error {
	if a.link != nil && !a.link.write {
		return refuse(ErrForbidden, "your access does not allow to write")
	}
	if a.by == nil {
		return nil
	}
	if e, muted := r.mutes.on(a.at, a.by.Identity, a.role); muted {
		err := refuse(ErrMuted, "you are muted")
		if e.Until != 0 {
			err = refuse(ErrMuted, "you are muted for %d more seconds", (e.Until-a.at+999)/1000)
			err.Wait = time.Duration(e.Until-a.at) * time.Millisecond
		}
		return err
	}
	if r.current().Locked && a.role.rank() < Speaker.rank() && a.cmd.Verb != Rename {
		return refuse(ErrLocked, "the Room is locked")
	}
	return nil
}

// say makes a Message or an Announcement. What the operator says has no author
// of its own in a Room, so it is always an Announcement.
func (r *Room) say(a *act) (*Entry, error) {
	e := Entry{Kind: Message, From: a.by, Client: a.cmd.ID, MediaTime: r.mediaTime(a)}
	if a.cmd.Verb == Announce || a.role == Operator {
		e.Kind = Announcement
	}
	var err error
	if e.Text, err = r.text(a.cmd.Text); err != nil {
		return nil, err
	}
	if e.Kind == Message && a.cmd.ReplyTo != "" {
		if to := r.log.find(a.cmd.ReplyTo); to == nil || !spoken(to.Kind) {
			return nil, refuse(ErrUnknownTarget, "what you reply to is not here any more")
		}
		e.ReplyTo = a.cmd.ReplyTo
	}
	if err := r.slow(a); err != nil {
		return nil, err
	}
	return r.accept(a.now, e), nil
}

func (r *Room) text(s string) (string, error) {
	t := cleanText(s)
	if t == "" {
		return "", refuse(ErrEmpty, "there is nothing to say")
	}
	if n := length(t); n > r.cfg.Text {
		return "", refuse(ErrTooLong, "%d characters of at most %d", n, r.cfg.Text)
	}
	return t, nil
}

// mediaTime passes on what can be true.
func (r *Room) mediaTime(a *act) int64 {
	if a.cmd.MediaTime <= 0 || a.cmd.MediaTime > a.at+2000 {
		return 0
	}
	return a.cmd.MediaTime
}

func (r *Room) slow(a *act) error {
	seconds := r.current().SlowMode
	if seconds == 0 || a.role.rank() > Viewer.rank() {
		return nil
	}
	last, ok := r.spoke.of[a.by.Identity]
	wait := time.Duration(last-a.at)*time.Millisecond + time.Duration(seconds)*time.Second
	if !ok || wait <= 0 {
		return nil
	}
	wait = min(wait, time.Duration(seconds)*time.Second) // the clock was set back
	err := refuse(ErrSlowMode, "one message in %d seconds", seconds)
	err.Wait = wait
	return err
}

func (r *Room) react(a *act) (*Entry, error) {
	if !oneEmoji(a.cmd.Emoji) {
		return nil, refuse(ErrMalformed, "a reaction is one emoji")
	}
	if !r.out.react(Reaction{Emoji: a.cmd.Emoji, Count: 1, MediaTime: r.mediaTime(a)}, true) {
		return nil, refuse(ErrRate, "too many different reactions at once")
	}
	return nil, nil
}

func (r *Room) rename(a *act) (*Entry, error) {
	m := a.member
	if m.named {
		return nil, refuse(ErrForbidden, "your name is given by your access")
	}
	if strings.IndexFunc(a.cmd.Name, forbiddenInName) >= 0 {
		return nil, refuse(ErrMalformed, "a name has no control characters and none that turn the direction")
	}
	name := cleanName(a.cmd.Name)
	if name == "" {
		return nil, refuse(ErrEmpty, "a name has at least one character that can be seen")
	}
	if n := length(name); n > r.cfg.Name {
		return nil, refuse(ErrTooLong, "%d characters of at most %d", n, r.cfg.Name)
	}
	if r.crowd.imitates(m, name) {
		return nil, refuse(ErrForbidden, "a moderator of this Room is called so")
	}
	m.name = name
	r.named(m)
	return nil, nil
}

// may lists what a connection's role allows.
func may(l *link) []Verb {
	return slices.DeleteFunc(slices.Clone(verbs), func(v Verb) bool {
		rule := rules[v]
		return l.role.rank() < rule.least.rank() || rule.writes && !l.write ||
			v == Delete && !l.role.moderates() || v == Rename && (l.member.named || !l.write)
	})
}
