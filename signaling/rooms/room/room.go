package room

import "time"

const (
	// ahead is how far clocks of Nodes may be apart for one to follow another.
	ahead = 10 * time.Second
	// future is how far ahead an Entry is garbage.
	future = 24 * time.Hour
	// reopening is how long those come back whom a restart has thrown out.
	reopening = time.Minute
	// maxTextBytes is how long a Text of another Node may be, whose limits may
	// be others.
	maxTextBytes = 16 << 10
	// ackMemory is how many accepted commands are known again.
	ackMemory = 8192
	// maxEmojis is how many different emojis are told at a time.
	maxEmojis = 64
	// announceEvery is how often the people are told to other Nodes, whether
	// they have changed or not.
	announceEvery = 3 * time.Second
)

type ackKey struct{ identity, id string }

type ack struct {
	entry string
	seq   uint64
}

// Room is one Room on one Node. It is not safe for concurrent use.
//
// Whatever people do, it holds at most: Config.Places connections; 20,000
// identities that have left, for two minutes or as long as it is locked, looked
// at by Tick; addresses for as long as something counts against one; twice
// Config.Kept Entries and Config.Audit of moderators, four ids for each Entry
// kept; 8192 accepted commands and as many times of a last Message; Config.Bans
// bans and as many mutes (twice that when other Nodes send them); 64 different
// reactions; 1000 other Nodes with 100 people each.
type Room struct {
	name   string
	cfg    Config
	origin uint64
	log    ledger
	audit  []Entry
	clock  int64 // the latest At, in ms since 1970

	settings, cleared, pin Entry // the latest of their kinds
	pinned                 *Entry
	mutes, bans            register
	gone                   memory[string, struct{}] // deleted, whether seen or not
	acks                   memory[ackKey, ack]
	spoke                  memory[string, int64] // when an identity last said something
	crowd                  crowd
	stream                 *StreamState
	opened                 time.Time // of the first Join
	out                    pending
}

// New returns the Room of a Stream with what is kept of it.
func New(name string, cfg Config, past Past) *Room {
	cfg = cfg.withDefaults()
	if past.Log == "" {
		past.Log = cfg.Log
	}
	r := &Room{
		name: name, cfg: cfg, origin: originOf(cfg.Node, past.Log), log: newLedger(past.Log, cfg.Kept),
		mutes: newRegister(cfg.Bans), bans: newRegister(cfg.Bans),
		gone: newMemory[string, struct{}](4 * cfg.Kept), acks: newMemory[ackKey, ack](ackMemory),
		spoke: newMemory[string, int64](ackMemory), crowd: newCrowd(),
		stream: &StreamState{State: "idle", Layers: []StreamLayer{}},
	}
	r.restore(past)
	return r
}

// restore applies what is kept, in the order in which it happened.
func (r *Room) restore(past Past) {
	r.log.restore(past)
	for _, list := range [][]Entry{past.Standing, past.Audit} {
		for i := range list {
			r.apply(&list[i])
			r.clock = max(r.clock, list[i].At)
		}
	}
	held := r.log.held()
	for i := range held {
		r.apply(&held[i])
		r.clock = max(r.clock, held[i].At)
		r.remember(&held[i])
	}
	for i := range past.Standing {
		if e := past.Standing[i]; e.ID == r.pin.Target && r.log.find(e.ID) == nil && spoken(e.Kind) {
			r.pinned = &e
		}
	}
	r.wipe()
	r.restoreAudit(past.Audit)
}

// restoreAudit takes what is kept of moderators, and what of the latest Entries
// is not in it.
func (r *Room) restoreAudit(kept []Entry) {
	known := map[string]bool{}
	held := r.log.held()
	for _, list := range [][]Entry{kept, held} {
		for _, e := range list {
			if !known[e.ID] {
				known[e.ID] = true
				r.keep(e)
			}
		}
	}
}
