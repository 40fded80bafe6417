package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/media"
	"github.com/freshet-live/freshet/signaling/rooms"
	"github.com/freshet-live/freshet/signaling/rooms/room"
	"github.com/freshet-live/freshet/signaling/rooms/store"
	"github.com/freshet-live/freshet/signaling/webhook"
)

// roomSettings is the block rooms of the settings.
type roomSettings struct {
	// MaxSockets bounds the connections of this Node, MaxPerAddress those of one
	// address.
	MaxSockets    int `yaml:"max-sockets"`
	MaxPerAddress int `yaml:"max-per-address"`
	// History is how many Entries a newcomer gets.
	History int `yaml:"history"`
	// MaxMessage is in characters.
	MaxMessage int `yaml:"max-message"`
}

func defaultRooms() roomSettings {
	return roomSettings{MaxSockets: 20_000, MaxPerAddress: 100, History: 100, MaxMessage: 500}
}

const (
	// maxHistory keeps what a newcomer gets well below a megabyte.
	maxHistory = 1000
	// longestMessage fits into a command of 8 KiB in every script.
	longestMessage = 2000
)

func (s *roomSettings) check() error {
	switch {
	case s.MaxSockets < 1:
		return errors.New("rooms.max-sockets: must be 1 or more")
	case s.MaxPerAddress < 1:
		return errors.New("rooms.max-per-address: must be 1 or more")
	case s.History < 1 || s.History > maxHistory:
		return fmt.Errorf("rooms.history: must be between 1 and %d", maxHistory)
	case s.MaxMessage < 1 || s.MaxMessage > longestMessage:
		return fmt.Errorf("rooms.max-message: must be between 1 and %d", longestMessage)
	}
	return nil
}

// openRooms puts the Rooms together.
func (s *server) openRooms(set *settings, site *httpx.Site, reg *prometheus.Registry) error {
	if err := s.openRoomFiles(filepath.Join(set.DataDir, "rooms"), reg); err != nil {
		return err
	}
	s.roomStore = s.roomFiles
	if set.Cluster.Redis != "" {
		if err := s.shareRooms(set, reg); err != nil {
			return err
		}
	}
	r := &set.Rooms
	var err error
	s.rooms, err = rooms.New(rooms.Config{
		Site: site, Auth: roomAccess{&s.access, s.ask(webhook.Play, "room")}, Revoked: s.access.revoked,
		Room:       room.Config{Node: set.Cluster.Node, History: r.History, Text: r.MaxMessage},
		MaxSockets: r.MaxSockets, MaxPerAddress: r.MaxPerAddress, OnBar: s.roomBar, OnEntries: func(stream string, entries []room.Entry) { s.hooks.Said(stream, entries) },
	}, s.roomStore, s.log, reg)
	return err
}

// roomStore keeps Rooms: on this Node, or shared by several.
type roomStore interface {
	rooms.Store
	Run(ctx context.Context) error
}

// shareRooms puts a Redis behind the files.
func (s *server) shareRooms(set *settings, reg *prometheus.Registry) (err error) {
	if s.redis, err = newRedis(set.Cluster.Redis); err != nil {
		return err
	}
	s.roomStore, err = store.NewRedis(store.RedisConfig{Node: set.Cluster.Node}, s.redis, s.roomFiles, s.log, reg)
	return err
}

// openRoomFiles opens the folder that Rooms are kept in. Where another server
// has it, such as one that was started twice to try something, there is one for
// the time being.
func (s *server) openRoomFiles(dir string, reg *prometheus.Registry) (err error) {
	s.roomFiles, err = store.NewFile(store.FileConfig{Dir: dir}, s.log, reg)
	if !errors.Is(err, store.ErrInUse) {
		return err
	}
	if s.roomTemp, err = os.MkdirTemp("", "freshet-rooms-"); err != nil {
		return fmt.Errorf("rooms: %w", err)
	}
	s.log.Warn("another server has this data-dir: chat will be forgotten at the end", "dir", dir)
	s.roomFiles, err = store.NewFile(store.FileConfig{Dir: s.roomTemp}, s.log, reg)
	return err
}

// closeRooms gives the folder back.
func (s *server) closeRooms() error {
	if s.roomFiles == nil {
		return nil
	}
	err := errors.Join(s.roomFiles.Close(), s.access.bars.Close())
	if s.redis != nil {
		err = errors.Join(err, s.redis.Close())
	}
	if s.roomTemp != "" {
		err = errors.Join(err, os.RemoveAll(s.roomTemp))
	}
	return err
}

// runRooms serves the Rooms until ctx ends. Their files close after them.
func (s *server) runRooms(ctx context.Context) error {
	files, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return s.roomStore.Run(files) })
	err := s.rooms.Run(ctx)
	stop()
	return errors.Join(err, g.Wait(), s.closeRooms())
}

// streamChanged is told by the hub of each new Snapshot; it must not block.
func (s *server) streamChanged(snap *media.Snapshot) {
	if s.rooms != nil {
		s.rooms.StreamChanged(snap)
	}
	s.hooks.StreamChanged(snap)
}
