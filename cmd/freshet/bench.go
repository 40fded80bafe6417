package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/freshet-live/freshet/internal/bench"
	"github.com/freshet-live/freshet/signaling/auth"
)

// benchCmd measures a server from outside.
type benchCmd struct {
	Viewers    benchViewersCmd    `cmd:"" help:"One publisher, many light viewers."`
	Publishers benchPublishersCmd `cmd:"" help:"Many publishers, each with a stream of its own."`
	HLS        benchHLSCmd        `cmd:"" name:"hls" help:"Many LL-HLS players of one stream."`
	Chat       benchChatCmd       `cmd:"" help:"Many people in one room, some of whom talk."`
}

// benchMedia is what viewers and publishers have in common.
type benchMedia struct {
	N         int           `name:"n" short:"n" default:"${default_n}" help:"How many."`
	Duration  time.Duration `name:"duration" default:"30s" help:"How long to measure once all have joined."`
	Ramp      bench.Rate    `name:"ramp" placeholder:"COUNT/TIME" help:"How many join in which time, such as 500/5s."`
	Token     string        `name:"token" env:"FRESHET_BENCH_TOKEN" placeholder:"JWT" help:"Bearer token."`
	Bitrate   bench.Bits    `name:"bitrate" default:"2.5M" help:"Bitrate of the video, of its top layer with simulcast."`
	Simulcast bool          `name:"simulcast" help:"Publish three layers."`
	Keyframes bool          `name:"keyframes" help:"Answer keyframe requests; otherwise there is one every two seconds, as from OBS."`
	PID       int           `name:"pid" placeholder:"PID" help:"The server's process, to read its CPU time and memory."`
	JSON      string        `name:"json" placeholder:"FILE" help:"Write the figures as JSON too (-: to the standard output, instead of the table)."`
}

func (c *benchMedia) media() bench.MediaOptions {
	return bench.MediaOptions{Bitrate: c.Bitrate, Simulcast: c.Simulcast, Keyframes: c.Keyframes}
}

type benchViewersCmd struct {
	benchMedia   `set:"default_n=100"`
	URL          string        `name:"url" required:"" placeholder:"WHEP-URL" help:"Where the viewers play."`
	Publish      string        `name:"publish" placeholder:"WHIP-URL" help:"Where to publish; without it somebody else has to, and there are no latencies."`
	PublishToken string        `name:"publish-token" env:"FRESHET_BENCH_PUBLISH_TOKEN" placeholder:"JWT" help:"Bearer token for publishing (default: --token)."`
	Loss         bench.Percent `name:"loss" placeholder:"PERCENT" help:"Each viewer loses this many packets at random."`
	Rate         bench.Bits    `name:"rate" placeholder:"BITS" help:"Limit each viewer's downlink, such as 400k."`
	LimitAt      time.Duration `name:"limit-at" placeholder:"TIME" help:"When the limit or the outage begins, after all have joined."`
	LimitFor     time.Duration `name:"limit-for" placeholder:"TIME" help:"How long the limit holds (default: all the time)."`
	Outage       time.Duration `name:"outage" placeholder:"TIME" help:"How long nothing passes."`
	Delay        time.Duration `name:"delay" placeholder:"TIME" help:"Delay of media and reports in each direction."`
	Jitter       time.Duration `name:"jitter" placeholder:"TIME" help:"Added to the delay towards the viewers, between 0 and this."`
	Decode       int           `name:"decode" placeholder:"COUNT" help:"So many viewers' pictures are really decoded, by ffmpeg."`
	Churn        bench.Rate    `name:"churn" placeholder:"COUNT/TIME" help:"While it is measured so many viewers leave and others join, such as 5/s."`
	NoFeedback   bool          `name:"no-feedback" help:"Viewers do not offer transport-wide congestion control."`
	GRO          bool          `name:"gro" help:"Receive trains of packets in one piece; cheaper, but kinder to the server than browsers are."`
}

// Run measures and prints.
func (c *benchViewersCmd) Run(ctx context.Context, s *streams) error {
	report, err := bench.RunViewers(ctx, bench.ViewerOptions{
		URL: c.URL, Publish: c.Publish, Token: c.Token, PublishToken: c.PublishToken,
		Viewers: c.N, Duration: c.Duration, Ramp: c.Ramp, Churn: c.Churn,
		Path: bench.PathOptions{
			Loss: float64(c.Loss), Rate: c.Rate, Delay: c.Delay, Jitter: c.Jitter,
			LimitAt: c.LimitAt, LimitFor: c.LimitFor, Outage: c.Outage,
		},
		Decode: c.Decode, NoFeedback: c.NoFeedback, GRO: c.GRO, PID: c.PID, Media: c.media(),
	})
	if err != nil {
		return err
	}
	return c.write(s, report)
}

type benchPublishersCmd struct {
	benchMedia `set:"default_n=20"`
	URL        string `name:"url" required:"" placeholder:"WHIP-URL" help:"Where to publish; each publisher adds -1, -2 and so on."`
}

