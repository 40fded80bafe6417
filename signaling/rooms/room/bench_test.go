package room

import (
	"fmt"
	"testing"
	"time"
)

// full returns a Room with n people and a full log.
func full(b *testing.B, n int) *Room {
	b.Helper()
	r := New("demo", Config{Node: "n1", Messages: Rate{1e9, 1 << 30}, AddressMessages: Rate{1e9, 1 << 30}, Reactions: Rate{1e9, 1 << 30},
		AddressReactions: Rate{1e9, 1 << 30}}, Past{})
	for i := range n {
		id := fmt.Sprint("viewer-", i)
		if _, err := r.Join(start, Join{Conn: Conn(i), Person: Person{Identity: id, Name: id}, Write: true, Address: home}); err != nil {
			b.Fatal(err)
		}
	}
	for range 9000 {
		r.Do(start, 0, Command{Verb: Say, Text: "x"})
	}
	r.Drain(start)
	return r
}

// BenchmarkMessage is what one message costs the Room, whatever the number of
// people is, from the client's frame to the Entry that is told.
func BenchmarkMessage(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := full(b, n)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				cmd, err := Decode(fmt.Appendf(nil, `{"type":"message","id":"a-%d","text":"hello everybody, how are you?","mediaTime":1790000000000}`, i))
				if err != nil {
					b.Fatal(err)
				}
				if p := r.Do(start, Conn(i%n), cmd); p.Refused != nil {
					b.Fatal(p.Refused)
				}
				if len(r.Drain(start).Entries) != 1 {
					b.Fatal("not told")
				}
			}
		})
	}
}

func BenchmarkReaction(b *testing.B) {
	r := full(b, 10000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Do(start, Conn(i%10000), Command{Verb: React, Emoji: "🎉"})
		r.Drain(start)
	}
}

// BenchmarkJoin is one of those who come back in a storm.
func BenchmarkJoin(b *testing.B) {
	r := full(b, 10000)
	resume := fmt.Sprintf("0.%d", r.log.last-20)
	now := start
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Millisecond)
		c := Conn(i % 10000)
		r.Leave(now, c)
		w, err := r.Join(now, Join{Conn: c, Person: Person{Identity: fmt.Sprint("viewer-", c)}, Write: true, Address: home, Resume: resume})
		if err != nil || len(w.Entries) != 20 {
			b.Fatal(err, len(w.Entries))
		}
		r.Drain(now)
	}
}

func BenchmarkTick(b *testing.B) {
	r := full(b, 10000)
	for b.Loop() {
		r.Tick(start)
	}
}
