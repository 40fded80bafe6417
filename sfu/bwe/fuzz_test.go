package bwe

import "testing"

// FuzzFeedback lets a viewer write any messages while packets are sent.
func FuzzFeedback(f *testing.F) {
	header := []byte{0x8f, 205, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2}
	f.Add(raw(all(0, 20, 30, 10)), raw(all(40, 20, 230, 10)))
	f.Add(append(header, 0, 0, 0, 9, 0, 0, 1, 0, 0x20, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9), []byte{})
	// More packets than there can be, by run lengths and by vectors.
	f.Add(append(header, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0x3f, 0xff, 0x3f, 0xff), append(header, 0, 0, 8, 0, 0, 0, 1, 0, 0x28, 0, 1, 1))
	f.Add(append(header, 0, 0, 0, 40, 0, 0, 1, 0, 0, 0, 0, 0), append(header, 0xff, 0xff, 0, 14, 0, 0, 1, 0, 0xbf, 0xff, 1, 1))
	// Times that leap, and padding that is more than there is.
	f.Add(append(header, 0, 0, 0, 2, 0, 0, 1, 0, 0x40, 2, 0x7f, 0xff, 0x80, 0), append([]byte{0xaf}, append(header[1:], 0, 0, 0, 1, 0, 0, 1, 0, 0x20, 1, 1, 99)...))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		e := New(Config{Min: 50_000, Max: 4_000_000})
		var seq uint16
		for round := range 6 {
			for i := range 40 {
				e.Sent(at(round*200+i*5), seq, 1000, uint8(round&1))
				seq++
			}
			body := one
			if round&1 != 0 {
				body = two
			}
			if len(body) > 1500 {
				return
			}
			e.Feedback(at(round*200+250), body)
			if s := e.Stats(); s.Estimate < 50_000 || s.Estimate > 4_000_000 || s.Loss < 0 || s.Loss > 1 {
				t.Fatalf("out of bounds: %+v", s)
			}
		}
	})
}
