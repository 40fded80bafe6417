package store

import (
	"context"
	"crypto/rand"
	_ "embed" // the scripts
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// What Redis holds of a Room. All keys of a Room have its name as their hash
// tag, so that a Redis Cluster keeps them together, and expire some time after
// the last that happened in it. The names of Rooms are in one more key.
type keys struct {
	// log is a stream, each message of which has an Entry as JSON in the field
	// "e". ids is a sorted set of the ids of the Entries that have been in it,
	// by the time of Redis.
	log, ids string
	// standing is a hash of the Entries that hold, "AT ID JSON", by matter.
	standing string
	// life is a random text. Another one, or none, tells that Redis has lost
	// what it held.
	life string
	// people is a hash of Remotes with People, by Node, and seen a sorted set
	// of these Nodes by when they were heard, by the time of Redis.
	people, seen string
	// news is a channel. A message is "e" and a Node that has appended, or "p"
	// and a Remote with People.
	news string
}

var (
	//go:embed append.lua
	appendScript string
	//go:embed people.lua
	peopleScript string
)

const roomsKey = "freshet:rooms"

func keysOf(name string) keys {
	p := "{freshet:room:" + name + "}:"
	return keys{p + "log", p + "ids", p + "standing", p + "life", p + "people", p + "seen", p + "news"}
}

// nameOf returns the Room of a channel.
func nameOf(news string) string {
	name := strings.TrimPrefix(news, "{freshet:room:")
	return strings.TrimSuffix(name, "}:news")
}

// offer is an Entry on its way to Redis.
type offer struct {
	id, json, matter string
	at               int64
	pinned           string
}

func (k *keys) append(ctx context.Context, c redis.Cmdable, cfg *RedisConfig, known string, list []offer) *redis.Cmd {
	args := []any{cfg.Length, idsPerEntry * cfg.Length, cfg.Keep.Milliseconds(), rand.Text(), k.news, cfg.Node, known}
	for _, o := range list {
		args = append(args, o.id, o.json, o.matter, strconv.FormatInt(o.at, 10), o.pinned)
	}
	return c.Eval(ctx, appendScript, []string{k.log, k.ids, k.standing, k.life}, args...)
}

func (k *keys) tell(ctx context.Context, c redis.Cmdable, cfg *RedisConfig, remote []byte, count int) *redis.Cmd {
	return c.Eval(ctx, peopleScript, []string{k.people, k.seen, k.log, k.ids, k.standing, k.life},
		cfg.Node, remote, count, silence.Milliseconds(), cfg.Keep.Milliseconds(), k.news)
}

// place is a message's id in a stream, MS-N.
type place struct{ ms, n uint64 }

func parsePlace(s string) (p place, err error) {
	if _, err = fmt.Sscanf(s, "%d-%d", &p.ms, &p.n); err != nil || p.String() != s {
		return place{}, fmt.Errorf("%w: a place of %d bytes", errLine, len(s))
	}
	return p, nil
}

// String returns "0-0" for the beginning.
func (p place) String() string {
	return strconv.FormatUint(p.ms, 10) + "-" + strconv.FormatUint(p.n, 10)
}

func (p place) before(o place) bool { return p.ms < o.ms || p.ms == o.ms && p.n < o.n }
