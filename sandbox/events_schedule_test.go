package sandbox

import (
	"strings"
	"testing"
	"time"
)

// The expressions are those of the user guide's table of cron examples, and the
// wildcards that it explains.
func TestCron(t *testing.T) {
	from := time.Date(2026, 1, 31, 23, 59, 30, 0, time.UTC) // a Saturday
	for expression, want := range map[string]string{
		"0 10 * * ? *":             "2026-02-01 10:00",
		"15 12 * * ? *":            "2026-02-01 12:15",
		"0 18 ? * MON-FRI *":       "2026-02-02 18:00",
		"0 8 1 * ? *":              "2026-02-01 08:00",
		"0/15 * * * ? *":           "2026-02-01 00:00",
		"0/10 * ? * MON-FRI *":     "2026-02-02 00:00",
		"0/5 8-17 ? * MON-FRI *":   "2026-02-02 08:00",
		"0 0 L * ? *":              "2026-02-28 00:00",
		"0 0 ? * 6L *":             "2026-02-27 00:00",
		"0 0 ? * L *":              "2026-02-07 00:00",
		"0 0 ? * 3#2 *":            "2026-02-10 00:00",
		"0 0 ? * MON#5 *":          "2026-03-30 00:00",
		"0 0 1W * ? *":             "2026-02-02 00:00",
		"0 0 15W FEB ? *":          "2026-02-16 00:00",
		"0 0 29 2 ? *":             "2028-02-29 00:00",
		"30 1 1 1,JUL ? 2027-2030": "2027-01-01 01:30",
		"0 0 1 1 ? 2020":           "",
		"0 0 30 2 ? *":             "",
	} {
		c, err := parseCron(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		at, ok := c.next(from)
		got := at.Format("2006-01-02 15:04")
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

// A time that a day doesn't have when the clocks go forward is left out, and one
// that it has twice when they go back counts once.
func TestCronAtClockChanges(t *testing.T) {
	for _, test := range []struct{ zone, from, expression, want string }{
		{"America/New_York", "2026-03-08T00:00:00-05:00", "30 2 * * ? *", "2026-03-09T02:30:00-04:00 2026-03-10T02:30:00-04:00"},
		{"America/New_York", "2026-10-31T12:00:00-04:00", "30 1 * * ? *", "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00"},
		{"Africa/Cairo", "2026-04-23T12:00:00+02:00", "0 12 * * ? *", "2026-04-24T12:00:00+03:00 2026-04-25T12:00:00+03:00"},
		{"America/Santiago", "2026-09-05T13:00:00-04:00", "0 12 * * ? *", "2026-09-06T12:00:00-03:00 2026-09-07T12:00:00-03:00"},
	} {
		zone, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Skipf("SKIPPED: this machine has no time zones: %v", err)
		}
		at, err := time.Parse(time.RFC3339, test.from)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseSchedule("cron("+test.expression+")", false)
		if err != nil {
			t.Fatal(err)
		}
		s.zone = zone
		var got []string
		for range 2 {
			at, _ = s.next(at)
			got = append(got, at.Format(time.RFC3339))
		}
		if all := strings.Join(got, " "); all != test.want {
			t.Errorf("%s %s: %s, want %s", test.zone, test.expression, all, test.want)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"rate(5 minutes)", "cron(0/5 8-17 ? * MON-FRI *)", "at(2030-01-01T00:00:00)", "cron(0 0 1W,L * ? 1970/9223372036854775807)"} {
		f.Add(seed)
	}
	from := time.Date(2026, 1, 31, 23, 59, 30, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSchedule(text, false)
		if err != nil {
			return
		}
		if at, ok := s.next(from); ok && !at.After(from) {
			t.Errorf("%s: %s is not after %s", text, at, from)
		}
	})
}
