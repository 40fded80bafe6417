package room

// Rate bounds how often something is done.
type Rate struct {
	// PerSecond is how often in the long run, Burst how often at once.
	PerSecond float64
	Burst     int
}

// Config is how a Room behaves. Zero values take the defaults.
type Config struct {
	// Node is the name of this Node, Log that of the sequence of a Room that has
	// no past: letters, digits, "-" and "_", different for each that begins.
	Node, Log string
	// History is how many Entries a newcomer gets (100); Kept how many are held
	// for who comes back, for replies and deletions (3000, at least History).
	History, Kept int
	// Audit is how many Entries of moderators are held (10000).
	Audit int
	// Text and Name are the greatest lengths in code points (500, 40).
	Text, Name int
	// Places is how many connections a Room has (50000), Each how many of them
	// one identity may have (10).
	Places, Each int
	// Bans is how many bans, and how many mutes, may stand (10000).
	Bans int
	// Messages, Reactions and Commands bound what one viewer does: Messages
	// (5, 50), reactions (10, 50), everything else (10, 50). Who is more than a
	// viewer may do four times as much at once, and ten times as much in the
	// long run.
	Messages, Reactions, Commands Rate
	// AddressMessages and AddressReactions bound all identities of one address
	// (200, 400; 500, 1000); of IPv6, a /64 is one address.
	AddressMessages, AddressReactions Rate
}

// of is the Rate for somebody in a role.
func (r Rate) of(role Role) Rate {
	if role.rank() > Viewer.rank() {
		return Rate{PerSecond: 10 * r.PerSecond, Burst: 4 * r.Burst}
	}
	return r
}

func (c Config) withDefaults() Config {
	number := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	rate := func(v *Rate, perSecond float64, burst int) {
		if v.PerSecond <= 0 {
			v.PerSecond = perSecond
		}
		number(&v.Burst, burst)
	}
	if c.Log == "" {
		c.Log = "0"
	}
	number(&c.History, 100)
	number(&c.Kept, max(3000, c.History))
	c.Kept = max(c.Kept, c.History)
	number(&c.Audit, 10000)
	number(&c.Text, 500)
	number(&c.Name, 40)
	number(&c.Places, 50000)
	number(&c.Each, 10)
	number(&c.Bans, 10000)
	rate(&c.Messages, 5, 50)
	rate(&c.Reactions, 10, 50)
	rate(&c.Commands, 10, 50)
	rate(&c.AddressMessages, 200, 400)
	rate(&c.AddressReactions, 500, 1000)
	return c
}
