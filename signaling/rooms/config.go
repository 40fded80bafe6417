package rooms

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/signaling/auth"
	"github.com/freshet-live/freshet/signaling/rooms/room"
)

var (
	// ErrBusy is wrapped by errors about a Room or a Node that has no place for
	// another connection or Room. It answers to 503.
	ErrBusy = errors.New("the room takes no more connections at present")
	// ErrTooMany is wrapped by errors about an address that has as many
	// connections as it may. It answers to 429.
	ErrTooMany = errors.New("too many connections")
	// ErrClosed is wrapped by errors about a server that is stopping. It answers
	// to 503.
	ErrClosed = errors.New("the rooms are closing")
)

// Authorizer decides who may come into a Stream's Room.
type Authorizer interface {
	// Room's errors are those of package auth.
	Room(r *http.Request, stream string) (auth.Grant, error)
}

// Store keeps Rooms over restarts, and carries them between Nodes.
type Store interface {
	// Load returns what is kept of a Room, a zero Past if nothing is.
	Load(ctx context.Context, name string) (room.Past, error)
	// Append keeps Entries: once it has returned without an error, they survive
	// the end of this process.
	Append(ctx context.Context, name string, entries []room.Entry) error
	// Follow tells f what happens in a Room on other Nodes until ctx ends, whose
	// error it returns. f must not block for long.
	Follow(ctx context.Context, name string, f func(room.Remote)) error
	// Announce tells other Nodes who is here; they forget it after some seconds.
	Announce(ctx context.Context, name string, p room.People) error
	// Names returns the Rooms that something is kept of.
	Names(ctx context.Context) ([]string, error)
}

// Config is how Rooms are served. Zero values mean the defaults.
type Config struct {
	Site *httpx.Site
	Auth Authorizer
	// Revoked returns why somebody is not to come in who was let in by Auth a
	// moment ago: it is asked once they show in the Room, so that a decision
	// against them finds them there or is found. Of the Grant it gets TokenID,
	// Identity, Stream and Address; errors are those of package auth. Nil: nobody
	// is asked.
	Revoked func(auth.Grant) error
	// Room is what each Room is like.
	Room room.Config
	// MaxSockets bounds the connections of this Node, MaxPerRoom those of one
	// Room.
	MaxSockets, MaxPerRoom int
	// MaxPerAddress bounds the connections of one IPv4 address or IPv6 /64; a
	// proxy on this machine brings everybody's, so loopback has no such limit.
	MaxPerAddress int
	// MaxRooms bounds how many Rooms are open at once.
	MaxRooms int
	// IdleTime is how long an empty Room of a Stream that is not known stays
	// open.
	IdleTime time.Duration
	// OnBar is told of each ban that comes into force or is lifted, here or on
	// another Node. It must not block. Nil: nobody is.
	OnBar func(stream string, e room.Entry)
	// OnEntries is told of the Entries of this Node once they are in the Store.
	// It must neither block nor keep the slice. Nil: nobody is.
	OnEntries func(stream string, entries []room.Entry)

	// stall, sectionSize and frames are stallTime, fullSection and
	// framesPerSecond, but for tests.
	stall       time.Duration
	sectionSize int
	frames      float64
}

const (
	defaultMaxSockets    = 20_000
	defaultMaxPerAddress = 100
	defaultMaxRooms      = 10_000
	defaultIdleTime      = time.Minute
)

func (c Config) withDefaults() Config {
	if c.MaxSockets <= 0 {
		c.MaxSockets = defaultMaxSockets
	}
	if c.MaxPerRoom <= 0 {
		c.MaxPerRoom = c.MaxSockets
	}
	if c.MaxPerAddress <= 0 {
		c.MaxPerAddress = defaultMaxPerAddress
	}
	if c.MaxRooms <= 0 {
		c.MaxRooms = defaultMaxRooms
	}
	if c.IdleTime <= 0 {
		c.IdleTime = defaultIdleTime
	}
	if c.stall <= 0 {
		c.stall = stallTime
	}
	if c.sectionSize <= 0 {
		c.sectionSize = fullSection
	}
	if c.frames <= 0 {
		c.frames = framesPerSecond
	}
	if c.Room.Places <= 0 || c.Room.Places > c.MaxPerRoom {
		c.Room.Places = c.MaxPerRoom
	}
	return c
}

const (
	// batchMax is how long a very large Room holds Entries back, to tell them
	// together: each frame costs a system call per socket.
	batchMax = 250 * time.Millisecond
	// batchFrom is up to how many members nothing is held back.
	batchFrom = 100
	// batchEach is what each member adds, so that all Rooms cost the same number
	// of system calls a second, 40,000.
	batchEach = 25 * time.Microsecond
)

// batchTime returns the least time between two frames of a Room.
func batchTime(members int) time.Duration {
	if members <= batchFrom {
		return 0
	}
	return min(batchMax, time.Duration(members)*batchEach)
}
