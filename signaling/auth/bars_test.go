package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	barTime = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ann     = Grant{Identity: "ann", TokenID: "t1", Stream: "demo", Address: netip.MustParseAddr("2001:db8::1")}
)

func TestBarMatches(t *testing.T) {
	for name, c := range map[string]struct {
		bar     Bar
		publish bool // is barred from publishing
		play    bool // is barred from the rest
	}{
		"token":                    {Bar{TokenID: "t1"}, true, true},
		"another token":            {Bar{TokenID: "t2"}, false, false},
		"identity":                 {Bar{Identity: "ann"}, true, true},
		"identity, here":           {Bar{Identity: "ann", Stream: "demo"}, true, true},
		"identity, elsewhere":      {Bar{Identity: "ann", Stream: "x"}, false, false},
		"another identity":         {Bar{Identity: "bob"}, false, false},
		"address":                  {Bar{Address: netip.MustParseAddr("2001:db8::1")}, true, true},
		"her network":              {Bar{Address: netip.MustParseAddr("2001:db8::ffff:1")}, true, true},
		"another network":          {Bar{Address: netip.MustParseAddr("2001:db8:0:1::1")}, false, false},
		"IPv4":                     {Bar{Address: netip.MustParseAddr("192.0.2.1")}, false, false},
		"stream, publishing":       {Bar{Stream: "demo", Publish: true}, true, false},
		"another one's publishing": {Bar{Stream: "x", Publish: true}, false, false},
		"all must apply":           {Bar{TokenID: "t1", Identity: "bob"}, false, false},
		"over":                     {Bar{Identity: "ann", Until: barTime}, false, false},
		"not over":                 {Bar{Identity: "ann", Until: barTime.Add(1)}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := NewBars("")
			require.NoError(t, err)
			_, err = b.Add(c.bar, barTime.Add(-time.Hour))
			require.NoError(t, err)
			want := func(barred bool, err error) {
				if !barred {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, ErrRevoked)
			}
			want(c.publish, b.Check(ann, true, barTime))
			want(c.play, b.Check(ann, false, barTime))
			require.NoError(t, b.Check(Grant{Stream: "demo"}, false, barTime), "nobody in particular")
		})
	}
	b, err := NewBars("")
	require.NoError(t, err)
	_, err = b.Add(Bar{Publish: true, Reason: "for all?"}, barTime)
	require.ErrorIs(t, err, ErrEmptyBar)
	require.NoError(t, (*Bars)(nil).Check(ann, true, barTime))
}

// What was acknowledged outlives the process, however it ended.
func TestBarsLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "revocations.jsonl")
	b, err := NewBars(path)
	require.NoError(t, err)
	kept, err := b.Add(Bar{Identity: "ann", Reason: "spam", Until: time.Now().Add(time.Hour)}, time.Now())
	require.NoError(t, err)
	lifted, err := b.Add(Bar{TokenID: "t9"}, time.Now())
	require.NoError(t, err)
	_, err = b.Add(Bar{TokenID: "t8", Until: time.Now()}, time.Now())
	require.NoError(t, err)
	ok, err := b.Lift(lifted.ID, time.Now())
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = b.Lift(lifted.ID, time.Now())
	require.NoError(t, err)
	require.False(t, ok)

	// Not closed, and cut off in the middle of a line.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"bar":{"id":"half","ident`)
	require.NoError(t, err)
	require.NoError(t, f.Close())

	again, err := NewBars(path)
	require.NoError(t, err)
	list := again.List(time.Now())
	require.Len(t, list, 1)
	require.True(t, kept.Until.Equal(list[0].Until))
	require.Equal(t, kept.Reason, list[0].Reason)
	require.ErrorIs(t, again.Check(ann, false, time.Now()), ErrRevoked)
	require.NoError(t, again.Close())
	require.NoError(t, b.Close())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoError(t, os.WriteFile(path, []byte("{\"bar\":\n"), 0o600))
	_, err = NewBars(path)
	require.ErrorIs(t, err, ErrBars, "nobody slips in because the file is damaged")
}

// The file is written anew before it holds mostly what is void.
func TestBarsFileStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b")
	b, err := NewBars(path)
	require.NoError(t, err)
	stays, err := b.Add(Bar{Identity: "stays"}, barTime)
	require.NoError(t, err)
	for range 2 * slackLines {
		bar, err := b.Add(Bar{Identity: "ann"}, barTime)
		require.NoError(t, err)
		_, err = b.Lift(bar.ID, barTime)
		require.NoError(t, err)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Less(t, bytes.Count(data, []byte("\n")), slackLines+10)

	// A disk that was full leaves half a line, which nothing is glued to.
	require.NoError(t, b.file.file.Close())
	_, err = b.Add(Bar{Identity: "bob"}, barTime)
	require.ErrorIs(t, err, ErrBars)
	require.NoError(t, b.Check(Grant{Identity: "bob"}, false, barTime), "what was refused is not in force")
	bob, err := b.Add(Bar{Identity: "bob"}, barTime)
	require.NoError(t, err)
	again, err := NewBars(path)
	require.NoError(t, err)
	require.ElementsMatch(t, []Bar{stays, bob}, again.List(barTime))
}

func TestTooManyBars(t *testing.T) {
	b, err := NewBars("")
	require.NoError(t, err)
	for i := range maxBars {
		_, err := b.Add(Bar{Identity: fmt.Sprint(i), Until: barTime.Add(time.Second)}, barTime)
		require.NoError(t, err)
	}
	_, err = b.Add(Bar{Identity: "ann"}, barTime)
	require.ErrorIs(t, err, ErrTooManyBars)
	_, err = b.Add(Bar{Identity: "ann"}, barTime.Add(time.Second))
	require.NoError(t, err, "those that are over make room")
	require.Len(t, b.byKey, 1)
}

