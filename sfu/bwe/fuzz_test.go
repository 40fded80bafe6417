package bwe

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtcp"
)

// FuzzFeedback lets a viewer write any messages while packets are sent.
func FuzzFeedback(f *testing.F) {
	good, _ := all(0, 20, 30, 10).Marshal()
	f.Add(good, good)
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 1, 0, 0x20, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9}, []byte{})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		e := New(Config{Min: 50_000, Max: 4_000_000})
		var seq uint16
		for round := range 6 {
			for i := range 40 {
				e.Sent(at(round*200+i*5), seq, 1000, uint8(round&1))
				seq++
			}
			raw := one
			if round&1 != 0 {
				raw = two
			}
			body := append([]byte{0x80 | rtcp.FormatTCC, byte(rtcp.TypeTransportSpecificFeedback), 0, 0}, raw...)
			if len(raw) > 4 && raw[0] == body[0] {
				body = raw
			}
			for len(body)%4 != 0 {
				body = append(body, 0)
			}
			if len(body) > 1500 {
				return
			}
			binary.BigEndian.PutUint16(body[2:], uint16(len(body)/4-1))
			var fb rtcp.TransportLayerCC
			if fb.Unmarshal(body) != nil {
				continue
			}
			e.Feedback(at(round*200+250), &fb)
			if s := e.Stats(); s.Estimate < 50_000 || s.Estimate > 4_000_000 || s.Loss < 0 || s.Loss > 1 {
				t.Fatalf("out of bounds: %+v", s)
			}
		}
	})
}
