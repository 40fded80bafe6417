package playlist

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]Query{
		"":                                 {},
		"token=x&_HLS_unknown=y":           {},
		"_HLS_msn=5":                       {Blocking: true, MSN: 5},
		"_HLS_msn=5&_HLS_part=0":           {Blocking: true, WithPart: true, MSN: 5},
		"_HLS_part=3&_HLS_msn=%35":         {Blocking: true, WithPart: true, MSN: 5, Part: 3},
		"_HLS_skip=YES":                    {Skip: true},
		"_HLS_skip=v2&_HLS_msn=1":          {Blocking: true, MSN: 1, Skip: true},
		"_HLS_skip=maybe":                  {},
		"_HLS_msn=18446744073709551615":    {Blocking: true, MSN: 1<<64 - 1},
		"a=%zz&_HLS_msn=1&&&=&_HLS_skip":   {Blocking: true, MSN: 1},
		"_HLS_msn=1&token=_HLS_part%3Dxyz": {Blocking: true, MSN: 1},
	} {
		got, err := ParseQuery(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{
		"_HLS_part=1", "_HLS_msn=", "_HLS_msn", "_HLS_msn=-1", "_HLS_msn=%2B1", "_HLS_msn=1.5", "_HLS_msn=x",
		"_HLS_msn=1&_HLS_part=", "_HLS_msn=1&_HLS_part=x", "_HLS_msn=18446744073709551616", "_HLS_msn=%zz",
		"_HLS_msn=1&_HLS_msn=1", "_HLS_msn=0x1", "_HLS_msn=1_0", "_HLS_skip=YES&_HLS_skip=YES",
	} {
		_, err := ParseQuery(raw)
		require.ErrorIs(t, err, ErrQuery, raw)
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"_HLS_msn=5&_HLS_part=1&_HLS_skip=YES", "_HLS_msn=%35", "&&=&", "_HLS_part=1"} {
		f.Add(s)
	}
	view := newFiller(time.Minute).parts(33).View("", nil)
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := ParseQuery(raw)
		if err != nil {
			require.ErrorIs(t, err, ErrQuery)
			return
		}
		require.False(t, q.WithPart && !q.Blocking)
		again := "_HLS_msn=" + strconv.FormatUint(q.MSN, 10)
		if q.WithPart {
			again += "&_HLS_part=" + strconv.FormatUint(q.Part, 10)
		}
		if q.Skip {
			again += "&_HLS_skip=v2"
		}
		if q.Blocking {
			same, err := ParseQuery(again)
			require.NoError(t, err)
			require.Equal(t, q, same)
		}
		if _, err := view.Judge(q); err != nil {
			require.ErrorIs(t, err, ErrQuery)
		}
	})
}

// TestJudge has segments 10 to 12 complete and three parts of 13.
func TestJudge(t *testing.T) {
	f := newFiller(time.Minute)
	f.from = 10
	view := f.parts(33).View("", nil)
	const answer, wait, refuse = Answer, Wait, Verdict(0)
	for raw, want := range map[string]Verdict{
		"":                                answer,
		"_HLS_msn=0":                      answer, // L12
		"_HLS_msn=9&_HLS_part=400":        answer, // L12
		"_HLS_msn=12":                     answer,
		"_HLS_msn=13":                     wait, // L9: it is not complete
		"_HLS_msn=14":                     wait,
		"_HLS_msn=15":                     refuse, // L11: the last one is 12
		"_HLS_msn=18446744073709551615":   refuse,
		"_HLS_msn=13&_HLS_part=2":         answer, // L8
		"_HLS_msn=13&_HLS_part=3":         wait,
		"_HLS_msn=13&_HLS_part=15":        wait, // 13 parts make three seconds
		"_HLS_msn=13&_HLS_part=16":        refuse,
		"_HLS_msn=12&_HLS_part=9":         answer,
		"_HLS_msn=12&_HLS_part=10":        answer, // L13: part 0 of 13
		"_HLS_msn=14&_HLS_part=0":         wait,
		"_HLS_msn=14&_HLS_part=12":        wait,
		"_HLS_msn=14&_HLS_part=13":        refuse,
		"_HLS_msn=13&_HLS_part=999999999": refuse,
	} {
		q, err := ParseQuery(raw)
		require.NoError(t, err)
		got, err := view.Judge(q)
		require.Equal(t, want, got, raw)
		require.Equal(t, want == refuse, err != nil, raw)
	}
	f.parts(7) // 13 is complete: part 10 of it is part 0 of 14
	view = f.View("", nil)
	past := Query{Blocking: true, WithPart: true, MSN: 13, Part: 10}
	got, err := view.Judge(past)
	require.NoError(t, err)
	require.Equal(t, Wait, got)
	got, err = f.parts(1).View("", nil).Judge(past)
	require.NoError(t, err)
	require.Equal(t, Answer, got)

	f.End()
	got, err = f.View("", nil).Judge(Query{Blocking: true, MSN: 1 << 40})
	require.NoError(t, err)
	require.Equal(t, Answer, got, "L12: ENDLIST")
}

func TestJudgeBeforeTheFirstPart(t *testing.T) {
	got, err := newFiller(time.Minute).View("", nil).Judge(Query{Blocking: true, MSN: 70})
	require.NoError(t, err)
	require.Equal(t, Wait, got)
	got, err = newFiller(time.Minute).parts(1).View("", nil).Judge(Query{Blocking: true, WithPart: true})
	require.NoError(t, err)
	require.Equal(t, Answer, got)
}