// Run measures and prints.
func (c *benchPublishersCmd) Run(ctx context.Context, s *streams) error {
	report, err := bench.RunPublishers(ctx, bench.PublisherOptions{
		URL: c.URL, Token: c.Token, Publishers: c.N, Duration: c.Duration, Ramp: c.Ramp, PID: c.PID, Media: c.media(),
	})
	if err != nil {
		return err
	}
	return c.write(s, report)
}

type benchHLSCmd struct {
	URL      string        `name:"url" required:"" placeholder:"URL" help:"The multivariant playlist; a token goes into its query."`
	N        int           `name:"n" short:"n" default:"100" help:"How many."`
	Duration time.Duration `name:"duration" default:"30s" help:"How long to measure once all have joined."`
	Ramp     bench.Rate    `name:"ramp" placeholder:"COUNT/TIME" help:"How many join in which time, such as 500/5s."`
	PID      int           `name:"pid" placeholder:"PID" help:"The server's process, to read its CPU time and memory."`
	Plain    bool          `name:"plain" help:"Do not ask for compressed playlists."`
	NoDelta  bool          `name:"no-delta" help:"Do not ask for delta updates."`
	JSON     string        `name:"json" placeholder:"FILE" help:"Write the figures as JSON too (-: to the standard output, instead of the table)."`
}

// Run measures and prints.
func (c *benchHLSCmd) Run(ctx context.Context, s *streams) error {
	report, err := bench.RunHLS(ctx, bench.HLSOptions{
		URL: c.URL, Clients: c.N, Duration: c.Duration, Ramp: c.Ramp, PID: c.PID, Plain: c.Plain, NoDelta: c.NoDelta,
	})
	if err != nil {
		return err
	}
	return writeReport(s, c.JSON, report)
}

type benchChatCmd struct {
	URL      string        `name:"url" required:"" placeholder:"URL" help:"The room, such as http://127.0.0.1:8080/rooms/x."`
	N        int           `name:"n" short:"n" default:"100" help:"How many sockets."`
	Rate     bench.Rate    `name:"rate" default:"20/s" placeholder:"COUNT/TIME" help:"How many messages all of them send in which time."`
	Text     int           `name:"text" default:"40" help:"How long a message is, in characters."`
	Duration time.Duration `name:"duration" default:"30s" help:"How long to measure once all have joined."`
	Ramp     bench.Rate    `name:"ramp" placeholder:"COUNT/TIME" help:"How many join in which time (default 500/s)."`
	Storm    bench.Rate    `name:"storm" placeholder:"COUNT/TIME" help:"So many lose their connections in this time and come back at once, such as 5000/10s."`
	Slow     int           `name:"slow" placeholder:"COUNT" help:"So many of the sockets stop reading."`
	Token    string        `name:"token" env:"FRESHET_BENCH_TOKEN" placeholder:"JWT" help:"One token for all sockets; a server lets one identity have ten."`
	Key      string        `name:"key" env:"FRESHET_BENCH_KEY" placeholder:"KEY:SECRET" help:"The server's API key, to give each socket a token of its own."`
	PID      int           `name:"pid" placeholder:"PID" help:"The server's process, to read its CPU time and memory."`
	JSON     string        `name:"json" placeholder:"FILE" help:"Write the figures as JSON too (-: to the standard output, instead of the table)."`
}

// Run measures and prints.
func (c *benchChatCmd) Run(ctx context.Context, s *streams) error {
	token, err := c.tokens()
	if err != nil {
		return err
	}
	report, err := bench.RunChat(ctx, bench.ChatOptions{
		URL: c.URL, Sockets: c.N, Rate: c.Rate, Text: c.Text, Duration: c.Duration, Ramp: c.Ramp,
		Storm: c.Storm, Slow: c.Slow, PID: c.PID, Token: token,
	})
	if err != nil {
		return err
	}
	return writeReport(s, c.JSON, report)
}

// tokens returns what mints the sockets' tokens, nil without a key.
func (c *benchChatCmd) tokens() (func(int) (string, error), error) {
	switch {
	case c.Key == "" && c.Token == "":
		return nil, nil //nolint:nilnil // an open server
	case c.Key == "":
		return func(int) (string, error) { return c.Token, nil }, nil
	}
	keys, err := auth.ParseKeys(c.Key)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	stream := path.Base(strings.TrimSuffix(strings.TrimSuffix(c.URL, "/"), "/ws"))
	return func(i int) (string, error) {
		return auth.Mint(keys, auth.MintOptions{
			Stream: stream, Identity: fmt.Sprintf("bench-%d", i), Subscribe: true, Data: true, TTL: c.Duration + time.Hour,
		})
	}, nil
}

func (c *benchMedia) write(s *streams, report interface{ Print(io.Writer) error }) error {
	return writeReport(s, c.JSON, report)
}

// writeReport prints a report and saves it as JSON.
func writeReport(s *streams, file string, report interface{ Print(io.Writer) error }) error {
	if file != "-" {
		if err := report.Print(s.stdout); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	text = append(text, '\n')
	if file == "-" {
		_, err = s.stdout.Write(text)
	} else {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
