package main

import (
	"fmt"
	"io"
	"net"
	"text/template"
)

// banner is what a new user reads on the terminal: where to go next.
var banner = template.Must(template.New("banner").Parse(`
  Freshet {{.Version}} is running.

  Go live      {{.Base}}/broadcast/demo
  Watch        {{.Base}}/watch/demo
  All streams  {{.Base}}/

  WHIP         {{.Base}}/whip/demo
  WHEP         {{.Base}}/whep/demo
{{- if .HLS}}
  LL-HLS       {{.Base}}/hls/demo/index.m3u8
{{- end}}

  OBS 30+      Settings > Stream:  Service WHIP, Server {{.Base}}/whip/demo
               Bearer Token: {{.Token}}
               Settings > Output:  Keyframe Interval 1 s, Tune zerolatency, B-frames 0
               Simulcast on (Settings > Stream, OBS 32+)

  FFmpeg 8     ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 \
                 -c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -bf 0 -g 30 -b:v 2500k \
                 -c:a libopus -ar 48000 -ac 2 -b:a 96k -f whip {{.Auth}}{{.Base}}/whip/demo
{{if .Keys}}
  Tokens       publish:  freshet token --auth.keys KEY:SECRET --stream demo --publish
               watch:    freshet token --auth.keys KEY:SECRET --stream demo
               Add ?token=... to a page's address.
{{else}}
  No keys are set: whoever reaches this machine may publish and watch.
{{end}}
  Ctrl-C stops the server.

`))

// printBanner writes the banner for a server at a URL.
func printBanner(w io.Writer, base string, keys, hls bool) error {
	data := struct {
		Version, Base, Token, Auth string
		Keys, HLS                  bool
	}{Version: version, Base: base, Keys: keys, HLS: hls, Token: "anything, for example demo"}
	if keys {
		data.Token, data.Auth = "a publish token, see below", "-authorization TOKEN "
	}
	return banner.Execute(w, data)
}

// baseURL is how a browser on this machine reaches addr.
func baseURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return fmt.Sprintf("http://%s", addr)
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}