// A Verifier heeds its Bars everywhere.
func TestVerifierHeedsBars(t *testing.T) {
	bars, err := NewBars("")
	require.NoError(t, err)
	v := NewVerifier(testKeys)
	v.Bars = bars
	admin := sign(t, hs256, video(map[string]any{"roomAdmin": true}), testSecret)
	each := func(token string) map[string]error {
		r := request(token)
		out := map[string]error{}
		_, out["publish"] = v.Publish(r, "demo")
		_, out["play"] = v.Play(r, "demo")
		_, out["room"] = v.Room(r, "demo")
		_, out["moderate"] = v.Moderate(r, "demo")
		_, out["admin"] = v.Admin(r)
		_, out["operate"] = v.Operate(r)
		return out
	}
	for what, err := range each(admin) {
		require.NoError(t, err, what)
	}
	g, err := v.Inspect(admin)
	require.NoError(t, err)
	require.True(t, g.Operator)
	bar, err := bars.Add(Bar{TokenID: g.TokenID, Until: g.Expires}, time.Now())
	require.NoError(t, err)
	for what, err := range each(admin) {
		require.ErrorIs(t, err, ErrRevoked, what)
		require.NotContains(t, err.Error(), admin)
	}
	_, err = bars.Lift(bar.ID, time.Now())
	require.NoError(t, err)
	_, err = bars.Add(Bar{Stream: "demo", Publish: true}, time.Now())
	require.NoError(t, err)
	for what, err := range each(admin) {
		require.Equal(t, what == "publish", err != nil, what)
	}
}

// Who may come into a Room, and who may moderate it.
func TestRoomAndModerate(t *testing.T) {
	v := NewVerifier(testKeys)
	for name, c := range map[string]struct {
		grant          map[string]any
		room, moderate error
		operate        error
	}{
		"viewer":           {map[string]any{"room": "demo", "roomJoin": true, "canPublish": false}, nil, ErrForbidden, ErrForbidden},
		"publishes only":   {map[string]any{"room": "demo", "roomJoin": true, "canSubscribe": false}, nil, ErrForbidden, ErrForbidden},
		"may nothing":      {map[string]any{"room": "demo", "roomJoin": true, "canPublish": false, "canSubscribe": false}, ErrForbidden, ErrForbidden, ErrForbidden},
		"moderator":        {map[string]any{"room": "demo", "roomAdmin": true, "canPublish": false, "canSubscribe": false}, nil, nil, ErrForbidden},
		"of another":       {map[string]any{"room": "x", "roomAdmin": true}, ErrForbidden, ErrForbidden, ErrForbidden},
		"operator":         {map[string]any{"roomAdmin": true}, nil, nil, nil},
		"may list streams": {map[string]any{"roomList": true}, ErrForbidden, ErrForbidden, ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(sign(t, hs256, video(c.grant), testSecret))
			_, err := v.Room(r, "demo")
			require.ErrorIs(t, err, c.room)
			_, err = v.Moderate(r, "demo")
			require.ErrorIs(t, err, c.moderate)
			_, err = v.Operate(r)
			require.ErrorIs(t, err, c.operate)
		})
	}
}

// There is one way to write a token, so that a barred one has no twins.
func TestTokenHasOneForm(t *testing.T) {
	v := NewVerifier(testKeys)
	good := sign(t, hs256, claims(nil), testSecret)
	_, err := v.Inspect(good)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var twins []string
	for _, c := range alphabet { // 43 characters carry 258 bits, two of which say nothing
		twin := parts[2][:len(parts[2])-1] + string(c)
		decoded, err := base64.RawURLEncoding.DecodeString(twin)
		require.NoError(t, err)
		if bytes.Equal(decoded, signature) && twin != parts[2] {
			twins = append(twins, parts[0]+"."+parts[1]+"."+twin)
		}
	}
	require.Len(t, twins, 3)
	full, err := json.Marshal(map[string]any{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	require.NoError(t, err)
	twins = append(twins, string(full), good[:20]+"\n"+good[20:], good[:20]+" "+good[20:], good+"=", good+".", " "+good)
	for _, twin := range twins {
		_, err := v.Inspect(twin)
		require.ErrorIs(t, err, ErrBadToken, twin)
	}
}

func FuzzReadBars(f *testing.F) {
	f.Add([]byte("{\"bar\":{\"id\":\"a\",\"identity\":\"ann\",\"at\":\"2026-01-01T00:00:00Z\"}}\n{\"lift\":\"a\"}\n"))
	f.Add([]byte("{\"bar\":{\"id\":\"a\",\"address\":\"2001:db8::1\",\"until\":\"2036-01-01T00:00:00Z\"}}\n{\"bar\":"))
	f.Fuzz(func(t *testing.T, data []byte) {
		kept, err := readBars(data, barTime)
		if err != nil {
			require.Empty(t, kept)
			return
		}
		var again bytes.Buffer
		for _, bar := range kept {
			require.NotEmpty(t, bar.key())
			require.False(t, bar.over(barTime))
			line, err := json.Marshal(barLine{Bar: &bar})
			require.NoError(t, err)
			again.Write(append(line, '\n'))
		}
		same, err := readBars(again.Bytes(), barTime)
		require.NoError(t, err)
		require.Len(t, same, len(kept))
	})
}
