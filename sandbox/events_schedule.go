package sandbox

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"axle/internal/late"
)

// schedule says when something is due: at a rate from when it was set up, at
// the minutes of a cron expression, or once.
type schedule struct {
	every time.Duration
	once  time.Time
	cron  *cron
	zone  *time.Location
}

var errSchedule = errors.New("not a schedule")

// rateForm is a rate. EventBridge's rules want one minute and two minutes; the
// Scheduler isn't so strict.
var rateForm = late.MustCompile(`^rate\(\s*([1-9][0-9]{0,8})\s+(minute|hour|day)(s?)\s*\)$`)

// parseSchedule reads rate(), cron(), and for the Scheduler at(). Times are UTC
// until a zone is set.
func parseSchedule(text string, rule bool) (*schedule, error) {
	if m := rateForm.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || rule && (n == 1) != (m[3] == "") {
			return nil, errSchedule
		}
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
		if time.Duration(n) > 1<<62/unit {
			return nil, errSchedule
		}
		return &schedule{every: time.Duration(n) * unit}, nil
	}
	if inner, ok := strings.CutPrefix(text, "cron("); ok && strings.HasSuffix(inner, ")") {
		c, err := parseCron(strings.TrimSuffix(inner, ")"))
		return &schedule{cron: c, zone: time.UTC}, err
	}
	if inner, ok := strings.CutPrefix(text, "at("); ok && strings.HasSuffix(inner, ")") && !rule {
		at, err := time.Parse("2006-01-02T15:04:05", strings.TrimSuffix(inner, ")"))
		return &schedule{once: at, zone: time.UTC}, err
	}
	return nil, errSchedule
}

// next is when the schedule is due after a time; ok is false when it never is
// again.
func (s *schedule) next(after time.Time) (at time.Time, ok bool) {
	switch {
	case s.every > 0:
		return after.Add(s.every), true
	case s.cron != nil:
		return s.cron.next(after.In(s.zone))
	}
	y, m, d := s.once.Date()
	at = time.Date(y, m, d, s.once.Hour(), s.once.Minute(), s.once.Second(), 0, s.zone)
	return at, at.After(after)
}

// cron is a cron expression of six fields. Minutes, hours, months and years are
// sets; days are told by the month, or by the week.
type cron struct {
	minutes, hours, months, years map[int]bool
	days, weekdays                []cronDay // one of them is empty: "?"
}

// cronDay is one way to name a day.
type cronDay struct {
	day     int  // of the month, or of the week: 1 is Sunday
	last    bool // L: the month's last day, or last such weekday
	nearest bool // W: the working day nearest to it
	nth     int  // #: the month's n-th such weekday
}

var (
	cronMonths   = []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	cronWeekdays = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

func parseCron(text string) (*cron, error) {
	f := strings.Fields(strings.ToUpper(text))
	if len(f) != 6 || (f[2] == "?") == (f[4] == "?") {
		return nil, errSchedule
	}
	c := &cron{}
	var err error
	set := func(field string, low, high int, names []string) map[int]bool {
		values, bad := cronSet(field, low, high, names)
		err = errors.Join(err, bad)
		return values
	}
	c.minutes, c.hours = set(f[0], 0, 59, nil), set(f[1], 0, 23, nil)
	c.months, c.years = set(f[3], 1, 12, cronMonths), set(f[5], 1970, 2199, nil)
	var bad error
	if f[2] != "?" {
		c.days, bad = cronDays(f[2], 31, nil)
	} else {
		c.weekdays, bad = cronDays(f[4], 7, cronWeekdays)
	}
	if err = errors.Join(err, bad); err != nil {
		return nil, errSchedule
	}
	return c, nil
}

// cronSet reads lists of values, ranges and steps.
func cronSet(field string, low, high int, names []string) (map[int]bool, error) {
	out := map[int]bool{}
	for part := range strings.SplitSeq(field, ",") {
		span, steps, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			var err error
			if step, err = strconv.Atoi(steps); err != nil || step < 1 {
				return nil, errSchedule
			}
		}
		from, to := low, high
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var ok bool
			if from, ok = cronValue(first, low, high, names); !ok {
				return nil, errSchedule
			}
			if ranged {
				if to, ok = cronValue(last, low, high, names); !ok || to < from {
					return nil, errSchedule
				}
			} else if !stepped {
				to = from
			}
		}
		for v := from; v <= to; v += min(step, high+1) {
			out[v] = true
		}
	}
	return out, nil
}

func cronValue(text string, low, high int, names []string) (int, bool) {
	if i := slices.Index(names, text); i >= 0 {
		return i + 1, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= low && n <= high
}

// cronDays reads the days of a month (without names) or of a week.
func cronDays(field string, high int, names []string) ([]cronDay, error) {
	var out []cronDay
	for part := range strings.SplitSeq(field, ",") {
		d := cronDay{}
		head := part
		switch {
		case part == "L" && names == nil:
			d.last = true
			out = append(out, d)
			continue
		case part == "L":
			head = "7"
		case names == nil && strings.HasSuffix(part, "W"):
			d.nearest, head = true, strings.TrimSuffix(part, "W")
		case names != nil && strings.HasSuffix(part, "L"):
			d.last, head = true, strings.TrimSuffix(part, "L")
		case names != nil && strings.Contains(part, "#"):
			var count string
			head, count, _ = strings.Cut(part, "#")
			if n, err := strconv.Atoi(count); err != nil || n < 1 || n > 5 {
				return nil, errSchedule
			} else {
				d.nth = n
			}
		default:
			values, err := cronSet(part, 1, high, names)
			if err != nil {
				return nil, err
			}
			for v := range values {
				out = append(out, cronDay{day: v})
			}
			continue
		}
		var ok bool
		if d.day, ok = cronValue(head, 1, high, names); !ok {
			return nil, errSchedule
		}
		out = append(out, d)
	}
	return out, nil
}

// on says whether a date is one of the expression's.
func (c *cron) on(date time.Time) bool {
	if !c.months[int(date.Month())] || !c.years[date.Year()] {
		return false
	}
	end := time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	for _, d := range c.days {
		switch {
		case d.last && date.Day() == end, !d.last && !d.nearest && d.day == date.Day(), d.nearest && nearestWorkday(date, d.day, end) == date.Day():
			return true
		}
	}
	for _, d := range c.weekdays {
		if int(date.Weekday())+1 != d.day || d.last && date.Day()+7 <= end || d.nth > 0 && (date.Day()-1)/7+1 != d.nth {
			continue
		}
		return true
	}
	return false
}

// nearestWorkday is the day from Monday to Friday that is nearest to a day, in
// the same month.
func nearestWorkday(date time.Time, day, end int) int {
	day = min(day, end)
	switch time.Date(date.Year(), date.Month(), day, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == end {
			return day - 2
		}
		return day + 1
	}
	return day
}

// next is the first minute of the expression after a time, in its zone. One that
// the clocks leave out is left out; one that comes twice counts once.
func (c *cron) next(after time.Time) (time.Time, bool) {
	from := after.Truncate(time.Minute).Add(time.Minute)
	y, m, d := from.Date()
	for day := 0; y < 2200; day++ {
		date := time.Date(y, m, d+day, 0, 0, 0, 0, time.UTC) // in zones there are days without a midnight
		if date.Year() > 2199 {
			break
		}
		if !c.on(date) {
			continue
		}
		for hour := range 24 {
			for minute := 0; c.hours[hour] && minute < 60; minute++ {
				at := time.Date(date.Year(), date.Month(), date.Day(), hour, minute, 0, 0, from.Location())
				if c.minutes[minute] && at.Hour() == hour && !at.Before(from) {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}
